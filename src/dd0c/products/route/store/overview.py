"""Sums for pages: totals, spend over time, what has no price, who fails, what to filter by.

In a tenant's transaction. Time is the time inside the request id, costs are as billed, what has no
cost is counted apart, and what a simulated provider would have charged is said apart.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from typing import Literal as OneOf

from psycopg.rows import class_row, dict_row
from psycopg.sql import SQL, Literal

from dd0c.base import ids
from dd0c.kernel.db.pool import Transaction
from dd0c.products.route.models import EndReason
from dd0c.products.route.store import rollups, selection, spans
from dd0c.products.route.store.selection import Filter
from dd0c.products.route.store.spans import Span

By = OneOf["model", "key", "provider", "team", "tag"]
VALUES_MAX = 200
FAILED = [
    *(EndReason.UPSTREAM_ERROR, EndReason.UPSTREAM_CUT, EndReason.TIMEOUT),
    *(EndReason.LIMIT, EndReason.BREAKER, EndReason.PANIC, EndReason.LOST),
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
    """What one model, key (its id), provider, team (its id) or tag cost in one slot of time; `name`
    None is all but the dearest together, "" what has no team or no tag. What has several tags is in
    each of them.

    `cost_pico` is the sum of what is known; None when nothing is. `simulated_pico` is the part of
    it that a simulated provider made up.
    """

    slot: int
    name: str | None
    requests: int
    failed: int
    unpriced: int
    cost_pico: int | None
    simulated_pico: int | None


@dataclass(frozen=True, slots=True)
class Values:
    """What a list can be filtered by, at most `VALUES_MAX` of each."""

    models: tuple[str, ...]
    keys: tuple[uuid.UUID, ...]
    providers: tuple[str, ...]
    teams: tuple[uuid.UUID, ...] = ()
    tags: tuple[str, ...] = ()


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
    query = SQL(
        "SELECT coalesce(sum(requests), 0), coalesce(sum(requests) FILTER ({failed}), 0),"
        " {unpriced}, CASE WHEN count(*) = 0 THEN 0 ELSE sum(cost_pico) END, {simulated}"
        " FROM {measured}"
    ).format(
        failed=FAILED_REQUESTS,
        unpriced=rollups.UNPRICED,
        simulated=rollups.SIMULATED_PICO,
        measured=rollups.measured(wanted),
    )
    row = await (await tx.execute(query)).fetchone()
    assert row is not None
    requests, failed, unpriced, cost, simulated = row
    return Totals(
        int(requests), int(failed), unpriced, rollups.whole(cost), rollups.whole(simulated)
    )


async def spend(
    tx: Transaction, wanted: Filter, step_s: int, names_max: int, *, by: By = "model"
) -> list[Slot]:
    """Spend by slot of `step_s` seconds since 1970 and by the names that cost most."""
    query = SQL(
        "WITH sums AS (SELECT {slot} AS slot, coalesce({column}::text, '') AS name,"
        " sum(requests) AS requests, sum(requests) FILTER ({failed}) AS failed,"
        " {unpriced} AS unpriced, sum(cost_pico) AS cost_pico, {simulated} AS simulated_pico"
        " FROM {measured} GROUP BY 1, 2"
        "), dearest AS ("
        "SELECT name AS kept FROM sums GROUP BY 1"
        " ORDER BY sum(cost_pico) DESC NULLS LAST, 1 LIMIT {names_max})"
        " SELECT slot, kept AS name, sum(requests) AS requests,"
        " coalesce(sum(failed), 0) AS failed, sum(unpriced) AS unpriced,"
        " sum(cost_pico) AS cost_pico, sum(simulated_pico) AS simulated_pico"
        " FROM sums LEFT JOIN dearest ON kept = name GROUP BY 1, 2 ORDER BY 1, 2"
    ).format(
        slot=rollups.slot_of(step_s),
        column=_COLUMNS[by],
        failed=FAILED_REQUESTS,
        unpriced=rollups.UNPRICED,
        simulated=rollups.SIMULATED_PICO,
        measured=rollups.measured(wanted, step_s, by_tag=by == "tag"),
        names_max=Literal(names_max),
    )
    async with tx.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(query)
        return [_slot(by, row) for row in await cursor.fetchall()]


async def list_values(tx: Transaction, wanted: Filter) -> Values:
    """What there is to filter by in a span, the most used first; its ends are whole hours."""
    span = spans.widened(Span(wanted.since, wanted.until))
    whole = Filter(since=span.since, until=span.until)
    query = SQL(
        "SELECT requested_model, key_id, provider, team FROM {} GROUP BY GROUPING SETS"
        " ((requested_model), (key_id), (provider), (team)) ORDER BY sum(requests) DESC, 1, 2, 3, 4"
    ).format(rollups.measured(whole))
    rows = await (await tx.execute(query)).fetchall()
    by_tag = SQL("SELECT tag FROM {} GROUP BY 1 ORDER BY sum(requests) DESC, 1").format(
        rollups.measured(whole, by_tag=True)
    )
    tags = await (await tx.execute(by_tag)).fetchall()
    columns = [*(zip(*rows, strict=True) if rows else [()] * 4), [tag for (tag,) in tags]]
    return Values(*[tuple([v for v in each if v is not None][:VALUES_MAX]) for each in columns])


async def list_unpriced(tx: Transaction, wanted: Filter, limit: int) -> list[Unpriced]:
    """Models without a price for what was used, most frequent first."""
    query = SQL(
        "SELECT requested_model AS model, cost_reason AS reason, sum(attempts)::bigint AS attempts"
        " FROM {measured} WHERE cost_reason LIKE 'no_price%' OR cost_reason LIKE 'no_rate%'"
        " GROUP BY 1, 2 ORDER BY 3 DESC, 1 LIMIT {limit}"
    ).format(measured=rollups.measured(wanted), limit=Literal(limit))
    async with tx.cursor(row_factory=class_row(Unpriced)) as cursor:
        await cursor.execute(query)
        return await cursor.fetchall()


async def list_failing(tx: Transaction, wanted: Filter) -> list[Failing]:
    """Providers with a failed attempt, most failures first."""
    query = SQL(
        "SELECT a.provider, count(*) AS attempts, count(*) FILTER ({failed}) AS failed,"
        " max(a.started_at) FILTER ({failed}) AS last_at,"
        " (array_agg(a.upstream_status ORDER BY a.request_id DESC) FILTER ({failed}))[1]"
        " AS last_status FROM route.attempts a WHERE a.attempt > 0 AND {conditions} GROUP BY 1"
        " HAVING count(*) FILTER ({failed}) > 0 ORDER BY 3 DESC, 1"
    ).format(
        failed=SQL("WHERE a.end_reason = ANY({})").format(Literal(FAILED)),
        conditions=selection.every(*selection.spanned(wanted, "a"), *selection.equal(wanted, "a")),
    )
    async with tx.cursor(row_factory=class_row(Failing)) as cursor:
        await cursor.execute(query)
        return await cursor.fetchall()


FAILED_REQUESTS = SQL("WHERE end_reason = ANY({})").format(Literal(FAILED))
_COLUMNS: Mapping[By, SQL] = {
    "model": SQL("requested_model"),
    "key": SQL("key_id"),
    "provider": SQL("provider"),
    "team": SQL("team"),
    "tag": SQL("tag"),
}
_KINDS = {"key": ids.Kind.KEY, "team": ids.Kind.TEAM}


def _slot(by: By, row: Mapping[str, Any]) -> Slot:
    name = row["name"]
    return Slot(
        slot=row["slot"],
        name=ids.text(_KINDS[by], uuid.UUID(name)) if by in _KINDS and name else name,
        requests=int(row["requests"]),
        failed=int(row["failed"]),
        unpriced=int(row["unpriced"]),
        cost_pico=rollups.whole(row["cost_pico"]),
        simulated_pico=rollups.whole(row["simulated_pico"]),
    )
