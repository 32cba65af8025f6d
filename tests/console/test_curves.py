"""Curves: nothing is drawn where nothing was measured, and a spike survives thinning."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from dd0c.kernel.web.console import charts, curves
from dd0c.kernel.web.console.charts import Bin

VALUES = st.lists(st.none() | st.integers(min_value=0, max_value=10**9), max_size=400)


@settings(deadline=None)  # a busy machine is no finding
@given(VALUES, st.integers(min_value=1, max_value=40))
def test_thinning_keeps_the_extremes(values: list[int | None], columns: int) -> None:
    """The largest and the smallest are still there, in order, with at most two a column."""
    points = curves.thin(values, columns)
    known = [value for value in values if value is not None]
    kept = [value for _, value in points if value is not None]
    assert len(points) <= max(columns * 2, len(values) if len(values) <= columns * 2 else 0)
    assert [at for at, _ in points] == sorted(at for at, _ in points)
    if known:
        assert (max(kept), min(kept)) == (max(known), min(known))


def bins(values: list[int | None]) -> list[Bin]:
    """Bins without words."""
    return [Bin("", "") for _ in values]


def drawn(values: list[int | None], *, step: bool = False) -> str:
    """The path of one line."""
    axis = charts.count_axis(100, str)
    whole = curves.lines("t", bins(values), [curves.Curve("c", values)], axis, step=step)
    return str(re.findall(r'class="curve s1" d="([^"]*)"', whole)[0])


def test_a_line_stops_at_a_gap() -> None:
    """Two values, a gap, two values are two strokes; a value alone is a short one."""
    path = drawn([10, 20, None, 30, 40])
    assert path.count("M") == 2
    assert path.count("L") == 2
    assert drawn([None, 5, None]).count("H") == 1
    assert drawn([None, None]) == ""


def test_steps_hold_their_value() -> None:
    """A step goes across first and then up, never slanting."""
    assert "L" not in drawn([10, 20, 30], step=True)


def test_an_axis_of_counts_starts_at_zero_and_holds_all() -> None:
    """Round steps from 0 to at or above the largest."""
    for largest in (0, 1, 7, 70, 99, 12_345):
        axis = charts.count_axis(largest, str)
        assert axis.ticks[0] == (0, "0")
        assert axis.top >= largest


def test_heat_tells_zero_from_not_measured() -> None:
    """A gap is hatched, a zero pale, the largest full."""
    drawn = curves.heat("t", bins([None, 0, 5]), [None, 0, 5])
    kinds = re.findall(r'class="heat ([a-z]*)"[^>]*?(?:fill-opacity="([\d.]+)")?/>', drawn)
    assert kinds == [("none", ""), ("zero", ""), ("", "1.0")]


def test_names_of_curves_are_escaped_and_apart() -> None:
    """No name opens an element, and two names at one height do not cover each other."""
    evil = '<script>alert(1)</script>"'
    both = [curves.Curve(evil, [5]), curves.Curve("b", [5])]
    whole = curves.lines(evil, [Bin(evil, evil)], both, charts.count_axis(5, str))
    assert "<script" not in whole + curves.heat(evil, [Bin(evil, evil)], [1])
    heights = [int(y) for y in re.findall(r'class="name" x="100%" y="(\d+)"', whole)]
    assert heights[1] - heights[0] >= curves.LABEL_GAP - 1
