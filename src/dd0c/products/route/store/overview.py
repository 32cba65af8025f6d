"""Sums for the overview: totals, spend over time by model, what has no price, who fails.

Like `reading`: in a tenant's transaction, time is the time inside the request id, costs are as
billed, and what has no cost is counted apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row
from psycopg.sql import SQL

from dd0c.kernel.db.pool import Transaction
from dd0c.products.route.models import EndReason
from dd0c.products.route.store import reading
from dd0c.products.route.store.reading import Filter

FAILED = [
    *(EndReason.UPSTREAM_ERROR, EndReason.UPSTREAM_CUT, EndReason.TIMEOUT),
    *(EndReason.LIMIT, EndReason.PANIC, EndReason.LOST),
]


@dataclass(frozen=True, slots=True)
class Totals:
    """Requests and what they cost. `failed` counts those whose caller got no whole answer.

    `cost_pico` is the sum of what is known; None when nothing is, though there were attempts.
    `simulated_pico` is the part of it that a simulated provider made up; None: nothing was.
    """

    requests: int
    failed: int
    unpriced: int
    cost_pico: int | None
    simulated_pico: int | None


@dataclass(frozen=True, slots=True)
class Slot:
    """What one model cost in one slot of time; `model` None is every model but the dearest.

    `cost_pico` is the sum of what is known; None when nothing is.
    """

    slot: int
    model: str | None
    requests: int
    unpriced: int
    cost_pico: int | None


@dataclass(frozen=True, slots=True)
class Unpriced:
    """Attempts that a price would have given a cost, by model and reason."""

    model: str
    reason: str
    attempts: int


@dataclass(frozen=True, slots=True)
class Failing:
    """A provider that fails: how often of how many, and when last."""

    provider: str
    attempts: int
    failed: int
    last_at: datetime
    last_status: int | None


async def totals(tx: Transaction, wanted: Filter) -> Totals:
    """Sums over the requests that match."""
    conditions, values = reading.matching(wanted)
    query = SQL(
        "SELECT count(*) FILTER (WHERE a.final) AS requests,"
        " count(*) FILTER (WHERE a.final AND a.end_reason = ANY(%(failed)s)) AS failed,"
        " count(*) FILTER (WHERE r.cost_pico IS NULL) AS unpriced,"
        " CASE WHEN count(*) = 0 THEN 0 ELSE sum(r.cost_pico) END AS cost_pico,"
        " {simulated} AS simulated_pico {rated} WHERE {conditions}"
    ).format(
        simulated=reading.SIMULATED_PICO,
        rated=reading.rated(wanted),
        conditions=SQL(" AND ").join(conditions),
    )
    cursor = await tx.execute(query, {**values, "failed": FAILED})
    row = await cursor.fetchone()
    assert row is not None
    requests, failed, unpriced, cost_pico, simulated_pico = row
    return Totals(
        requests,
        failed,
        unpriced,
        None if cost_pico is None else int(cost_pico),
        None if simulated_pico is None else int(simulated_pico),
    )


async def spend(tx: Transaction, wanted: Filter, step_s: int, models_max: int) -> list[Slot]:
    """Spend by slot of `step_s` seconds since 1970 and by the models that cost most."""
    conditions, values = reading.matching(wanted)
    query = SQL(
        "WITH sums AS ("
        "SELECT floor(date_part('epoch', a.started_at) / %(step_s)s)::bigint AS slot,"
        " a.requested_model AS model, count(*) FILTER (WHERE a.final) AS requests,"
        " count(*) FILTER (WHERE r.cost_pico IS NULL) AS unpriced, sum(r.cost_pico) AS cost_pico"
        " {rated} WHERE {conditions} GROUP BY 1, 2), dearest AS ("
        "SELECT model AS name FROM sums GROUP BY 1"
        " ORDER BY sum(cost_pico) DESC NULLS LAST, 1 LIMIT %(models_max)s)"
        " SELECT slot, name, sum(requests), sum(unpriced), sum(cost_pico)"
        " FROM sums LEFT JOIN dearest ON name = model GROUP BY 1, 2 ORDER BY 1, 2"
    ).format(rated=reading.rated(wanted), conditions=SQL(" AND ").join(conditions))
    cursor = await tx.execute(query, {**values, "step_s": step_s, "models_max": models_max})
    rows = await cursor.fetchall()
    return [
        Slot(slot, model, int(requests), int(unpriced), None if cost is None else int(cost))
        for slot, model, requests, unpriced, cost in rows
    ]


async def list_unpriced(tx: Transaction, wanted: Filter, limit: int) -> list[Unpriced]:
    """Models without a price for what was used, most frequent first."""
    conditions, values = reading.matching(wanted)
    query = SQL(
        "SELECT a.requested_model AS model, r.reason, count(*) AS attempts {rated}"
        " WHERE r.cost_pico IS NULL AND (r.reason LIKE %(price)s OR r.reason LIKE %(rate)s)"
        " AND {conditions} GROUP BY 1, 2 ORDER BY 3 DESC, 1 LIMIT %(limit)s"
    ).format(rated=reading.rated(wanted), conditions=SQL(" AND ").join(conditions))
    reasons = {"price": "no_price%", "rate": "no_rate%"}
    async with tx.cursor(row_factory=class_row(Unpriced)) as cursor:
        await cursor.execute(query, {**values, **reasons, "limit": limit})
        return await cursor.fetchall()


async def list_failing(tx: Transaction, wanted: Filter) -> list[Failing]:
    """Providers with a failed attempt, most failures first."""
    conditions, values = reading.matching(wanted)
    query = SQL(
        "SELECT a.provider, count(*) AS attempts, count(*) FILTER ({failed}) AS failed,"
        " max(a.started_at) FILTER ({failed}) AS last_at,"
        " (array_agg(a.upstream_status ORDER BY a.request_id DESC) FILTER ({failed}))[1]"
        " AS last_status FROM route.attempts a WHERE a.attempt > 0 AND {conditions} GROUP BY 1"
        " HAVING count(*) FILTER ({failed}) > 0 ORDER BY 3 DESC, 1"
    ).format(
        failed=SQL("WHERE a.end_reason = ANY(%(failed)s)"),
        conditions=SQL(" AND ").join(conditions),
    )
    async with tx.cursor(row_factory=class_row(Failing)) as cursor:
        await cursor.execute(query, {**values, "failed": FAILED})
        return await cursor.fetchall()
