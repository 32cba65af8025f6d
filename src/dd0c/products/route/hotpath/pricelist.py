"""The prices that a worker knows: everybody's, and what organisations have of their own.

A name that a provider answers with may be one of many for a model. Everybody's list has a price
under each; an organisation's own price stands under one name, that of the model, and is found from
every other through the list. Whoever has none of their own pays one look into a dictionary for it.

Under which name an answer comes is known when it comes. What has to be known before, to hold money
for it, is the set of prices that it may get (`find_all`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from dd0c.products.route.hotpath.snapshot import Price

_DATE = re.compile(r"-20\d\d-?\d\d-?\d\d$")
_SNAPSHOT = re.compile(r"[-@](?:20\d\d-?\d\d-?\d\d|\d\d-?\d\d|\d{3}|latest)$")
FOUND_MAX = 10_000  # sets of prices that are remembered; callers invent dates

ByName = dict[tuple[str, str], Price]


class PriceList:
    """Prices by provider and name of the model."""

    def __init__(self) -> None:
        self._listed: ByName = {}
        self._own: dict[bytes, ByName] = {}
        self._found: dict[tuple[str, str, bytes | None], tuple[Price, ...]] = {}

    def replace(self, prices: Iterable[Price]) -> None:
        """Everybody's prices, all of them."""
        self._listed = {(p.provider, p.model): p for p in prices}
        self._found.clear()

    def add(self, prices: Iterable[Price]) -> None:
        """More of them, or others for names that are there."""
        self._listed.update({(p.provider, p.model): p for p in prices})
        self._found.clear()

    def replace_overrides(self, prices: Iterable[Price]) -> None:
        """What organisations have of their own, all of it."""
        own: dict[bytes, ByName] = {}
        for price in prices:
            if price.org is not None:
                own.setdefault(price.org, {})[(price.provider, price.model)] = price
        self._own = own
        self._found.clear()

    def find(self, provider: str, model: str, org: bytes | None = None) -> Price | None:
        """The price of a model for an organisation; None: nobody told us of one."""
        listed = self._find_listed(provider, model)
        own = self._own.get(org) if org is not None else None
        return listed if own is None else choose(own, provider, model, listed)

    def find_all(self, provider: str, model: str, org: bytes) -> tuple[Price, ...]:
        """The price of a model for an organisation, and behind it those of other names that the
        provider may answer with; the same tuple as long as nothing changes. Empty: there is none.
        """
        own = self._own.get(org)
        key = provider, model, None if own is None else org
        found = self._found.get(key)
        if found is None:
            listed = self._find_listed(provider, model)
            found = _alike(own or {}, provider, model, listed)
            if len(self._found) >= FOUND_MAX:
                self._found.clear()
            self._found[key] = found
        return found

    def _find_listed(self, provider: str, model: str) -> Price | None:
        return self._listed.get((provider, model)) or self._find_undated(provider, model)

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


def _alike(own: ByName, provider: str, model: str, listed: Price | None) -> tuple[Price, ...]:
    """The price of a name; one's own of all names that mean the same model or are the same but for
    their snapshot; and the list's, where one's own stands under a name that not every answer has.
    """
    price = choose(own, provider, model, listed)
    if price is None:
        return ()
    name, means = _SNAPSHOT.sub("", model), "" if listed is None else listed.model_id
    others = [
        one
        for one in own.values()
        if one is not price
        and one.provider == provider
        and (_SNAPSHOT.sub("", one.model) == name or (means and one.model_id == means))
    ]
    if listed is not None and listed is not price and (provider, means) not in own:
        others.append(listed)
    return (price, *others)
