"""Re-rating: what history costs under the prices of today, and the difference (R-12).

Each attempt is priced as of the moment it was sent, by the list of this release and by the
organisation's own prices as they are now. A cost that is known never gives way to an unknown one:
an attempt that today has no price keeps the cost it has, and is counted as kept. One that has no
cost gets one if all that was missing is a price; usage that is not known stays unknown.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta

from dd0c.products.route.hotpath import bill, pricelist, tariff
from dd0c.products.route.hotpath.pricelist import ByName
from dd0c.products.route.hotpath.snapshot import Price
from dd0c.products.route.prices import PriceTable
from dd0c.products.route.store.ratings import Rated, Rerated

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_OF_PRICES = frozenset({"no_price", "no_price_for_service_tier", "cached_kind_unknown"})
_MICROSECOND = timedelta(microseconds=1)
COST_MAX = (1 << 63) - 1  # a bigint


@dataclass(slots=True)
class Sums:
    """Of some attempts. Old and new are of those with a known cost, then and now; None: of none.

    changed: the cost is another; priced: there was none; kept: there is no price today; unpriced:
    there is still none.
    """

    attempts: int = 0
    changed: int = 0
    priced: int = 0
    kept: int = 0
    unpriced: int = 0
    old_pico: int | None = None
    new_pico: int | None = None

    def __iadd__(self, other: Sums) -> Sums:
        for field in fields(self):
            name = field.name
            setattr(self, name, _plus(getattr(self, name), getattr(other, name)))
        return self

    @property
    def difference_pico(self) -> int | None:
        """By how much the sum of known costs changes."""
        if self.old_pico is None and self.new_pico is None:
            return None
        return (self.new_pico or 0) - (self.old_pico or 0)

    def add(self, old: Rated, new: Rerated | None, *, kept: bool) -> None:
        """Count an attempt."""
        self.attempts += 1
        self.changed += new is not None and old.cost_pico is not None
        self.priced += new is not None and old.cost_pico is None
        self.kept += kept
        self.unpriced += new is None and old.cost_pico is None
        self.old_pico = _plus(self.old_pico, old.cost_pico)
        self.new_pico = _plus(self.new_pico, old.cost_pico if new is None else new.cost_pico)


def _plus(one: int | None, other: int | None) -> int | None:
    """What is unknown is in no sum; nothing known is no sum."""
    return other if one is None else one + (other or 0)


Group = tuple[str, bytes]  # the model as it was asked for, the id of the key


def decide(
    rated: Iterable[Rated], table: PriceTable, own: ByName, sums: dict[Group, Sums]
) -> list[Rerated]:
    """The ratings that differ from what is billed; every attempt is counted in `sums`."""
    made = []
    for one in rated:
        if one.cost_pico is not None and one.price_id is None:
            continue  # no price made this cost, so none replaces it
        new, kept = None, False
        if one.cost_pico is not None or is_of_prices(one.reason):
            listed = table.find(one.price_provider, one.model)
            price = pricelist.choose(own, one.price_provider, one.model, listed)
            new = rate(one, price)
            kept = new is None and one.cost_pico is not None
        if new is not None and new.cost_pico == one.cost_pico:
            new = None
        group = (one.requested_model, one.key_id.bytes)
        sums.setdefault(group, Sums()).add(one, new, kept=kept)
        if new is not None:
            made.append(new)
    return made


def is_of_prices(reason: str | None) -> bool:
    """Whether a cost is unknown for want of a price only."""
    return reason in _OF_PRICES or (reason or "").startswith("no_rate_")


def rate(one: Rated, price: Price | None) -> Rerated | None:
    """The rating of an attempt under a price; None where that has none for all it used.

    The usage of an attempt is what it is billed for; what reached the caller and what the provider
    made may differ in output from that (R-13).
    """
    at_us = (one.started_at - _EPOCH) // _MICROSECOND
    whole = tariff.rate(price, one.usage, one.service_tier, at_us)

    def cost(before: int | None, output: int | None) -> int | None:
        usage = None if before is None else bill.completed(one.usage, None, output)
        if usage is None or output == bill.output_tokens(one.usage):
            return None if usage is None else whole.cost_pico
        return tariff.rate(price, usage, one.service_tier, at_us).cost_pico

    if whole.cost_pico is None or whole.price_id is None:
        return None
    delivered = cost(one.cost_delivered_pico, one.delivered)
    upstream = cost(one.cost_upstream_pico, one.upstream)
    if max(whole.cost_pico, delivered or 0, upstream or 0) > COST_MAX:
        return None
    return Rerated(one, whole.price_id, whole.cost_pico, delivered, upstream)
