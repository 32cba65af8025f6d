"""The compiled table against the library it is compiled from (R-11, R-12)."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from functools import cache

import genai_prices
import msgspec
import pytest
from genai_prices import data_snapshot, types
from hypothesis import given, settings
from hypothesis import strategies as st

from dd0c.products.route import prices
from dd0c.products.route.hotpath import tariff
from dd0c.products.route.hotpath.snapshot import Price
from dd0c.products.route.models import Usage

TABLE = prices.PriceTable()
PROVIDERS = data_snapshot.get_snapshot().providers
MODELS = [(p.id, m.id) for p in PROVIDERS for m in p.models]
SECONDS = st.integers(1_704_067_200, 1_830_297_600)  # 2024 to 2028
MOMENTS = SECONDS.map(lambda second: datetime.fromtimestamp(second, UTC))
SERVICE_TIERS = (None, "default", "flex", "priority", "fast", "batch")
TEXT = ("input", "cache_read", "cache_write_5m", "cache_write_1h", "output", "reasoning")


def ask_library(
    provider: str, model: str, usage: Usage, at: datetime, service_tier: str | None = None
) -> Decimal:
    """The library's price in dollars, given our buckets in its terms."""
    n = {b: getattr(usage, b) or 0 for b in tariff.BUCKETS}
    written = n["cache_write_5m"] + n["cache_write_1h"]
    read = n["cache_read"] + n["audio_input"] + n["image"]
    reported = genai_prices.Usage(
        input_tokens=n["input"] + written + read,
        cache_read_tokens=n["cache_read"],
        cache_write_tokens=written,
        cache_write_5m_tokens=n["cache_write_5m"],
        cache_write_1h_tokens=n["cache_write_1h"],
        input_audio_tokens=n["audio_input"],
        input_image_tokens=n["image"],
        output_tokens=n["output"] + n["reasoning"] + n["audio_output"],
        output_reasoning_tokens=n["reasoning"],
        output_audio_tokens=n["audio_output"],
        web_searches=n["server_tools"],
    )
    context = {k: service_tier for k in ("service_tier", "processing", "speed") if service_tier}
    found = genai_prices.calc_price(
        reported,
        model,
        provider_id=provider,
        genai_request_timestamp=at,
        price_context=context or None,
    )
    return found.total_price


def us(at: datetime) -> int:
    return int(at.timestamp()) * 1_000_000


def priced(price: Price, usage: Usage) -> Usage:
    """The usage without the buckets that have no rate."""
    missing = {b: 0 for b in tariff.BUCKETS if getattr(price.tiers[0], b) is None}
    return msgspec.structs.replace(usage, **missing)


def pico(amount: Decimal) -> int:
    return int((amount * 10**12).quantize(Decimal(1), ROUND_HALF_EVEN))


def test_every_model_costs_what_the_library_says() -> None:
    """For every model there is, with all buckets that have a price, below and above every tier."""
    at = datetime(2026, 11, 3, 12, tzinfo=UTC)
    compared = 0
    for provider, model in MODELS:
        found = TABLE.find(provider, model)
        price = found and tariff.select(found, None, us(at))
        if price is None:
            continue
        for above in {0, *(t.above for t in price.tiers)}:
            for extra in (0, 1):
                usage = priced(
                    price,
                    Usage(above + extra - 24, 7, 11, 6, 1001, 93, server_tools=2)
                    if above
                    else Usage(1234, 7, 11, 6, 1001, 93, server_tools=2),
                )
                rating = tariff.rate(found, usage, None, us(at))
                expected = pico(ask_library(provider, model, usage, at))
                assert rating.cost_pico == expected, (provider, model, usage)
                compared += 1
    assert compared > 4_000


@cache
def with_service_tiers() -> list[tuple[str, str]]:
    return [(p.id, m.id) for p in PROVIDERS for m in p.models if m.price_variants]


@cache
def with_constraints() -> list[tuple[str, str]]:
    return [(p.id, m.id) for p in PROVIDERS for m in p.models if isinstance(m.prices, list)]


usages = st.builds(
    Usage,
    **dict.fromkeys(TEXT, st.integers(0, 300_000)),
    server_tools=st.integers(0, 5),
)


@settings(max_examples=400, deadline=None)
@given(st.data(), usages, MOMENTS, st.sampled_from(SERVICE_TIERS))
def test_any_usage_at_any_time_in_any_service_tier(
    data: st.DataObject, usage: Usage, at: datetime, service_tier: str | None
) -> None:
    """Dates, hours of the day and service tiers resolve as in the library, or to no price."""
    models = st.sampled_from(with_constraints()) | st.sampled_from(with_service_tiers())
    provider, model = data.draw(models | st.sampled_from(MODELS))
    found = TABLE.find(provider, model)
    price = found and tariff.select(found, service_tier, us(at))
    if price is None:
        return
    usage = priced(price, usage)
    rating = tariff.rate(found, usage, service_tier, us(at))
    assert rating.cost_pico == pico(ask_library(provider, model, usage, at, service_tier))


