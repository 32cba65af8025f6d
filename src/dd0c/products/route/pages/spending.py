"""Spend and requests over time as charts with their tables: pure, from sums of the ledger.

What has several tags is in the sum of each, so tags are lines beside each other and never a stack,
whose height would be more than was spent.

What the simulator made up is a colour of its own and in no total, unless nothing else is there:
then the whole chart is of it, and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from dd0c.kernel.web.console import charts, curves, figures
from dd0c.kernel.web.console.charts import Drawn, Series
from dd0c.kernel.web.console.curves import Curve
from dd0c.products.route.pages import money, span
from dd0c.products.route.pages.span import Span
from dd0c.products.route.store.overview import Slot

MODELS_MAX = 3
REST = "everything else"
SIMULATED = "simulated"
CROSS = "spend"  # charts of a page share a crosshair

Named = Callable[[str | None], str]
"""What a slot's name is called; None is everything else."""


def plainly(name: str | None) -> str:
    """Names that people gave need no other."""
    return name or REST


@dataclass(frozen=True, slots=True)
class Sum:
    """Costs together, as `money` takes them."""

    cost_pico: int | None
    simulated_pico: int | None


def total(found: Iterable[Slot]) -> Sum:
    """What is known of all; None where nothing is."""
    costs, made_up = [], []
    for each in found:
        costs += [] if each.cost_pico is None else [each.cost_pico]
        made_up += [] if each.simulated_pico is None else [each.simulated_pico]
    return Sum(sum(costs) if costs else None, sum(made_up) if made_up else None)


def title(found: Sequence[Slot], over: Span) -> str:
    """What the chart of money is called."""
    what = "Simulated spend" if money.is_made_up(total(found)) else "Spend"
    return f"{what} per {over.step_words}"


def spend(
    found: Sequence[Slot],
    now: datetime,
    over: Span,
    *,
    by: str = "model",
    named: Named = plainly,
) -> Drawn:
    """Spend by time and model, or whatever the slots are by."""
    slots = span.slots(now, over)
    costs = _Costs(named, all_made_up=money.is_made_up(total(found)))
    requests, failed, unpriced = (dict.fromkeys(slots, 0) for _ in range(3))
    for each in found:
        slot = min(max(each.slot, slots[0]), slots[-1])  # clocks of gateways differ a little
        costs.add(slot, each)
        requests[slot] += each.requests
        failed[slot] += each.failed
        unpriced[slot] += each.unpriced
    names = costs.ranked()
    series = [
        Series(n, [costs.of(s, n) or 0 for s in slots], n == REST, "s5" if n == SIMULATED else "")
        for n in names
    ]
    sums = [sum(one.values[i] for one in series) for i in range(len(slots))]
    paid = [sum(s.values[i] for s in series if s.name != SIMULATED) for i in range(len(slots))]
    bins = [
        charts.Bin(_label(s, over), _tooltip(_label(s, over), series, i), unpriced[s], _at(s, over))
        for i, s in enumerate(slots)
    ]
    name, hidden = title(found, over), sum(unpriced.values())
    return Drawn(
        title=name,
        svg=charts.stacked_bars(f"{name} by {by}", bins, series, charts.money_axis(max(sums))),
        head=("From, UTC", *names, "Requests", "Failed", "Not priced", "USD"),
        rows=[
            (
                _moment(s, over),
                *(figures.exact(costs.of(s, n)) for n in names),
                figures.count(requests[s]),
                figures.count(failed[s]),
                figures.count(unpriced[s]),
                figures.exact(cost) if cost or not unpriced[s] else figures.DASH,
            )
            for s, cost in zip(slots, paid, strict=True)
        ],
        legend=[
            (charts.swatch(charts.colour(i, one)), one.name, costs.words(one.name))
            for i, one in enumerate(series)
        ],
        unknown=f"{figures.plural(hidden, 'attempt')} without a cost" if hidden else "",
        cross=CROSS,
    )


def by_tag(found: Sequence[Slot], now: datetime, over: Span, named: Named) -> Drawn:
    """Spend by time and tag: a line for each, without what nobody charges; it stops where nothing
    is known of the cost."""
    slots = span.slots(now, over)
    costs = _Costs(named, all_made_up=money.is_made_up(total(found)))
    for each in found:
        costs.add(min(max(each.slot, slots[0]), slots[-1]), each)
    names = [name for name in costs.ranked() if name != SIMULATED]
    lines = [Curve(name, [costs.of(slot, name) for slot in slots]) for name in names]
    gaps = [any(line.values[i] is None for line in lines) for i in range(len(slots))]
    top = max([value or 0 for line in lines for value in line.values], default=0)
    bins = [
        charts.Bin(_label(s, over), _values(_label(s, over), lines, i), int(gaps[i]), _at(s, over))
        for i, s in enumerate(slots)
    ]
    name = title(found, over)
    return Drawn(
        title=name,
        svg=curves.lines(f"{name} by tag", bins, lines, charts.money_axis(top)),
        head=("From, UTC", *names),
        rows=[(_moment(s, over), *(figures.exact(costs.of(s, n)) for n in names)) for s in slots],
        legend=[
            (charts.swatch(curves.colour(i)), name, costs.words(name))
            for i, name in enumerate(names)
        ],
        unknown="no cost is known" if any(gaps) else "",
        cross=CROSS,
    )


