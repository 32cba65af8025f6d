"""Teams: groups of keys within an organisation, to sum up and to limit together (K-10).

A team that was removed keeps its row, so that what it cost keeps its name; another may take that.
It can only be removed when no working key belongs to it: its limits would no longer hold them.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import sql
from psycopg.errors import UniqueViolation
from psycopg.rows import class_row, tuple_row

from dd0c.base import ids
from dd0c.base.errors import Conflict, NotFound
from dd0c.kernel.db.pool import Transaction

_COLUMNS = sql.SQL(
    "t.id, t.name, t.created_at, t.removed_at,"
    " (SELECT count(*) FROM kernel.api_keys k WHERE k.team = t.id AND k.revoked_at IS NULL"
    " AND (k.expires_at IS NULL OR k.expires_at > now())) AS keys"
)
_RETURNING = sql.SQL(" RETURNING ") + _COLUMNS


@dataclass(frozen=True, slots=True)
class Team:
    """A team; `keys` counts those of its keys that work."""

    id: uuid.UUID
    name: str
    created_at: datetime
    removed_at: datetime | None
    keys: int


async def create(tx: Transaction, org: uuid.UUID, name: str) -> Team:
    """A new team of the organisation; Conflict when the name is taken, in any case."""
    try:
        return await _one(
            tx,
            sql.SQL("INSERT INTO kernel.teams AS t (id, org, name) VALUES (%s, %s, %s)")
            + _RETURNING,
            (ids.new(), org, name),
        )
    except UniqueViolation:
        raise _taken(name) from None


async def list_teams(tx: Transaction, limit: int, after: uuid.UUID | None = None) -> list[Team]:
    """Teams of the organisation, oldest first, without those removed."""
    async with tx.cursor(row_factory=class_row(Team)) as cursor:
        await cursor.execute(
            sql.SQL(
                "SELECT {} FROM kernel.teams t WHERE removed_at IS NULL"
                " AND (%(after)s::uuid IS NULL OR id > %(after)s) ORDER BY id LIMIT %(limit)s"
            ).format(_COLUMNS),
            {"after": after, "limit": limit},
        )
        return await cursor.fetchall()


async def get(tx: Transaction, given: str) -> Team:
    """The team of that name (any case) or id; NotFound."""
    return await _one(
        tx,
        sql.SQL(
            "SELECT {} FROM kernel.teams t"
            " WHERE removed_at IS NULL AND (id = %s OR lower(name) = lower(%s))"
        ).format(_COLUMNS),
        (ids.find(ids.Kind.TEAM, given), given),
    )


async def rename(tx: Transaction, team: uuid.UUID, name: str) -> Team:
    """The team under another name; Conflict when that is taken, NotFound."""
    try:
        return await _one(
            tx,
            sql.SQL("UPDATE kernel.teams t SET name = %s WHERE id = %s AND removed_at IS NULL")
            + _RETURNING,
            (name, team),
        )
    except UniqueViolation:
        raise _taken(name) from None


async def remove(tx: Transaction, team: uuid.UUID, now: datetime) -> Team:
    """End a team; Conflict while working keys belong to it, NotFound."""
    removed = await _one(
        tx,
        sql.SQL("UPDATE kernel.teams t SET removed_at = %s WHERE id = %s AND removed_at IS NULL")
        + _RETURNING,
        (now, team),
    )
    if removed.keys:
        raise Conflict(
            f"{removed.keys} working keys belong to {removed.name!r}, and its limits hold them",
            hint="revoke them or move them to another team first",
        )
    return removed


async def list_names(tx: Transaction, wanted: list[uuid.UUID]) -> dict[uuid.UUID, str]:
    """Names of these teams, removed ones too, of those that are the organisation's."""
    async with tx.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute("SELECT id, name FROM kernel.teams WHERE id = ANY(%s)", (wanted,))
        return dict(await cursor.fetchall())


async def _one(tx: Transaction, query: sql.Composed, values: tuple[Any, ...]) -> Team:
    async with tx.cursor(row_factory=class_row(Team)) as cursor:
        await cursor.execute(query, values)
        row = await cursor.fetchone()
    if row is None:
        raise NotFound("there is no such team")
    return row


def _taken(name: str) -> Conflict:
    return Conflict(f"there is a team named {name!r} already", hint="choose another name")
