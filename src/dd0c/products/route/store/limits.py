"""Rows of route.limits: how much at once, and in a minute."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime

from psycopg import sql
from psycopg.rows import class_row, scalar_row

from dd0c.base import ids
from dd0c.base.errors import NotFound
from dd0c.kernel.db.pool import Transaction

_COLUMNS = sql.SQL(
    "id, scope, subject, requests_per_minute, tokens_per_minute, concurrency, created_at,"
    " removed_at"
)


@dataclass(frozen=True, slots=True)
class NewLimit:
    """What a limit is to be; None: that is not limited."""

    scope: str
    subject: str
    requests_per_minute: int | None
    tokens_per_minute: int | None
    concurrency: int | None


@dataclass(frozen=True, slots=True)
class Limit(NewLimit):
    """A limit."""

    id: uuid.UUID
    created_at: datetime
    removed_at: datetime | None


async def save(tx: Transaction, org: uuid.UUID, wanted: NewLimit, now: datetime) -> Limit:
    """The limit, in place of the one of the same scope and subject."""
    async with tx.cursor(row_factory=class_row(Limit)) as cursor:
        await cursor.execute(
            sql.SQL(
                "INSERT INTO route.limits (id, org, scope, subject, requests_per_minute,"
                " tokens_per_minute, concurrency, created_at)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"
                " ON CONFLICT (org, scope, subject) WHERE removed_at IS NULL DO UPDATE SET"
                " requests_per_minute = excluded.requests_per_minute,"
                " tokens_per_minute = excluded.tokens_per_minute,"
                " concurrency = excluded.concurrency RETURNING {}"
            ).format(_COLUMNS),
            (
                *(ids.new(), org, wanted.scope, wanted.subject, wanted.requests_per_minute),
                *(wanted.tokens_per_minute, wanted.concurrency, now),
            ),
        )
        row = await cursor.fetchone()
    assert row is not None
    return row


async def count(tx: Transaction) -> int:
    """How many limits of the organisation hold."""
    async with tx.cursor(row_factory=scalar_row) as cursor:
        await cursor.execute("SELECT count(*) FROM route.limits WHERE removed_at IS NULL")
        return int(await cursor.fetchone() or 0)


async def list_limits(tx: Transaction, limit: int, after: uuid.UUID | None = None) -> list[Limit]:
    """Limits of the organisation, oldest first."""
    async with tx.cursor(row_factory=class_row(Limit)) as cursor:
        await cursor.execute(
            sql.SQL(
                "SELECT {} FROM route.limits WHERE removed_at IS NULL"
                " AND (%(after)s::uuid IS NULL OR id > %(after)s) ORDER BY id LIMIT %(limit)s"
            ).format(_COLUMNS),
            {"after": after, "limit": limit},
        )
        return await cursor.fetchall()


async def get(tx: Transaction, limit: uuid.UUID) -> Limit:
    """A limit that holds; NotFound."""
    return await _one(
        tx,
        sql.SQL("SELECT {} FROM route.limits WHERE id = %s AND removed_at IS NULL"),
        (limit,),
    )


async def remove(tx: Transaction, limit: uuid.UUID, now: datetime) -> Limit:
    """End a limit; NotFound when none of that id holds."""
    return await _one(
        tx,
        sql.SQL(
            "UPDATE route.limits SET removed_at = %s WHERE id = %s AND removed_at IS NULL"
            " RETURNING {}"
        ),
        (now, limit),
    )


async def _one(tx: Transaction, query: sql.SQL, values: tuple[object, ...]) -> Limit:
    async with tx.cursor(row_factory=class_row(Limit)) as cursor:
        await cursor.execute(query.format(_COLUMNS), values)
        row = await cursor.fetchone()
    if row is None:
        raise NotFound("there is no such limit")
    return row
