"""Writing the ledger: whole batches, each row once however often it is shipped (R-15).

Rows are copied into a temporary table and inserted from there, because COPY into a table with
row-level security is refused. `ON CONFLICT DO NOTHING` without a target needs no right to read: the
shipper has none. A row that is there already stays as it is.

Several shippers write at once. Each writes in the order of the keys, so two that have the same rows
(one took over the other's spool) wait for each other in one direction only.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter, itemgetter
from typing import Any, NamedTuple

import msgspec
from psycopg.sql import SQL, Identifier
from psycopg.types.json import Jsonb

from dd0c.kernel.db.pool import Transaction
from dd0c.products.route.models import EndReason, PriceRow, Usage, UsageSource
from dd0c.products.route.store import staging

_STAGE = "CREATE TEMPORARY TABLE IF NOT EXISTS staged ({}) ON COMMIT DELETE ROWS".format(
    ", ".join(f"{name} {kind}" for name, kind in staging.TYPES.items())
)
_COPY = f"COPY staged ({', '.join(staging.TYPES)}) FROM STDIN"
_ATTEMPTS = SQL(
    "INSERT INTO route.attempts ({columns}, billed_pico, unbilled_reason) SELECT {columns},"
    " cost_pico, CASE WHEN cost_pico IS NULL THEN coalesce(reason, 'unknown') END"
    " FROM staged ON CONFLICT DO NOTHING"
).format(columns=SQL(", ").join(map(Identifier, staging.ATTEMPT_COLUMNS)))
_RATINGS = """
INSERT INTO route.ratings
    (request_id, attempt, revision, org, price_id, cost_pico, cost_delivered_pico,
    cost_upstream_pico, reason, rated_at)
SELECT request_id, attempt, 0, org, price_id, cost_pico, cost_delivered_pico,
    cost_upstream_pico, reason, %s
FROM staged
ON CONFLICT DO NOTHING
"""
_PLACE = itemgetter(*map([*staging.TYPES].index, ("request_id", "attempt")))
_PRICES = """
INSERT INTO route.prices (id, provider, model, rates, source, as_of)
VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
"""


class Inserted(NamedTuple):
    """How many attempts were new, and in which transaction they came."""

    rows: int
    xid: int


async def insert(tx: Transaction, rows: Sequence[Sequence[Any]], *, now: datetime) -> Inserted:
    """Adds attempts (rows of `staging.row`) and their ratings."""
    await stage(tx, rows)
    return await insert_staged(tx, now=now)


async def stage(tx: Transaction, rows: Sequence[Sequence[Any]]) -> None:
    """Brings the database rows that `insert_staged` adds: until then this process is busy."""
    await tx.execute(_STAGE)
    async with tx.cursor() as cursor, cursor.copy(_COPY) as copy:
        for row in sorted(rows, key=_PLACE):
            await copy.write_row(row)


async def insert_staged(tx: Transaction, *, now: datetime) -> Inserted:
    """Adds what was staged. The database goes through it alone: it has all statements at once."""
    async with tx.pipeline():
        attempts = await tx.execute(_ATTEMPTS)
        await tx.execute(_RATINGS, (now,))
        xid = await tx.execute("SELECT pg_current_xact_id()::text")
    row = await xid.fetchone()
    assert row is not None
    return Inserted(attempts.rowcount, int(row[0]))


async def add_prices(tx: Transaction, prices: Iterable[PriceRow]) -> None:
    """Keeps prices under their ids; those that are there stay as they are."""
    async with tx.cursor() as cursor:
        await cursor.executemany(
            _PRICES,
            [
                (p.id, p.provider, p.model, Jsonb(p.rates), p.source, p.as_of)
                for p in sorted(prices, key=attrgetter("id"))
            ],
        )


async def ensure_partitions(tx: Transaction, since: datetime, until: datetime) -> int:
    """Makes the monthly partitions that cover a span; says how many tables were new."""
    cursor = await tx.execute("SELECT route.ensure_partitions(%s, %s)", (since, until))
    row = await cursor.fetchone()
    assert row is not None
    return int(row[0])


async def merge_rollups(
    tx: Transaction, ended_before: datetime, rows_min: int, spans_max: int
) -> int:
    """Adds new roll-up rows to those of their hour and day; says how many spans that were.

    A span is an hour of an organisation in one of both tables; at most `spans_max` of each table.
    Merged is what ended before then, and what has `rows_min` new rows. No sum changes.
    """
    cursor = await tx.execute(
        "SELECT route.merge_rollups(%s, %s, %s)", (ended_before, rows_min, spans_max)
    )
    row = await cursor.fetchone()
    assert row is not None
    return int(row[0])


async def delete_expired(tx: Transaction, now: datetime, requests_max: int) -> int:
    """Deletes some requests that are older than their organisation keeps them; says how many
    attempts that were, 0 when there are no more. No sum changes."""
    cursor = await tx.execute("SELECT route.delete_expired(%s, %s)", (now, requests_max))
    row = await cursor.fetchone()
    assert row is not None
    return int(row[0])


@dataclass(frozen=True, slots=True)
class Settlement:
    """What is known of an attempt at last. `usage_raw` is JSON as the provider wrote it."""

    end_reason: EndReason
    usage: Usage
    usage_source: UsageSource
    usage_raw: bytes | None
    price_id: str | None
    cost_pico: int


async def settle_pending(
    tx: Transaction, request_id: uuid.UUID, attempt: int, found: Settlement, *, now: datetime
) -> bool:
    """Gives an attempt of the tenant whose cost was unknown the one it has, which is then what is
    billed and charged: a batch, an answer in the background, a lost attempt that was reconciled.

    The rating is one more, and every sum is corrected. False: there is none, or its cost is known.
    """
    cursor = await tx.execute(
        "SELECT route.settle(%s, %s::smallint, %s, %s::bigint[], %s, %s::json, %s, %s, %s)",
        (
            request_id,
            attempt,
            found.end_reason.value,
            list(msgspec.structs.astuple(found.usage)),
            found.usage_source.value,
            None if found.usage_raw is None else staging.clean_json(found.usage_raw),
            found.price_id,
            found.cost_pico,
            now,
        ),
    )
    row = await cursor.fetchone()
    assert row is not None
    return bool(row[0])
