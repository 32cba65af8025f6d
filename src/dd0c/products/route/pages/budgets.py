"""Budgets and limits: how full each is, the fullest first, and where it leads."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from dd0c.base import ids
from dd0c.kernel.auth import organisations
from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.db import tenancy
from dd0c.kernel.db.pool import Transaction
from dd0c.kernel.guard.counters import Counters
from dd0c.kernel.web import resources
from dd0c.kernel.web.console import figures, frame, links, live
from dd0c.kernel.web.requires import Requires
from dd0c.products.route import standings, subjects
from dd0c.products.route.models import dollars_text
from dd0c.products.route.pages import burndown, caps, listing
from dd0c.products.route.pages.burndown import Sums
from dd0c.products.route.pages.caps import PATH, Budget
from dd0c.products.route.pages.words import End
from dd0c.products.route.standings import Standing
from dd0c.products.route.store import budgets as store
from dd0c.products.route.store import charges, limits
from dd0c.products.route.store.spans import Span

WRITE = "route:write"
PAGE_ROWS = 15  # of budgets, and of limits: a page stays under 60 kB
LIMITS = f"{PATH}/limits"
MEASURES = {
    "requests": ("requests_per_minute", "requests a minute"),
    "tokens": ("tokens_per_minute", "tokens a minute"),
    "concurrency": ("concurrency", "requests at once"),
}

router = APIRouter(include_in_schema=False)

Reader = Annotated[Principal, Depends(Requires("route:read"))]


@dataclass(frozen=True, slots=True)
class Use:
    """How much of one measure of a limit is used; None: unknown."""

    measure: str
    words: str
    limit: int
    used: int | None
    state: End


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit and its use in the last minute, or at the moment."""

    id: str
    scope: str
    subject: str
    subject_id: str | None
    uses: list[Use]

    @property
    def href(self) -> str:
        """Its page."""
        return f"{LIMITS}/{self.id}"

    @property
    def whose(self) -> str:
        """What it holds together."""
        return caps.whose(self.scope, self.subject)


@dataclass(frozen=True, slots=True)
class Page:
    """What the page says. `near` and `full` are of all budgets, not only of those shown."""

    as_of: datetime
    time_zone: str
    budgets: int
    near: int
    full: int
    unknown: int
    items: list[Budget]
    limits: list[Limit]
    next: str


@router.get(PATH)
async def show_list(
    request: Request, who: Reader, page: Annotated[int, Query(ge=1, le=subjects.RULES_MAX)] = 1
) -> Response:
    """The page."""
    stream = live.follow(request, who, listing.TOPIC)
    use = resources.of(request)
    now, first = use.clock.now(), (page - 1) * PAGE_ROWS
    async with tenancy.tenant(use.pool, who.org) as tx:
        zone = (await organisations.get_own(tx)).time_zone
        stood = await standings.stand(tx, use.counters, await store.list_budgets(tx, None), now)
        stood.sort(key=_fullness)
        shown = stood[first : first + PAGE_ROWS]
        sums = await _sums(tx, shown)
        items = await named(tx, shown)
        every = await limits.list_limits(tx, subjects.RULES_MAX)
        held = await list_held(tx, use.counters, every[first : first + PAGE_ROWS])
    more = len(stood) > first + PAGE_ROWS or len(every) > first + PAGE_ROWS
    found = Page(
        as_of=now,
        time_zone=zone,
        budgets=len(stood),
        near=sum(caps.NEAR <= (one.percent or 0) < caps.FULL for one in stood),
        full=sum((one.percent or 0) >= caps.FULL for one in stood),
        unknown=sum(one.percent is None for one in stood),
        items=items,
        limits=held,
        next=links.to(PATH, {"page": str(page + 1)}) if more else "",
    )
    return frame.of(request).page(
        request,
        who,
        "route/budgets.html",
        found,
        live=stream,
        headline=_headline(found, stood),
        decimals=_decimals(found.items),
        sparks=[burndown.spark(one, sums[one.budget]) for one in shown],
        away=standings.AWAY if found.unknown or _unknown(held) else "",
        may_write=WRITE in who.permissions,
        paging={"words": "", "first": PATH if page > 1 else "", "next": found.next},
    )


@router.get(f"{PATH}/{{budget_id}}")
async def show(budget_id: str, request: Request, who: Reader) -> Response:
    """One budget."""
    return await page_of(request, who, budget_id)


async def page_of(
    request: Request, who: Principal, budget_id: str, *, problem: str = "", status: int = 200
) -> Response:
    """The page of a budget, with what was wrong about the last attempt to end it."""
    use = resources.of(request)
    now = use.clock.now()
    async with tenancy.tenant(use.pool, who.org) as tx:
        kept = await store.get(tx, ids.parse(ids.Kind.BUDGET, budget_id))
        (stood,) = await standings.stand(tx, use.counters, [kept], now)
        sums = await _sums(tx, [stood])
        (found,) = await named(tx, [stood])
    prefilled = {
        "scope": found.scope,
        "subject": found.subject_id or found.subject,
        "window": found.window,
        "usd": dollars_text(found.amount_pico) or "",
        "hard": "yes" if found.hard else "no",
    }
    return frame.of(request).page(
        request,
        who,
        "route/budget.html",
        found,
        status=status,
        told=caps.told(found, now),
        chart=burndown.draw(stood, sums[stood.budget]),
        facts=_facts(found),
        requests=caps.requests(found.scope, found.subject_id or found.subject),
        change=links.to(f"{PATH}/new", prefilled) if WRITE in who.permissions else "",
        danger=_danger(found, who.org_name, problem) if WRITE in who.permissions else None,
    )


