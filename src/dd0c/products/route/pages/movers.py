"""What moved the sum: models, keys and such whose cost differs most from before. Pure."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from dd0c.base import ids
from dd0c.kernel.web.console import figures, links
from dd0c.products.route.pages import money, rows
from dd0c.products.route.pages.span import Range
from dd0c.products.route.store.groups import Groups
from dd0c.products.route.store.overview import Totals

EACH_MAX = 3

Id = TypeVar("Id")


@dataclass(frozen=True, slots=True)
class Mover:
    """A model, key, team or tag, what it cost now and before, without what was simulated."""

    by: str
    name: str
    now_pico: int
    before_pico: int
    href: str

    @property
    def change(self) -> str:
        """The difference with its sign."""
        change = self.now_pico - self.before_pico
        return f"{'+' if change > 0 else '−'}{figures.short(abs(change))}"


def of_models(today: Groups, week_ago: Groups) -> list[Mover]:
    """The models that moved most."""
    found = [
        Mover("model", name, now, then, links.to(rows.PATH, {"range": Range.WEEK, "model": name}))
        for name, now, then in _both(today.models, week_ago.models)
    ]
    return largest(found, EACH_MAX)


def of_keys(today: Groups, week_ago: Groups, names: Mapping[uuid.UUID, str]) -> list[Mover]:
    """The keys that moved most; one that has no name here by its id."""
    found = []
    for key, now, then in _both(today.keys, week_ago.keys):
        text = ids.text(ids.Kind.KEY, key)
        href = links.to(rows.PATH, {"range": Range.WEEK, "key": text})
        found.append(Mover("key", names.get(key, text), now, then, href))
    return largest(found, EACH_MAX)


def _both(
    today: Mapping[Id, Totals], week_ago: Mapping[Id, Totals]
) -> Iterator[tuple[Id, int, int]]:
    for each in {**today, **week_ago}:
        yield each, _cost(today.get(each)), _cost(week_ago.get(each))


def _cost(sums: Totals | None) -> int:
    return 0 if sums is None else money.charged(sums) or 0


def largest(found: Iterable[Mover], limit: int) -> list[Mover]:
    """Those that moved most, the largest first; what did not move is left out."""
    moved = [mover for mover in found if mover.now_pico != mover.before_pico]
    return sorted(moved, key=lambda m: (-abs(m.now_pico - m.before_pico), m.name))[:limit]
