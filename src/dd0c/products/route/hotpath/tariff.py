"""What an attempt costs: usage x rates, in integer pico-dollars (R-11).

Pure integer arithmetic. Rates are integers in units of 10**-(12 + scale) dollars, so the sum over
all buckets is exact, and it is rounded once, half to even, at the end. Whatever cannot be priced
exactly (no usage, a bucket without a rate, a service tier nobody published a price for) is None
with the reason: never 0 and never a guess.
"""

from __future__ import annotations

from typing import NamedTuple

from msgspec.structs import astuple

from dd0c.products.route.hotpath.snapshot import Price, Tier
from dd0c.products.route.models import Usage

STANDARD_TIERS = frozenset((None, "", "auto", "default", "on_demand", "standard"))
BUCKETS = Usage.__struct_fields__  # a Tier has a rate of the same name for each
_PROMPT = ("input", "cache_read", "cache_write_5m", "cache_write_1h", "audio_input", "image")
_DAY_S = 86_400


class Rating(NamedTuple):
    """A cost under a price; without a cost the reason, and the price where one was found."""

    cost_pico: int | None
    price_id: str | None
    reason: str | None


def rate(price: Price | None, usage: Usage, service_tier: str | None, at_us: int) -> Rating:
    """The rating of usage under a model's price, its service tier and the time it was sent."""
    if price is None:
        return Rating(None, None, "no_price")
    chosen = select(price, service_tier, at_us)
    if chosen is None:
        standard = service_tier in STANDARD_TIERS
        return Rating(None, None, "no_price" if standard else "no_price_for_service_tier")
    cost_pico, reason = cost(chosen, usage)
    return Rating(cost_pico, chosen.price_id, reason)


def select(price: Price, service_tier: str | None, at_us: int) -> Price | None:
    """The price that holds for a service tier (as the provider reported it) at a moment."""
    wanted = "" if service_tier in STANDARD_TIERS else service_tier
    second = at_us // 1_000_000 % _DAY_S
    for v in price.variants:
        if (
            v.service_tier == wanted
            and (v.from_us is None or v.from_us <= at_us)
            and (v.until_us is None or at_us < v.until_us)
            and v.day_from_s <= second < v.day_until_s
        ):
            return v.price
    return price if not wanted and price.tiers else None


def is_steady(price: Price) -> bool:
    """Whether it is one set of rates at all times, where no service tier is asked for."""
    return len(price.tiers) == 1 and all(one.service_tier for one in price.variants)


def cost(price: Price, usage: Usage) -> tuple[int | None, str | None]:
    """Pico-dollars of usage under one set of rates, or None with the reason."""
    if usage.input is None:
        return None, "no_usage"
    if not price.tiers:
        return None, "no_price"
    if usage.cache_read and (usage.audio_input or usage.image):
        return None, "cached_kind_unknown"  # cached text and cached audio have different rates
    tier = _tier(price, usage)
    exact = tier.request or 0
    for bucket, count in zip(BUCKETS, astuple(usage), strict=True):
        if not count:
            continue
        if count < 0:
            return None, "bad_usage"
        bucket_rate = getattr(tier, bucket)
        if bucket_rate is None:
            return None, f"no_rate_{bucket}"
        exact += count * bucket_rate
    return round_half_even(exact, 10**price.scale), None


def _tier(price: Price, usage: Usage) -> Tier:
    chosen = price.tiers[0]
    if len(price.tiers) == 1:
        return chosen
    prompt = sum(getattr(usage, bucket) or 0 for bucket in _PROMPT)
    for tier in price.tiers[1:]:
        if prompt > tier.above:
            chosen = tier
    return chosen


def round_half_even(value: int, unit: int) -> int:
    """The quotient; of two that are as near, the even one."""
    whole, rest = divmod(value, unit)
    twice = 2 * rest
    return whole + (twice > unit or (twice == unit and whole & 1))
