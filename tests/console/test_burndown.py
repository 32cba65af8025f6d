"""Burn-downs: the line is the ledger's sums, what lies ahead is told apart, unknown is hatched."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from dd0c.base import ids
from dd0c.kernel.guard.windows import Window
from dd0c.products.route.pages import burndown, caps
from dd0c.products.route.pages.burndown import Sums
from dd0c.products.route.pages.words import End
from dd0c.products.route.standings import Standing
from dd0c.products.route.store.budgets import Budget
from dd0c.products.route.store.charges import Charged

NOON = datetime(2026, 11, 3, 12, 0, tzinfo=UTC)
MIDNIGHT_S = int(NOON.timestamp()) - 12 * 3600
HOUR = MIDNIGHT_S // 3600
DOLLAR = 10**12
BUDGET = Budget(
    *(ids.new(), ids.new(), "key", "0" * 32, "day", 24 * DOLLAR, True, NOON, None, b"c" * 16)
)
DAY = Standing(BUDGET, Window(MIDNIGHT_S, MIDNIGHT_S + 86_400), NOON, 6 * DOLLAR, 0)
SPENT = Sums(0, {HOUR + 1: Charged(4 * DOLLAR, 0), HOUR + 11: Charged(2 * DOLLAR, 3)})


def test_the_line_falls_by_what_was_charged() -> None:
    """Four dollars in the second hour and two in the twelfth; what lies ahead is no zero (R-16)."""
    dollars = [None if value is None else value // DOLLAR for value in burndown.left(DAY, SPENT)]
    assert dollars == [24, *[20] * 10, 18, 18, *[None] * 11]


def test_what_lies_ahead_is_straight_and_dashed() -> None:
    """Six dollars in half a day are twelve at its end: of 24, twelve are left then (R-16)."""
    chart = burndown.draw(DAY, SPENT)
    assert [(name, words) for _, name, words in chart.legend] == [
        ("left", "$18.00"),
        ("at this pace", "$12.00"),
    ]
    assert chart.svg.count("dashed") == 1
    assert chart.unknown == "3 attempts whose cost nobody knows"
    assert chart.svg.count('class="gap"') == 1
    assert chart.rows[1] == ("2026-11-03 01:00", "4.00", "20.00")
    assert len(chart.rows) == 13
    unknown = replace(DAY, spent_pico=None, reserved_pico=None)
    assert burndown.draw(unknown, SPENT).svg.count("dashed") == 0


def test_below_zero_is_said_and_not_drawn() -> None:
    """Who spent more than allowed sees by how much; the line ends at zero (R-16)."""
    sums = Sums(0, {HOUR: Charged(30 * DOLLAR, 0)})
    chart = burndown.draw(replace(DAY, spent_pico=30 * DOLLAR), sums)
    assert chart.rows[0] == ("2026-11-03 00:00", "30.00", "-6.00")
    assert chart.legend[0][2] == "−$6.00"
    lowest = 158  # of the drawing, where zero is
    assert f" {lowest}H" in chart.svg


def test_a_budget_of_all_time_shows_thirty_days() -> None:
    """What was charged before them is off from the beginning (R-16)."""
    total = Standing(replace(BUDGET, span="total"), Window(0, None), NOON, 20 * DOLLAR, 0)
    day = MIDNIGHT_S // 86_400
    left = burndown.left(total, Sums(13 * DOLLAR, {day - 1: Charged(7 * DOLLAR, 0)}))
    assert (len(left), left[0], left[-2:]) == (31, 11 * DOLLAR, [4 * DOLLAR, 4 * DOLLAR])


@pytest.mark.parametrize(
    ("spent", "says"),
    [
        (6, "$6.00 of $24.00 is spent. At this pace $12.00 is spent at the window's end."),
        (
            16,
            "$16.00 of $24.00 is spent. At this pace nothing is left from Nov 03, 18:00 UTC on.",
        ),
        (24, "$24.00 of $24.00 is spent."),
        (None, "What is spent is unknown: the counters are away"),
    ],
)
def test_where_it_leads_is_a_sentence(spent: int | None, says: str) -> None:
    """At noon 16 of 24 dollars are spent: the rest lasts six hours (R-16)."""
    pico = None if spent is None else spent * DOLLAR
    reason = "the counters are away" if spent is None else None
    found = replace(DAY, spent_pico=pico, reserved_pico=pico and 0, reason=reason)
    assert caps.told(caps.budget(found, "checkout"), NOON) == says


@pytest.mark.parametrize(
    ("percent", "kind", "word"),
    [
        (79.9, "good", "has room"),
        (80.0, "warn", "over 80 %"),
        (99.9, "warn", "over 80 %"),
        (100.0, "bad", "spent"),
        (None, "info", "unknown"),
    ],
)
def test_states_have_a_word_and_a_colour(percent: float | None, kind: str, word: str) -> None:
    """From 80 % on somebody should look; at 100 % nothing is left (R-16)."""
    assert caps.state(percent, "spent") == End(kind, word)
