"""The cost of an attempt: amounts worked out by hand, and what holds for any price (R-11)."""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dd0c.products.route.hotpath import tariff
from dd0c.products.route.hotpath.snapshot import Price, Tier
from dd0c.products.route.models import Usage, dollars, dollars_text
from dd0c.products.route.prices import PriceTable

TABLE = PriceTable()
NOON = datetime(2026, 11, 3, 12, tzinfo=UTC)
TOKEN_BUCKETS = [b for b in tariff.BUCKETS if b not in ("audio_input", "audio_output", "image")]


def at(hour: int, minute: int = 0, *, day: datetime = NOON) -> int:
    """Unix microseconds of a time of that day."""
    return int(day.replace(hour=hour, minute=minute).timestamp()) * 1_000_000


# Dollars a million tokens, from the price pages, times the counts; in millionths of a dollar:
BY_HAND = [
    # 1000 x 0.25 + 500 x 2 = 250 + 1000
    ("openai", "gpt-5-mini", Usage(input=1000, output=500), None, at(12), 1_250_000_000),
    # 100 x 0.25 + 20 x 0.025 + (50 + 10) x 2 = 25 + 0.5 + 120
    (
        *("openai", "gpt-5-mini-2025-08-07"),
        *(Usage(input=100, cache_read=20, output=50, reasoning=10), "default", at(12)),
        145_500_000,
    ),
    # 1 x 2.5 + 1 x 10
    ("openai", "gpt-4o", Usage(input=1, output=1), None, at(12), 12_500_000),
    # an image in the prompt costs what text does: (44 + 256) x 0.25 + 1 x 2
    ("openai", "gpt-5-mini", Usage(input=44, image=256, output=1), None, at(12), 77_000_000),
    # Groq's name for the ordinary tier: 1000 x 0.05 + 1000 x 0.08
    (
        *("groq", "llama-3.1-8b-instant", Usage(input=1000, output=1000), "on_demand", at(12)),
        130_000_000,
    ),
    # 7 x 0.02, and an embedding has no output to report
    ("openai", "text-embedding-3-small", Usage(input=7), None, at(12), 140_000),
    # half price: 1000 x 0.125 + 500 x 1
    ("openai", "gpt-5-mini", Usage(input=1000, output=500), "flex", at(12), 625_000_000),
    # half price: 1000 x 0.5 + 500 x 2.5
    (
        *("anthropic", "claude-haiku-4-5", Usage(input=1000, output=500), "batch", at(12)),
        1_750_000_000,
    ),
    # first in the queue: 1000 x 0.45 + 500 x 3.6
    ("openai", "gpt-5-mini", Usage(input=1000, output=500), "priority", at(12), 2_250_000_000),
    # a fee of 12 dollars a thousand for the call itself = 12,000; 1000 x 1 + 500 x 1
    ("perplexity", "sonar", Usage(input=1000, output=500), None, at(12), 13_500_000_000),
    # 10 x 1 + 1000 x 0.1 + 200 x 1.25 + 300 x 2 + 40 x 5 = 10 + 100 + 250 + 600 + 200
    (
        *("anthropic", "claude-haiku-4-5-20251001"),
        Usage(input=10, cache_read=1000, cache_write_5m=200, cache_write_1h=300, output=40),
        *("standard", at(12), 1_160_000_000),
    ),
    # three searches at 10 dollars a thousand = 30,000; 1 x 1
    ("anthropic", "claude-haiku-4-5", Usage(input=1, server_tools=3), None, at(12), 30_001_000_000),
    # exactly 200,000 is still the lower tier: 200,000 x 3 + 100 x 15 = 600,000 + 1,500
    (
        *("anthropic", "claude-sonnet-4-5", Usage(input=200_000, output=100), None, at(12)),
        601_500_000_000,
    ),
    # one more, cached or not, and all of it is dearer: 150,001 x 6 + 50,000 x 0.6 + 100 x 22.5
    (
        *("anthropic", "claude-sonnet-4-5"),
        *(Usage(input=150_001, cache_read=50_000, output=100), None, at(12)),
        932_256_000_000,
    ),
    # by day 1000 x 0.27 + 1000 x 1.1
    ("deepseek", "deepseek-chat", Usage(input=1000, output=1000), None, at(12), 1_370_000_000),
    # by night 1000 x 0.135 + 1000 x 0.55; the day ends at 16:30 and begins at 00:30
    ("deepseek", "deepseek-chat", Usage(input=1000, output=1000), None, at(16, 30), 685_000_000),
    ("deepseek", "deepseek-chat", Usage(input=1000, output=1000), None, at(0, 29), 685_000_000),
    ("deepseek", "deepseek-chat", Usage(input=1000, output=1000), None, at(0, 30), 1_370_000_000),
    # before 17 August 2026, at night: 1 x 0.435 + 3 x 0.003625 = 0.435 + 0.010875
    (
        *("deepseek", "deepseek-v4-pro", Usage(input=1, cache_read=3, output=0), None),
        *(at(23, day=datetime(2026, 8, 16, tzinfo=UTC)), 445_875),
    ),
    # from that midnight on: 1 x 0.66 + 3 x 0.022
    (
        *("deepseek", "deepseek-v4-pro", Usage(input=1, cache_read=3, output=0), None),
        *(at(0, day=datetime(2026, 8, 17, tzinfo=UTC)), 726_000),
    ),
]


