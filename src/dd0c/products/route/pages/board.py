"""The overview in words and a chart: pure functions over sums of the ledger."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from markupsafe import Markup

from dd0c.kernel.web.console import charts, figures
from dd0c.products.route.pages import rows, span, words
from dd0c.products.route.pages.span import Range, Span
from dd0c.products.route.store.overview import Failing, Slot, Totals, Unpriced
from dd0c.products.route.store.providers import Listed

MODELS_MAX = 4
_REST = "everything else"
_FAILURES_MIN = 3  # one failed call is an event, three in an hour ask for somebody
_SHARE_MIN = 0.02


@dataclass(frozen=True, slots=True)
class Decision:
    """Something for a person to decide."""

    kind: str
    text: str
    note: str
    action: str
    href: str


@dataclass(frozen=True, slots=True)
class Key:
    """A colour of the chart, its model and what that cost."""

    swatch: Markup
    name: str
    total: int | None


@dataclass(frozen=True, slots=True)
class Line:
    """One bar as a line of the table."""

    label: str
    amounts: tuple[str, ...]
    requests: int
    unpriced: int
    total: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Spend over time: drawn, with its legend, and as a table."""

    title: str
    svg: Markup
    legend: tuple[Key, ...]
    total: int
    unknown: str
    table: tuple[Line, ...]


def comparison(today: Totals, yesterday: Totals) -> str:
    """How today stands against yesterday until the same time; nothing where there is no basis.

    Money that nobody charges is called so, and is compared with nothing.
    """
    if today.cost_pico is None:
        return ", cost unknown"
    if today.simulated_pico:
        if today.simulated_pico == today.cost_pico:
            return ", simulated: nobody charges this"
        return f", of which {figures.short(today.simulated_pico)} simulated"
    whole = not (today.unpriced or yesterday.unpriced or yesterday.simulated_pico)
    if not (whole and today.cost_pico and yesterday.cost_pico):
        return ""
    change = (today.cost_pico - yesterday.cost_pico) * 100 / yesterday.cost_pico
    if abs(change) < 1:
        return ", as much as yesterday at this time"
    if change > 300:
        return f", {change / 100 + 1:.0f} times yesterday at this time"
    return f", {abs(change):.0f} % {'over' if change > 0 else 'under'} yesterday at this time"


def is_simulated(providers: Sequence[Listed]) -> bool:
    """Whether every provider in use is the simulator."""
    used = [provider for provider in providers if provider.enabled]
    return bool(used) and all(provider.simulated for provider in used)


def lead(today: Totals) -> str:
    """Requests, failures and what is not in the sum, in a sentence."""
    if not today.requests:
        return "No request since 00:00 UTC."
    failed = f"{today.failed:,} failed for callers" if today.failed else "none failed"
    text = f"{figures.plural(today.requests, 'request')} since 00:00 UTC, {failed}."
    if today.unpriced:
        unpriced = figures.plural(today.unpriced, "attempt")
        text += f" {unpriced} without a known cost, not in the sum."
    return text


def decisions(
    unpriced: Sequence[Unpriced], failing: Iterable[Failing], providers: Sequence[Listed]
) -> Iterator[Decision]:
    """What needs a person, the worst first."""
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
            span.address(rows.PATH, {"range": Range.HOUR, "end_reason": "upstream_error"}),
        )
    for missing in unpriced:
        why = words.why_unknown(missing.reason)
        yield Decision(
            "warn",
            f"{figures.plural(missing.attempts, 'call')} of {missing.model} without a cost",
            f"{why[:1].upper()}{why[1:]}: the cost is unknown, not zero, and in no sum.",
            "See them",
            span.address(rows.PATH, {"range": Range.DAY, "model": missing.model}),
        )
    if is_simulated(providers):
        yield Decision(
            "info",
            "The simulated provider answers",
            "No provider key was in the environment at the start. Answers are made up, prices are "
            "real. Stop dd0c, set OPENAI_API_KEY or ANTHROPIC_API_KEY, start it again.",
            "Providers, JSON",
            "/api/v1/route/providers",
        )


