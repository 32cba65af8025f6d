"""Rates as people write them, as the ledger keeps them, and as a worker reckons with them (R-11).

People write dollars for a million tokens, and for a thousand calls where a name ends with that.
`Tiers` holds exactly that, by the size of the prompt above which it holds. A worker has integers in
units of 10**-(12 + scale) dollars for one token or call.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from dd0c.products.route.hotpath.snapshot import Price, Tier

Tiers = Mapping[int, Mapping[str, Decimal]]
"""Above which prompt size -> bucket -> rate; the first stands at 0, all in ascending order."""

BUCKETS: tuple[str, ...] = tuple(name for name in Tier.__struct_fields__ if name != "above")
_PER_CALL = frozenset({"server_tools", "request"})
_TOKENS_PLACES, _CALLS_PLACES = 6, 3  # for a million, for a thousand
_PICO_PLACES = 12


def name_of(bucket: str) -> str:
    """A bucket's rate as people name it."""
    return f"{bucket}_per_1000" if bucket in _PER_CALL else bucket


BUCKET_OF = {name_of(bucket): bucket for bucket in BUCKETS}


def compiled(tiers: Tiers) -> tuple[int, tuple[Tier, ...]]:
    """The scale and the tiers as a worker takes them, exactly."""
    pico = {above: {b: _pico(b, rate) for b, rate in t.items()} for above, t in tiers.items()}
    scale = max((_places(rate) for t in pico.values() for rate in t.values()), default=0)
    return scale, tuple(
        Tier(above, **{b: int(t[b].scaleb(scale)) if b in t else None for b in BUCKETS})
        for above, t in pico.items()
    )


def of(price: Price) -> Tiers:
    """What `compiled` made a price's tiers from."""
    return {
        tier.above: {
            b: Decimal(rate).scaleb(_people_places(b) - _PICO_PLACES - price.scale)
            for b in BUCKETS
            if (rate := getattr(tier, b)) is not None
        }
        for tier in price.tiers
    }


def shown(tiers: Tiers) -> dict[str, Any]:
    """The rates as decimal text, in the form that `route.prices` keeps."""
    return {
        "tiers": [
            {"above": above, **{name_of(b): text(t[b]) for b in BUCKETS if b in t}}
            for above, t in tiers.items()
        ]
    }


def read(rates: Mapping[str, Any]) -> Tiers:
    """What `shown` wrote."""
    return {
        tier["above"]: {BUCKET_OF[n]: Decimal(rate) for n, rate in tier.items() if n != "above"}
        for tier in rates["tiers"]
    }


def text(rate: Decimal) -> str:
    """Decimal text without exponent and trailing zeros."""
    return format(rate.normalize(), "f")


def _pico(bucket: str, rate: Decimal) -> Decimal:
    return rate.scaleb(_PICO_PLACES - _people_places(bucket))


def _people_places(bucket: str) -> int:
    return _CALLS_PLACES if bucket in _PER_CALL else _TOKENS_PLACES


def _places(rate: Decimal) -> int:
    """Digits behind the decimal point."""
    exponent = rate.normalize().as_tuple().exponent
    return max(0, -int(exponent))