@pytest.mark.parametrize(("provider", "model", "usage", "service_tier", "at_us", "pico"), BY_HAND)
def test_amounts_worked_out_by_hand(
    provider: str, model: str, usage: Usage, service_tier: str | None, at_us: int, pico: int
) -> None:
    """Real models cost what their price page says, to the pico-dollar."""
    rating = tariff.rate(TABLE.find(provider, model), usage, service_tier, at_us)
    assert (rating.cost_pico, rating.reason) == (pico, None)
    assert rating.price_id is not None


UNKNOWN = [
    ("openai", "no-such-model", Usage(input=1), None, "no_price"),
    ("no-such-provider", "gpt-5-mini", Usage(input=1), None, "no_price"),
    ("openai", "gpt-5-mini", Usage(), None, "no_usage"),
    ("openai", "gpt-5-mini", Usage(output=5), None, "no_usage"),
    ("openai", "gpt-5-mini", Usage(input=1, cache_write_5m=1), None, "no_rate_cache_write_5m"),
    ("openai", "gpt-5-mini", Usage(input=1, audio_output=1), None, "no_rate_audio_output"),
    ("openai", "gpt-5-mini", Usage(input=1), "scale", "no_price_for_service_tier"),
    ("anthropic", "claude-haiku-4-5", Usage(input=1), "priority", "no_price_for_service_tier"),
    ("openai", "gpt-realtime", Usage(input=1, cache_read=1, audio_input=1), None,
     "cached_kind_unknown"),
    ("openai", "gpt-5-mini", Usage(input=1, output=-1), None, "bad_usage"),
    ("openai", "gpt-5-mini", Usage(input=-1), None, "bad_usage"),
    ("openai", "tts-1", Usage(input=1), None, "no_price"),
    ("openai", "x" * 10_000, Usage(input=1), None, "no_price"),
]  # fmt: skip


@pytest.mark.parametrize(("provider", "model", "usage", "service_tier", "reason"), UNKNOWN)
def test_what_cannot_be_priced_is_null_with_a_reason(
    provider: str, model: str, usage: Usage, service_tier: str | None, reason: str
) -> None:
    """No price, no usage, no rate for what was used: never 0, never a guess."""
    rating = tariff.rate(TABLE.find(provider, model), usage, service_tier, at(12))
    assert (rating.cost_pico, rating.reason) == (None, reason)


def test_a_count_of_zero_needs_no_rate() -> None:
    """A bucket that is reported empty costs nothing, priced or not."""
    usage = Usage(input=4, cache_write_1h=0, audio_input=0, image=0)
    assert tariff.rate(TABLE.find("openai", "gpt-4o"), usage, None, at(12)).cost_pico == 10_000_000


