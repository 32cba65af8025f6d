"""The prices that a worker knows: everybody's, and what organisations have of their own.

A name that a provider answers with may be one of many for a model. Everybody's list has a price
under each; an organisation's own price stands under one name, that of the model, and is found from
every other through the list. Whoever has none of their own pays one look into a dictionary for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from dd0c.products.route.hotpath.snapshot import Price

_DATE = re.compile(r"-20\d\d-?\d\d-?\d\d$")

ByName = dict[tuple[str, str], Price]


class PriceList:
    """Prices by provider and name of the model."""

    def __init__(self) -> None:
        self._listed: ByName = {}
        self._own: dict[bytes, ByName] = {}

    def replace(self, prices: Iterable[Price]) -> None:
        """Everybody's prices, all of them."""
        self._listed = {(p.provider, p.model): p for p in prices}

    def add(self, prices: Iterable[Price]) -> None:
        """More of them, or others for names that are there."""
        self._listed.update({(p.provider, p.model): p for p in prices})

    def replace_overrides(self, prices: Iterable[Price]) -> None:
        """What organisations have of their own, all of it."""
        own: dict[bytes, ByName] = {}
        for price in prices:
            if price.org is not None:
                own.setdefault(price.org, {})[(price.provider, price.model)] = price
        self._own = own

    def find(self, provider: str, model: str, org: bytes | None = None) -> Price | None:
        """The price of a model for an organisation; None: nobody told us of one."""
        listed = self._listed.get((provider, model)) or self._find_undated(provider, model)
        own = self._own.get(org) if org is not None else None
        return listed if own is None else choose(own, provider, model, listed)

    def _find_undated(self, provider: str, model: str) -> Price | None:
        name = _DATE.sub("", model)
        price = self._listed.get((provider, name)) if name != model else None
        return price if price is not None and price.dated else None


def choose(own: ByName, provider: str, model: str, listed: Price | None) -> Price | None:
    """One's own price of a name, else of the model that the list says it means, else the list's."""
    price = own.get((provider, model))
    if price is None and listed is not None:
        price = own.get((provider, listed.model_id))
    return listed if price is None else price
