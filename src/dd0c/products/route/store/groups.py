"""One span of time by model and by key at once, with its totals: one question instead of three."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from psycopg.sql import SQL

from dd0c.kernel.db.pool import Transaction
from dd0c.products.route.store import rollups
from dd0c.products.route.store.overview import FAILED_REQUESTS, Totals
from dd0c.products.route.store.selection import Filter


@dataclass(frozen=True, slots=True)
class Groups:
    """Sums of a span: of everything, by the model asked for, and by key."""

    total: Totals
    models: dict[str, Totals]
    keys: dict[uuid.UUID, Totals]


async def load(tx: Transaction, wanted: Filter) -> Groups:
    """What matches, added up."""
    query = SQL(
        "SELECT requested_model, key_id, coalesce(sum(requests), 0),"
        " coalesce(sum(requests) FILTER ({failed}), 0), {unpriced},"
        " CASE WHEN count(*) = 0 THEN 0 ELSE sum(cost_pico) END, {simulated}"
        " FROM {measured} GROUP BY GROUPING SETS ((), (requested_model), (key_id))"
    ).format(
        failed=FAILED_REQUESTS,
        unpriced=rollups.UNPRICED,
        simulated=rollups.SIMULATED_PICO,
        measured=rollups.measured(wanted),
    )
    total = Totals(0, 0, 0, 0, None)
    models: dict[str, Totals] = {}
    keys: dict[uuid.UUID, Totals] = {}
    for model, key, requests, failed, unpriced, cost, made_up in await (
        await tx.execute(query)
    ).fetchall():
        whole = rollups.whole
        sums = Totals(int(requests), int(failed), unpriced, whole(cost), whole(made_up))
        if model is not None:
            models[model] = sums
        elif key is not None:
            keys[key] = sums
        else:
            total = sums
    return Groups(total, models, keys)
