"""Usage with its exact cost, by model, key, provider, team, tag, hour or day.

Costs are as billed (revision 0 of the ratings). What has no cost is counted apart, never as 0;
what a simulated provider would have charged is in the sums, and said apart.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

from psycopg.rows import dict_row
from psycopg.sql import SQL

from dd0c.kernel.db.pool import Transaction
from dd0c.products.route.store import rollups
from dd0c.products.route.store.selection import Filter

By = Literal["model", "key", "provider", "team", "tag", "hour", "day"]


@dataclass(frozen=True, slots=True)
class UsageRow:
    """Sums over the attempts of one group. None: no attempt reported it, and as a group: those that
    have no team, or no tag.

    `requests` counts requests once, where their final attempt is; `unpriced` counts the attempts
    whose cost is unknown and therefore not in `cost_pico`. `simulated_pico` is the part of
    `cost_pico` that a simulated provider made up; None: nothing was simulated. `estimated_pico` is
    the part of the rest that rests on tokens counted here, as the provider told none.
    """

    group: str | uuid.UUID | datetime | date | None
    name: str | None
    requests: int
    attempts: int
    input: int | None
    cache_read: int | None
    cache_write_5m: int | None
    cache_write_1h: int | None
    output: int | None
    reasoning: int | None
    cost_pico: int | None
    simulated_pico: int | None
    estimated_pico: int | None
    unpriced: int


@dataclass(frozen=True, slots=True)
class UsageReport:
    """Usage by groups; `total` is the sum of the rows, digit by digit. By tag it is not: what has
    several tags is in the row of each, and once in the total."""

    by: By
    rows: tuple[UsageRow, ...]
    total: UsageRow


async def usage_by(tx: Transaction, by: By, wanted: Filter) -> UsageReport:
    """Usage of what matches; hours and days in order, the others by falling cost."""
    rows = await _rows(tx, by, wanted)
    if by != "tag":
        return UsageReport(by, rows, _total(rows))
    return UsageReport(by, rows, _total(await _rows(tx, "provider", wanted)))


async def _rows(tx: Transaction, by: By, wanted: Filter) -> tuple[UsageRow, ...]:
    group, name, order = _GROUPS[by]
    query = SQL(
        "SELECT {group} AS group, {name} AS name, sum(requests) AS requests,"
        " sum(attempts) AS attempts, sum(input_tokens) AS input,"
        " sum(cache_read_tokens) AS cache_read, sum(cache_write_5m_tokens) AS cache_write_5m,"
        " sum(cache_write_1h_tokens) AS cache_write_1h, sum(output_tokens) AS output,"
        " sum(reasoning_tokens) AS reasoning, sum(cost_pico) AS cost_pico,"
        " {simulated} AS simulated_pico, {estimated} AS estimated_pico, {unpriced} AS unpriced"
        " FROM {measured} GROUP BY 1 ORDER BY {order}"
    ).format(
        group=group,
        name=name,
        order=order,
        simulated=rollups.SIMULATED_PICO,
        estimated=rollups.ESTIMATED_PICO,
        unpriced=rollups.UNPRICED,
        measured=rollups.measured(wanted, _STEPS_S.get(by), by_tag=by == "tag"),
    )
    async with tx.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(query)
        return tuple([_row(row) for row in await cursor.fetchall()])


_STEPS_S = {"hour": 3_600, "day": 86_400}
_DEAREST = SQL("cost_pico DESC NULLS LAST, 1")
_GROUPS: Mapping[By, tuple[SQL, SQL, SQL]] = {
    "model": (SQL("requested_model"), SQL("NULL"), _DEAREST),
    "key": (
        SQL("key_id"),
        SQL("(SELECT k.name FROM kernel.api_keys k WHERE k.id = key_id)"),
        _DEAREST,
    ),
    "provider": (SQL("provider"), SQL("NULL"), _DEAREST),
    "team": (
        SQL("team"),
        SQL("(SELECT t.name FROM kernel.teams t WHERE t.id = team)"),
        _DEAREST,
    ),
    "tag": (SQL("tag"), SQL("NULL"), _DEAREST),
    "hour": (SQL("date_trunc('hour', at, 'UTC')"), SQL("NULL"), SQL("1")),
    "day": (SQL("(at AT TIME ZONE 'UTC')::date"), SQL("NULL"), SQL("1")),
}
_SUMS = (
    *("input", "cache_read", "cache_write_5m", "cache_write_1h", "output", "reasoning"),
    *("cost_pico", "simulated_pico", "estimated_pico"),
)


def _row(row: Mapping[str, Any]) -> UsageRow:
    return UsageRow(
        group=row["group"],
        name=row["name"],
        requests=int(row["requests"]),
        attempts=int(row["attempts"]),
        unpriced=row["unpriced"],
        **{name: rollups.whole(row[name]) for name in _SUMS},
    )


def _total(rows: Iterable[UsageRow]) -> UsageRow:
    rows = list(rows)
    known = {name: [v for r in rows if (v := getattr(r, name)) is not None] for name in _SUMS}
    return UsageRow(
        group=None,
        name=None,
        requests=sum(r.requests for r in rows),
        attempts=sum(r.attempts for r in rows),
        unpriced=sum(r.unpriced for r in rows),
        **{name: sum(values) if values else None for name, values in known.items()},
    )
