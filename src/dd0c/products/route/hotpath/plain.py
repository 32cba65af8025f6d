"""What an ordinary answer says and costs: text in OpenAI's words under one set of rates. Pure.

`answers` and `usage` read every provider's way of saying it, `tariff` knows tiers, times, tools and
kinds of tokens without a rate. Most answers need none of that. What is read here is read the same
way there, and costs the same there; what is not ordinary is None, and is left to them.
"""

from __future__ import annotations

import msgspec

from dd0c.products.route.hotpath import formats, usage
from dd0c.products.route.hotpath.snapshot import Price
from dd0c.products.route.hotpath.tariff import STANDARD_TIERS, is_steady, round_half_even
from dd0c.products.route.models import Usage


class _Answer(msgspec.Struct, gc=False):
    model: str
    usage: msgspec.Raw
    service_tier: str | None = None
    error: None = None


_answer = msgspec.json.Decoder(_Answer)


class Told(msgspec.Struct, frozen=True, gc=False):
    """What an answer says of itself; `raw` is its usage as it was written."""

    model: str
    service_tier: str | None
    raw: bytes
    usage: Usage


def read(body: bytes, provider: str) -> Told | None:
    """What a whole answer of this provider, as the price list calls it, says."""
    if provider in formats.OPENAI.habits:
        return None
    try:
        found = _answer.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    raw = bytes(found.usage)
    counted = usage.read_plain(raw)
    if counted is None or not found.model:
        return None
    return Told(found.model, found.service_tier or None, raw, counted)


class Sheet(msgspec.Struct, frozen=True, gc=False):
    """Rates of a steady price, in units of 10**-12 dollars / `unit`."""

    price_id: str
    input: int
    output: int
    cache_read: int | None
    reasoning: int | None
    fixed: int
    unit: int

    def cost(self, used: Usage, service_tier: str | None) -> int | None:
        """Pico-dollars of input and output, exact and rounded half to even."""
        sent, made, read, thought = used.input, used.output, used.cache_read, used.reasoning
        if sent is None or made is None or service_tier not in STANDARD_TIERS:
            return None
        if used.cache_write_5m or used.cache_write_1h or used.audio_input or used.audio_output:
            return None
        if used.image or used.server_tools:
            return None
        exact = sent * self.input + made * self.output + self.fixed
        if read:
            if self.cache_read is None:
                return None
            exact += read * self.cache_read
        if thought:
            if self.reasoning is None:
                return None
            exact += thought * self.reasoning
        return round_half_even(exact, self.unit)


def sheet(price: Price) -> Sheet | None:
    """The rates of a price, if they are all that there is to it."""
    if not is_steady(price):
        return None
    (tier,) = price.tiers
    if tier.input is None or tier.output is None:
        return None
    return Sheet(
        price.price_id,
        tier.input,
        tier.output,
        tier.cache_read,
        tier.reasoning,
        tier.request or 0,
        10**price.scale,
    )
