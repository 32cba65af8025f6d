"""Rows of route.limits: how much at once, and in a minute."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime

from psycopg import sql
from psycopg.rows import class_row

from dd0c.base import ids
from dd0c.kernel.db.pool import Transaction
from dd0c.products.route.store.held import Held

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


_rows = Held("limits", _COLUMNS, Limit, "limit")
count, list_limits, get, remove = _rows.count, _rows.list_held, _rows.get, _rows.remove