def chart(found: Sequence[Slot], now: datetime, over: Span) -> Chart:
    """Spend by time and model."""
    slots = span.slots(now, over)
    names = _ranked(found)
    costs = _Costs()
    requests, unpriced = dict.fromkeys(slots, 0), dict.fromkeys(slots, 0)
    for each in found:
        slot = min(max(each.slot, slots[0]), slots[-1])  # clocks of gateways differ a little
        costs.add(slot, each.name or _REST, each.cost_pico)
        requests[slot] += each.requests
        unpriced[slot] += each.unpriced
    series = [charts.Series(n, [costs.of(s, n) or 0 for s in slots], n == _REST) for n in names]
    sums = [sum(one.values[i] for one in series) for i in range(len(slots))]
    bins = [
        charts.Bin(_label(s, over), _tooltip(s, over, series, i), unpriced[s], _at(s, over))
        for i, s in enumerate(slots)
    ]
    title = f"Spend per {over.step_words}"
    described = f"{title} by model; the same numbers are in the table below"
    hidden = sum(unpriced.values())
    return Chart(
        title=title,
        svg=charts.stacked_bars(described, bins, series, charts.money_axis(max(sums))),
        legend=tuple(
            Key(charts.swatch(charts.colour(i, one)), one.name, costs.total(one.name))
            for i, one in enumerate(series)
        ),
        total=sum(sums),
        unknown=f"{figures.plural(hidden, 'attempt')} without a cost" if hidden else "",
        table=tuple(
            Line(
                f"{datetime.fromtimestamp(s * over.step_s, UTC):%Y-%m-%d %H:%M}",
                tuple(figures.exact(costs.of(s, n)) for n in names),
                requests[s],
                unpriced[s],
                figures.exact(total) if total or not unpriced[s] else figures.DASH,
            )
            for s, total in zip(slots, sums, strict=True)
        ),
    )


class _Costs:
    """Sums by slot and model. Nothing spent is 0; spent but not known is None."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, str], int] = {}
        self._hidden: set[tuple[int, str]] = set()

    def add(self, slot: int, name: str, cost_pico: int | None) -> None:
        if cost_pico is None:
            self._hidden.add((slot, name))
        else:
            self._known[slot, name] = self._known.get((slot, name), 0) + cost_pico

    def of(self, slot: int, name: str) -> int | None:
        if (slot, name) in self._hidden:
            return self._known.get((slot, name))
        return self._known.get((slot, name), 0)

    def total(self, name: str) -> int | None:
        known = [cost for (_, of), cost in self._known.items() if of == name]
        return sum(known) if known else None


def _ranked(found: Iterable[Slot]) -> list[str]:
    """Models by falling cost, everything else last."""
    sums: dict[str, int] = {}
    rest = False
    for each in found:
        if each.name is None:
            rest = True
        else:
            sums[each.name] = sums.get(each.name, 0) + (each.cost_pico or 0)
    ranked = sorted(sums, key=lambda name: (-sums[name], name))
    return [*ranked, _REST] if rest else ranked


def _label(slot: int, over: Span) -> str:
    return format(datetime.fromtimestamp(slot * over.step_s, UTC), over.label_format)


def _at(slot: int, over: Span) -> str:
    """For the script to show hours in local time; days stay days of UTC."""
    if over.step_s > 3600:
        return ""
    return datetime.fromtimestamp(slot * over.step_s, UTC).isoformat()


def _tooltip(slot: int, over: Span, series: Sequence[charts.Series], index: int) -> str:
    begins = datetime.fromtimestamp(slot * over.step_s, UTC)
    costs = [(one.name, one.values[index]) for one in series if one.values[index]]
    head = f"{begins:%b %d, %H:%M} UTC: {figures.short(sum(cost for _, cost in costs))}"
    return "\n".join([head, *(f"{name} {figures.short(cost)}" for name, cost in costs)])