async def named(tx: Transaction, found: Sequence[Standing]) -> list[Budget]:
    """Budgets as pages show them."""
    names = await subjects.list_names(tx, {(s.budget.scope, s.budget.subject) for s in found})
    return [caps.budget(one, names[one.budget.scope, one.budget.subject]) for one in found]


async def list_held(
    tx: Transaction, counters: Counters, found: Sequence[limits.Limit]
) -> list[Limit]:
    """These limits of the organisation, each with its use."""
    used = await standings.list_in_use(tx, counters) if found else {}
    names = await subjects.list_names(tx, {(one.scope, one.subject) for one in found})
    return [_limit(one, names[one.scope, one.subject], used) for one in found]


def _limit(found: limits.Limit, name: str, used: dict[tuple[str, str, str], int | None]) -> Limit:
    uses = []
    for measure, (field, words) in MEASURES.items():
        cap = getattr(found, field)
        if cap is not None:
            now = used.get((found.scope, found.subject, measure))
            percent = None if now is None else now * 100 / cap
            uses.append(Use(measure, words, cap, now, caps.state(percent, "reached")))
    return Limit(
        id=ids.text(ids.Kind.LIMIT, found.id),
        scope=found.scope,
        subject=name,
        subject_id=subjects.id_text(found.scope, found.subject),
        uses=uses,
    )


async def _sums(tx: Transaction, found: Sequence[Standing]) -> dict[store.Budget, Sums]:
    """What the ledger has of each budget in the time that is shown; those alike in one go."""
    alike: defaultdict[tuple[str, str], list[Standing]] = defaultdict(list)
    for one in found:
        alike[one.budget.scope, one.budget.span].append(one)
    sums = {}
    for (scope, name), members in alike.items():
        span, org = burndown.shown(members[0]), members[0].budget.org
        which = [one.budget.subject for one in members]
        step_s = burndown.STEPS_S[name]
        over = await charges.charged_over(tx, org, scope, which, span, step_s=step_s)
        before = dict.fromkeys(which, 0)
        if span.until is None:
            before = await charges.charged_each(tx, org, scope, which, Span(None, span.since))
        for one in members:
            subject = one.budget.subject
            sums[one.budget] = Sums(before[subject], over[subject])
    return sums


def _fullness(found: Standing) -> tuple[bool, float]:
    """What nobody can tell first, then the fullest."""
    return found.percent is not None, -(found.percent or 0)


def _unknown(held: Sequence[Limit]) -> bool:
    return any(use.used is None for one in held for use in one.uses)


def _headline(page: Page, stood: Sequence[Standing]) -> dict[str, str]:
    """How many budgets need somebody."""
    hard = sum(one.budget.hard for one in stood)
    soft = len(stood) - hard
    lead = f"{hard:,} hard: what does not fit is refused. {soft:,} soft: only reported."
    if not page.budgets:
        return {
            "number": "No budget",
            "words": ": nothing but prices bounds what is spent",
            "lead": "",
        }
    of = f" of {figures.plural(page.budgets, 'budget')}"
    unknown = f", {page.unknown:,} unknown" if page.unknown else ""
    if page.full:
        verb = "is" if page.full == 1 else "are"
        near = f", {page.near:,} more over {caps.NEAR:.0f} %" if page.near else ""
        return {
            "number": f"{page.full:,}{of}",
            "words": f" {verb} spent{near}{unknown}",
            "lead": lead,
        }
    if page.near:
        verb = "is" if page.near == 1 else "are"
        words = f" {verb} over {caps.NEAR:.0f} %{unknown}"
        return {"number": f"{page.near:,}{of}", "words": words, "lead": lead}
    if page.unknown:
        return {"number": f"{page.unknown:,}{of}", "words": " cannot be told", "lead": lead}
    every = "The budget has" if page.budgets == 1 else f"All {page.budgets:,} budgets have"
    return {"number": every, "words": " room", "lead": lead}


def _decimals(items: Sequence[Budget]) -> int:
    amounts = [p for one in items for p in (one.spent_pico, one.reserved_pico, one.remaining_pico)]
    return figures.places([None if pico is None else figures.dollars(pico) for pico in amounts])


def _facts(found: Budget) -> list[tuple[str, Any]]:
    facts = [
        ("For", found.whose),
        ("Amount", f"${figures.exact(found.amount_pico)} {found.every}"),
        ("Spent", _usd(found.spent_pico)),
        ("Reserved", _usd(found.reserved_pico)),
        ("Remaining", _usd(found.remaining_pico)),
        ("Percent", figures.DASH if found.percent is None else f"{found.percent} %"),
        ("Forecast", _usd(found.forecast_pico)),
    ]
    if found.began_at:
        facts.append(("Since", figures.moment(found.began_at, "minute")))
    resets = figures.moment(found.resets_at, "minute") if found.resets_at else "never"
    return [*facts, ("Resets", resets)]


def _usd(pico: int | None) -> str:
    return figures.DASH if pico is None else f"${figures.exact(pico)}".replace("$-", "−$")


def _danger(found: Budget, org: str, problem: str) -> dict[str, object]:
    """Exactly what removing it does."""
    effect = (
        "What it refused is sent from then on." if found.hard else "Nobody reports it any more."
    )
    return {
        "label": "Remove this budget",
        "name": caps.confirmed_by(org, found.subject),
        "effects": [
            f"No gateway goes by it a second later. {effect}",
            "What was spent stays in the ledger; set again, it counts that too.",
        ],
        "action": f"{found.href}/remove",
        "problem": problem,
    }
