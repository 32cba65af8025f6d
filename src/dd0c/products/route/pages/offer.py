"""Providers: where requests can go, and how each did in the last day.

By name, as the ledger has it: one name can stand for two dialects, and one that was removed is
there as long as it answered something. Numbers are of whole hours, from the roll-ups.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from markupsafe import Markup

from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.db import tenancy
from dd0c.kernel.web import resources
from dd0c.kernel.web.console import curves, figures, frame, links, live
from dd0c.kernel.web.console.charts import Bin
from dd0c.kernel.web.identity import PLATFORM_ORGS
from dd0c.kernel.web.requires import Requires
from dd0c.products.route.pages import imports, listing, rows
from dd0c.products.route.pages.imports import Import
from dd0c.products.route.pages.span import Range
from dd0c.products.route.pages.words import End
from dd0c.products.route.store import health, providers, reconciliations, spans
from dd0c.products.route.store.health import Called, Speed
from dd0c.products.route.store.providers import Listed

PATH = "/console/route/providers"
LENGTH = timedelta(days=1)
IMPORTS_MAX = 10
_FAILURES_MIN = 3
_SHARE_MIN = 0.02
_SHARE_BAD = 0.25

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Door:
    """One way in: a dialect and its address; None where the viewer does not run it."""

    dialect: str
    base_url: str | None
    enabled: bool
    owner: str


@dataclass(frozen=True, slots=True)
class Hour:
    """What was sent in one hour, and how much of it failed."""

    begins: datetime
    attempts: int
    failed: int


@dataclass(frozen=True, slots=True)
class Row:
    """A provider. Times are of complete answers; None: there was none."""

    name: str
    state: End
    simulated: bool
    doors: list[Door]
    attempts: int
    failed: int
    first_byte_p50_us: int | None
    total_p50_us: int | None
    total_p95_us: int | None
    hours: list[Hour]

    @property
    def href(self) -> str:
        """Its requests."""
        return links.to(rows.PATH, {"range": Range.DAY, "provider": self.name})


@dataclass(frozen=True, slots=True)
class Page:
    """What the page says; `since` is a whole hour."""

    as_of: datetime
    since: datetime
    items: list[Row]
    imports: list[Import]


@dataclass(frozen=True, slots=True)
class Day:
    """What the ledger knows of all providers."""

    since: datetime
    until: datetime
    called: Sequence[Called]
    speeds: Sequence[Speed]


@router.get(PATH)
async def show(
    request: Request, who: Annotated[Principal, Depends(Requires("route:read"))]
) -> Response:
    """The page."""
    stream = live.follow(request, who, listing.TOPIC)
    use = resources.of(request)
    now = use.clock.now()
    since = spans.floor(now - LENGTH, spans.HOUR)
    async with tenancy.tenant(use.pool, who.org) as tx:
        known = await providers.list_visible(tx)
        called = await health.list_called(tx, since)
        speeds = await health.list_speeds(tx, since)
        imported = await reconciliations.list_newest(tx, IMPORTS_MAX)
    names = dict.fromkeys([one.name for one in known] + [one.provider for one in called])
    day = Day(since, now, called, speeds)
    items = [_row(day, name, known, runs_it=PLATFORM_ORGS in who.permissions) for name in names]
    page = Page(now, since, items, [imports.of(kept) for kept in imported])
    return frame.of(request).page(
        request,
        who,
        "route/providers.html",
        page,
        live=stream,
        headline=headline(page.items),
        strips={row.name: strip(row) for row in page.items},
    )


def _row(day: Day, name: str, known: Iterable[Listed], *, runs_it: bool) -> Row:
    ours = [one for one in known if one.name == name]
    called = {one.slot: one for one in day.called if one.provider == name}
    hours = list(_hours(day, called))
    attempts, failed = sum(one.attempts for one in hours), sum(one.failed for one in hours)
    speeds = {one.kind: one for one in day.speeds if one.provider == name}
    first, total = speeds.get("first_byte"), speeds.get("total")
    return Row(
        name=name,
        state=state(ours, attempts, failed),
        simulated=any(one.simulated for one in ours),
        doors=[_door(one, runs_it=runs_it) for one in ours],
        attempts=attempts,
        failed=failed,
        first_byte_p50_us=first.p50_us if first else None,
        total_p50_us=total.p50_us if total else None,
        total_p95_us=total.p95_us if total else None,
        hours=hours,
    )


def _hours(day: Day, called: dict[int, Called]) -> Iterator[Hour]:
    begins = day.since
    while begins <= day.until:
        found = called.get(int(begins.timestamp()) // health.HOUR_S)
        yield Hour(begins, found.attempts if found else 0, found.failed if found else 0)
        begins += spans.HOUR


def _door(found: Listed, *, runs_it: bool) -> Door:
    ours = found.org is not None
    return Door(
        found.dialect,
        found.base_url if runs_it or ours else None,
        found.enabled,
        "organisation" if ours else "installation",
    )


def state(doors: Sequence[Listed], attempts: int, failed: int) -> End:
    """How a provider is, in a word."""
    if not doors:
        return End("info", "not set up here")
    if not any(one.enabled for one in doors):
        return End("info", "switched off")
    if not attempts:
        return End("info", "not used")
    if failed >= max(_FAILURES_MIN, attempts * _SHARE_BAD):
        return End("bad", "failing")
    if failed >= max(_FAILURES_MIN, attempts * _SHARE_MIN):
        return End("warn", "some fail")
    return End("good", "answers")


def headline(items: Sequence[Row]) -> dict[str, str]:
    """Whether they answer, the worst first."""
    usable = [row for row in items if any(door.enabled for door in row.doors)]
    attempts, failed = sum(row.attempts for row in items), sum(row.failed for row in items)
    lead = "Nothing was sent to any of them in the last 24 h."
    if attempts:
        lead = f"{figures.plural(attempts, 'call')} in the last 24 h, {failed:,} failed"
        lead += f" ({failed * 100 / attempts:.1f} %)." if failed else "."
    for kind, words in (("bad", "fail"), ("warn", "fail now and then")):
        names = [row.name for row in usable if row.state.kind == kind]
        if names:
            verb = words.replace("fail", "fails", 1) if len(names) == 1 else words
            well = len(usable) - len(names)
            rest = f", {well} of {len(usable)} {'answers' if well == 1 else 'answer'}"
            rest = rest if usable[1:] else ""
            return {"number": f"{' and '.join(names)} {verb}", "words": rest, "lead": lead}
    if not usable:
        return {"number": "No provider", "words": " is there to answer", "lead": lead}
    real = [row for row in usable if not row.simulated]
    if not real:
        return {"number": "Only the simulator answers", "words": ", nobody charges", "lead": lead}
    number = f"All {len(usable)} providers" if usable[1:] else usable[0].name
    verb = "answer" if usable[1:] else "answers"
    words = f" {verb}" if attempts else f" {'are' if usable[1:] else 'is'} ready"
    return {"number": number + words, "words": "", "lead": lead}


def strip(row: Row) -> Markup:
    """A cell for each hour: hatched without a call, pale when all were answered, darker the larger
    the share that failed, full from a half on."""
    bins = [
        Bin(
            f"{hour.begins:%H:%M}",
            f"{hour.begins:%b %d, %H:%M} UTC: {figures.plural(hour.attempts, 'call')},"
            f" {hour.failed:,} failed",
        )
        for hour in row.hours
    ]
    shares = [hour.failed * 1000 // hour.attempts if hour.attempts else None for hour in row.hours]
    told = f"{row.failed:,} of {figures.plural(row.attempts, 'call')} failed in the last 24 h"
    return curves.heat(f"{row.name} by hour: {told}", bins, shares, top=500)
