"""The list of requests as CSV: all its pages, streamed as they are read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.db import tenancy
from dd0c.kernel.web import csvlines, resources
from dd0c.kernel.web.resources import Resources
from dd0c.products.route.models import dollars_text
from dd0c.products.route.pages import rows
from dd0c.products.route.pages.listing import Chosen, Reader
from dd0c.products.route.store import providers, reading
from dd0c.products.route.store.selection import Filter

PAGE_ROWS = 500
ROWS_MAX = 100_000
COLUMNS = (
    *("request_id", "started_at", "model", "asked", "key", "provider", "simulated", "end"),
    *("input_tokens", "cached_tokens", "output_tokens", "first_byte_us", "total_us"),
    *("cost_usd", "cost_reason"),
)

router = APIRouter(include_in_schema=False)


@router.get(f"{rows.PATH}.csv")
async def download(request: Request, who: Reader, chosen: Chosen) -> StreamingResponse:
    """What the list shows, all pages of it."""
    use = resources.of(request)
    now = use.clock.now()
    return StreamingResponse(
        _lines(use, who, chosen.wanted(now)),
        media_type="text/csv; charset=utf-8",
        headers={"content-disposition": f'attachment; filename="requests-{now:%Y%m%d-%H%M%S}.csv"'},
    )


async def _lines(use: Resources, who: Principal, wanted: Filter) -> AsyncIterator[str]:
    yield csvlines.line(COLUMNS)
    before = None
    for _ in range(ROWS_MAX // PAGE_ROWS):
        async with tenancy.tenant(use.pool, who.org) as tx:
            simulated = {one.name for one in await providers.list_visible(tx) if one.simulated}
            page = await reading.list_requests(tx, replace(wanted, before=before), limit=PAGE_ROWS)
        yield "".join(csvlines.line(_cells(rows.of(each, simulated))) for each in page.requests)
        before = page.next_before
        if before is None:
            return
    yield csvlines.line(("# cut: more rows match", f"only the newest {ROWS_MAX:,} are here"))


def _cells(row: rows.Row) -> tuple[Any, ...]:
    made_up = "yes" if row.simulated else "no"
    return (
        *(row.id, row.at.isoformat(), row.model, row.asked or row.model, row.key, row.provider),
        *(made_up, row.end.word, row.input, row.cached, row.output),
        *(row.first_byte_us, row.total_us, dollars_text(row.cost_pico), row.cost_reason),
    )
