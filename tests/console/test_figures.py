"""How numbers are written: never rounded where they add up, never zero where they are unknown."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dd0c.kernel.web.console import figures

PICO = st.integers(min_value=0, max_value=2**63)


@settings(deadline=None)  # a busy machine is no finding
@given(PICO, st.integers(min_value=0, max_value=14))
def test_an_exact_amount_reads_back_as_it_was(pico: int, decimals: int) -> None:
    """However an amount is laid out, its digits are the amount (R-11)."""
    for text in (
        figures.exact(pico, decimals),
        figures.amount(pico, decimals).striptags(),
    ):
        assert Decimal(text.replace(",", "").replace(" ", "")) * 10**12 == pico


@settings(deadline=None)  # a busy machine is no finding
@given(st.lists(PICO.map(figures.dollars), min_size=1, max_size=5))
def test_a_column_of_amounts_lines_up(amounts: list[Decimal]) -> None:
    """With the places of a column, every amount ends at the same digit."""
    decimals = figures.places(amounts)
    ends = {figures.exact(amount, decimals).partition(".")[2].__len__() for amount in amounts}
    assert ends == {decimals}


@pytest.mark.parametrize(
    ("pico", "text"),
    [
        (None, "–"),
        (0, "$0.00"),
        (1, "$0.000000000001"),
        (937_000_000, "$0.000937"),
        (41_250_000_000, "$0.0412"),
        (500_000_000_000, "$0.50"),
        (999_999_999_999, "$1.00"),
        (41_203_845_000_000, "$41.20"),
        (12_804_000_000_000_000, "$12,804.00"),
    ],
)
def test_a_headline_keeps_three_digits(pico: int | None, text: str) -> None:
    """A small amount is never rounded to nothing."""
    assert figures.short(pico) == text


@pytest.mark.parametrize(
    ("us", "text"),
    [
        (None, "–"),
        (0, "0 ms"),
        (120, "120 µs"),
        (1_240, "1.2 ms"),
        (612_300, "612 ms"),
        (2_140_000, "2.14 s"),
        (130_000_000, "2 min 10 s"),
    ],
)
def test_a_duration_has_the_unit_of_its_size(us: int | None, text: str) -> None:
    """Microseconds read as a person would say them."""
    assert figures.duration(us) == text


def test_a_time_is_utc_for_programs() -> None:
    """The element holds UTC with milliseconds, its text says so too."""
    at = datetime(2026, 11, 20, 14, 2, 11, 482_000, tzinfo=UTC)
    assert figures.moment(at) == (
        '<time datetime="2026-11-20T14:02:11.482Z" data-show="full">'
        "2026-11-20 14:02:11.482 UTC</time>"
    )


def test_code_in_a_sentence_is_code_and_nothing_else() -> None:
    """What stands between backticks is set as code; markup in it stays text."""
    assert figures.ticked("start `a <b>` & go") == "start <code>a &lt;b&gt;</code> &amp; go"
    assert figures.ticked("plain") == "plain"
