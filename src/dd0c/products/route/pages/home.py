"""Home: what needs a decision, then what today cost, where the money went, what came last."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from dd0c.kernel.auth import keyring
from dd0c.kernel.auth import keys as auth_keys
from dd0c.kernel.auth.keys import Key
from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.db import tenancy
from dd0c.kernel.db.pool import Transaction
from dd0c.kernel.parts import register
from dd0c.kernel.parts.part import Seen
from dd0c.kernel.web import resources
from dd0c.kernel.web.console import figures, frame, keys, live, parts
from dd0c.kernel.web.probes import Finding, Health
from dd0c.kernel.web.requires import Requires
from dd0c.kernel.web.resources import Resources
from dd0c.products.route import prices, standings
from dd0c.products.route.pages import (
    budgets,
    caps,
    commands,
    comparison,
    decisions,
    listing,
    money,
    movers,
    rows,
    span,
    spending,
    today,
)
from dd0c.products.route.pages.decisions import Decision
from dd0c.products.route.pages.movers import Mover
from dd0c.products.route.pages.rows import Row
from dd0c.products.route.pages.span import SPANS, Range
from dd0c.products.route.standings import Standing
from dd0c.products.route.store import groups, overview, providers, reading
from dd0c.products.route.store.overview import Slot, Totals
from dd0c.products.route.store.selection import Filter

PATH = "/console/"
LATEST = 2  # with the charts, a page under 60 kB
MISSING_PRICES_MAX = 3
CHECKS_WITHIN_S = 0.05  # a page waits no longer for checks; a round that has begun is finished

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Home:
    """What the page says. `week_ago` is the same weekday's, until the same time of day; in every
    sum `simulated_pico` is part of `cost_pico` and charged by nobody. A slot of `spend` begins at
    `slot` times `step_s` seconds since 1970."""

    as_of: datetime
    since: datetime
    decisions: list[Decision]
    checked: bool  # whether the installation's checks are among the decisions
    today: Totals
    week_ago: Totals
    range: Range
    step_s: int
    spend: list[Slot]
    movers: list[Mover]
    latest: list[Row]


@router.get(PATH)
async def show(
    request: Request,
    who: Annotated[Principal, Depends(Requires("route:read"))],
    range: Range = Range.DAY,
) -> Response:
    """The page."""
    stream = live.follow(request, who, listing.TOPIC)
    use = resources.of(request)
    now, over = use.clock.now(), SPANS[range]
    checks = await _checks(request, who)
    seen = await _parts(use, who)
    async with tenancy.tenant(use.pool, who.org) as tx:
        age_days = prices.stale_days(now, use.settings.prices_stale_days)
        full = await standings.list_over(tx, use.counters, caps.NEAR, now)
        page = await _load(tx, now, range, _Seen(who, seen, checks, age_days, full))
    spent = spending.total(page.spend)
    return frame.of(request).page(
        request,
        who,
        "route/home.html",
        page,
        live=stream,
        headline={
            "number": figures.short(comparison.number(page.today)),
            "exact": figures.exact(comparison.number(page.today)),
            "words": today.words(page.today, page.week_ago, now),
            "lead": today.lead(page.today, page.week_ago, now),
        },
        ranges=span.options(PATH, range, {}),
        over=over,
        compared=bool(page.week_ago.requests),
        weekday=f"{now - today.WEEK:%A}",
        spent=money.words(spent),
        charts=[spending.spend(page.spend, now, over), spending.requests(page.spend, now, over)]
        if page.spend
        else [],
        decimals=rows.decimals(page.latest),
        first_use=None if page.latest else commands.first_steps(use.settings),
    )


@dataclass(frozen=True, slots=True)
class _Seen:
    """Who looks, and what is known of the installation besides the ledger."""

    who: Principal
    parts: Sequence[Seen]
    checks: Sequence[Finding] | None
    prices_age_days: int | None
    full: Sequence[Standing]


async def _load(tx: Transaction, now: datetime, range: Range, seen: _Seen) -> Home:
    over = SPANS[range]
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    before, until = midnight - today.WEEK, now - today.WEEK
    known = await providers.list_visible(tx)
    needs = decisions.Known(
        now=now,
        providers=known,
        failing=await overview.list_failing(tx, Filter(since=now - timedelta(hours=1))),
        unpriced=await overview.list_unpriced(
            tx, Filter(since=now - timedelta(days=1)), MISSING_PRICES_MAX
        ),
        keys=await _ending(tx, seen.who, now),
        parts=seen.parts,
        checks=seen.checks or (),
        prices_age_days=seen.prices_age_days if seen.checks is None else None,
        budgets=await budgets.named(tx, seen.full),
    )
    ours = await groups.load(tx, Filter(since=midnight))
    theirs = await groups.load(tx, Filter(since=before, until=until))
    names = await auth_keys.list_names(tx, [*ours.keys, *theirs.keys])
    latest = await reading.list_requests(tx, Filter(answers_only=True), limit=LATEST)
    return Home(
        as_of=now,
        since=midnight,
        decisions=decisions.all_of(needs),
        checked=seen.checks is not None,
        today=ours.total,
        week_ago=theirs.total,
        range=range,
        step_s=over.step_s,
        spend=await overview.spend(
            tx, Filter(since=over.since(now)), over.step_s, spending.MODELS_MAX
        ),
        movers=[*movers.of_models(ours, theirs), *movers.of_keys(ours, theirs, names)],
        latest=[rows.of(each) for each in latest.requests],
    )


async def _ending(tx: Transaction, who: Principal, now: datetime) -> list[Key]:
    """Working keys, those that end soonest first, for who may see keys."""
    if keys.READ not in who.permissions:
        return []
    wanted = keyring.Wanted(state=keyring.State.WORKING, order="expires", down=False)
    return await keyring.select(tx, wanted, now, limit=50)


async def _parts(use: Resources, who: Principal) -> Sequence[Seen]:
    """The processes, for who runs them."""
    if parts.PERMISSION not in who.permissions:
        return ()
    async with tenancy.system(use.pool) as tx:
        return await register.list_parts(tx)


async def _checks(request: Request, who: Principal) -> Sequence[Finding] | None:
    """What the checks of the installation found, for who runs it; None: not known in time."""
    if parts.PERMISSION not in who.permissions:
        return ()
    health: Health = request.app.state.health
    looking = asyncio.ensure_future(health.report())
    done, _ = await asyncio.wait([looking], timeout=CHECKS_WITHIN_S)
    return looking.result().items if done else None
