"""Prices, compiled from `genai-prices` into the flat table that the workers use (R-11, R-12).

A call of the library costs 69 µs and answers 0 where it knows no price; the table costs 2 µs and
says None. Everything the library resolves by itself is resolved here once: which model a name
means, service tiers, dates from which a price holds, hours of the day. A price table therefore
holds at any moment, past or future. The tests hold it against the library, model by model.

A price id is the hash of provider, model and every resolved rate: the same rates have the same id
in every installation, and a changed rate is a new id.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import cache
from itertools import pairwise

import genai_prices
from genai_prices import data_snapshot
from genai_prices.types import (
    ClauseEquals,
    ClauseOr,
    MatchLogic,
    ModelInfo,
    ModelPrice,
    StartDateConstraint,
    TieredPrices,
    TimeOfDateConstraint,
)
from msgspec.structs import replace

from dd0c.products.route import catalogue, rates
from dd0c.products.route.hotpath.snapshot import Price, Variant
from dd0c.products.route.hotpath.tariff import STANDARD_TIERS
from dd0c.products.route.models import PriceRow

SOURCE = f"genai-prices {genai_prices.__version__}"

# The library carries no date. This is the newest price change that a release knows of: its prices
# are at least as fresh. A release that is not listed shows its prices without a date.
_NEWEST_CHANGE = {"0.2.3": date(2026, 11, 9)}
AS_OF = _NEWEST_CHANGE.get(genai_prices.__version__)

# Which of the library's rates price which of our buckets, first found. What is read from or written
# to a cache needs a rate of its own; reasoning is output, and an image in a prompt is input, unless
# the provider prices it apart.
_RATES: dict[str, tuple[str, ...]] = {
    "input": ("input_mtok",),
    "cache_read": ("cache_read_mtok",),
    "cache_write_5m": ("cache_write_5m_mtok", "cache_write_mtok"),
    "cache_write_1h": ("cache_write_1h_mtok",),
    "output": ("output_mtok",),
    "audio_input": ("input_audio_mtok",),
    "audio_output": ("output_audio_mtok",),
    "reasoning": ("output_reasoning_mtok", "output_mtok"),
    "image": ("input_image_mtok", "input_mtok"),
    "server_tools": ("web_searches_kcount",),
    "request": ("requests_kcount",),
}
_SERVICE_TIER_KEYS = ("service_tier", "processing", "speed")  # what the library files them under
_NAMES_REMEMBERED_MAX = 20_000  # names come from callers: what we remember of them is bounded
_NAME_MAX = 256


class PriceTable:
    """Prices by what a provider calls its models, compiled when first asked for."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], Price | None] = {}
        self._rows: dict[str, PriceRow] = {}

    def prices(self, provider: str) -> tuple[Price, ...]:
        """Every model of a provider, under each name that can mean nothing else."""
        try:
            known = data_snapshot.get_snapshot().find_provider(None, provider, None)
        except LookupError:
            return ()
        names = sorted({name for model in known.models for name in _exact_names(model)})
        return tuple(p for name in names if (p := self.find(provider, name)) is not None)

    def find(self, provider: str, model: str) -> Price | None:
        """The price of the model that a name means to a provider; None when there is none."""
        key = (provider, model)
        if len(model) > _NAME_MAX:
            return None
        known = self._found
        if key in known:
            return known[key]
        if len(self._found) >= _NAMES_REMEMBERED_MAX:
            self._found = {}  # not cleared: another thread may be reading it
        found = self._found[key] = self._compile(provider, model)
        return found

    def row(self, price_id: str) -> PriceRow | None:
        """A price by its id, if its model was asked for here."""
        return self._rows.get(price_id)

    def _compile(self, provider: str, name: str) -> Price | None:
        # Not the library's own lookup of a name: it remembers every name it was ever asked for.
        snapshot = data_snapshot.get_snapshot()
        try:
            known = snapshot.find_provider(None, provider, None)
        except LookupError:
            return None
        model = known.find_model(name, all_providers=snapshot.providers)
        if model is None:
            return None
        lent = not any(model is own for own in known.models)  # another provider's: standard only
        service_tiers = ("",) if lent else ("", *_service_tiers(model))
        variants = [v for s in service_tiers for v in self._variants(provider, name, model, s)]
        whole = [v.price for v in variants if v == Variant("", v.price)]
        base = whole[0] if whole else Price(provider, name, "", 0, ())
        variants = [v for v in variants if v.price is not base and v.price.tiers]
        if not base.tiers and not variants:
            return None
        dated = known.find_model(f"{name}-20990101", all_providers=snapshot.providers) is model
        return replace(
            base,
            variants=tuple(variants),
            dated=dated,
            model_id=model.id,
            max_output=catalogue.find_max_output(provider, model.id),
            context=catalogue.find_context(provider, model),
        )

    def _variants(
        self, provider: str, name: str, model: ModelInfo, service_tier: str
    ) -> Iterator[Variant]:
        """The prices of one service tier over all time, in as few variants as it takes."""
        context = dict.fromkeys(_SERVICE_TIER_KEYS, service_tier) if service_tier else None
        days, hours = _edges(model)
        for day_from_s, day_until_s in pairwise(hours):
            pending: Variant | None = None
            for day, next_day in pairwise(days):
                moment = datetime.combine(day or date(2000, 1, 1), time(), UTC).timestamp()
                at = datetime.fromtimestamp(moment + day_from_s, UTC)
                if context and not _is_priced(model, service_tier, at):
                    continue
                price = self._price(provider, name, model, model.get_prices(at, context))
                from_us = _us(day)
                if pending and pending.price == price:
                    from_us = pending.from_us
                elif pending:
                    yield pending
                pending = Variant(
                    service_tier, price, from_us, _us(next_day), day_from_s, day_until_s
                )
            if pending:
                yield pending

    def _price(self, provider: str, name: str, model: ModelInfo, known: ModelPrice) -> Price:
        price_id = _price_id(provider, model.id, known)
        tiers = _tiers(known)
        if tiers and price_id not in self._rows:
            shown = rates.shown(tiers)
            self._rows[price_id] = PriceRow(price_id, provider, model.id, shown, SOURCE, AS_OF)
        return Price(provider, name, price_id, *rates.compiled(tiers))


