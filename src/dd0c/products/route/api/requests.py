"""Requests: the list, and one with everything that is known of it."""

from __future__ import annotations

import asyncio
import dataclasses
import time
import uuid
from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import StreamingResponse

from dd0c.base import ids
from dd0c.base.errors import NotFound
from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.db import tenancy
from dd0c.kernel.db.pool import Pool
from dd0c.kernel.web import resources
from dd0c.kernel.web.fields import LIMIT, Cursor, Limit, Page
from dd0c.kernel.web.requires import Requires
from dd0c.products.route import exports
from dd0c.products.route.api import choosing, shapes
from dd0c.products.route.api.choosing import Chosen
from dd0c.products.route.store import reading

router = APIRouter(prefix="/api/v1/route", tags=["route"])

Reader = Annotated[Principal, Depends(Requires("route:read"))]
Which = Annotated[Chosen, Depends(choosing.read)]

FRESH_S, FRESH_WAIT_S = 5.0, 2.0
OPEN_S, OPEN_WAIT_S = 1800.0, 0.5
POLL_S = 0.05


@router.get("/requests", operation_id="list_requests", summary="List requests")
async def list_requests(
    request: Request, who: Reader, chosen: Which, *, limit: Limit = LIMIT, cursor: Cursor = None
) -> Page[shapes.RequestShown]:
    """Requests of the caller's organisation, newest first, each with its attempts."""
    use = resources.of(request)
    context = (who.org, "requests", *dataclasses.astuple(chosen))
    before = None if cursor is None else use.cursors.read(cursor, *context)
    async with tenancy.tenant(use.pool, who.org) as tx:
        wanted = dataclasses.replace(await chosen.wanted(tx), before=before)
        page = await reading.list_requests(tx, wanted, limit=limit)
    after = page.next_before
    return Page(
        items=[shapes.show_request(found, who.org_name) for found in page.requests],
        next_cursor=None if after is None else use.cursors.write(after, *context),
    )


@router.get(
    "/requests.csv",
    operation_id="export_requests",
    summary="Requests as CSV",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
)
async def export_requests(request: Request, who: Reader, chosen: Which) -> StreamingResponse:
    """A line for each attempt of the requests that match, newest first, however many there are."""
    use = resources.of(request)
    async with tenancy.tenant(use.pool, who.org) as tx:
        wanted = await chosen.wanted(tx)
        await exports.tell(tx, request, who, wanted)
    name = f"requests-{use.clock.now():%Y%m%d-%H%M%S}.csv"
    return StreamingResponse(
        exports.lines(use.pool, who.org, wanted),
        media_type="text/csv; charset=utf-8",
        headers={"content-disposition": f'attachment; filename="{name}"'},
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
