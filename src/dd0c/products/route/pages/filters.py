"""The filters of the list of requests, as they stand in its address."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import Query

from dd0c.base import ids
from dd0c.base.errors import InvalidInput
from dd0c.products.route.models import EndReason
from dd0c.products.route.pages import rows, span, words
from dd0c.products.route.pages.span import SPANS, Range, Span
from dd0c.products.route.store.selection import Filter


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
    end_reason: str = ""

    @property
    def span(self) -> Span:
        """The range, in words and length."""
        return SPANS[self.range]

    @property
    def narrowed(self) -> bool:
        """Whether anything but the range restricts the list."""
        return bool(self.model or self.key or self.end_reason)

    def query(self) -> dict[str, str]:
        """As parameters of an address."""
        return {"range": self.range, **self.narrowing()}

    def narrowing(self) -> dict[str, str]:
        """All but the range."""
        return {"model": self.model, "key": self.key, "end_reason": self.end_reason}

    def wanted(self, now: datetime) -> Filter:
        """As the store takes them."""
        return Filter(
            since=now - self.span.length,
            model=self.model or None,
            key_id=ids.parse(ids.Kind.KEY, self.key) if self.key else None,
            end_reason=self.end_reason or None,
        )

    def chips(self, key_names: dict[str, str]) -> list[Chip]:
        """The filters that are on."""
        end = words.end(self.end_reason).word
        shown = {
            "model": ("model", self.model),
            "key": ("key", key_names.get(self.key, self.key)),
            "end_reason": ("end", end),
        }
        return [
            Chip(*shown[field], span.address(rows.PATH, {**self.query(), field: ""}))
            for field, value in self.narrowing().items()
            if value
        ]


def read(
    range: Range = Range.DAY,
    model: Annotated[str, Query(max_length=256)] = "",
    key: Annotated[str, Query(max_length=64)] = "",
    end_reason: Annotated[str, Query(max_length=64)] = "",
) -> Filters:
    """The filters of an address; InvalidInput says which is wrong."""
    if not model.isprintable():
        raise InvalidInput("model: has characters that cannot be in a name")
    if end_reason and end_reason not in set(EndReason):
        raise InvalidInput(f"end_reason: is one of {', '.join(EndReason)}")
    if key:
        ids.parse(ids.Kind.KEY, key)
    return Filters(range, model.strip(), key, end_reason)
