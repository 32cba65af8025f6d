"""Heads of tables: units beside the title, sorting as links, the order in the address.

`?sort=name` is ascending, `?sort=-name` descending. A list states its columns once; `heads` makes
the links and `read` refuses an order that the list does not know.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dd0c.base.errors import InvalidInput
from dd0c.kernel.web.console import links


@dataclass(frozen=True, slots=True)
class Column:
    """A column. `sort` is its name in the address; `show` hides it on narrow windows."""

    title: str
    unit: str = ""
    sort: str = ""
    number: bool = False
    show: str = ""  # "" always, "mid" from 1080 px, "wide" from 760 px


@dataclass(frozen=True, slots=True)
class Head:
    """A column's head as the template draws it."""

    title: str
    unit: str
    classes: str
    href: str
    order: str


def heads(columns: Sequence[Column], path: str, query: Mapping[str, str]) -> list[Head]:
    """The heads of a list at this address. Following one sorts by it, again the other way."""
    chosen = query.get("sort", "")
    kept = {name: value for name, value in query.items() if name not in ("sort", "cursor")}
    found = []
    for column in columns:
        href, order = "", ""
        if column.sort:
            down = f"-{column.sort}"
            order = {column.sort: "ascending", down: "descending"}.get(chosen, "none")
            wanted = down if chosen == column.sort else column.sort
            href = links.to(path, kept | {"sort": wanted})
        classes = " ".join(name for name in ("r" if column.number else "", column.show) if name)
        found.append(Head(column.title, column.unit, classes, href, order))
    return found


def read(columns: Sequence[Column], sort: str) -> tuple[str, bool]:
    """The column to sort by and whether downwards; InvalidInput for one that is not there."""
    known = [column.sort for column in columns if column.sort]
    name = sort.removeprefix("-")
    if name not in known:
        raise InvalidInput(f"sort: is one of {', '.join(known)}, with `-` in front for downwards")
    return name, sort.startswith("-")
