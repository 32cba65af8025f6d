"""Requests: the list, and one with everything that is known of it."""

from __future__ import annotations

import asyncio
import time
import uuid
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request

from dd0c.base import ids
from dd0c.base.errors import NotFound
from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.db import tenancy
from dd0c.kernel.db.pool import Pool
from dd0c.kernel.web import resources
from dd0c.kernel.web.fields import LIMIT, Cursor, Limit, Moment, Page, Text
from dd0c.kernel.web.requires import Requires
from dd0c.products.route.api import shapes
from dd0c.products.route.models import EndReason
from dd0c.products.route.store import reading
from dd0c.products.route.store.selection import Filter

router = APIRouter(prefix="/api/v1/route", tags=["route"])

Reader = Annotated[Principal, Depends(Requires("route:read"))]

FRESH_S, FRESH_WAIT_S = 5.0, 2.0
OPEN_S, OPEN_WAIT_S = 1800.0, 0.5
POLL_S = 0.05


@router.get("/requests", operation_id="list_requests", summary="List requests")
async def list_requests(
    request: Request,
    who: Reader,
    *,
    limit: Limit = LIMIT,
    cursor: Cursor = None,
    since: Annotated[Moment | None, Query(description="Not before this moment.")] = None,
    until: Annotated[Moment | None, Query(description="Before this moment.")] = None,
    model: Annotated[Text | None, Query(description="The model that was asked for.")] = None,
    key: Annotated[str | None, Query(description="The id of the key used.")] = None,
    provider: Annotated[Text | None, Query(description="Who answered.")] = None,
    end_reason: Annotated[EndReason | None, Query(description="How it ended.")] = None,
    cost: Annotated[
        Literal["unknown"] | None, Query(description="Only those without a known cost.")
    ] = None,
) -> Page[shapes.RequestShown]:
    """Requests of the caller's organisation, newest first, each with its attempts."""
    use = resources.of(request)
    context = (who.org, "requests", since, until, model, key, provider, end_reason, cost)
    wanted = Filter(
        since=since,
        until=until,
        model=model,
        key_id=None if key is None else ids.parse(ids.Kind.KEY, key),
        provider=provider,
        end_reason=end_reason,
        unpriced=cost is not None,
        before=None if cursor is None else use.cursors.read(cursor, *context),
    )
    async with tenancy.tenant(use.pool, who.org) as tx:
        page = await reading.list_requests(tx, wanted, limit=limit)
    after = page.next_before
    return Page(
        items=[shapes.show_request(found, who.org_name) for found in page.requests],
        next_cursor=None if after is None else use.cursors.write(after, *context),
    )


@router.get("/requests/{request_id}", operation_id="show_request", summary="One request, all of it")
async def show_request(request_id: str, request: Request, who: Reader) -> shapes.RequestShown:
    """Every attempt with usage, cost, price and times. A request that has only just ended is
    waited for, at most two seconds, so that it can be read right after it was made."""
    use = resources.of(request)
    wanted = ids.parse(ids.Kind.REQUEST, request_id)
    age_s = abs(use.clock.now_us() / 1e6 - ids.time_ms(wanted) / 1e3)
    found = await _get(use.pool, who, wanted, patience_s=patience(age_s))
    return shapes.show_request(found, who.org_name)


def patience(age_s: float) -> float:
    """How long a missing request may still be on its way, by the seconds since it began.

    Shipping a closed attempt takes about 100 ms. A young id has most likely just ended; an older
    one may belong to a long stream that ended just now.
    """
    if age_s < FRESH_S:
        return FRESH_WAIT_S
    return OPEN_WAIT_S if age_s < OPEN_S else 0.0


async def _get(
    pool: Pool, who: Principal, wanted: uuid.UUID, *, patience_s: float
) -> reading.Request:
    until = time.monotonic() + patience_s
    while True:
        try:
            async with tenancy.tenant(pool, who.org) as tx:
                return await reading.get_request(tx, wanted)
        except NotFound:
            if time.monotonic() >= until:
                raise
        await asyncio.sleep(POLL_S)
