"""Charts: in proportion, from zero, with the unknown apart, and safe whatever a model is called."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from dd0c.kernel.web.console import charts

DOLLAR = 10**12


@settings(deadline=None)  # a busy machine is no finding
@given(st.integers(min_value=0, max_value=10**19))
def test_the_axis_holds_the_largest_bar(largest: int) -> None:
    """The top line is at or above the largest amount, and starts at zero."""
    axis = charts.money_axis(largest)
    assert axis.top >= largest
    assert axis.ticks[0] == (0, "$0")
    assert 3 <= len(axis.ticks) <= 5
    assert axis.ticks[-1][0] == axis.top


def test_the_axis_speaks_round_dollars() -> None:
    """Grid lines are at amounts that people use."""
    labels = [label for _, label in charts.money_axis(155 * DOLLAR // 1000).ticks]
    assert labels == ["$0", "$0.05", "$0.10", "$0.15", "$0.20"]


def test_bars_are_in_proportion() -> None:
    """Twice the money is twice the height, measured from the zero line."""
    axis = charts.money_axis(8 * DOLLAR)
    one = charts.Series("gpt", [2 * DOLLAR, 4 * DOLLAR])
    drawn = charts.stacked_bars("t", [charts.Bin("a", "a"), charts.Bin("b", "b")], [one], axis)
    heights = [float(h) + 1 for h in re.findall(r'class="s1".*?height="([\d.]+)"', drawn)]
    assert abs(heights[1] - 2 * heights[0]) <= 0.2


def test_the_unknown_has_no_height_of_its_own() -> None:
    """Three unknown amounts and one look the same: a mark, not a guess."""
    axis = charts.money_axis(DOLLAR)
    marks = [
        re.findall(r'class="unknown"[^>]*', charts.stacked_bars("t", [one], [], axis))
        for one in (charts.Bin("a", "", unknown=1), charts.Bin("a", "", unknown=3))
    ]
    assert marks[0] == marks[1]
    assert len(marks[0]) == 1


def test_names_are_escaped() -> None:
    """No text of a chart can open an element."""
    evil = '<script>alert(1)</script>"'
    drawn = charts.stacked_bars(
        evil, [charts.Bin(evil, evil, at=evil)], [charts.Series(evil, [1])], charts.money_axis(1)
    )
    assert "<script" not in drawn + charts.strip(evil, [("s1", 1)])


@settings(deadline=None)  # a busy machine is no finding
@given(st.lists(st.integers(min_value=0, max_value=10**12), min_size=1, max_size=6))
def test_a_strip_fills_its_width(amounts: list[int]) -> None:
    """Parts follow each other and never leave the bar; a small one stays visible."""
    drawn = charts.strip("t", [("s1", amount) for amount in amounts])
    spans = [(float(x), float(w)) for x, w in re.findall(r'x="([\d.]+)%" width="([\d.]+)%"', drawn)]
    assert all(x + w <= 100.05 for x, w in spans)
    assert all(w > 0 for (_, w), amount in zip(spans, amounts, strict=True) if amount)
