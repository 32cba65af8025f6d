"""How budgets stand: spent, reserved and left in the window that runs, and where that leads (R-16).

A hard budget is counted live by the gateways; of one that they have not met in this window, and of
a soft one, the ledger tells. Where the counters do not answer, a hard budget's figures are unknown,
with the reason: nobody can tell what is reserved, and nothing unknown is shown as 0.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from dd0c.base.errors import Unavailable
from dd0c.kernel.auth import organisations
from dd0c.kernel.db.pool import Transaction
from dd0c.kernel.guard.counters import Counters
from dd0c.kernel.guard.limits import Counter, Kind, State
from dd0c.kernel.guard.windows import Window, window_of
from dd0c.products.route.store import budgets, charges, rules
from dd0c.products.route.store.budgets import Budget
from dd0c.products.route.store.spans import Span

PICO_PER_NANO = 1000
FORECAST_FROM = 0.05  # of the window: what its first hours cost says little of a month
AWAY = "the limits' counters do not answer: is Valkey up?"


@dataclass(frozen=True, slots=True)
class Standing:
    """A budget in its window at a moment. Money is None where it is unknown, for the `reason`."""

    budget: Budget
    window: Window
    at: datetime
    spent_pico: int | None
    reserved_pico: int | None
    reason: str | None = None

    @property
    def remaining_pico(self) -> int | None:
        """What is neither spent nor reserved; below 0 where more was spent than allowed."""
        if self.spent_pico is None or self.reserved_pico is None:
            return None
        return self.budget.amount_pico - self.spent_pico - self.reserved_pico

    @property
    def percent(self) -> float | None:
        """How much of it is spent, rounded down: 100 means that all is."""
        if self.spent_pico is None:
            return None
        return self.spent_pico * 1000 // self.budget.amount_pico / 10

    @property
    def forecast_pico(self) -> int | None:
        """What will be spent at the window's end if it goes on so; None early on, and where there
        is no end."""
        if self.spent_pico is None or self.window.until_s is None:
            return None
        length_us = (self.window.until_s - self.window.from_s) * 1_000_000
        passed_us = int(self.at.timestamp() * 1_000_000) - self.window.from_s * 1_000_000
        if passed_us < length_us * FORECAST_FROM:
            return None
        return self.spent_pico * length_us // passed_us


async def list_over(
    tx: Transaction, counters: Counters, percent: float, now: datetime
) -> list[Standing]:
    """Budgets of the organisation of which so much or more is spent, the fullest first."""
    standings = await stand(tx, counters, await budgets.list_budgets(tx, None), now)
    over = [(s.percent, s) for s in standings if s.percent is not None and s.percent >= percent]
    return [standing for _, standing in sorted(over, key=lambda pair: pair[0], reverse=True)]


async def stand(
    tx: Transaction, counters: Counters, found: Sequence[Budget], now: datetime
) -> list[Standing]:
    """How these budgets of the transaction's organisation stand, in their order."""
    if not found:
        return []
    zone = ZoneInfo((await organisations.get_own(tx)).time_zone)
    windows = {
        span: window_of(span, int(now.timestamp()), zone) for span in {b.span for b in found}
    }
    live = await _read(counters, [b for b in found if b.hard], windows)
    told = [b for b in found if (state := live.get(b.counter)) is None or state.spent is None]
    charged = await _charged(tx, [b for b in told if not _is_away(b, live)], windows)
    return [_standing(b, windows[b.span], now, live, charged) for b in found]


async def count_anew(tx: Transaction, counters: Counters, now: datetime) -> bool:
    """Have every hard budget of the organisation counted anew in the window that runs, because the
    ledger has other costs now (committed before). False: the counters do not answer."""
    hard = [budget for budget in await budgets.list_budgets(tx, None) if budget.hard]
    zone = ZoneInfo((await organisations.get_own(tx)).time_zone)
    at_s = int(now.timestamp())
    try:
        await counters.recount([counter_of(b, window_of(b.span, at_s, zone)) for b in hard])
    except Unavailable:
        return False
    return True


async def list_in_use(
    tx: Transaction, counters: Counters
) -> dict[tuple[str, str, str], int | None]:
    """How much of each limit of the organisation is used, by scope, subject and measure: of the
    last minute, or at the moment. None: the counters do not answer."""
    found = [rule for rule in await rules.list_rules(tx) if rule.measure in _KINDS]
    asked = [Counter(r.org.bytes, r.counter, _KINDS[r.measure], r.amount) for r in found]
    used: Sequence[int | None] = [None] * len(asked)
    with contextlib.suppress(Unavailable):
        used = [_used(*pair) for pair in zip(asked, await counters.read(asked), strict=True)]
    names = ((rule.scope, rule.subject, rule.measure) for rule in found)
    return dict(zip(names, used, strict=True))


def _used(counter: Counter, state: State) -> int:
    return state.window if counter.kind is Kind.RATE else state.outstanding


_KINDS = {"requests": Kind.RATE, "tokens": Kind.RATE, "concurrency": Kind.CONCURRENCY}


def _standing(
    budget: Budget,
    window: Window,
    now: datetime,
    live: dict[bytes, State | None],
    charged: dict[Budget, int],
) -> Standing:
    if _is_away(budget, live):
        return Standing(budget, window, now, None, None, AWAY)
    state = live.get(budget.counter) or State(None, 0, 0, 0)
    spent = charged[budget] if state.spent is None else state.spent * PICO_PER_NANO
    reserved = (state.outstanding + state.lost) * PICO_PER_NANO
    return Standing(budget, window, now, spent, reserved)


def _is_away(budget: Budget, live: dict[bytes, State | None]) -> bool:
    return budget.hard and live[budget.counter] is None


async def _read(
    counters: Counters, hard: Sequence[Budget], windows: dict[str, Window]
) -> dict[bytes, State | None]:
    """The live counters of hard budgets; None for each when there is no answer."""
    if not hard:
        return {}
    try:
        states = await counters.read([counter_of(b, windows[b.span]) for b in hard])
    except Unavailable:
        return {b.counter: None for b in hard}
    return {b.counter: state for b, state in zip(hard, states, strict=True)}


def counter_of(budget: Budget, window: Window) -> Counter:
    """What a hard budget is counted by in a window."""
    return Counter(
        org=budget.org.bytes,
        rule=budget.counter,
        kind=Kind.MONEY,
        cap=budget.amount_pico // PICO_PER_NANO,
        window_from_s=window.from_s,
        expires_s=window.until_s,
    )


async def _charged(
    tx: Transaction, told: Sequence[Budget], windows: dict[str, Window]
) -> dict[Budget, int]:
    """What the ledger says that each was charged in its window."""
    alike: defaultdict[tuple[str, str], list[Budget]] = defaultdict(list)
    for budget in told:
        alike[budget.scope, budget.span].append(budget)
    charged: dict[Budget, int] = {}
    for (scope, span), members in alike.items():
        since, until = (
            None if second is None else datetime.fromtimestamp(second, UTC)
            for second in (windows[span].from_s or None, windows[span].until_s)
        )
        subjects = [budget.subject for budget in members]
        sums = await charges.charged_each(tx, members[0].org, scope, subjects, Span(since, until))
        charged |= {budget: sums[budget.subject] for budget in members}
    return charged
