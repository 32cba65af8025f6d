"""Limits on requests and tokens a minute, and on requests at once."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from starlette.requests import Request

from dd0c.base import ids
from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.db import tenancy
from dd0c.kernel.db.pool import Transaction
from dd0c.kernel.web import resources
from dd0c.kernel.web.fields import LIMIT, Cursor, Page
from dd0c.kernel.web.fields import Limit as PageLimit
from dd0c.kernel.web.requires import Requires
from dd0c.products.route import subjects
from dd0c.products.route import wanted as wishes
from dd0c.products.route.store import limits as store
from dd0c.products.route.store.limits import Limit
from dd0c.products.route.wanted import MEASURES, LimitWanted

router = APIRouter(prefix="/api/v1/route", tags=["route"])

Reader = Annotated[Principal, Depends(Requires("route:read"))]
Writer = Annotated[Principal, Depends(Requires("route:write", in_panic=False))]


class LimitShown(BaseModel):
    """A limit; null: that is not limited."""

    id: str
    scope: str
    subject: str = Field(description="Name of the key or team, or the text; empty: all.")
    subject_id: str | None = Field(description="Of a key or team.")
    requests_per_minute: int | None
    tokens_per_minute: int | None
    concurrency: int | None
    created_at: datetime


class LimitRemoved(BaseModel):
    """A limit that holds no longer."""

    id: str
    removed_at: datetime


@router.post("/limits", status_code=201, operation_id="set_limit", summary="Set a limit")
async def set_limit(wanted: LimitWanted, request: Request, who: Writer) -> LimitShown:
    """In place of the one of the same scope and subject; on every gateway within a second."""
    use = resources.of(request)
    async with tenancy.tenant(use.pool, who.org) as tx:
        made = await wishes.set_limit(tx, request, who.org, wanted)
        (shown,) = await _show(tx, [made])
    return shown


@router.get("/limits", operation_id="list_limits", summary="List limits")
async def list_limits(
    request: Request, who: Reader, *, limit: PageLimit = LIMIT, cursor: Cursor = None
) -> Page[LimitShown]:
    """Limits of the caller's organisation, oldest first."""
    use = resources.of(request)
    after = None if cursor is None else use.cursors.read(cursor, who.org, "limits")
    async with tenancy.tenant(use.pool, who.org) as tx:
        found = await store.list_limits(tx, limit + 1, after)
        page, more = found[:limit], len(found) > limit
        items = await _show(tx, page)
    return Page(
        items=items,
        next_cursor=use.cursors.write(page[-1].id, who.org, "limits") if more else None,
    )


@router.get("/limits/{limit_id}", operation_id="show_limit", summary="One limit")
async def show_limit(limit_id: str, request: Request, who: Reader) -> LimitShown:
    """What it holds whom to."""
    async with tenancy.tenant(resources.of(request).pool, who.org) as tx:
        (shown,) = await _show(tx, [await store.get(tx, ids.parse(ids.Kind.LIMIT, limit_id))])
    return shown


@router.delete("/limits/{limit_id}", operation_id="remove_limit", summary="Remove a limit")
async def remove_limit(limit_id: str, request: Request, who: Writer) -> LimitRemoved:
    """No gateway goes by it a second later."""
    async with tenancy.tenant(resources.of(request).pool, who.org) as tx:
        gone = await wishes.remove_limit(tx, request, ids.parse(ids.Kind.LIMIT, limit_id))
    assert gone.removed_at is not None
    return LimitRemoved(id=ids.text(ids.Kind.LIMIT, gone.id), removed_at=gone.removed_at)


async def _show(tx: Transaction, found: list[Limit]) -> list[LimitShown]:
    names = await subjects.list_names(tx, {(one.scope, one.subject) for one in found})
    return [
        LimitShown(
            id=ids.text(ids.Kind.LIMIT, one.id),
            scope=one.scope,
            subject=names[one.scope, one.subject],
            subject_id=subjects.id_text(one.scope, one.subject),
            created_at=one.created_at,
            **{name: getattr(one, name) for name in MEASURES},
        )
        for one in found
    ]
