"""What was spent, line by line, adding up to its total digit by digit. Pure.

What is charged, simulated, estimated and without a cost stand in columns of their own. A request
with several tags is in the line of each; what was counted more than once is taken off in a line of
its own, so the lines add up all the same.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, TypeAlias

from dd0c.base import ids
from dd0c.kernel.web.console import links
from dd0c.products.route.pages import money, rows
from dd0c.products.route.pages.movers import Mover, largest
from dd0c.products.route.pages.span import Range
from dd0c.products.route.store.usage import UsageReport, UsageRow

By: TypeAlias = Literal["model", "team", "tag", "key"]
KINDS = {"key": ids.Kind.KEY, "team": ids.Kind.TEAM}
OVERLAP = "counted in several tags"
_IN = ("input", "cache_read", "cache_write_5m", "cache_write_1h")
_OUT = ("output", "reasoning")


@dataclass(frozen=True, slots=True)
class Line:
    """One model, team, tag or key. Tokens are None where nobody counted them, costs where they
    are unknown; `estimated_pico` is part of `charged_pico`, `simulated_pico` is not."""

    id: str
    name: str
    href: str
    requests: int
    input: int | None
    output: int | None
    charged_pico: int | None
    estimated_pico: int | None
    simulated_pico: int | None
    unpriced: int


_NUMBERS = tuple(field.name for field in fields(Line)[3:])


def lines_of(report: UsageReport, by: By, range: Range) -> list[Line]:
    """All lines, the dearest first."""
    found = [line_of(row, by, range) for row in report.rows]
    twice = _less(total_of(report), found) if by == "tag" else None
    return [*found, twice] if twice is not None else found


def total_of(report: UsageReport) -> Line:
    """The sum of the lines, as the ledger has it."""
    return _numbers(report.total, "", "Total", "")


def folded(lines: Sequence[Line], limit: int) -> list[Line]:
    """At most so many lines: the cheapest together in one, which still counts them."""
    if len(lines) <= limit:
        return list(lines)
    rest = lines[limit - 1 :]
    return [*lines[: limit - 1], Line("", f"{len(rest):,} more", "", **_sums(rest))]


def moved(now: UsageReport, before: UsageReport, by: By, range: Range, limit: int) -> list[Mover]:
    """What moved most between two reports."""
    ours, theirs = (
        {line.id: line for line in (line_of(row, by, range) for row in report.rows)}
        for report in (now, before)
    )
    found = [
        Mover(by, line.name, _cost(ours.get(each)), _cost(theirs.get(each)), line.href)
        for each, line in {**theirs, **ours}.items()
    ]
    return largest(found, limit)


def names_of(report: UsageReport, by: By) -> Mapping[str, str]:
    """What the groups of a report are called, by their ids as slots have them."""
    return {_id(row, by): _name(row, by) for row in report.rows}


def line_of(row: UsageRow, by: By, range: Range) -> Line:
    """One group of a report."""
    which = _id(row, by)
    href = links.to(rows.PATH, {"range": range, by: which}) if which else ""
    return _numbers(row, which, _name(row, by), href)


def _numbers(row: UsageRow, which: str, name: str, href: str) -> Line:
    return Line(
        id=which,
        name=name,
        href=href,
        requests=row.requests,
        input=_tokens(row, _IN),
        output=_tokens(row, _OUT),
        charged_pico=money.charged(row) if row.attempts else 0,
        estimated_pico=row.estimated_pico,
        simulated_pico=row.simulated_pico,
        unpriced=row.unpriced,
    )


def _id(row: UsageRow, by: By) -> str:
    if isinstance(row.group, uuid.UUID):
        return ids.text(KINDS[by], row.group)
    return "" if row.group is None else str(row.group)


def _name(row: UsageRow, by: By) -> str:
    return row.name or _id(row, by) or f"no {by}"


def _tokens(row: UsageRow, buckets: tuple[str, ...]) -> int | None:
    known = [n for bucket in buckets if (n := getattr(row, bucket)) is not None]
    return sum(known) if known else None


def _less(total: Line, lines: Sequence[Line]) -> Line | None:
    """What the lines have more than the total, as a line below zero; None: nothing."""
    sums = _sums(lines)
    rest: dict[str, Any] = {
        name: None if value is None else (getattr(total, name) or 0) - value
        for name, value in sums.items()
    }
    return Line("", OVERLAP, "", **rest) if any(rest.values()) else None


def _sums(lines: Sequence[Line]) -> dict[str, Any]:
    """Every number of the lines added up; None where none is known."""
    known = {name: [v for o in lines if (v := getattr(o, name)) is not None] for name in _NUMBERS}
    return {name: sum(values) if values else None for name, values in known.items()}


def _cost(line: Line | None) -> int:
    return 0 if line is None else line.charged_pico or 0
