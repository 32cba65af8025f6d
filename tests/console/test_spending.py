"""Money in words and bars: comparisons only on whole sums, what is made up apart, no false zero."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from dd0c.products.route.pages import comparison, money, spending, today
from dd0c.products.route.pages.span import SPANS, Range
from dd0c.products.route.store.overview import Slot, Totals

NOW = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)  # a Friday
HOUR = int(NOW.timestamp()) // 3600
DOLLAR = 10**12


def totals(cost_pico: int | None, unpriced: int = 0, simulated: int | None = None) -> Totals:
    """Sums of a day."""
    return Totals(10, 0, unpriced, cost_pico, simulated)


@pytest.mark.parametrize(
    ("now", "then", "words"),
    [
        (totals(82), totals(100), ", 18 % under last Friday at this time"),
        (totals(118), totals(100), ", 18 % over last Friday at this time"),
        (totals(100), totals(100), ", as much as last Friday at this time"),
        (totals(700), totals(100), ", 7 times last Friday at this time"),
        (totals(82), totals(0), ""),
        (totals(82, unpriced=1), totals(100), ""),
        (totals(82), totals(100, unpriced=1), ""),
        (totals(None, unpriced=10), totals(100), ", cost unknown"),
        (totals(82), totals(140, simulated=40), ", 18 % under last Friday at this time"),
        (totals(82), totals(40, simulated=40), ""),
    ],
)
def test_only_whole_sums_of_what_is_charged_are_compared(
    now: Totals, then: Totals, words: str
) -> None:
    """A sum with something missing is compared with nothing; made-up money is in no comparison."""
    assert today.words(now, then, NOW) == words


@pytest.mark.parametrize(
    ("simulated", "number", "words"),
    [
        (55 * 10**10, 55 * 10**10, ", simulated: nobody charges this"),
        (11 * 10**10, 44 * 10**10, ", 20 % under last Friday at this time, and $0.11 simulated"),
        (None, 55 * 10**10, ", as much as last Friday at this time"),
    ],
)
def test_simulated_money_stands_apart(simulated: int | None, number: int, words: str) -> None:
    """The headline's number is what is charged; what nobody charges is said beside it."""
    sums = totals(55 * 10**10, simulated=simulated)
    assert comparison.number(sums) == number
    assert today.words(sums, totals(55 * 10**10), NOW) == words


def test_a_few_failed_calls_end_no_comparison() -> None:
    """One call of twenty without a cost is compared, and said to be missing (R-11)."""
    sums = Totals(20, 1, 1, 82, None)
    told = ", 18 % under last Friday at this time, as far as costs are known"
    assert today.words(sums, totals(100), NOW) == told


def test_a_cost_in_a_sentence_says_what_it_is() -> None:
    """Charged, made up, both, or unknown: four different texts."""
    assert [
        money.words(totals(cost, simulated=made_up))
        for cost, made_up in ((DOLLAR, None), (DOLLAR, DOLLAR), (3 * DOLLAR, DOLLAR), (None, None))
    ] == ["$1.00", "$1.00 simulated", "$2.00 and $1.00 simulated", "cost unknown"]


def test_a_chart_knows_nothing_from_unknown() -> None:
    """In legend and table, nothing spent is 0.00 and spent without a cost is a dash (R-11)."""
    found = [
        Slot(HOUR, "priced", 2, 0, 0, DOLLAR, None),
        Slot(HOUR, None, 1, 0, 1, None, None),
        Slot(HOUR - 1, None, 1, 0, 1, None, None),
        Slot(HOUR - 30, "priced", 1, 0, 0, DOLLAR, None),
    ]
    chart = spending.spend(found, NOW, SPANS[Range.DAY])
    legend = [(name, text) for _, name, text in chart.legend]
    assert legend == [("priced", "$2.00"), ("everything else", "cost unknown")]
    last, before, earlier = chart.rows[-1], chart.rows[-2], chart.rows[-3]
    assert last[1:] == ("1.00", "–", "3", "0", "1", "1.00")
    assert before[1:] == ("0.00", "–", "1", "0", "1", "–")
    assert earlier[1:] == ("0.00", "0.00", "0", "0", "0", "0.00")
    assert chart.rows[0][-1] == "1.00"  # from a clock that is late: in the sum all the same
    assert chart.unknown == "2 attempts without a cost"


def test_simulated_money_is_a_colour_of_its_own() -> None:
    """Beside real money it has its own column and is in no total; alone the chart is called so."""
    mixed = Slot(HOUR, "one", 2, 0, 0, 3 * DOLLAR, DOLLAR)
    chart = spending.spend([mixed], NOW, SPANS[Range.DAY])
    assert chart.head[1:3] == ("one", "simulated")
    assert chart.rows[-1][1:] == ("2.00", "1.00", "2", "0", "0", "2.00")
    assert chart.legend[1][2] == "$1.00, nobody charges it"
    alone = Slot(HOUR, "one", 1, 0, 0, DOLLAR, DOLLAR)
    chart = spending.spend([alone], NOW, SPANS[Range.DAY])
    assert chart.title == "Simulated spend per hour"
    assert [name for _, name, _ in chart.legend] == ["one"]


def test_requests_are_drawn_with_their_failures() -> None:
    """Answered and failed add up to all requests of a slot."""
    chart = spending.requests([Slot(HOUR, "one", 5, 2, 0, 0, None)], NOW, SPANS[Range.DAY])
    assert [text for _, _, text in chart.legend] == ["3", "2"]
