"""Requests: the list, filtered by its address, page by page, and as CSV."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, StreamingResponse

from dd0c.base import ids
from dd0c.kernel.auth import keys
from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.db import tenancy
from dd0c.kernel.db.pool import Transaction
from dd0c.kernel.web import csvlines, resources
from dd0c.kernel.web.console import figures, frame
from dd0c.kernel.web.requires import Requires
from dd0c.kernel.web.resources import Resources
from dd0c.products.route.pages import commands, filters, rows, span, words
from dd0c.products.route.pages.filters import Filters
from dd0c.products.route.pages.span import Range
from dd0c.products.route.store import overview, providers, reading
from dd0c.products.route.store.overview import Totals
from dd0c.products.route.store.selection import Filter

PAGE_ROWS = 40  # keeps a page with its style under 60 kB
KEYS_MAX = 200
CSV_PAGE_ROWS = 500
CSV_ROWS_MAX = 100_000

router = APIRouter(include_in_schema=False)

Reader = Annotated[Principal, Depends(Requires("route:read"))]
Chosen = Annotated[Filters, Depends(filters.read)]


@router.get(rows.PATH)
async def show(
    request: Request,
    who: Reader,
    chosen: Chosen,
    cursor: Annotated[str, Query(max_length=128)] = "",
) -> HTMLResponse:
    """One page of the list."""
    use = resources.of(request)
    now = use.clock.now()
    wanted = chosen.wanted(now)
    context = (who.org, "console requests", *chosen.query().values())
    before = use.cursors.read(cursor, *context) if cursor else None
    async with tenancy.tenant(use.pool, who.org) as tx:
        page = await reading.list_requests(tx, replace(wanted, before=before), limit=PAGE_ROWS)
        sums = await overview.totals(tx, wanted)
        empty = None if page.requests else await _empty(tx, chosen, now)
        known = await providers.list_visible(tx)
        named = {
            ids.text(ids.Kind.KEY, key.id): key.name for key in await keys.list_keys(tx, KEYS_MAX)
        }
    simulated = {provider.name for provider in known if provider.simulated}
    shown = [rows.of(each, simulated) for each in page.requests]
    after = page.next_before and use.cursors.write(page.next_before, *context)
    query = chosen.query()
    twin = span.address(
        "/api/v1/route/requests",
        {"since": commands.moment(now - chosen.span.length), **chosen.narrowing()},
    )
    return frame.of(request).render(
        request,
        who,
        "route/requests.html",
        headline=_headline(sums, chosen),
        ranges=span.options(rows.PATH, chosen.range, chosen.narrowing()),
        filters=chosen,
        models=sorted({row.asked or row.model for row in shown}),
        keys=sorted(named.items(), key=lambda pair: pair[1]),
        ends=[(reason.value, end.word) for reason, end in words.ENDS.items()],
        chips=chosen.chips(named),
        rows=shown,
        decimals=rows.decimals(shown),
        empty=empty,
        first_use=commands.first_steps(use.settings) if not shown and empty is None else "",
        paging={
            "words": f"{figures.plural(len(shown), 'request')}, newest first",
            "first": span.address(rows.PATH, query) if cursor else "",
            "older": span.address(rows.PATH, {**query, "cursor": after}) if after else "",
        },
        twin={
            "json": twin,
            "curl": commands.as_json(request, twin),
            "csv": span.address(f"{rows.PATH}.csv", query),
        },
    )


def _headline(sums: Totals, chosen: Filters) -> dict[str, str]:
    """How many, what they cost, and how they went."""
    failed = f"{sums.failed:,} failed for callers" if sums.failed else "None failed for callers"
    unpriced = figures.plural(sums.unpriced, "attempt")
    hidden = f"; {unpriced} without a known cost, not in the sum" if sums.unpriced else ""
    if not sums.requests:
        number = "No request matches" if chosen.narrowed else "No request"
        return {"number": number, "words": f" in {chosen.span.words}", "lead": ""}
    cost = "cost unknown" if sums.cost_pico is None else figures.short(sums.cost_pico)
    return {
        "number": figures.plural(sums.requests, "request"),
        "words": f", {cost}, in {chosen.span.words}",
        "lead": f"{failed}{hidden}.",
    }


async def _empty(tx: Transaction, chosen: Filters, now: datetime) -> dict[str, Any] | None:
    """Why the list is empty; None when there has never been a request."""
    ever = await reading.list_requests(tx, Filter(), limit=1)
    if not ever.requests:
        return None
    last = ever.requests[0]
    actions = []
    if chosen.narrowed:
        others = await overview.totals(tx, Filters(chosen.range).wanted(now))
        text = f"Without them there are {figures.plural(others.requests, 'request')}"
        text += f" in {chosen.span.words}."
        actions.append(("Remove the filters", span.address(rows.PATH, {"range": chosen.range})))
    else:
        text = f"The latest one came {last.started_at:%Y-%m-%d %H:%M} UTC."
    if chosen.range != Range.MONTH:
        actions.append(
            ("Last 30 days", span.address(rows.PATH, {**chosen.query(), "range": Range.MONTH}))
        )
    title = "these filters" if chosen.narrowed else chosen.span.words
    how = "matches" if chosen.narrowed else "in"
    return {"title": f"No request {how} {title}", "text": text, "actions": actions}


@router.get(f"{rows.PATH}.csv")
async def download(request: Request, who: Reader, chosen: Chosen) -> StreamingResponse:
    """What the list shows, all pages, as CSV."""
    use = resources.of(request)
    wanted = chosen.wanted(use.clock.now())
    name = f"requests-{use.clock.now():%Y%m%d-%H%M%S}.csv"
    return StreamingResponse(
        _csv(use, who, wanted),
        media_type="text/csv; charset=utf-8",
        headers={"content-disposition": f'attachment; filename="{name}"'},
    )


_COLUMNS = (
    *("request_id", "started_at", "model", "asked", "key", "provider", "end", "input_tokens"),
    *("cached_tokens", "output_tokens", "first_byte_us", "total_us", "cost_usd", "cost_reason"),
)


async def _csv(use: Resources, who: Principal, wanted: Filter) -> AsyncIterator[str]:
    yield csvlines.line(_COLUMNS)
    before = None
    for _ in range(CSV_ROWS_MAX // CSV_PAGE_ROWS):
        async with tenancy.tenant(use.pool, who.org) as tx:
            page = await reading.list_requests(
                tx, replace(wanted, before=before), limit=CSV_PAGE_ROWS
            )
        yield "".join(csvlines.line(_cells(rows.of(each, ()))) for each in page.requests)
        before = page.next_before
        if before is None:
            return
    yield csvlines.line(("# cut: more rows match", f"only the newest {CSV_ROWS_MAX:,} are here"))


def _cells(row: rows.Row) -> tuple[Any, ...]:
    cost = None if row.cost_pico is None else figures.exact(row.cost_pico).replace(",", "")
    return (
        *(row.id, row.at.isoformat(), row.model, row.asked or row.model, row.key, row.provider),
        *(row.end.word, row.input, row.cached, row.output, row.first_byte_us, row.total_us),
        *(cost, row.cost_reason),
    )
