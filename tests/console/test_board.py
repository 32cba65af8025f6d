"""The overview in words: comparisons only on whole sums, and no zero for what is unknown."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from dd0c.base import ids
from dd0c.products.route.pages import board
from dd0c.products.route.pages.span import SPANS, Range
from dd0c.products.route.store.overview import Failing, Slot, Totals
from dd0c.products.route.store.providers import Listed

NOW = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)
HOUR = int(NOW.timestamp()) // 3600
DOLLAR = 10**12


def provider(*, simulated: bool, enabled: bool = True) -> Listed:
    """A provider of the installation."""
    url = "http://127.0.0.1:1"
    return Listed(ids.new(), None, "one", "openai", url, "openai", simulated, enabled, NOW)


def totals(cost_pico: int | None, unpriced: int = 0, simulated: int | None = None) -> Totals:
    """Sums of a day."""
    return Totals(10, 0, unpriced, cost_pico, simulated)


@pytest.mark.parametrize(
    ("today", "yesterday", "words"),
    [
        (totals(82), totals(100), ", 18 % under yesterday at this time"),
        (totals(118), totals(100), ", 18 % over yesterday at this time"),
        (totals(100), totals(100), ", as much as yesterday at this time"),
        (totals(700), totals(100), ", 7 times yesterday at this time"),
        (totals(82), totals(0), ""),
        (totals(82, unpriced=1), totals(100), ""),
        (totals(82), totals(100, unpriced=1), ""),
        (totals(None, unpriced=10), totals(100), ", cost unknown"),
        (totals(82), totals(100, simulated=1), ""),
    ],
)
def test_only_whole_sums_are_compared(today: Totals, yesterday: Totals, words: str) -> None:
    """A sum with something missing, or with something made up, is compared with nothing."""
    assert board.comparison(today, yesterday) == words


@pytest.mark.parametrize(
    ("simulated", "words"),
    [
        (55 * 10**10, ", simulated: nobody charges this"),
        (12 * 10**10, ", of which $0.12 simulated"),
        (0, ", as much as yesterday at this time"),
        (None, ", as much as yesterday at this time"),
    ],
)
def test_simulated_money_is_called_so(simulated: int | None, words: str) -> None:
    """The headline says how much of its sum nobody charges, whoever answers now."""
    assert board.comparison(totals(55 * 10**10, simulated=simulated), totals(55 * 10**10)) == words


def test_a_simulator_alone_asks_for_a_key() -> None:
    """As long as only the simulator answers, the overview says how to end that."""
    off, real = provider(simulated=False, enabled=False), provider(simulated=False)
    made_up = provider(simulated=True)
    assert [d.kind for d in board.decisions([], [], [made_up, off])] == ["info"]
    assert not list(board.decisions([], [], [made_up, real]))


def test_a_single_failure_asks_nobody() -> None:
    """Three failures in an hour, and 2 % of the calls, are what needs a person."""
    for failed, attempts, asked in ((2, 2, 0), (3, 3, 1), (3, 151, 0), (4, 151, 1)):
        failing = Failing("openai", attempts, failed, NOW, 500)
        assert len(list(board.decisions([], [failing], []))) == asked


def test_a_chart_knows_nothing_from_unknown() -> None:
    """In legend and table, nothing spent is 0.00 and spent without a cost is a dash (R-11)."""
    found = [
        Slot(HOUR, "priced", 2, 0, 0, DOLLAR, None),
        Slot(HOUR, None, 1, 0, 1, None, None),
        Slot(HOUR - 1, None, 1, 0, 1, None, None),
        Slot(HOUR - 30, "priced", 1, 0, 0, DOLLAR, None),
    ]
    chart = board.chart(found, NOW, SPANS[Range.DAY])
    assert [(key.name, key.total) for key in chart.legend] == [
        ("priced", 2 * DOLLAR),
        ("everything else", None),
    ]
    last, before, earlier = chart.table[-1], chart.table[-2], chart.table[-3]
    assert (last.amounts, last.total) == (("1.00", "–"), "1.00")
    assert (before.amounts, before.total) == (("0.00", "–"), "–")
    assert (earlier.amounts, earlier.total) == (("0.00", "0.00"), "0.00")
    assert chart.table[0].total == "1.00"  # from a clock that is late: in the sum all the same
    assert chart.unknown == "2 attempts without a cost"
