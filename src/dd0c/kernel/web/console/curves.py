"""Lines, steps, sparklines and heat strips: what changes over time and is no sum.

A curve lives in an inner drawing of a thousand units that is stretched to the width of the panel,
while its stroke and all text keep their size. None is a gap: the line stops and goes on behind it,
it is never drawn through. Unknown is hatched: all of a gap, a low strip where the line goes on.
More values than there are pixels are thinned to the smallest and the largest of each pixel, so that
a spike of one second is still there on a page of a month.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from dd0c.kernel.web.console import charts
from dd0c.kernel.web.console.charts import FLOOR, HATCH, RECT, TOP, Axis, Bin

WIDTH = 1000
PIXELS = 500  # columns that a curve is thinned to: narrow panels have fewer, wide ones seldom more
LEVELS = 5
STRIP_HEIGHT = 18
SPARK_HEIGHT = 20
LABEL_GAP = 13
_INNER = Markup(
    '<svg x="0" y="0" width="100%" height="{0}" viewBox="0 0 1000 {0}" preserveAspectRatio="none">'
    "{1}</svg>"
)
_PATH = Markup('<path class="curve {}" d="{}"/>')
_NAME = Markup(
    '<text class="name" x="100%" y="{:.0f}" text-anchor="end"><tspan class="{}">■ </tspan>{}</text>'
)
_CELL = Markup(
    '<g class="bin"><title>{}</title>'
    '<rect class="heat {}" x="{:.2f}%" width="{:.2f}%" height="{}"{}/></g>'
)


@dataclass(frozen=True, slots=True)
class Curve:
    """One line: a name, and for each bin a value or None for a gap. What is `supposed`, and was
    not measured, is dashed."""

    name: str
    values: Sequence[int | None]
    supposed: bool = False


def lines(
    title: str, bins: Sequence[Bin], curves: Sequence[Curve], axis: Axis, *, step: bool = False
) -> Markup:
    """Lines over time, named at their ends. `step` holds each measured value until the next one."""
    paths = (
        _PATH.format(
            colour(k) + " dashed" * one.supposed,
            _path(thin(one.values, PIXELS), axis, step=step and not one.supposed),
        )
        for k, one in enumerate(curves)
    )
    width = 100 / max(1, len(bins))
    gaps = [all(one.values[i] is None for one in curves) for i in range(len(bins))]
    unknown = (
        RECT.format("gap", i * width, width, FLOOR - tall, tall)
        for i, each in enumerate(bins)
        if each.unknown
        for tall in (FLOOR - TOP if gaps[i] else charts.CAP,)
    )
    parts = (
        HATCH,
        *charts.grid(axis),
        *charts.labels(bins),
        *unknown,
        _INNER.format(charts.HEIGHT, Markup().join(paths)),
        *_names(curves, axis),
        *(charts.hit(i, len(bins), each, Markup()) for i, each in enumerate(bins)),
    )
    return charts.drawing(title, "", parts)


def thin(values: Sequence[int | None], columns: int) -> list[tuple[float, int | None]]:
    """Points (position from 0 to 1, value): all of them, or the extremes of each column in order.

    A column without any value is one gap.
    """
    count = len(values)
    if count <= columns * 2:
        return [((i + 0.5) / count, value) for i, value in enumerate(values)]
    points: list[tuple[float, int | None]] = []
    for column in range(columns):
        first, behind = column * count // columns, (column + 1) * count // columns
        known = [(i, v) for i in range(first, behind) if (v := values[i]) is not None]
        if not known:
            points.append(((first + 0.5) / count, None))
            continue
        extremes = {min(known, key=lambda p: p[1]), max(known, key=lambda p: p[1])}
        points += [((i + 0.5) / count, value) for i, value in sorted(extremes)]
    return points


def _path(points: Sequence[tuple[float, int | None]], axis: Axis, *, step: bool) -> str:
    """The points as a path that stops at gaps; a point alone between gaps is a short stroke."""
    found, drawing = [], False
    for i, (at, value) in enumerate(points):
        if value is None:
            drawing = False
            continue
        x, y = round(at * WIDTH, 1), charts.height(value, axis)
        alone = not drawing and (i + 1 == len(points) or points[i + 1][1] is None)
        if not drawing:
            found.append(f"M{x - 2 * alone:g} {y:g}" + (f"H{x + 2:g}" if alone else ""))
        else:
            found.append(f"H{x:g}V{y:g}" if step else f"L{x:g} {y:g}")
        drawing = True
    return "".join(found)


def _names(curves: Sequence[Curve], axis: Axis) -> Iterator[Markup]:
    """Names above the last points, moved apart where they would cover each other."""
    ends = []
    for k, one in enumerate(curves):
        last = next((value for value in reversed(one.values) if value is not None), None)
        if last is not None:
            ends.append((charts.height(last, axis) - 6, colour(k), one.name))
    above = 0.0
    for y, tone, name in sorted(ends):
        above = max(y, above + LABEL_GAP)
        yield _NAME.format(above, tone, name)


def colour(index: int) -> str:
    """The CSS class of a curve."""
    return f"s{index % charts.COLOURS + 1}"


def sparkline(
    title: str, values: Sequence[int | None], top: int = 0, *, step: bool = False
) -> Markup:
    """A line without axis for a cell of a table, from zero to `top` (its largest value)."""
    top = top or max([value for value in values if value is not None], default=0) or 1
    points = thin(values, 48)
    scaled = Axis(top, ())
    path = _path(points, scaled, step=step)
    return Markup(
        '<svg class="spark" role="img" viewBox="0 {0} 1000 {1}" preserveAspectRatio="none">'
        "<title>{2}</title>{3}</svg>"
    ).format(TOP - 2, FLOOR - TOP + 4, title, _PATH.format("", path))


def heat(title: str, bins: Sequence[Bin], values: Sequence[int | None], top: int = 0) -> Markup:
    """A row of cells, darker for more: five levels up to `top` (by itself the largest), zero pale,
    a gap hatched."""
    top = top or max([value for value in values if value is not None], default=0) or 1
    width, cells = 100 / max(1, len(bins)), [HATCH]
    for i, (each, value) in enumerate(zip(bins, values, strict=True)):
        kind = "none" if value is None else "" if value else "zero"
        level = min(LEVELS, -(-(value or 0) * LEVELS // top)) / LEVELS
        shade = Markup(' fill-opacity="{}"').format(level) if value else ""
        cells.append(_CELL.format(each.tooltip, kind, i * width, width * 0.92, STRIP_HEIGHT, shade))
    return Markup('<svg role="img" height="{}"><title>{}</title>{}</svg>').format(
        STRIP_HEIGHT, title, Markup().join(cells)
    )
