"""The list of requests as CSV: what it shows, all pages of it."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from dd0c.kernel.db import tenancy
from dd0c.kernel.web import resources
from dd0c.products.route import exports
from dd0c.products.route.pages import rows
from dd0c.products.route.pages.listing import Chosen, Reader

router = APIRouter(include_in_schema=False)


@router.get(f"{rows.PATH}.csv")
async def download(request: Request, who: Reader, chosen: Chosen) -> StreamingResponse:
    """A line for each attempt."""
    use = resources.of(request)
    now = use.clock.now()
    async with tenancy.tenant(use.pool, who.org) as tx:
        wanted = await chosen.wanted(tx, now)
        await exports.tell(tx, request, who, wanted)
    return StreamingResponse(
        exports.lines(use.pool, who.org, wanted),
        media_type="text/csv; charset=utf-8",
        headers={"content-disposition": f'attachment; filename="requests-{now:%Y%m%d-%H%M%S}.csv"'},
    )
