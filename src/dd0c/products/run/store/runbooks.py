"""Rows of run.runbooks: names, and which version is the newest."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from psycopg import sql
from psycopg.errors import UniqueViolation
from psycopg.rows import class_row

from dd0c.base import ids
from dd0c.base.errors import Conflict, NotFound
from dd0c.kernel.db.pool import Transaction
from dd0c.kernel.plans.catalogue import Quota

COUNTS = MappingProxyType(
    {Quota.RUNBOOKS: "SELECT count(*) FROM run.runbooks WHERE removed_at IS NULL"}
)
_COLUMNS = sql.SQL(
    "r.id, r.name, r.version, r.created_at, r.changed_at, r.removed_at, v.steps, v.risk"
)
_NEWEST = sql.SQL(
    " FROM run.runbooks r JOIN run.versions v"
    " ON v.org = r.org AND v.runbook = r.id AND v.number = r.version"
)


@dataclass(frozen=True, slots=True)
class Runbook:
    """A runbook; `steps` and `risk` (of its worst command; None: it has none) are those of the
    newest version, as it was judged when it was saved."""

    id: uuid.UUID
    name: str
    version: int
    created_at: datetime
    changed_at: datetime
    removed_at: datetime | None
    steps: int
    risk: int | None


async def add(tx: Transaction, org: uuid.UUID, name: str, now: datetime) -> uuid.UUID:
    """A new runbook, whose first version is to follow; Conflict when the name is taken."""
    runbook = ids.new()
    try:
        await tx.execute(
            "INSERT INTO run.runbooks (id, org, name, version, created_at, changed_at)"
            " VALUES (%s, %s, %s, 1, %s, %s)",
            (runbook, org, name, now, now),
        )
    except UniqueViolation:
        raise _taken(name) from None
    return runbook


async def list_runbooks(
    tx: Transaction, limit: int, after: uuid.UUID | None = None
) -> list[Runbook]:
    """Those that were not removed, oldest first."""
    query = sql.SQL(
        "SELECT {}{} WHERE r.removed_at IS NULL AND (%(after)s::uuid IS NULL OR r.id > %(after)s)"
        " ORDER BY r.id LIMIT %(limit)s"
    )
    async with tx.cursor(row_factory=class_row(Runbook)) as cursor:
        await cursor.execute(query.format(_COLUMNS, _NEWEST), {"after": after, "limit": limit})
        return await cursor.fetchall()


async def hold(tx: Transaction, runbook: uuid.UUID) -> None:
    """Be the only one who changes it, until the transaction ends. What is read after it, in another
    statement, is what those left who held it before."""
    await tx.execute("SELECT FROM run.runbooks WHERE id = %s FOR UPDATE", (runbook,))


async def get(tx: Transaction, runbook: uuid.UUID) -> Runbook:
    """One that was not removed; NotFound."""
    query = sql.SQL("SELECT {}{} WHERE r.removed_at IS NULL AND r.id = %s").format(
        _COLUMNS, _NEWEST
    )
    async with tx.cursor(row_factory=class_row(Runbook)) as cursor:
        await cursor.execute(query, (runbook,))
        row = await cursor.fetchone()
    if row is None:
        raise NotFound("there is no such runbook")
    return row


async def advance(tx: Transaction, runbook: uuid.UUID, version: int, now: datetime) -> None:
    """Its newest version is this one."""
    await tx.execute(
        "UPDATE run.runbooks SET version = %s, changed_at = %s WHERE id = %s",
        (version, now, runbook),
    )


async def rename(tx: Transaction, runbook: uuid.UUID, name: str) -> None:
    """It has another name; Conflict when that is taken."""
    try:
        await tx.execute("UPDATE run.runbooks SET name = %s WHERE id = %s", (name, runbook))
    except UniqueViolation:
        raise _taken(name) from None


async def remove(tx: Transaction, runbook: uuid.UUID, now: datetime) -> None:
    """It can be used no longer, and its name is free."""
    await tx.execute("UPDATE run.runbooks SET removed_at = %s WHERE id = %s", (now, runbook))


def _taken(name: str) -> Conflict:
    return Conflict(f"there is a runbook {name} already", hint="save a version of that one")
