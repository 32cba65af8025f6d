"""What is left of a budget over its window: from the ledger's sums, and where that leads. Pure.

A step line from the whole amount down to zero, where the budget is spent; what lies ahead is dashed
and straight. What is held for requests on their way is in no sum and not in the line. The budget of
all time has no window: its last thirty days are shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from markupsafe import Markup

from dd0c.kernel.web.console import charts, curves, figures
from dd0c.kernel.web.console.charts import Drawn
from dd0c.kernel.web.console.curves import Curve
from dd0c.products.route.standings import Standing
from dd0c.products.route.store.charges import Charged
from dd0c.products.route.store.spans import Span

STEPS_S = {
    "minute": 5,
    "hour": 120,
    "day": 3600,
    "week": 21_600,
    "month": 86_400,
    "total": 86_400,
}
TOTAL_SHOWN_S = 30 * 86_400
_LABELS = {"minute": "%H:%M:%S", "hour": "%H:%M", "day": "%H:%M"}


@dataclass(frozen=True, slots=True)
class Sums:
    """What was charged in each slot that is shown, and before the first of them."""

    before_pico: int
    slots: Mapping[int, Charged]


def shown(found: Standing) -> Span:
    """The time that the line is about."""
    until_s = found.window.until_s
    if until_s is None:
        now_s = int(found.at.timestamp())
        step_s = STEPS_S[found.budget.span]
        since_s = (now_s - TOTAL_SHOWN_S) // step_s * step_s
        return Span(datetime.fromtimestamp(since_s, UTC), None)
    return Span(
        datetime.fromtimestamp(found.window.from_s, UTC), datetime.fromtimestamp(until_s, UTC)
    )


def slots(found: Standing) -> range:
    """The slots of that time; the first and the last may be there in part."""
    step_s, span = STEPS_S[found.budget.span], shown(found)
    assert span.since is not None
    last = int(found.at.timestamp()) if span.until is None else int(span.until.timestamp()) - 1
    return range(int(span.since.timestamp()) // step_s, last // step_s + 1)


def left(found: Standing, sums: Sums) -> list[int | None]:
    """What was left at the end of each slot; None of those that lie ahead."""
    rest, now = found.budget.amount_pico - sums.before_pico, _now(found)
    values: list[int | None] = []
    for slot in slots(found):
        charged = sums.slots.get(slot)
        rest -= charged.pico if charged else 0
        values.append(rest if slot <= now else None)
    return values


def spark(found: Standing, sums: Sums) -> Markup:
    """The line in a cell of a table."""
    values = _drawable(left(found, sums))
    return curves.sparkline("What is left, over the window", values, _top(found), step=True)


def draw(found: Standing, sums: Sums) -> Drawn:
    """The line with what lies ahead, and the sums as a table."""
    values, bins, hidden = left(found, sums), [], 0
    for slot, rest in zip(slots(found), values, strict=True):
        charged = sums.slots.get(slot, Charged(0, 0))
        hidden += charged.unknown
        label = _label(found, slot)
        told = f"{label}: {figures.short(rest)} left, {figures.short(charged.pico)} charged"
        bins.append(
            charts.Bin(label, label if rest is None else told, charged.unknown, _at(found, slot))
        )
    lines = [Curve("left", _drawable(values))]
    ahead = _ahead(found, values)
    lines += [Curve("at this pace", _drawable(ahead), supposed=True)] if ahead else []
    return Drawn(
        title="What is left of it",
        svg=curves.lines(
            "What is left of the budget", bins, lines, charts.money_axis(_top(found)), step=True
        ),
        head=("From, UTC", "Charged, USD", "Left, USD"),
        rows=[
            (_moment(found, slot), figures.exact(_charged(sums, slot)), figures.exact(rest))
            for slot, rest in zip(slots(found), values, strict=True)
            if rest is not None
        ],
        unknown=f"{figures.plural(hidden, 'attempt')} whose cost nobody knows" if hidden else "",
        legend=[
            (charts.swatch(curves.colour(k)), line.name, figures.short(end).replace("$-", "−$"))
            for k, line in enumerate(lines)
            if (end := _last(values if k == 0 else ahead)) is not None
        ],
    )


def _ahead(found: Standing, values: list[int | None]) -> list[int | None]:
    """A straight line from now to the window's end; nothing where there is no forecast."""
    now, end = len([value for value in values if value is not None]) - 1, len(values) - 1
    if found.forecast_pico is None or not 0 <= now < end:
        return []
    begins = values[now] or 0
    falls = begins - (found.budget.amount_pico - found.forecast_pico)
    return [None] * now + [begins - falls * k // (end - now) for k in range(end - now + 1)]


def _drawable(values: list[int | None]) -> list[int | None]:
    """Below zero nothing is drawn: there the budget is spent, and the table says by how much."""
    return [None if value is None else max(0, value) for value in values]


def _top(found: Standing) -> int:
    return found.budget.amount_pico


def _last(values: list[int | None]) -> int | None:
    return next((value for value in reversed(values) if value is not None), None)


def _charged(sums: Sums, slot: int) -> int:
    return sums.slots[slot].pico if slot in sums.slots else 0


def _now(found: Standing) -> int:
    return int(found.at.timestamp()) // STEPS_S[found.budget.span]


def _begins(found: Standing, slot: int) -> datetime:
    return datetime.fromtimestamp(slot * STEPS_S[found.budget.span], UTC)


def _moment(found: Standing, slot: int) -> str:
    seconds = ":%S" if found.budget.span == "minute" else ""
    return format(_begins(found, slot), f"%Y-%m-%d %H:%M{seconds}")


def _label(found: Standing, slot: int) -> str:
    return format(_begins(found, slot), _LABELS.get(found.budget.span, "%b %d"))


def _at(found: Standing, slot: int) -> str:
    """For the script to show hours in local time."""
    return _begins(found, slot).isoformat() if found.budget.span in ("hour", "day") else ""
