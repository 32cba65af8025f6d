"""Re-rating over HTTP: what history costs under the prices of today, shown or applied (R-12).

A call covers at most `limit` attempts and says how to go on: each is bounded, whoever calls sees
how far it is, and nothing runs on when he has gone. What was applied before a call that failed
stays applied, and is not applied again.
"""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from starlette.requests import Request

from dd0c.base import ids
from dd0c.base.errors import InvalidInput
from dd0c.kernel.auth import keys
from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.db import tenancy
from dd0c.kernel.web import audited, resources
from dd0c.kernel.web.fields import Body, Moment, Text
from dd0c.kernel.web.requires import Requires
from dd0c.products.route import events, overrides, prices, rerating, standings
from dd0c.products.route.api.choosing import key_line
from dd0c.products.route.api.shapes import KeyRef
from dd0c.products.route.models import dollars_text
from dd0c.products.route.rerating import Group, Sums
from dd0c.products.route.store import ledger, ratings, selection
from dd0c.products.route.store import overrides as override_store
from dd0c.products.route.store.selection import Filter

router = APIRouter(prefix="/api/v1/route", tags=["route"])

BATCH = 1000  # attempts of one transaction, whole requests
WHY = "rated again under the prices of today"


class RerateWanted(Body):
    """What to rate again, by when requests began."""

    since: Moment
    until: Moment | None = Field(None, description="Default: now.")
    model: Text | None = Field(None, description="The model that was asked for.")
    key: str | None = Field(None, description="The id of the key used.")
    apply: bool = Field(False, strict=True, description="Bill the new costs; else only show them.")
    limit: int = Field(
        10_000, ge=1, le=50_000, strict=True, description="Attempts of this call, at most."
    )
    reason: Text = Field(WHY, description="Kept with each new rating.")
    cursor: str | None = Field(
        None, max_length=128, description="`next_cursor` of the call before."
    )


class SumsShown(BaseModel):
    """Sums over attempts, in US dollars as decimal text; what has no cost is in none of them."""

    attempts: int
    changed: int = Field(description="The cost is another one.")
    newly_priced: int = Field(description="There was no cost.")
    kept: int = Field(description="There is no price today: the old cost stays.")
    unpriced: int = Field(description="There still is no cost.")
    old_usd: str | None = Field(description="Null: none of them had a cost.")
    new_usd: str | None = Field(description="Null: none of them has a cost.")
    difference_usd: str | None = Field(
        description="By how much the sum of known costs changes; null: there is none."
    )


class Row(SumsShown):
    """Of one model and key."""

    model: str
    key: KeyRef


class RerateShown(BaseModel):
    """What this call covered; the rows add up to the total, digit by digit."""

    applied: bool
    budgets_follow: bool | None = Field(
        description="Whether hard budgets are counted anew. False: their counters do not answer, "
        "and hold the costs of before until their windows end. Null: nothing was billed."
    )
    since: datetime
    until: datetime = Field(description="Give it with `next_cursor`, to go on with the same span.")
    rows: list[Row]
    total: SumsShown
    reached: datetime | None = Field(
        description="Up to when, where there is more; null: all of it."
    )
    next_cursor: str | None


@router.post("/rerate", operation_id="rerate", summary="Rate history again")
async def rerate(
    wanted: RerateWanted,
    request: Request,
    who: Annotated[Principal, Depends(Requires("route:write"))],
) -> RerateShown:
    """Prices what was used under the prices of today, each request as of the moment it was sent,
    and shows what that changes. With `apply` each change is a further rating, which is billed from
    then on, and every sum follows. Again with the same prices it changes nothing."""
    use = resources.of(request)
    until = wanted.until or use.clock.now()
    if until <= wanted.since:
        raise InvalidInput("body.until: must be later than `since`")
    context = (who.org, "rerate", wanted.since, until, wanted.model, wanted.key, wanted.apply)
    at = None if wanted.cursor is None else use.cursors.read(wanted.cursor, *context)
    async with tenancy.tenant(use.pool, who.org) as tx:
        key_id = None if wanted.key is None else await key_line(tx, wanted.key)
    spanned = Filter(since=wanted.since, until=until, model=wanted.model, key_id=key_id, after=at)
    why = wanted.reason if wanted.apply else None
    sums, last = await _run(request, who, spanned, why=why, limit=wanted.limit)
    total = Sums()
    for one in sums.values():
        total += one
    billed = wanted.apply and bool(total.changed + total.priced)
    async with tenancy.tenant(use.pool, who.org) as tx:
        names = await keys.list_names(tx, [uuid.UUID(bytes=key) for _, key in sums])
        budgets_follow = (
            await standings.count_anew(tx, use.counters, use.clock.now()) if billed else None
        )
    return RerateShown(
        applied=wanted.apply,
        budgets_follow=budgets_follow,
        since=wanted.since,
        until=until,
        rows=[
            Row(model=model, key=_key(uuid.UUID(bytes=key), names), **_shown(one))
            for (model, key), one in sorted(sums.items())
        ],
        total=SumsShown(**_shown(total)),
        reached=None if last is None else selection.time_of(last),
        next_cursor=None if last is None else use.cursors.write(last, *context),
    )


async def _run(
    request: Request, who: Principal, wanted: Filter, *, why: str | None, limit: int
) -> tuple[dict[Group, Sums], uuid.UUID | None]:
    """Batch by batch; with the last request that was covered, None when there is no more."""
    use = resources.of(request)
    sums: dict[Group, Sums] = {}
    async with tenancy.tenant(use.pool, who.org) as tx:
        rows = await override_store.list_all(tx)
    own = overrides.by_name(await asyncio.to_thread(overrides.compiled, prices.table(), rows))
    last = wanted.after
    while limit > 0:
        async with tenancy.tenant(use.pool, who.org) as tx:
            step = min(limit, BATCH)
            found = await ratings.list_rated(tx, replace(wanted, after=last), limit=step)
            made = rerating.decide(found, prices.table(), own, sums)
            if why is not None and made:
                listed = (prices.table().row(one.price_id) for one in made)
                await ledger.add_prices(tx, {p.id: p for p in listed if p is not None}.values())
                await ratings.rerate(tx, made, why, use.clock.now())
                await audited.record(
                    tx,
                    request,
                    events.HISTORY_RERATED,
                    ids.text(ids.Kind.ORGANISATION, who.org),
                    private={"reason": why},
                    attempts=len(made),
                )
        if len(found) < step:
            return sums, None
        last = found[-1].request_id
        limit -= len(found)
    return sums, last


def _key(key_id: uuid.UUID, names: dict[uuid.UUID, str]) -> KeyRef:
    return KeyRef(id=ids.text(ids.Kind.KEY, key_id), name=names.get(key_id))


def _shown(sums: Sums) -> dict[str, Any]:
    return {
        "attempts": sums.attempts,
        "changed": sums.changed,
        "newly_priced": sums.priced,
        "kept": sums.kept,
        "unpriced": sums.unpriced,
        "old_usd": dollars_text(sums.old_pico),
        "new_usd": dollars_text(sums.new_pico),
        "difference_usd": dollars_text(sums.difference_pico),
    }
