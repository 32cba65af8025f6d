"""Request: one request's whole story, from the headline to the raw record."""

from __future__ import annotations

import dataclasses
import json
import uuid
from datetime import date, timedelta
from decimal import Decimal
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse

from dd0c.base import ids
from dd0c.base.errors import InvalidInput, NotFound
from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.db import tenancy
from dd0c.kernel.web import resources
from dd0c.kernel.web.console import charts, figures, frame
from dd0c.kernel.web.requires import Requires
from dd0c.products.route.pages import bill, commands, rows, span, story, words
from dd0c.products.route.pages.bill import Bill, Line
from dd0c.products.route.pages.span import Range
from dd0c.products.route.store import overview, providers, reading
from dd0c.products.route.store.overview import Totals
from dd0c.products.route.store.reading import Attempt
from dd0c.products.route.store.selection import Filter

router = APIRouter(include_in_schema=False)


@router.get(f"{rows.PATH}/{{request_id}}")
async def show(
    request_id: str, request: Request, who: Annotated[Principal, Depends(Requires("route:read"))]
) -> HTMLResponse:
    """The page; NotFound for what is not this organisation's and for what is no id alike."""
    use = resources.of(request)
    since = use.clock.now() - timedelta(days=1)
    async with tenancy.tenant(use.pool, who.org) as tx:
        found = await reading.get_request(tx, _parse(request_id))
        model = found.final.requested_model
        same_key = await overview.totals(tx, Filter(since=since, key_id=found.key_id))
        same_model = await overview.totals(tx, Filter(since=since, model=model))
        known = await providers.list_visible(tx)
    simulated = {provider.name for provider in known if provider.simulated}
    text = ids.text(ids.Kind.REQUEST, found.request_id)
    phases = story.phases(found.final)
    key_id = ids.text(ids.Kind.KEY, found.key_id)
    twin = f"/api/v1/route/requests/{text}"
    return frame.of(request).render(
        request,
        who,
        "route/request.html",
        id=text,
        title=story.title(found),
        billed=story.billed(found),
        started_at=found.started_at,
        key=rows.key_name(found),
        simulated=found.final.provider in simulated,
        cost=_shown(bill.of(found.attempts)),
        phases=[(charts.swatch(p.colour), p) for p in phases],
        strip=story.strip(phases) if phases else "",
        timeline=list(story.events(found)),
        attempts=[_row(attempt, simulated) for attempt in found.attempts],
        end=words.end(found.final.end_reason),
        facts=list(story.facts(found)),
        related=[
            _related("Same key, 24 h", same_key, {"key": key_id}),
            _related("Same model, 24 h", same_model, {"model": model}),
        ],
        raw=_raw(found),
        twin={"json": twin, "curl": commands.as_json(request, twin)},
    )


def _parse(text: str) -> uuid.UUID:
    try:
        return ids.parse(ids.Kind.REQUEST, text)
    except InvalidInput:
        raise NotFound from None


def _shown(found: Bill) -> dict[str, Any]:
    """The bill as text: one number of decimal places for every amount, so that columns add up."""
    total = None if found.known_pico is None else figures.dollars(found.known_pico)
    decimals = figures.places([total, *(line.usd for line in found.lines)], least=4)
    rate_decimals = figures.places([line.rate for line in found.lines])
    price = found.price
    source = ""
    if price is not None:
        fresh = f", as of {price.as_of:%Y-%m-%d}" if price.as_of else ""
        source = f"{price.model} by {price.source}{fresh}"
    return {
        "lines": [_line(line, decimals, rate_decimals) for line in found.lines],
        "total": figures.exact(total, decimals),
        "label": "Known of it" if total is not None and not found.whole else "Billed",
        "notes": found.notes,
        "source": source,
        "price_id": price.id if price else "",
    }


def _line(line: Line, decimals: int, rate_decimals: int) -> dict[str, Any]:
    per = "" if line.per == 1_000_000 or line.rate is None else f" / {line.per:,}"
    return {
        "name": line.name,
        "note": line.note,
        "count": "" if line.per == 1 else figures.count(line.count),
        "rate": "" if line.per == 1 else figures.exact(line.rate, rate_decimals) + per,
        "usd": _signed(line.usd, decimals),
        "soft": not line.usd,
    }


def _signed(amount: Decimal | None, decimals: int) -> str:
    return figures.exact(amount, decimals).replace("-", "−")


def _row(attempt: Attempt, simulated: set[str]) -> dict[str, Any]:
    return {
        "number": attempt.attempt,
        "final": attempt.final,
        "provider": attempt.provider,
        "simulated": attempt.provider in simulated,
        "model": attempt.served_model or attempt.sent_model,
        "end": words.end(attempt.end_reason),
        "status": attempt.upstream_status or attempt.status,
        "total_us": attempt.total_us,
        "cost_pico": attempt.cost_pico,
    }


def _related(name: str, sums: Totals, query: dict[str, str]) -> dict[str, str]:
    cost = "cost unknown" if sums.cost_pico is None else figures.short(sums.cost_pico)
    return {
        "name": name,
        "text": f"{figures.plural(sums.requests, 'request')}, {cost}",
        "href": span.address(rows.PATH, {"range": Range.DAY, **query}),
    }


def _raw(found: reading.Request) -> str:
    """The record as the ledger holds it."""
    return json.dumps(dataclasses.asdict(found), default=_plain, indent=2, ensure_ascii=False)


def _plain(value: object) -> object:
    if isinstance(value, msgspec.Struct):
        return msgspec.structs.asdict(value)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, date):  # and datetime
        return value.isoformat()
    return str(value)