@cache
def table() -> PriceTable:
    """The table of this process, for everything that answers questions about prices."""
    return PriceTable()


def age_days(now: datetime) -> int | None:
    """Days since the newest price change that the list knows of; None where nobody says."""
    if AS_OF is None:
        return None
    return (now - datetime.combine(AS_OF, time(), UTC)).days


def stale_days(now: datetime, bound_days: int) -> int | None:
    """The age of a list that is older than it may be; None for one that is not, or not known to
    be."""
    age = age_days(now)
    return age if age is not None and age > bound_days else None


def is_provider(name: str) -> bool:
    """Whether the library has a price list of that name."""
    return any(one.id == name for one in data_snapshot.get_snapshot().providers)


def _exact_names(model: ModelInfo) -> Iterator[str]:
    """The model's id and every name it is known by as a whole (not by a prefix or a pattern)."""
    yield model.id
    clauses: list[MatchLogic] = [model.match]
    while clauses:
        clause = clauses.pop()
        if isinstance(clause, ClauseEquals):
            yield clause.equals
        elif isinstance(clause, ClauseOr):
            clauses.extend(clause.or_)


def _service_tiers(model: ModelInfo) -> list[str]:
    """The service tiers that are not the standard one and have a price of their own."""
    whens = (variant.when for variant in model.price_variants or ())
    names = {when[key] for when in whens for key in _SERVICE_TIER_KEYS if key in when}
    return sorted(names - STANDARD_TIERS)


def _is_priced(model: ModelInfo, service_tier: str, at: datetime) -> bool:
    return any(
        service_tier in (variant.when.get(key) for key in _SERVICE_TIER_KEYS)
        and (variant.constraint is None or variant.constraint.active(at))
        for variant in model.price_variants or ()
    )


def _edges(model: ModelInfo) -> tuple[list[date | None], list[int]]:
    """Where a model's prices may change: dates (None is open) and seconds of the day (UTC)."""
    constraints = [v.constraint for v in model.price_variants or ()]
    if not isinstance(model.prices, ModelPrice):
        constraints += [p.constraint for p in model.prices]
    days = {c.start_date for c in constraints if isinstance(c, StartDateConstraint)}
    seconds = {0, 86_400}
    for c in constraints:
        if isinstance(c, TimeOfDateConstraint):
            seconds |= {_second(c.start_time), _second(c.end_time)}
    return [None, *sorted(days), None], sorted(seconds)


def _second(moment: time) -> int:
    at = datetime.combine(date(2000, 1, 1), moment, moment.tzinfo or UTC)
    return int(at.timestamp()) % 86_400


def _us(day: date | None) -> int | None:
    if day is None:
        return None
    return int(datetime.combine(day, time(), UTC).timestamp()) * 1_000_000


def _tiers(known: ModelPrice) -> dict[int, dict[str, Decimal]]:
    """The library's rates of our buckets by the prompt size above which they hold."""
    starts = {0}
    for value in known.__dict__.values():
        if isinstance(value, TieredPrices):
            starts |= {tier.start for tier in value.tiers}
    tiers = {}
    for start in sorted(starts):
        tier = {}
        for bucket, keys in _RATES.items():
            value = next((v for k in keys if (v := getattr(known, k)) is not None), None)
            if isinstance(value, TieredPrices):
                value = [value.base, *(t.price for t in value.tiers if t.start <= start)][-1]
            if value is not None:
                tier[bucket] = value
        tiers[start] = tier
    return tiers if any(tiers.values()) else {}


def _price_id(provider: str, model: str, known: ModelPrice) -> str:
    lines = [provider, model]
    for key, value in sorted(known.__dict__.items()):
        if isinstance(value, TieredPrices):
            lines.append(f"{key} {rates.text(value.base)}")
            lines += [f"{key} {t.start} {rates.text(t.price)}" for t in value.tiers]
        elif value is not None:
            lines.append(f"{key} {rates.text(value)}")
    return id_of(lines)


def id_of(lines: Iterable[str]) -> str:
    """The id of a price: a hash of whose it is and of its rates, a line for each."""
    return "prc_" + hashlib.sha256("\n".join(lines).encode()).hexdigest()[:24]