def price(scale: int, *tiers: Tier) -> Price:
    return Price("p", "m", "prc", scale, tiers)


HALVES = [(1, 0), (2, 1), (3, 2), (5, 2), (7, 4), (9, 4)]


@pytest.mark.parametrize(("tokens", "pico"), HALVES)
def test_it_rounds_half_to_even(tokens: int, pico: int) -> None:
    """At half a pico-dollar a token: 0.5 -> 0, 1 -> 1, 1.5 -> 2, 2.5 -> 2, 3.5 -> 4, 4.5 -> 4."""
    half = price(1, Tier(0, 5, None, None, None, None))
    assert tariff.cost(half, Usage(input=tokens)) == (pico, None)


rates = st.integers(0, 10**12)
counts = st.integers(0, 10**7)
usages = st.builds(Usage, **dict.fromkeys(TOKEN_BUCKETS, counts))
tiers = st.builds(
    Tier, above=st.just(0), **dict.fromkeys(tariff.BUCKETS, rates), request=st.none() | rates
)


def exact(tier: Tier, scale: int, usage: Usage) -> Fraction:
    """The cost before rounding, from first principles."""
    parts = [getattr(usage, b) * getattr(tier, b) for b in TOKEN_BUCKETS]
    return Fraction(sum(parts) + (tier.request or 0), 10**scale)


@given(usages, tiers, st.integers(0, 9))
def test_within_half_a_pico_dollar_and_never_negative(usage: Usage, tier: Tier, scale: int) -> None:
    """Whatever the rates, the cost is within 0.5 p$ of the exact one and not below 0."""
    pico, _ = tariff.cost(price(scale, tier), usage)
    assert pico is not None
    assert pico >= 0
    assert abs(pico - exact(tier, scale, usage)) <= Fraction(1, 2)


@given(usages, usages, tiers, st.integers(0, 9))
def test_additive_before_rounding(one: Usage, two: Usage, tier: Tier, scale: int) -> None:
    """Two attempts cost what their usage costs together, but for what rounding takes of each."""
    tier = msgspec.structs.replace(tier, request=None)
    both = Usage(**{b: getattr(one, b) + getattr(two, b) for b in TOKEN_BUCKETS})
    split = [tariff.cost(price(scale, tier), usage)[0] for usage in (one, two)]
    together, _ = tariff.cost(price(scale, tier), both)
    assert together is not None
    assert None not in split
    off = abs(together - sum(c for c in split if c is not None))
    assert off <= (1 if scale else 0)


@given(usages, st.sampled_from(TOKEN_BUCKETS), counts, tiers, st.integers(1, 3_000_000))
def test_more_never_costs_less(
    usage: Usage, bucket: str, more: int, tier: Tier, above: int
) -> None:
    """Whatever is used more of, the cost does not fall; over a dearer tier neither (R-11)."""
    dearer = {b: (getattr(tier, b) or 0) + 5 for b in (*tariff.BUCKETS, "request")}
    tiered = price(3, tier, Tier(above, **dearer))
    larger = msgspec.structs.replace(usage, **{bucket: getattr(usage, bucket) + more})
    less, _ = tariff.cost(tiered, usage)
    then, _ = tariff.cost(tiered, larger)
    assert less is not None
    assert then is not None
    assert then >= less


@given(st.integers(-(2**70), 2**70))
def test_dollars_are_exact(pico: int) -> None:
    """Pico-dollars and their decimal text are the same number, whatever its size."""
    assert Fraction(dollars(pico)) == Fraction(pico, 10**12)
    text = dollars_text(pico)
    assert text is not None
    assert Fraction(text) == Fraction(pico, 10**12)
    assert "e" not in text.lower()


def test_dollars_as_people_write_them() -> None:
    """No trailing zeros, no exponent, and unknown stays unknown."""
    shown = [dollars_text(n) for n in (1_250_000_000, 1, 0, 2 * 10**12, 10**14, None)]
    assert shown == ["0.00125", "0.000000000001", "0", "2", "100", None]