@pytest.mark.parametrize("bucket", ["audio_input", "audio_output", "image"])
def test_other_kinds_of_tokens(bucket: str) -> None:
    """Audio and image tokens have their own rates where the library has them, else no price."""
    at = datetime(2026, 11, 3, 12, tzinfo=UTC)
    compared = 0
    for provider, model in MODELS:
        found = TABLE.find(provider, model)
        price = found and tariff.select(found, None, us(at))
        if price is None or price.tiers[0].input is None:
            continue
        usage = Usage(input=100, output=0, **{bucket: 17})
        rating = tariff.rate(found, usage, None, us(at))
        if getattr(price.tiers[0], bucket) is None:
            assert (rating.cost_pico, rating.reason) == (None, f"no_rate_{bucket}")
        else:
            assert rating.cost_pico == pico(ask_library(provider, model, usage, at))
            compared += 1
    assert compared > 5


def test_names_mean_what_they_mean_to_the_library() -> None:
    """Every name the table is keyed by is that model to the library; served names resolve alike."""
    snapshot = data_snapshot.get_snapshot()
    for provider in ("openai", "anthropic", "google"):
        for price in TABLE.prices(provider):
            _, model = snapshot.find_provider_model(price.model, None, provider, None)
            row = TABLE.row(price.price_id or price.variants[0].price.price_id)
            assert row is not None
            assert row.model == model.id
    served = {
        ("openai", "gpt-5-mini-2025-08-07"): "gpt-5-mini",
        ("anthropic", "claude-haiku-4-5-20251001"): "claude-haiku-4-5",
        ("openai", "GPT-4o"): "gpt-4o",
        ("azure", "gpt-4.1-nano"): "gpt-4.1-nano",  # lent by openai
    }
    for (provider, name), model_id in served.items():
        found = TABLE.find(provider, name)
        assert found is not None
        row = TABLE.row(found.price_id)
        assert row is not None
        assert (row.provider, row.model) == (provider, model_id)


def test_a_price_id_is_its_rates() -> None:
    """The same rates have the same id under every name; another rate, model or provider has not."""
    found = [TABLE.find("openai", n) for n in ("gpt-5-mini", "gpt-5-mini-2025-08-07")]
    ids = {price.price_id for price in found if price is not None}
    assert None not in found
    assert len(ids) == 1
    assert re.fullmatch("prc_[0-9a-f]{24}", ids.pop())
    rates = types.ModelPrice(input_mtok=Decimal(5), output_mtok=Decimal(1))
    same = types.ModelPrice(output_mtok=Decimal("1.00"), input_mtok=Decimal("5.0"))
    dearer = types.ModelPrice(input_mtok=Decimal("5.000001"), output_mtok=Decimal(1))
    tiered = types.ModelPrice(
        input_mtok=types.TieredPrices(Decimal(5), [types.Tier(1000, Decimal(6))]),
        output_mtok=Decimal(1),
    )
    made = [prices._price_id("p", "m", r) for r in (rates, same, dearer, tiered)]
    assert made[0] == made[1]
    assert len({*made, prices._price_id("p", "n", rates), prices._price_id("q", "m", rates)}) == 5


def test_a_price_row_shows_the_rates() -> None:
    """The ledger keeps rates as people read them, whole prompt tiers and fees included."""
    price = TABLE.find("anthropic", "claude-sonnet-4-5")
    assert price is not None
    row = TABLE.row(price.price_id)
    assert row is not None
    assert row.rates["tiers"][1] == {
        "above": 200_000,
        "input": "6",
        "cache_read": "0.6",
        "cache_write_5m": "7.5",
        "cache_write_1h": "12",
        "output": "22.5",
        "reasoning": "22.5",
        "image": "6",
        "server_tools_per_1000": "10",
    }
    assert row.source == f"genai-prices {genai_prices.__version__}"


def test_the_prices_have_a_date() -> None:
    """A new release of the price list is not taken without saying how fresh it is."""
    assert prices.AS_OF is not None, f"{prices.SOURCE} is not in _NEWEST_CHANGE: add it"


def test_the_table_forgets_names_rather_than_grow() -> None:
    """Names come from callers: asking for ever more of them does not fill the memory."""
    table = prices.PriceTable()
    assert table.find("openai", "gpt-4o") is not None
    for n in range(prices._NAMES_REMEMBERED_MAX + 10):
        table._found[("openai", f"gpt-{n}")] = None
    table.find("openai", "one-more")
    assert len(table._found) < 100
    assert table.find("openai", "gpt-4o") is not None


def test_a_name_with_a_date_has_a_price_at_once_where_the_library_says_so() -> None:
    """The dated name a provider answers with needs no second look-up."""
    listed = {p.model: p.dated for p in TABLE.prices("anthropic")}
    assert listed["claude-sonnet-4-5"] is True
    exact = TABLE.find("openai", "gpt-5-mini")
    assert exact is not None
    assert exact.dated is False
    assert TABLE.find("openai", "gpt-5-mini-2099-01-01") is None
