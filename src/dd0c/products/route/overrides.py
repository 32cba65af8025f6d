"""Prices that an organisation agreed on: what may be asked for, and what a worker gets (R-12).

An override takes the place of the whole price of a model in one service tier, for a time. A bucket
without a rate has no price then: it does not fall back to the list. Two things are filled in when
it is made, and shown from then on: a higher tier has the rates of the one below that it does not
name, and reasoning costs what output costs unless it is named.

Which requests it is for: those answered by a model under exactly this name; and where the name is
the list's own for a model, under every name that the list knows it by.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import groupby

from msgspec.structs import replace

from dd0c.base import ids
from dd0c.base.errors import Conflict, InvalidInput
from dd0c.products.route import rates
from dd0c.products.route.hotpath.pricelist import ByName
from dd0c.products.route.hotpath.snapshot import Price, Variant
from dd0c.products.route.hotpath.tariff import STANDARD_TIERS
from dd0c.products.route.prices import PriceTable, id_of
from dd0c.products.route.rates import Tiers
from dd0c.products.route.store.overrides import Override

PER_ORG_MAX = 1000
RATE_MAX = Decimal(1_000_000)
PLACES_MAX = 12
_RATE = re.compile(r"[0-9]{1,18}(\.[0-9]{1,18})?")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

UNITS = {"usd_per_million_tokens": 0, "usd_per_thousand_tokens": 3, "usd_per_token": 6}
"""In which unit rates of tokens may be written: how many places to move for dollars a million."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """An override that somebody asks for. `place`: how its fields are called in errors."""

    place: str
    provider: str
    model: str
    service_tier: str
    tiers: Tiers
    holds_from: datetime
    holds_until: datetime | None
    note: str | None


def parse_rate(text: str) -> Decimal:
    """The rate in decimal text; ValueError says what is wrong with it."""
    if not _RATE.fullmatch(text):
        raise ValueError(
            'must be plain decimal text such as "0.25": digits, at most 18 on either side of the'
            " point, no sign, no exponent"
        )
    return Decimal(text)


def convert(rate: Decimal, places: int) -> Decimal:
    """The rate with its point moved to the right; ValueError when we keep no such rate."""
    moved = rate.scaleb(places)
    if moved > RATE_MAX:
        raise ValueError(f"is more than {RATE_MAX:,} dollars for a million")
    if moved != round(moved, PLACES_MAX):
        raise ValueError(f"in dollars for a million it has more than {PLACES_MAX} decimal places")
    return moved


def resolve(given: Mapping[int, Mapping[str, Decimal]]) -> Tiers:
    """The tiers with every rate that holds in each, by bucket, in ascending order."""
    tiers: dict[int, Mapping[str, Decimal]] = {}
    below: Mapping[str, Decimal] = {}
    for above in sorted(given):
        tier = {**below, **given[above]}
        named = "reasoning" in given[above] or below.get("reasoning") != below.get("output")
        if "output" in tier and not named:
            tier["reasoning"] = tier["output"]
        below = tiers[above] = tier
    return tiers


def decide(
    wanted: Sequence[Wanted],
    existing: Sequence[Override],
    org: uuid.UUID,
    by: uuid.UUID,
    now: datetime,
) -> tuple[list[Override], list[Override]]:
    """Those to add, and all that were asked for: one that is there already is not added twice.

    InvalidInput or Conflict names the field; then nothing is to be added.
    """
    added: list[Override] = []
    all_of_them: list[Override] = []
    for one in wanted:
        if one.holds_until is not None and one.holds_until <= one.holds_from:
            raise InvalidInput(f"{one.place}.until: must be later than `from`")
        made = _make(one, org, by, now)
        met = next((o for o in (*existing, *added) if _overlap(o, made)), None)
        if met is None:
            added.append(made)
        elif not _same(met, made) or met in added:
            raise _refusal(one, met, in_this_file=met in added)
        all_of_them.append(met or made)
    if len(existing) + len(added) > PER_ORG_MAX:
        raise Conflict(f"an organisation has at most {PER_ORG_MAX:,} price overrides")
    return added, all_of_them


def compiled(table: PriceTable, overrides: Iterable[Override]) -> tuple[Price, ...]:
    """The prices of organisations as workers take them: their own first, where and when one holds,
    and the list's behind it. `overrides` stand in the order in which the store lists them."""
    return tuple(
        _price(table, org, provider, model, list(group))
        for (org, provider, model), group in groupby(
            overrides, key=lambda o: (o.org, o.provider, o.model)
        )
    )


def by_name(prices: Iterable[Price]) -> ByName:
    """The prices of one organisation, to choose from."""
    return {(price.provider, price.model): price for price in prices}


def _price(
    table: PriceTable, org: uuid.UUID, provider: str, model: str, own: Sequence[Override]
) -> Price:
    listed = table.find(provider, model) or Price(provider, model, "", 0, ())
    variants = tuple(
        Variant(
            o.service_tier,
            Price(provider, model, o.price_id, *rates.compiled(rates.read(o.rates))),
            _us(o.holds_from),
            None if o.holds_until is None else _us(o.holds_until),
        )
        for o in own
    )
    return replace(listed, variants=(*variants, *listed.variants), org=org.bytes)


def _make(wanted: Wanted, org: uuid.UUID, by: uuid.UUID, now: datetime) -> Override:
    tier = "" if wanted.service_tier in STANDARD_TIERS else wanted.service_tier
    shown = rates.shown(wanted.tiers)
    lines = ["override", str(org), wanted.provider, wanted.model]
    for one in shown["tiers"]:
        lines += [f"{name} {rate}" for name, rate in one.items()]
    return Override(
        id=ids.new(),
        org=org,
        provider=wanted.provider,
        model=wanted.model,
        service_tier=tier,
        rates=shown,
        price_id=id_of(lines),
        holds_from=wanted.holds_from,
        holds_until=wanted.holds_until,
        note=wanted.note,
        created_at=now,
        created_by=by,
    )


def _overlap(one: Override, other: Override) -> bool:
    return (
        (one.provider, one.model, one.service_tier)
        == (other.provider, other.model, other.service_tier)
        and (other.holds_until is None or one.holds_from < other.holds_until)
        and (one.holds_until is None or other.holds_from < one.holds_until)
    )


def _same(one: Override, other: Override) -> bool:
    return (one.price_id, one.holds_from, one.holds_until) == (
        *(other.price_id, other.holds_from),
        other.holds_until,
    )


def _refusal(wanted: Wanted, met: Override, *, in_this_file: bool) -> InvalidInput | Conflict:
    until = "without an end" if met.holds_until is None else f"until {_shown(met.holds_until)}"
    said = (
        f"{wanted.place}.from: {wanted.provider}/{wanted.model} has a price from"
        f" {_shown(met.holds_from)} {until} already"
    )
    if in_this_file:
        return InvalidInput(f"{said}, in the same request")
    name = ids.text(ids.Kind.OVERRIDE, met.id)
    at = _shown(wanted.holds_from)
    hint = f"end that one first: dd0c route prices remove {name} --at {at}"
    return Conflict(f"{said}: {name}", hint=hint)


def _shown(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _us(moment: datetime) -> int:
    return round((moment - _EPOCH).total_seconds() * 1_000_000)
