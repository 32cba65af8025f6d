"""The filters of the list of requests, as they stand in its address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Annotated, Literal

from fastapi import Query

from dd0c.base import ids
from dd0c.base.errors import InvalidInput
from dd0c.kernel.auth import keys
from dd0c.kernel.db.pool import Transaction
from dd0c.kernel.web.console import links
from dd0c.products.route.models import EndReason
from dd0c.products.route.pages import rows, words
from dd0c.products.route.pages.span import SPANS, Range, Span
from dd0c.products.route.store.selection import Filter

_TITLES = {
    "model": "model",
    "key": "key",
    "team": "team",
    "tag": "tag",
    "provider": "provider",
    "end_reason": "end",
    "cost": "cost",
    "simulated": "simulated",
}


@dataclass(frozen=True, slots=True)
class Chip:
    """An active filter, and the address of the page without it."""

    name: str
    value: str
    href: str


@dataclass(frozen=True, slots=True)
class Filters:
    """What is shown. An empty text does not restrict: forms send empty fields."""

    range: Range
    model: str = ""
    key: str = ""
    provider: str = ""
    end_reason: str = ""
    cost: str = ""
    simulated: str = ""
    team: str = ""
    tag: str = ""

    @property
    def span(self) -> Span:
        """The range, in words and length."""
        return SPANS[self.range]

    @property
    def narrowed(self) -> bool:
        """Whether anything but the range restricts the list."""
        return any(self.narrowing().values())

    def query(self) -> dict[str, str]:
        """As parameters of an address."""
        return asdict(self)

    def narrowing(self) -> dict[str, str]:
        """All but the range."""
        return {name: getattr(self, name) for name in _TITLES}

    async def wanted(self, tx: Transaction, now: datetime) -> Filter:
        """As the store takes them; any key of a line stands for all of it."""
        key = ids.parse(ids.Kind.KEY, self.key) if self.key else None
        return Filter(
            since=self.span.since(now),
            model=self.model or None,
            key_id=key and (await keys.find_line(tx, key) or key),
            provider=self.provider or None,
            end_reason=self.end_reason or None,
            unpriced=bool(self.cost),
            simulated=self.simulated == "yes" if self.simulated else None,
            team=ids.parse(ids.Kind.TEAM, self.team) if self.team else None,
            tag=self.tag or None,
            answers_only=True,
        )

    def chips(self, names: Mapping[str, str]) -> list[Chip]:
        """The filters that are on; `names` of keys and teams by their ids."""
        words_of = {name: names.get(value, value) for name, value in self.narrowing().items()}
        if self.end_reason:
            words_of["end_reason"] = words.end(self.end_reason).word
        return [
            Chip(
                _TITLES[name],
                words_of[name],
                links.to(rows.PATH, self.query() | {name: ""}),
            )
            for name, value in self.narrowing().items()
            if value
        ]


def read(
    *,
    range: Range = Range.DAY,
    model: Annotated[str, Query(max_length=256)] = "",
    key: Annotated[str, Query(max_length=64)] = "",
    provider: Annotated[str, Query(max_length=256)] = "",
    end_reason: Annotated[str, Query(max_length=64)] = "",
    cost: Literal["", "unknown"] = "",
    simulated: Literal["", "yes", "no"] = "",
    team: Annotated[str, Query(max_length=64)] = "",
    tag: Annotated[str, Query(max_length=64)] = "",
) -> Filters:
    """The filters of an address; InvalidInput says which is wrong."""
    for name, text in (("model", model), ("provider", provider), ("tag", tag)):
        if not text.isprintable():
            raise InvalidInput(f"{name}: has characters that cannot be in a name")
    if end_reason and end_reason not in set(EndReason):
        raise InvalidInput(f"end_reason: is one of {', '.join(EndReason)}")
    if key:
        ids.parse(ids.Kind.KEY, key)
    if team:
        ids.parse(ids.Kind.TEAM, team)
    return Filters(
        range, model.strip(), key, provider, end_reason, cost, simulated, team, tag.strip()
    )
