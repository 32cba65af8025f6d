"""Rows of route.erasures: end users who are to be forgotten (K-14)."""

from __future__ import annotations

import uuid
from datetime import datetime

from psycopg.rows import tuple_row

from dd0c.kernel.db.pool import Transaction


async def add(tx: Transaction, org: uuid.UUID, end_user: str, now: datetime) -> None:
    """Whoever the organisation's callers named so is to be taken out of requests before `now`."""
    await tx.execute(
        "INSERT INTO route.erasures (org, subject, erased_at)"
        " VALUES (%s, hashtextextended(%s, 0), %s)"
        " ON CONFLICT (org, subject) DO UPDATE SET erased_at = excluded.erased_at",
        (org, end_user, now),
    )


async def work_off(tx: Transaction, now: datetime, rows_max: int) -> int:
    """Take end users out of some attempts, of all organisations; how many, 0: there are no more."""
    async with tx.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute("SELECT route.erase_end_users(%s, %s)", (now, rows_max))
        row = await cursor.fetchone()
    assert row is not None
    return int(row[0])
