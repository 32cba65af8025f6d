"""The keys of an organisation as a list to look through: states, sorting, paging, search."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from psycopg import sql
from psycopg.rows import class_row, tuple_row

from dd0c.kernel.auth.keys import COLUMNS, Key
from dd0c.kernel.auth.permissions import Role
from dd0c.kernel.db.pool import Transaction


class State(StrEnum):
    """Whether a key opens anything."""

    WORKING = "working"
    EXPIRED = "expired"
    REVOKED = "revoked"


ORDERS = {
    "created": sql.SQL("id"),  # ids are made in the order of time
    "name": sql.SQL("lower(name)"),
    "expires": sql.SQL("coalesce(expires_at, 'infinity')"),
    "used": sql.SQL(
        "coalesce((SELECT u.used_at FROM kernel.key_uses u WHERE u.key_id = api_keys.id),"
        " '-infinity')"
    ),
}
_STATE = sql.SQL(
    "CASE WHEN revoked_at IS NOT NULL THEN 'revoked'"
    " WHEN expires_at <= %(now)s THEN 'expired' ELSE 'working' END"
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which keys, and in which order: a name of ORDERS."""

    text: str = ""  # in the name, or the beginning of the key
    state: State | None = None
    order: str = "created"
    down: bool = True
    team: uuid.UUID | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """How many keys there are; `expiring` of those that work end within a week."""

    working: int
    expired: int
    revoked: int
    expiring: int


def state(key: Key, now: datetime) -> State:
    """Whether the key opens anything at that moment."""
    if key.revoked_at is not None:
        return State.REVOKED
    return State.EXPIRED if key.expires_at is not None and key.expires_at <= now else State.WORKING


async def select(
    tx: Transaction, wanted: Wanted, now: datetime, *, limit: int, after: uuid.UUID | None = None
) -> list[Key]:
    """Keys in their order, from the one behind `after`, which may have any state by now."""
    order = ORDERS[wanted.order]
    query = sql.SQL(
        "SELECT {columns} FROM kernel.api_keys"
        " WHERE (%(text)s = '' OR strpos(lower(name), lower(%(text)s)) > 0"
        "        OR starts_with(prefix, %(text)s))"
        " AND (%(state)s::text IS NULL OR {state} = %(state)s)"
        " AND (%(team)s::uuid IS NULL OR team = %(team)s)"
        " AND (%(after)s::uuid IS NULL OR ({order}, id) {beyond}"
        "      (SELECT {order}, id FROM kernel.api_keys WHERE id = %(after)s))"
        " ORDER BY {order} {way}, id {way} LIMIT %(limit)s"
    ).format(
        columns=COLUMNS,
        state=_STATE,
        order=order,
        beyond=sql.SQL("<" if wanted.down else ">"),
        way=sql.SQL("DESC" if wanted.down else "ASC"),
    )
    values = {
        "text": wanted.text,
        "state": wanted.state,
        "team": wanted.team,
        "after": after,
        "now": now,
        "limit": limit,
    }
    async with tx.cursor(row_factory=class_row(Key)) as cursor:
        await cursor.execute(query, values)
        return await cursor.fetchall()


async def count(tx: Transaction, now: datetime) -> Counts:
    """How many keys the organisation has, by state."""
    query = sql.SQL(
        "SELECT count(*) FILTER (WHERE state = 'working'),"
        " count(*) FILTER (WHERE state = 'expired'), count(*) FILTER (WHERE state = 'revoked'),"
        " count(*) FILTER (WHERE state = 'working' AND expires_at < %(now)s + interval '7 days')"
        " FROM (SELECT {} AS state, expires_at FROM kernel.api_keys) AS keys"
    ).format(_STATE)
    async with tx.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(query, {"now": now})
        row = await cursor.fetchone()
    assert row is not None
    return Counts(*row)


async def count_made_by(tx: Transaction, maker: uuid.UUID, now: datetime) -> int:
    """How many working keys this key or person has made."""
    query = sql.SQL(
        "SELECT count(*) FROM kernel.api_keys WHERE created_by = %(maker)s AND {} = 'working'"
    ).format(_STATE)
    async with tx.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(query, {"maker": maker, "now": now})
        row = await cursor.fetchone()
    assert row is not None
    return int(row[0])


async def is_last_owner(tx: Transaction, key: Key, now: datetime) -> bool:
    """Whether no other working key of the organisation has the role owner."""
    query = sql.SQL(
        "SELECT NOT EXISTS (SELECT 1 FROM kernel.api_keys"
        " WHERE id <> %(id)s AND %(owner)s = ANY(roles) AND {} = 'working')"
    ).format(_STATE)
    async with tx.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(query, {"id": key.id, "owner": Role.OWNER, "now": now})
        row = await cursor.fetchone()
    return Role.OWNER in key.roles and row is not None and bool(row[0])


async def mark(tx: Transaction) -> str:
    """A text that differs when any key of the organisation has changed."""
    async with tx.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(
            "SELECT count(*), coalesce(sum(changed_xid::text::numeric), 0) FROM kernel.api_keys"
        )
        row = await cursor.fetchone()
    assert row is not None
    return f"{row[0]}-{row[1]}"
