"""Spend: what it cost, by whom or what, over time; what moved; a table that adds up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response, StreamingResponse

from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.db import tenancy
from dd0c.kernel.db.pool import Transaction
from dd0c.kernel.web import csvlines, resources
from dd0c.kernel.web.console import figures, frame, links, live
from dd0c.kernel.web.console.charts import Drawn
from dd0c.kernel.web.requires import Requires
from dd0c.products.route.models import dollars_text
from dd0c.products.route.pages import (
    breakdown,
    commands,
    comparison,
    listing,
    money,
    rows,
    span,
    spending,
)
from dd0c.products.route.pages.breakdown import By, Line
from dd0c.products.route.pages.movers import Mover
from dd0c.products.route.pages.span import SPANS, Range, Span
from dd0c.products.route.store import overview, reading, usage
from dd0c.products.route.store.overview import Slot
from dd0c.products.route.store.selection import Filter
from dd0c.products.route.store.usage import UsageReport, UsageRow

PATH = "/console/spend"
NAMES_MAX = 3
MOVERS_MAX = 5
LINES_MAX = 25  # keeps the page under 60 kB; the CSV has every line
DIMENSIONS: tuple[By, ...] = ("model", "team", "tag", "key")

router = APIRouter(include_in_schema=False)

Reader = Annotated[Principal, Depends(Requires("route:read"))]


@dataclass(frozen=True, slots=True)
class Page:
    """What the page says. The lines add up to the total; `slots` are of `step_s` seconds since
    1970, and those by tag may overlap."""

    as_of: datetime
    since: datetime
    before_since: datetime
    before_until: datetime
    range: Range
    by: By
    total: Line
    before: Line
    lines: list[Line]
    movers: list[Mover]
    step_s: int
    slots: list[Slot]


@dataclass(frozen=True, slots=True)
class _Loaded:
    now: UsageReport
    before: UsageReport
    slots: list[Slot]
    is_first: bool


@router.get(PATH)
async def show(
    request: Request, who: Reader, range: Range = Range.WEEK, by: By = "model"
) -> Response:
    """The page."""
    stream = live.follow(request, who, listing.TOPIC)
    use, over = resources.of(request), SPANS[range]
    now = use.clock.now()
    async with tenancy.tenant(use.pool, who.org) as tx:
        found = await _load(tx, now, over, by)
    query = {"range": range.value, "by": by}
    lines = breakdown.lines_of(found.now, by, range)
    since, until = over.before(now)
    page = Page(
        as_of=now,
        since=over.since(now),
        before_since=since,
        before_until=until,
        range=range,
        by=by,
        total=breakdown.total_of(found.now),
        before=breakdown.total_of(found.before),
        lines=lines,
        movers=breakdown.moved(found.now, found.before, by, range, MOVERS_MAX),
        step_s=over.step_s,
        slots=found.slots,
    )
    shown = breakdown.folded(lines, LINES_MAX)
    return frame.of(request).page(
        request,
        who,
        "route/spend.html",
        page,
        live=stream,
        csv=links.to(f"{PATH}.csv", query),
        headline=_headline(found, over, now),
        ranges=span.options(PATH, range, {"by": by}),
        dimensions=[
            span.Option(f"by {each}", links.to(PATH, query | {"by": each}), each == by)
            for each in DIMENSIONS
        ],
        over=over,
        before_words=over.before_words(now),
        chart=_chart(found, now, over, by) if found.slots else None,
        shown=shown,
        decimals=_decimals([*shown, page.total]),
        has={
            name: any(getattr(line, name) for line in lines)
            for name in ("estimated_pico", "simulated_pico", "unpriced")
        },
        unpriced=links.to(rows.PATH, {"range": range, "cost": "unknown"}),
        first_use=commands.first_steps(use.settings) if found.is_first else None,
    )


@router.get(f"{PATH}.csv")
async def download(
    request: Request, who: Reader, range: Range = Range.WEEK, by: By = "model"
) -> StreamingResponse:
    """Every line of the table, without what adds lines up: it would count twice in a sheet."""
    use = resources.of(request)
    now = use.clock.now()
    async with tenancy.tenant(use.pool, who.org) as tx:
        report = await usage.usage_by(tx, by, Filter(since=SPANS[range].since(now)))
    name = f"spend-by-{by}-{now:%Y%m%d-%H%M%S}.csv"
    return StreamingResponse(
        _csv([breakdown.line_of(row, by, range) for row in report.rows], by),
        media_type="text/csv; charset=utf-8",
        headers={"content-disposition": f'attachment; filename="{name}"'},
    )


async def _load(tx: Transaction, now: datetime, over: Span, by: By) -> _Loaded:
    wanted = Filter(since=over.since(now))
    since, until = over.before(now)
    report = await usage.usage_by(tx, by, wanted)
    before = await usage.usage_by(tx, by, Filter(since=since, until=until))
    slots = await overview.spend(tx, wanted, over.step_s, NAMES_MAX, by=by)
    ever = await reading.list_requests(tx, Filter(answers_only=True), limit=1)
    return _Loaded(report, before, slots, is_first=not ever.requests)


def _chart(found: _Loaded, now: datetime, over: Span, by: By) -> Drawn:
    names = breakdown.names_of(found.now, by)

    def named(name: str | None) -> str:
        return spending.REST if name is None else names[name]

    if by == "tag":
        return spending.by_tag(found.slots, now, over, named)
    return spending.spend(found.slots, now, over, by=by, named=named)


def _headline(found: _Loaded, over: Span, now: datetime) -> dict[str, str]:
    """What it cost, how that stands against the time before, and what is not in the sum."""
    total = found.now.total
    cost = comparison.number(total) if total.attempts else 0
    return {
        "number": figures.short(cost),
        "exact": figures.exact(cost),
        "words": comparison.words(total, found.before.total, over.before_words(now)),
        "lead": _lead(total, found.before.total, over, now),
    }


def _lead(total: UsageRow, before: UsageRow, over: Span, now: datetime) -> str:
    if not total.requests:
        return f"No request in {over.words}."
    text = f"{figures.plural(total.requests, 'request')}."
    if total.estimated_pico:
        text += f" {figures.short(total.estimated_pico)} of it rests on tokens that dd0c counted,"
        text += " because the provider did not tell."
    if total.simulated_pico and not money.is_made_up(total):
        text += f" {figures.short(total.simulated_pico)} more was simulated: nobody charges it."
    if total.unpriced:
        unpriced = figures.plural(total.unpriced, "attempt")
        text += f" {unpriced} without a known cost, not in the sum."
    if not before.requests:
        text += f" There was no request in {over.before_words(now)} to compare with."
    return text


def _decimals(lines: Sequence[Line]) -> int:
    amounts = [
        pico
        for line in lines
        for pico in (line.charged_pico, line.estimated_pico, line.simulated_pico)
    ]
    return figures.places([None if p is None else figures.dollars(p) for p in amounts])


def _csv(lines: Sequence[Line], by: By) -> Iterator[str]:
    usd = ("cost_usd", "estimated_usd", "simulated_usd")
    named = (by, f"{by}_id") if by in breakdown.KINDS else (by,)
    yield csvlines.line((*named, "requests", "input", "output", *usd, "unpriced"))
    for line in lines:
        yield csvlines.line(
            (
                *((line.name, line.id) if by in breakdown.KINDS else (line.name,)),
                *(line.requests, line.input, line.output, dollars_text(line.charged_pico)),
                *(dollars_text(line.estimated_pico), dollars_text(line.simulated_pico)),
                line.unpriced,
            )
        )
