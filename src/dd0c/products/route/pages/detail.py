"""Request: one request's whole story, from the headline to the raw record."""

from __future__ import annotations

import dataclasses
import json
import uuid
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from dd0c.base import ids
from dd0c.base.errors import InvalidInput, NotFound
from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.db import tenancy
from dd0c.kernel.db.pool import Transaction
from dd0c.kernel.web import resources
from dd0c.kernel.web.console import charts, figures, frame, keys, links
from dd0c.kernel.web.requires import Requires
from dd0c.products.route.pages import bill, money, rows, story, words
from dd0c.products.route.pages.bill import Bill
from dd0c.products.route.pages.span import Range
from dd0c.products.route.pages.story import Event
from dd0c.products.route.store import overview, reading
from dd0c.products.route.store.ratings import Rating
from dd0c.products.route.store.reading import Attempt
from dd0c.products.route.store.selection import Filter

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose key it was."""

    org: str
    key: str
    key_id: str


@dataclass(frozen=True, slots=True)
class Link:
    """Something that has to do with the request."""

    name: str
    text: str
    href: str


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the bill as it is written: what, how many, at which rate, dollars."""

    name: str
    note: str
    count: str
    rate: str
    usd: str
    soft: bool


@dataclass(frozen=True, slots=True)
class Cost:
    """The bill as it is written: every amount with the same decimal places, so columns add up."""

    lines: list[Line]
    total: str
    label: str
    notes: tuple[str, ...]
    source: str
    price_id: str


@dataclass(frozen=True, slots=True)
class Call:
    """One attempt in the table of them."""

    number: int
    final: bool
    provider: str
    simulated: bool
    model: str
    end: words.End
    status: int | None
    total_us: int | None
    cost_pico: int | None


@dataclass(frozen=True, slots=True)
class Rated:
    """What an attempt cost once."""

    attempt: int
    at: datetime
    cost_pico: int | None
    why: str
    price_id: str


@dataclass(frozen=True, slots=True)
class Page:
    """What the page says. `record` is the request as the ledger holds it."""

    id: str
    title: str
    billed: str
    end: words.End
    started_at: datetime
    owner: Owner
    simulated: bool
    cost: Cost
    timeline: list[Event]
    attempts: list[Call]
    ratings: list[Rated]
    facts: list[tuple[str, str]]
    related: list[Link]
    record: dict[str, Any]


@router.get(f"{rows.PATH}/{{request_id}}")
async def show(
    request_id: str, request: Request, who: Annotated[Principal, Depends(Requires("route:read"))]
) -> Response:
    """The page; NotFound for what is not this organisation's and for what is no id alike."""
    use = resources.of(request)
    async with tenancy.tenant(use.pool, who.org) as tx:
        found = await reading.get_request(tx, _parse(request_id))
        related = await _related(tx, found, use.clock.now() - timedelta(days=1))
    page = _page(found, who.org_name, related)
    phases = story.phases(found.final)
    return frame.of(request).page(
        request,
        who,
        "route/request.html",
        page,
        phases=[(charts.swatch(p.colour), p) for p in phases],
        strip=story.strip(phases) if phases else "",
        raw=json.dumps(page.record, indent=1, ensure_ascii=False),
    )


def _parse(text: str) -> uuid.UUID:
    try:
        return ids.parse(ids.Kind.REQUEST, text)
    except InvalidInput:
        raise NotFound from None


def _page(found: reading.Request, org: str, related: list[Link]) -> Page:
    final = found.final
    return Page(
        id=ids.text(ids.Kind.REQUEST, found.request_id),
        title=story.title(found),
        billed=story.billed(found),
        end=words.end(final.end_reason),
        started_at=found.started_at,
        owner=Owner(org, rows.key_name(found), ids.text(ids.Kind.KEY, found.key_id)),
        simulated=final.simulated,
        cost=_cost(bill.of(found.attempts)),
        timeline=list(story.events(found)),
        attempts=[_call(attempt) for attempt in found.attempts],
        ratings=[_rated(each) for attempt in found.attempts for each in attempt.ratings],
        facts=list(story.facts(found)),
        related=related,
        record=json.loads(json.dumps(dataclasses.asdict(found), default=_plain)),
    )


async def _related(tx: Transaction, found: reading.Request, since: datetime) -> list[Link]:
    """The same key, model and provider in the last day, and the key itself."""
    final, key_id = found.final, ids.text(ids.Kind.KEY, found.key_id)
    alike = (
        ("Same key, 24 h", Filter(since=since, key_id=found.key_id), {"key": key_id}),
        (
            "Same model, 24 h",
            Filter(since=since, model=final.requested_model),
            {"model": final.requested_model},
        ),
        (
            "Same provider, 24 h",
            Filter(since=since, provider=final.provider),
            {"provider": final.provider},
        ),
    )
    linked = []
    for name, wanted, query in alike:
        sums = await overview.totals(tx, wanted)
        text = f"{figures.plural(sums.requests, 'request')}, {money.words(sums)}"
        linked.append(Link(name, text, links.to(rows.PATH, {"range": Range.DAY} | query)))
    return [*linked, Link("Key", rows.key_name(found), f"{keys.PATH}/{key_id}")]


def _cost(found: Bill) -> Cost:
    total = None if found.known_pico is None else figures.dollars(found.known_pico)
    decimals = figures.places([total, *(line.usd for line in found.lines)], least=4)
    rate_decimals = figures.places([line.rate for line in found.lines])
    price = found.price
    source = ""
    if price is not None:
        fresh = f", as of {price.as_of:%Y-%m-%d}" if price.as_of else ""
        source = f"{price.model} by {price.source}{fresh}"
        if price.source == "override":
            source = f"{price.model}, your own price{fresh.replace('as of', 'from')}"
    return Cost(
        lines=[_line(line, decimals, rate_decimals) for line in found.lines],
        total=figures.exact(total, decimals),
        label="Known of it" if total is not None and not found.whole else "Billed",
        notes=found.notes,
        source=source,
        price_id=price.id if price else "",
    )


def _line(line: bill.Line, decimals: int, rate_decimals: int) -> Line:
    per = "" if line.per == 1_000_000 or line.rate is None else f" / {line.per:,}"
    return Line(
        name=line.name,
        note=line.note,
        count="" if line.per == 1 else figures.count(line.count),
        rate="" if line.per == 1 else figures.exact(line.rate, rate_decimals) + per,
        usd=_signed(line.usd, decimals),
        soft=not line.usd,
    )


def _signed(amount: Decimal | None, decimals: int) -> str:
    return figures.exact(amount, decimals).replace("-", "−")


def _call(attempt: Attempt) -> Call:
    return Call(
        number=attempt.attempt,
        final=attempt.final,
        provider=attempt.provider,
        simulated=attempt.simulated,
        model=attempt.served_model or attempt.sent_model,
        end=words.end(attempt.end_reason),
        status=attempt.upstream_status or attempt.status,
        total_us=attempt.total_us,
        cost_pico=attempt.cost_pico,
    )


def _rated(found: Rating) -> Rated:
    why = found.reason or ""
    if not found.revision:
        why = "at first" if found.cost_pico is not None else words.why_unknown(found.reason)
    return Rated(found.attempt, found.rated_at, found.cost_pico, why, found.price_id or "")


def _plain(value: object) -> object:
    if isinstance(value, msgspec.Struct):
        return msgspec.structs.asdict(value)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, date):  # and datetime
        return value.isoformat()
    return str(value)
