"""One span of time by model, key, team and tag, with its totals: two questions instead of five."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from psycopg.sql import SQL, Composed

from dd0c.kernel.db.pool import Transaction
from dd0c.products.route.store import rollups
from dd0c.products.route.store.overview import FAILED_REQUESTS, Totals
from dd0c.products.route.store.selection import Filter


@dataclass(frozen=True, slots=True)
class Groups:
    """Sums of a span: of everything, by the model asked for, by key, team and tag. What has no team
    or no tag is only in the total; what has several tags is in each."""

    total: Totals
    models: dict[str, Totals]
    keys: dict[uuid.UUID, Totals]
    teams: dict[uuid.UUID, Totals] = field(default_factory=dict)
    tags: dict[str, Totals] = field(default_factory=dict)


async def load(tx: Transaction, wanted: Filter) -> Groups:
    """What matches, added up."""
    total, models, keys, teams = Totals(0, 0, 0, 0, None), {}, {}, {}
    for model, key, team, whole, *sums in await _grouped(
        tx,
        rollups.measured(wanted),
        SQL("requested_model, key_id, team, GROUPING(requested_model, key_id, team) = 7"),
        SQL("GROUPING SETS ((), (requested_model), (key_id), (team))"),
    ):
        found = _totals(sums)
        if whole:
            total = found
        elif model is not None:
            models[model] = found
        elif key is not None:
            keys[key] = found
        elif team is not None:
            teams[team] = found
    tagged = await _grouped(tx, rollups.measured(wanted, by_tag=True), SQL("tag"), SQL("tag"))
    tags = {tag: _totals(sums) for tag, *sums in tagged if tag is not None}
    return Groups(total, models, keys, teams, tags)


async def _grouped(
    tx: Transaction, measured: Composed, names: SQL, groups: SQL
) -> list[tuple[Any, ...]]:
    query = SQL(
        "SELECT {names}, coalesce(sum(requests), 0),"
        " coalesce(sum(requests) FILTER ({failed}), 0), {unpriced},"
        " CASE WHEN count(*) = 0 THEN 0 ELSE sum(cost_pico) END, {simulated}"
        " FROM {measured} GROUP BY {groups}"
    ).format(
        names=names,
        failed=FAILED_REQUESTS,
        unpriced=rollups.UNPRICED,
        simulated=rollups.SIMULATED_PICO,
        measured=measured,
        groups=groups,
    )
    return await (await tx.execute(query)).fetchall()


def _totals(sums: Sequence[Any]) -> Totals:
    requests, failed, unpriced, cost, made_up = sums
    whole = rollups.whole
    return Totals(int(requests), int(failed), unpriced, whole(cost), whole(made_up))
