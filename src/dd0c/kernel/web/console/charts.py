"""Charts as server-rendered SVG: no script, no asset, no inline style.

Horizontal positions are percentages and vertical ones pixels, and there is no `viewBox`, so a chart
fills its panel at any width while its text keeps its size. Every axis starts at zero. An amount
nobody knows is a hatched cap of fixed height on its bar, never a height of its own. A chart goes to
the page as `Drawn`, with the same numbers as a table. Lines are in `curves`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

HEIGHT = 180
TOP, FLOOR = 10, HEIGHT - 22
CAP = 9
_BAR_SHARE = 0.82
_SHARE_MIN = 0.6
_STRIP_HEIGHT = 10
COLOURS = 5
HATCH = Markup(
    '<defs><pattern id="hatch" class="hatch" width="5" height="5" '
    'patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<line x1="0" y1="0" x2="0" y2="5"/></pattern></defs>'
)


@dataclass(frozen=True, slots=True)
class Series:
    """One colour of a stacked bar chart: a name and one amount for each bin."""

    name: str
    values: Sequence[int]
    rest: bool = False  # "everything else" is grey
    tone: str = ""  # a colour of its own: "bad" for what failed, "s5" for what is apart


@dataclass(frozen=True, slots=True)
class Bin:
    """One bar: what stands below it, what its tooltip says, how many amounts are unknown."""

    label: str
    tooltip: str
    unknown: int = 0
    at: str = ""  # ISO time, for the script to show the label in local time


@dataclass(frozen=True, slots=True)
class Axis:
    """Grid lines from zero up: their values and labels."""

    top: int
    ticks: Sequence[tuple[int, str]]


@dataclass(frozen=True, slots=True)
class Drawn:
    """A chart as `parts.chart` shows it: drawn, named, and as a table of texts.

    `legend` is (swatch, name, text); charts with the same `cross` share a crosshair.
    """

    title: str
    svg: Markup
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    legend: Sequence[tuple[Markup, str, str]] = ()
    unknown: str = ""  # what hatching stands for here
    cross: str = ""


def colour(index: int, series: Series) -> str:
    """The CSS class of a series."""
    return series.tone or ("s0" if series.rest else f"s{index % COLOURS + 1}")


def money_axis(largest_pico: int) -> Axis:
    """Three to five grid lines at round dollar amounts, the last at or above the largest bar."""
    step = 10**6  # a micro-dollar: below that a chart says nothing
    while True:
        for factor in (1, 2, 5):
            if step * factor * 4 >= largest_pico:
                return _axis(step * factor, largest_pico)
        step *= 10


def count_axis(largest: int, label: Callable[[int], str]) -> Axis:
    """Like `money_axis` for any other quantity, written by `label`."""
    step = next(
        factor * 10**power
        for power in range(40)
        for factor in (1, 2, 5)
        if factor * 10**power * 4 >= largest
    )
    lines = max(2, -(-largest // step))
    return Axis(lines * step, [(i * step, label(i * step)) for i in range(lines + 1)])


def _axis(step: int, largest: int) -> Axis:
    lines = max(2, -(-largest // step))
    decimals = max(0, 12 - (len(str(step)) - 1))
    shown = 2 if decimals == 1 else decimals
    ticks = [(i * step, f"${i * step / 10**12:,.{shown}f}") for i in range(lines + 1)]
    return Axis(lines * step, [(0, "$0"), *ticks[1:]])


def stacked_bars(
    title: str, bins: Sequence[Bin], series: Sequence[Series], axis: Axis, description: str = ""
) -> Markup:
    """Bars of money over time, one colour a series, unknown amounts hatched."""
    step = 100 / max(1, len(bins))
    bars = (_bar(i, step, each, series, axis) for i, each in enumerate(bins))
    parts = (HATCH, *grid(axis), *labels(bins), *bars)
    return drawing(title, description, parts)


def drawing(title: str, description: str, parts: Iterable[Markup]) -> Markup:
    """A chart of the usual height, with its name and what it shows for who cannot see it."""
    return Markup('<svg role="img" height="{}"><title>{}</title><desc>{}</desc>{}</svg>').format(
        HEIGHT, title, description or "The same numbers are in the table below.", _join(parts)
    )


def grid(axis: Axis) -> Iterator[Markup]:
    """The lines of an axis with their amounts."""
    for value, label in axis.ticks:
        y = height(value, axis)
        yield _LINE.format("grid" if value else "grid zero", y, y)
        yield _AMOUNT.format(y + 4, label)


def labels(bins: Sequence[Bin]) -> Iterator[Markup]:
    """About eight labels of time, every second one left out where it is narrow."""
    step, every = 100 / max(1, len(bins)), max(1, len(bins) // 8)
    for i, each in enumerate(bins):
        if i % every == 0:
            kind = "opt" if i // every % 2 else ""
            yield _LABEL.format(kind, each.at, (i + 0.5) * step, HEIGHT - 4, each.label)


def hit(index: int, count: int, each: Bin, drawn: Markup) -> Markup:
    """One bin: the whole of its width answers the pointer with its numbers."""
    step = 100 / max(1, count)
    area = _HIT.format(index * step, step)
    return _BIN.format(each.tooltip, area + drawn)


def _join(parts: Iterable[Markup]) -> Markup:
    return _NOTHING.join(parts)


_NOTHING = Markup()
_LINE = Markup('<line class="{}" x1="0" x2="100%" y1="{}" y2="{}"/>')
_AMOUNT = Markup('<text x="-8" y="{}" text-anchor="end">{}</text>')
_LABEL = Markup('<text class="{}" data-time="{}" x="{:.2f}%" y="{}" text-anchor="middle">{}</text>')
RECT = Markup('<rect class="{}" x="{:.4g}%" width="{:.4g}%" y="{:.4g}" height="{:.4g}"/>')
_HIT = Markup('<rect class="hit" x="{:.4g}%" width="{:.4g}%"/>')  # its height is in the style
_BIN = Markup('<g class="bin"><title>{}</title>{}</g>')


def _bar(index: int, step: float, each: Bin, series: Sequence[Series], axis: Axis) -> Markup:
    x, width = (index + (1 - _BAR_SHARE) / 2) * step, step * _BAR_SHARE
    parts, below = [], 0
    for k, one in enumerate(series):
        value = one.values[index]
        if value <= 0:
            continue
        low, high = height(below, axis), height(below + value, axis)
        below += value
        parts.append(RECT.format(colour(k, one), x, width, high, max(low - high - 1, 0.6)))
    if each.unknown:
        parts.append(RECT.format("unknown", x, width, height(below, axis) - CAP, CAP - 1))
    return hit(index, round(100 / step), each, _join(parts))


def height(value: int, axis: Axis) -> float:
    """The vertical position of an amount."""
    return round(FLOOR - (FLOOR - TOP) * value / axis.top, 1)


def strip(title: str, parts: Sequence[tuple[str, int]]) -> Markup:
    """One horizontal bar cut into (colour class, amount) parts, in proportion; each is visible."""
    total = sum(amount for _, amount in parts) or 1
    shares = [max(_SHARE_MIN, 100 * amount / total) if amount else 0.0 for _, amount in parts]
    scale, x, drawn = 100 / (sum(shares) or 1), 0.0, []
    for (kind, _), share in zip(parts, shares, strict=True):
        drawn.append(RECT.format(kind, x, max(share * scale - 0.2, 0), 0, _STRIP_HEIGHT))
        x += share * scale
    return Markup('<svg role="img" aria-label="{}">{}</svg>').format(title, _join(drawn))


def swatch(kind: str) -> Markup:
    """A small square of a series' colour for a legend."""
    return Markup(
        '<svg aria-hidden="true"><rect class="{}" width="100%" height="100%"/></svg>'
    ).format(kind)
