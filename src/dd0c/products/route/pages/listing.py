"""Requests: the list, filtered by its address, page by page and live."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from dd0c.base import ids
from dd0c.kernel.auth import keys, teams
from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.db import tenancy
from dd0c.kernel.db.pool import Transaction
from dd0c.kernel.web import resources
from dd0c.kernel.web.console import figures, frame, links, live
from dd0c.kernel.web.requires import Requires
from dd0c.products.route.pages import commands, filters, money, rows, span, words
from dd0c.products.route.pages.filters import Filters
from dd0c.products.route.pages.rows import Row
from dd0c.products.route.pages.span import Range
from dd0c.products.route.store import overview, reading
from dd0c.products.route.store.overview import Totals
from dd0c.products.route.store.selection import Filter

TOPIC = "requests"
PAGE_ROWS = 30  # keeps a page with its style under 60 kB
CHOICES_MAX = 50  # of each filter, for the same reason; any other can be typed into the address

router = APIRouter(include_in_schema=False)

Reader = Annotated[Principal, Depends(Requires("route:read"))]
Chosen = Annotated[Filters, Depends(filters.read)]


@dataclass(frozen=True, slots=True)
class Choices:
    """What there is to filter by: what was used in the span, most used first. Keys and teams are
    named by their ids."""

    models: tuple[str, ...]
    keys: Mapping[str, str]
    providers: tuple[str, ...]
    teams: Mapping[str, str]
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """What the page says. `sums` are of all that matches, `next` is the address of older ones."""

    as_of: datetime
    filters: Filters
    sums: Totals
    items: list[Row]
    next: str
    choices: Choices


@router.get(rows.PATH)
async def show(
    request: Request,
    who: Reader,
    chosen: Chosen,
    cursor: Annotated[str, Query(max_length=128)] = "",
) -> Response:
    """One page of the list. The newest one is live; older ones stand still."""
    stream = None if cursor else live.follow(request, who, TOPIC)
    use = resources.of(request)
    now = use.clock.now()
    query = chosen.query()
    context = (who.org, "console requests", *query.values())
    before = use.cursors.read(cursor, *context) if cursor else None
    async with tenancy.tenant(use.pool, who.org) as tx:
        wanted = await chosen.wanted(tx, now)
        found = await reading.list_requests(tx, replace(wanted, before=before), limit=PAGE_ROWS)
        sums = await overview.totals(tx, wanted)
        empty = None if found.requests else await _empty(tx, chosen, now)
        choices = await _choices(tx, chosen, now)
    after = found.next_before and use.cursors.write(found.next_before, *context)
    page = Page(
        as_of=now,
        filters=chosen,
        sums=sums,
        items=[rows.of(each) for each in found.requests],
        next=links.to(rows.PATH, query | {"cursor": after}) if after else "",
        choices=choices,
    )
    return frame.of(request).page(
        request,
        who,
        "route/requests.html",
        page,
        live=stream,
        csv=links.to(f"{rows.PATH}.csv", query),
        headline=_headline(sums, chosen),
        ranges=span.options(rows.PATH, chosen.range, chosen.narrowing()),
        providers=[(name, name) for name in choices.providers],
        tags=[(tag, tag) for tag in choices.tags],
        ends=[(reason.value, end.word) for reason, end in words.ENDS.items()],
        chips=chosen.chips({**choices.keys, **choices.teams}),
        decimals=rows.decimals(page.items),
        empty=empty,
        first_use=None if page.items or empty else commands.first_steps(use.settings),
        paging={
            "words": f"{figures.plural(len(page.items), 'request')}, newest first",
            "first": links.to(rows.PATH, query) if cursor else "",
            "next": page.next,
            "next_label": "Older",
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
    return {
        "number": figures.plural(sums.requests, "request"),
        "words": f", {money.words(sums)}, in {chosen.span.words}",
        "lead": f"{failed}{hidden}.",
    }


async def _choices(tx: Transaction, chosen: Filters, now: datetime) -> Choices:
    """What was used in the span, and what is chosen already."""
    values = await overview.list_values(tx, Filter(since=chosen.span.since(now)))
    used, member = list(values.keys[:CHOICES_MAX]), list(values.teams[:CHOICES_MAX])
    used += [ids.parse(ids.Kind.KEY, chosen.key)] if chosen.key else []
    member += [ids.parse(ids.Kind.TEAM, chosen.team)] if chosen.team else []
    return Choices(
        tuple(_with(chosen.model, values.models)),
        dict(_named(ids.Kind.KEY, used, await keys.list_names(tx, used))),
        tuple(_with(chosen.provider, values.providers)),
        dict(_named(ids.Kind.TEAM, member, await teams.list_names(tx, member))),
        tuple(_with(chosen.tag, values.tags)),
    )


def _with(chosen: str, values: tuple[str, ...]) -> Iterator[str]:
    yield from values[:CHOICES_MAX]
    if chosen and chosen not in values[:CHOICES_MAX]:
        yield chosen


def _named(
    kind: ids.Kind, used: list[uuid.UUID], names: Mapping[uuid.UUID, str]
) -> Iterator[tuple[str, str]]:
    """Keys or teams by name; one that has none here by its id."""
    for each in used:
        text = ids.text(kind, each)
        yield text, names.get(each, text)


async def _empty(tx: Transaction, chosen: Filters, now: datetime) -> dict[str, Any] | None:
    """Why the list is empty; None when there has never been a request."""
    ever = await reading.list_requests(tx, Filter(answers_only=True), limit=1)
    if not ever.requests:
        return None
    actions = []
    if chosen.narrowed:
        others = await overview.totals(tx, await Filters(chosen.range).wanted(tx, now))
        text = f"Without them there are {figures.plural(others.requests, 'request')}"
        text += f" in {chosen.span.words}."
        actions.append(("Remove the filters", links.to(rows.PATH, {"range": chosen.range})))
    else:
        text = f"The latest one came {ever.requests[0].started_at:%Y-%m-%d %H:%M} UTC."
    if chosen.range != Range.MONTH:
        actions.append(
            ("Last 30 days", links.to(rows.PATH, chosen.query() | {"range": Range.MONTH}))
        )
    title = "these filters" if chosen.narrowed else chosen.span.words
    how = "matches" if chosen.narrowed else "in"
    return {"title": f"No request {how} {title}", "text": text, "actions": actions}
