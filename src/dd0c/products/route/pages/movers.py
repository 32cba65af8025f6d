"""What moved the sum: the models and keys whose cost differs most from a week ago. Pure."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from dd0c.base import ids
from dd0c.kernel.web.console import figures, links
from dd0c.products.route.pages import money, rows
from dd0c.products.route.pages.span import Range
from dd0c.products.route.store.usage import UsageReport, UsageRow

EACH_MAX = 4


@dataclass(frozen=True, slots=True)
class Mover:
    """A model or key, what it cost today and at the same time a week ago, without simulated."""

    by: str
    name: str
    today_pico: int
    week_ago_pico: int
    href: str

    @property
    def change(self) -> str:
        """The difference with its sign."""
        change = self.today_pico - self.week_ago_pico
        return f"{'+' if change > 0 else '−'}{figures.short(abs(change))}"


def of(today: UsageReport, week_ago: UsageReport) -> list[Mover]:
    """The largest differences of one kind, largest first; what did not move is left out."""
    now = {row.group: row for row in today.rows}
    then = {row.group: row for row in week_ago.rows}
    found = [
        Mover(today.by, _name(row), _cost(now.get(group)), _cost(then.get(group)), _href(row))
        for group, row in (then | now).items()
    ]
    moved = [mover for mover in found if mover.today_pico != mover.week_ago_pico]
    return sorted(moved, key=lambda m: (-abs(m.today_pico - m.week_ago_pico), m.name))[:EACH_MAX]


def _cost(row: UsageRow | None) -> int:
    return 0 if row is None else money.charged(row) or 0


def _name(row: UsageRow) -> str:
    if isinstance(row.group, uuid.UUID):
        return row.name or ids.text(ids.Kind.KEY, row.group)
    return str(row.group)


def _href(row: UsageRow) -> str:
    if isinstance(row.group, uuid.UUID):
        narrowed = {"key": ids.text(ids.Kind.KEY, row.group)}
    else:
        narrowed = {"model": str(row.group)}
    return links.to(rows.PATH, {"range": Range.WEEK} | narrowed)