def requests(found: Iterable[Slot], now: datetime, over: Span) -> Drawn:
    """How many requests there were, and how many failed for callers; `spend` has the table."""
    slots = span.slots(now, over)
    count, failed = dict.fromkeys(slots, 0), dict.fromkeys(slots, 0)
    for each in found:
        slot = min(max(each.slot, slots[0]), slots[-1])
        count[slot] += each.requests
        failed[slot] += each.failed
    series = [
        Series("answered", [count[s] - failed[s] for s in slots]),
        Series("failed for callers", [failed[s] for s in slots], tone="bad"),
    ]
    bins = [
        charts.Bin(
            _label(s, over),
            f"{_label(s, over)}: {count[s]:,}, {failed[s]:,} failed",
            at=_at(s, over),
        )
        for s in slots
    ]
    name = f"Requests per {over.step_words}"
    axis = charts.count_axis(max(4, *count.values()), figures.count)
    return Drawn(
        title=name,
        svg=charts.stacked_bars(name, bins, series, axis),
        head=(),
        rows=(),
        legend=[
            (charts.swatch(charts.colour(i, one)), one.name, figures.count(sum(one.values)))
            for i, one in enumerate(series)
        ],
        cross=CROSS,
    )


class _Costs:
    """Sums by slot and name. Nothing spent is 0; spent but not known is None."""

    def __init__(self, named: Named, *, all_made_up: bool) -> None:
        self._named = named
        self._all_made_up = all_made_up
        self._known: dict[tuple[int, str], int] = {}
        self._hidden: set[tuple[int, str]] = set()

    def add(self, slot: int, each: Slot) -> None:
        """What one name cost in one slot; what was made up goes apart."""
        name = self._named(each.name)
        made_up = 0 if self._all_made_up else each.simulated_pico or 0
        if made_up:
            self._add(slot, SIMULATED, made_up)
        if each.cost_pico is None:
            self._hidden.add((slot, name))
        elif each.cost_pico > made_up or not made_up:
            self._add(slot, name, each.cost_pico - made_up)

    def _add(self, slot: int, name: str, pico: int) -> None:
        self._known[slot, name] = self._known.get((slot, name), 0) + pico

    def of(self, slot: int, name: str) -> int | None:
        """The cost in one slot."""
        if (slot, name) in self._hidden:
            return self._known.get((slot, name))
        return self._known.get((slot, name), 0)

    def ranked(self) -> list[str]:
        """Names by falling cost, then everything else, then what nobody charges."""
        names = {name for _, name in (*self._known, *self._hidden)}
        return sorted(names, key=lambda n: (n == SIMULATED, n == REST, -(self._total(n) or 0), n))

    def words(self, name: str) -> str:
        """The cost of a name in the legend."""
        cost = self._total(name)
        if cost is None:
            return "cost unknown"
        return figures.short(cost) + (", nobody charges it" if name == SIMULATED else "")

    def _total(self, name: str) -> int | None:
        known = [cost for (_, of), cost in self._known.items() if of == name]
        return sum(known) if known else None


def _begins(slot: int, over: Span) -> datetime:
    return datetime.fromtimestamp(slot * over.step_s, UTC)


def _moment(slot: int, over: Span) -> str:
    return f"{_begins(slot, over):%Y-%m-%d %H:%M}"


def _label(slot: int, over: Span) -> str:
    return format(_begins(slot, over), over.label_format)


def _at(slot: int, over: Span) -> str:
    """For the script to show hours in local time; days stay days of UTC."""
    return "" if over.step_s > 3600 else _begins(slot, over).isoformat()


def _tooltip(moment: str, series: Sequence[Series], index: int) -> str:
    costs = [(one.name, one.values[index]) for one in series if one.values[index]]
    paid = sum(cost for name, cost in costs if name != SIMULATED)
    head = f"{moment}: {figures.short(paid)}"
    return "\n".join([head, *(f"{name} {figures.short(cost)}" for name, cost in costs)])


def _values(moment: str, lines: Sequence[Curve], index: int) -> str:
    costs = [f"{one.name} {figures.short(one.values[index])}" for one in lines if one.values[index]]
    return "\n".join([moment, *costs])
