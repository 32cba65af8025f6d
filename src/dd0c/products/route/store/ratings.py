"""Ratings: every one of an attempt, and rating many of them anew (R-10, R-12).

A tenant's transaction. What is billed changes through `route.rerate` alone, which adds a rating and
moves the attempt's cost; the ledger's triggers move every sum with it, in the same transaction.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row, dict_row
from psycopg.sql import SQL, Literal

from dd0c.kernel.db.pool import Transaction
from dd0c.products.route.models import Usage
from dd0c.products.route.store import selection, staging
from dd0c.products.route.store.selection import Filter


@dataclass(frozen=True, slots=True)
class Rating:
    """What an attempt cost under a price. `reason`: why the cost is unknown, or in a revision after
    0 why it was rated again."""

    request_id: uuid.UUID
    attempt: int
    revision: int
    cost_pico: int | None
    price_id: str | None
    reason: str | None
    rated_at: datetime


History = Mapping[tuple[uuid.UUID, int], tuple[Rating, ...]]


@dataclass(frozen=True, slots=True)
class Rated:
    """An attempt with usage, as far as its price matters, and its newest rating.

    `delivered` and `upstream`: output tokens that reached the caller, and that the provider made.
    """

    request_id: uuid.UUID
    attempt: int
    revision: int
    key_id: uuid.UUID
    requested_model: str
    price_provider: str
    model: str
    service_tier: str | None
    started_at: datetime
    usage: Usage
    delivered: int | None
    upstream: int | None
    cost_pico: int | None
    reason: str | None
    price_id: str | None
    cost_delivered_pico: int | None
    cost_upstream_pico: int | None


@dataclass(frozen=True, slots=True)
class Rerated:
    """The rating that an attempt is to have."""

    of: Rated
    price_id: str
    cost_pico: int
    cost_delivered_pico: int | None
    cost_upstream_pico: int | None


async def list_all(tx: Transaction, request_ids: Sequence[uuid.UUID]) -> History:
    """All ratings of these requests, by attempt, the first one first."""
    found: dict[tuple[uuid.UUID, int], tuple[Rating, ...]] = {}
    async with tx.cursor(row_factory=class_row(Rating)) as cursor:
        await cursor.execute(
            "SELECT request_id, attempt, revision, cost_pico, price_id, reason, rated_at"
            " FROM route.ratings WHERE request_id = ANY(%s) ORDER BY 1, 2, 3",
            (list(request_ids),),
        )
        for one in await cursor.fetchall():
            place = (one.request_id, one.attempt)
            found[place] = (*found.get(place, ()), one)
    return found


async def list_rated(tx: Transaction, wanted: Filter, *, limit: int) -> list[Rated]:
    """Some `limit` attempts that have usage, in the order of their ids, from `after` on; the rest
    of the last request comes too. Fewer: that is all."""
    conditions = [*selection.spanned(wanted, "a"), *selection.equal(wanted, "a")]
    conditions.append(SQL("a.input_tokens IS NOT NULL").format())
    if wanted.after is not None:
        conditions.append(SQL("a.request_id > {}").format(Literal(wanted.after)))
    query = SQL(
        "SELECT a.request_id, a.attempt, a.billed_revision AS revision, a.key_id,"
        " a.requested_model, a.price_provider, coalesce(a.served_model, a.sent_model) AS model,"
        " a.service_tier, a.started_at, {usage}, a.delivered_output_tokens AS delivered,"
        " a.upstream_output_tokens AS upstream, a.billed_pico AS cost_pico,"
        " a.unbilled_reason AS reason, r.price_id, r.cost_delivered_pico, r.cost_upstream_pico"
        " FROM (SELECT * FROM route.attempts a WHERE {wanted} ORDER BY request_id"
        " FETCH FIRST {limit} ROWS WITH TIES) AS a LEFT JOIN route.ratings r"
        " ON r.request_id = a.request_id AND r.attempt = a.attempt"
        " AND r.revision = a.billed_revision"
        " ORDER BY a.request_id, a.attempt"
    ).format(
        usage=SQL(", ".join(f"a.{name}" for name in staging.USAGE)),
        wanted=selection.every(*conditions),
        limit=Literal(limit),
    )
    async with tx.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(query)
        rows = await cursor.fetchall()
    names = list(staging.USAGE)
    return [Rated(usage=Usage(*[row.pop(name) for name in names]), **row) for row in rows]


async def rerate(tx: Transaction, ratings: Sequence[Rerated], why: str, now: datetime) -> int:
    """Give attempts, in the order of their ids, these ratings; says how many took one.

    One that was rated or settled since it was read keeps what it has.
    """
    cursor = await tx.execute(
        "SELECT route.rerate(%s::uuid[], %s::smallint[], %s::smallint[], %s::text[], %s::bigint[],"
        " %s::bigint[], %s::bigint[], %s, %s)",
        (
            [one.of.request_id for one in ratings],
            [one.of.attempt for one in ratings],
            [one.of.revision for one in ratings],
            [one.price_id for one in ratings],
            [one.cost_pico for one in ratings],
            [one.cost_delivered_pico for one in ratings],
            [one.cost_upstream_pico for one in ratings],
            why,
            now,
        ),
    )
    row = await cursor.fetchone()
    assert row is not None
    return int(row[0])
