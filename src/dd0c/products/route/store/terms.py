"""Rows of route.terms: how an organisation wants doubtful cases decided."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from psycopg.rows import class_row

from dd0c.kernel.db.pool import Transaction


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds; the defaults are those of an organisation that never said."""

    disconnect: str = "abort"
    drain_pico: int | None = None
    store_away: str = "open"
    spool_full: str = "closed"
    retention_days: int | None = None


async def get(tx: Transaction) -> Terms:
    """The terms of the transaction's organisation."""
    async with tx.cursor(row_factory=class_row(Terms)) as cursor:
        await cursor.execute(
            "SELECT disconnect, drain_pico, store_away, spool_full, retention_days FROM route.terms"
        )
        return await cursor.fetchone() or Terms()


async def set_disconnect(
    tx: Transaction, org: uuid.UUID, disconnect: str, drain_pico: int | None
) -> None:
    """What happens to an answer whose caller left."""
    await tx.execute(
        "INSERT INTO route.terms (org, disconnect, drain_pico) VALUES (%s, %s, %s)"
        " ON CONFLICT (org) DO UPDATE SET disconnect = excluded.disconnect,"
        " drain_pico = excluded.drain_pico",
        (org, disconnect, drain_pico),
    )


async def set_store(tx: Transaction, org: uuid.UUID, store_away: str, spool_full: str) -> None:
    """What happens to requests that cannot be checked, or recorded."""
    await tx.execute(
        "INSERT INTO route.terms (org, store_away, spool_full) VALUES (%s, %s, %s)"
        " ON CONFLICT (org) DO UPDATE SET store_away = excluded.store_away,"
        " spool_full = excluded.spool_full",
        (org, store_away, spool_full),
    )


async def set_retention(tx: Transaction, org: uuid.UUID, days: int | None) -> None:
    """How long requests are kept; None: for ever."""
    await tx.execute(
        "INSERT INTO route.terms (org, retention_days) VALUES (%s, %s)"
        " ON CONFLICT (org) DO UPDATE SET retention_days = excluded.retention_days",
        (org, days),
    )
