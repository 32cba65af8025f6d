"""What needs a person, the worst first: pure functions over what is known at the moment.

Each says what is wrong, what it means, and leads to where something can be done about it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import chain

from dd0c.base import ids
from dd0c.kernel.auth.keys import Key
from dd0c.kernel.parts.part import Seen, State
from dd0c.kernel.web.console import figures, keys, links, parts
from dd0c.kernel.web.probes import Finding
from dd0c.products.route.pages import caps, offer, rows, words
from dd0c.products.route.pages.caps import Budget
from dd0c.products.route.pages.span import Range
from dd0c.products.route.store.overview import Failing, Unpriced
from dd0c.products.route.store.providers import Listed

SOON = timedelta(days=7)
NAMED_MAX = 2  # of one kind are named, the others counted
_FAILURES_MIN = 3  # one failed call is an event, three in an hour ask for somebody
_SHARE_MIN = 0.02
_WORST_FIRST = ("bad", "warn", "info")
_CHECKS = {"failing": "bad", "degraded": "warn"}


@dataclass(frozen=True, slots=True)
class Decision:
    """Something for a person to decide."""

    kind: str
    text: str
    note: str
    action: str
    href: str


@dataclass(frozen=True, slots=True)
class Known:
    """What the decisions are made from; what the viewer may not see is empty."""

    now: datetime
    providers: Sequence[Listed] = ()
    failing: Sequence[Failing] = ()
    unpriced: Sequence[Unpriced] = ()
    keys: Sequence[Key] = ()
    parts: Sequence[Seen] = field(default_factory=tuple)
    checks: Sequence[Finding] = field(default_factory=tuple)
    prices_age_days: int | None = None  # where they are stale and no check says so
    budgets: Sequence[Budget] = ()  # those that are nearly spent, the fullest first


def all_of(known: Known) -> list[Decision]:
    """Everything that needs somebody now."""
    found = chain(
        _of_checks(known.checks),
        _of_parts(known.parts),
        _of_failing(known.failing),
        _of_budgets(known.budgets),
        _of_unpriced(known.unpriced),
        _of_prices(known.prices_age_days),
        _of_keys(known.keys, known.now),
        _of_providers(known.providers),
    )
    return sorted(found, key=lambda decision: _WORST_FIRST.index(decision.kind))


def is_simulated(providers: Sequence[Listed]) -> bool:
    """Whether every provider in use is the simulator."""
    used = [provider for provider in providers if provider.enabled]
    return bool(used) and all(provider.simulated for provider in used)


def _of_checks(checks: Iterable[Finding]) -> Iterator[Decision]:
    """Crash loops, a spool that lags, old prices: whatever a check of the installation saw."""
    for check in checks:
        if kind := _CHECKS.get(check.status):
            how = " fails" if kind == "bad" else ": not as it should be"
            note = (
                f"{check.detail}. {check.remedy[:1].upper()}{check.remedy[1:]}".rstrip(". ") + "."
            )
            yield Decision(kind, f"{check.name.capitalize()}{how}", note, "Parts", parts.PATH)


def _of_parts(seen: Iterable[Seen]) -> Iterator[Decision]:
    for one in seen:
        if one.state is State.STALE and one.part.kind != "gateway":  # a check tells of gateways
            silent = figures.duration(int(one.silent.total_seconds() * 1e6))
            note = f"No report for {silent}: killed, hung, or cut off from the database."
            text = f"The {one.part.kind} on {one.part.host} is silent"
            yield Decision("bad", text, note, "Parts", parts.PATH)


def _of_failing(failing: Iterable[Failing]) -> Iterator[Decision]:
    for each in failing:
        if each.failed < max(_FAILURES_MIN, each.attempts * _SHARE_MIN):
            continue
        last = f"{each.last_at.astimezone(UTC):%H:%M:%S} UTC"
        status = f", status {each.last_status}" if each.last_status else ""
        yield Decision(
            "bad",
            f"{each.provider} failed {each.failed:,} of {figures.plural(each.attempts, 'call')}",
            f"In the last hour; the last one at {last}{status}.",
            "See them",
            links.to(
                rows.PATH,
                {"range": Range.HOUR, "provider": each.provider, "end_reason": "upstream_error"},
            ),
        )


def _of_budgets(full: Sequence[Budget]) -> Iterator[Decision]:
    """Budgets that are spent, or nearly, the fullest first."""
    for found in full[:NAMED_MAX]:
        kind = "bad" if found.hard and found.state.kind == "bad" else "warn"
        note = "Soft: nothing is refused."
        if found.hard:
            note = f"What does not fit is refused. It resets {caps.resets(found)}."
        text = f"{found.percent} % of {caps.title(found)} is spent"
        yield Decision(kind, text, note, "Budget", found.href)
    if (rest := len(full) - NAMED_MAX) > 0:
        text = f"{figures.plural(rest, 'more budget')} over {caps.NEAR:.0f} %"
        yield Decision("warn", text, "The list has them, the fullest first.", "Budgets", caps.PATH)


def _of_unpriced(unpriced: Iterable[Unpriced]) -> Iterator[Decision]:
    for missing in unpriced:
        why = words.why_unknown(missing.reason)
        yield Decision(
            "warn",
            f"{figures.plural(missing.attempts, 'call')} of {missing.model} without a cost",
            f"{why[:1].upper()}{why[1:]}: the cost is unknown, not zero, and in no sum.",
            "See them",
            links.to(rows.PATH, {"range": Range.DAY, "model": missing.model, "cost": "unknown"}),
        )


def _of_prices(age_days: int | None) -> Iterator[Decision]:
    if age_days is not None:
        yield Decision(
            "warn",
            f"The price list is {age_days} days old",
            "Prices may have changed since, and newer models have none. Ask whoever runs dd0c for "
            "a newer one, or set prices of your own with dd0c route prices.",
            "Providers",
            offer.PATH,
        )


def _of_keys(working: Sequence[Key], now: datetime) -> Iterator[Decision]:
    """Keys that end within a week and that none follows, the soonest first."""
    ending = [
        (at, key)
        for key in working
        if (at := key.expires_at) and at < now + SOON and key.followed_by is None
    ]
    for at, key in ending[:NAMED_MAX]:
        text = f"Key {key.name} ends on {at.astimezone(UTC):%A, %H:%M} UTC"
        note = "Whatever still uses it is refused from then on. Rotate it in time."
        href = f"{keys.PATH}/{ids.text(ids.Kind.KEY, key.id)}"
        yield Decision("warn", text, note, "Key", href)
    if (rest := len(ending) - NAMED_MAX) > 0:
        text = f"{figures.plural(rest, 'more key')} within a week"
        href = links.to(keys.PATH, {"sort": "expires", "state": "working"})
        yield Decision("warn", text, "The list has them in the order they end.", "Keys", href)


def _of_providers(providers: Sequence[Listed]) -> Iterator[Decision]:
    if not any(provider.enabled for provider in providers):
        note = (
            "Every call is refused. Set OPENAI_API_KEY or ANTHROPIC_API_KEY and start dd0c again."
        )
        yield Decision("bad", "No provider is there to answer", note, "Providers", offer.PATH)
    elif is_simulated(providers):
        yield Decision(
            "info",
            "The simulated provider answers",
            "No provider key was in the environment at the start. Answers are made up, prices are "
            "real. Stop dd0c, set OPENAI_API_KEY or ANTHROPIC_API_KEY, start it again.",
            "Providers",
            offer.PATH,
        )
