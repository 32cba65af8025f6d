"""Budgets: set, looked at with how they stand, removed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field
from starlette.requests import Request

from dd0c.base import ids
from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.db import tenancy
from dd0c.kernel.db.pool import Transaction
from dd0c.kernel.web import resources
from dd0c.kernel.web.fields import LIMIT, Cursor, Limit, Page
from dd0c.kernel.web.requires import Requires
from dd0c.products.route import standings, subjects
from dd0c.products.route import wanted as wishes
from dd0c.products.route.models import dollars_text
from dd0c.products.route.standings import Standing
from dd0c.products.route.store import budgets as store
from dd0c.products.route.store.budgets import Budget
from dd0c.products.route.wanted import BudgetWanted

router = APIRouter(prefix="/api/v1/route", tags=["route"])

Reader = Annotated[Principal, Depends(Requires("route:read"))]
Writer = Annotated[Principal, Depends(Requires("route:write", in_panic=False))]


class BudgetShown(BaseModel):
    """A budget and how it stands in the window that runs; dollars as decimal text."""

    id: str
    scope: str
    subject: str = Field(description="Name of the key or team, or the text; empty: all.")
    subject_id: str | None = Field(description="Of a key or team.")
    window: str
    usd: str
    hard: bool
    created_at: datetime
    began_at: datetime | None = Field(description="Beginning of the window; null: of `total`.")
    resets_at: datetime | None = Field(description="End of the window; null: never.")
    spent_usd: str | None = Field(description="Null: unknown, never 0; `unknown` says why.")
    reserved_usd: str | None = Field(description="Held for requests that are on their way.")
    remaining_usd: str | None
    percent: float | None = Field(description="How much of it is spent.")
    forecast_usd: str | None = Field(
        description="Spent at the window's end if it goes on so; null early on, and of `total`."
    )
    unknown: str | None = Field(description="Why figures are unknown.")


class BudgetRemoved(BaseModel):
    """A budget that holds no longer."""

    id: str
    removed_at: datetime


@router.post("/budgets", status_code=201, operation_id="set_budget", summary="Set a budget")
async def set_budget(wanted: BudgetWanted, request: Request, who: Writer) -> BudgetShown:
    """In place of the one of the same scope, subject and window. Every gateway goes by it within a
    second; what was spent in the window already counts."""
    use = resources.of(request)
    now = use.clock.now()
    async with tenancy.tenant(use.pool, who.org) as tx:
        made = await wishes.set_budget(tx, request, who.org, wanted)
        (shown,) = await show(tx, await standings.stand(tx, use.counters, [made], now))
    return shown


@router.get("/budgets", operation_id="list_budgets", summary="List budgets, and how they stand")
async def list_budgets(
    request: Request,
    who: Reader,
    *,
    limit: Limit = LIMIT,
    cursor: Cursor = None,
    over: Annotated[
        int | None,
        Query(
            ge=0,
            le=1000,
            description="Only those of which so many percent are spent, the fullest first, "
            "without further pages.",
        ),
    ] = None,
) -> Page[BudgetShown]:
    """Budgets of the caller's organisation, oldest first."""
    use = resources.of(request)
    after = None if cursor is None else use.cursors.read(cursor, who.org, "budgets")
    async with tenancy.tenant(use.pool, who.org) as tx:
        if over is not None:
            full = await standings.list_over(tx, use.counters, over, use.clock.now())
            return Page(items=await show(tx, full[:limit]), next_cursor=None)
        found = await store.list_budgets(tx, limit + 1, after)
        page, more = found[:limit], len(found) > limit
        items = await show(tx, await standings.stand(tx, use.counters, page, use.clock.now()))
    return Page(
        items=items,
        next_cursor=use.cursors.write(page[-1].id, who.org, "budgets") if more else None,
    )


@router.get("/budgets/{budget_id}", operation_id="show_budget", summary="One budget")
async def show_budget(budget_id: str, request: Request, who: Reader) -> BudgetShown:
    """How it stands now."""
    use = resources.of(request)
    async with tenancy.tenant(use.pool, who.org) as tx:
        found = await store.get(tx, ids.parse(ids.Kind.BUDGET, budget_id))
        (shown,) = await show(tx, await standings.stand(tx, use.counters, [found], use.clock.now()))
    return shown


@router.delete("/budgets/{budget_id}", operation_id="remove_budget", summary="Remove a budget")
async def remove_budget(budget_id: str, request: Request, who: Writer) -> BudgetRemoved:
    """No gateway goes by it a second later."""
    async with tenancy.tenant(resources.of(request).pool, who.org) as tx:
        gone = await wishes.remove_budget(tx, request, ids.parse(ids.Kind.BUDGET, budget_id))
    assert gone.removed_at is not None
    return BudgetRemoved(id=_id(gone), removed_at=gone.removed_at)


async def show(tx: Transaction, found: list[Standing]) -> list[BudgetShown]:
    """Budgets as the API shows them."""
    names = await subjects.list_names(tx, {(s.budget.scope, s.budget.subject) for s in found})
    return [_show(one, names[one.budget.scope, one.budget.subject]) for one in found]


def _show(found: Standing, name: str) -> BudgetShown:
    budget, window = found.budget, found.window
    return BudgetShown(
        id=_id(budget),
        scope=budget.scope,
        subject=name,
        subject_id=subjects.id_text(budget.scope, budget.subject),
        window=budget.span,
        usd=dollars_text(budget.amount_pico) or "",
        hard=budget.hard,
        created_at=budget.created_at,
        began_at=_moment(window.from_s or None),
        resets_at=_moment(window.until_s),
        spent_usd=dollars_text(found.spent_pico),
        reserved_usd=dollars_text(found.reserved_pico),
        remaining_usd=dollars_text(found.remaining_pico),
        percent=found.percent,
        forecast_usd=dollars_text(found.forecast_pico),
        unknown=found.reason,
    )


def _id(budget: Budget) -> str:
    return ids.text(ids.Kind.BUDGET, budget.id)


def _moment(second: int | None) -> datetime | None:
    return None if second is None else datetime.fromtimestamp(second, UTC)
