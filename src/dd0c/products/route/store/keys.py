"""Keys as a gateway needs them, followed by watermark.

Each row carries `changed_xid`, the transaction that last changed it. A reader asks first for the
oldest transaction that still runs, then reads, and next time asks for `changed_xid >=` that mark. A
change that commits late is found then, where a feed by id or time would have passed it by. A row
may be read twice, never missed; the cost is that of the changes, not of the keys.
"""

from __future__ import annotations

import uuid
from typing import Any, LiteralString, NamedTuple

from psycopg import AsyncConnection
from psycopg.rows import args_row

GATEWAY_SCOPE = "gateway"

_SELECT: LiteralString = """
SELECT hash, id, org, (extract(epoch FROM expires_at) * 1000000)::bigint, models,
    revoked_at IS NULL AND %(scope)s = ANY (scopes), team, first, networks::text[]
FROM kernel.api_keys
"""
CHANGED = _SELECT + "WHERE changed_xid >= %(since)s::xid8"
_USABLE = (
    _SELECT + "WHERE revoked_at IS NULL AND %(scope)s = ANY (scopes)"
    " AND (expires_at IS NULL OR expires_at > now())"
)


class KeyRow(NamedTuple):
    """A key, usable at the gateway or not. `expires_us` is Unix microseconds, `first` the first key
    of its line, None where this is it."""

    hash: bytes
    id: uuid.UUID
    org: uuid.UUID
    expires_us: int | None
    models: list[str] | None
    usable: bool
    team: uuid.UUID | None = None
    first: uuid.UUID | None = None
    networks: list[str] | None = None


async def get_watermark(tx: AsyncConnection[Any]) -> str:
    """The oldest transaction that still runs. Ask before reading, never after."""
    cursor = await tx.execute("SELECT pg_snapshot_xmin(pg_current_snapshot())::text")
    row = await cursor.fetchone()
    assert row is not None
    return str(row[0])


async def list_changed(tx: AsyncConnection[Any], since: str) -> list[KeyRow]:
    """Keys of all organisations changed by transactions not older than the watermark."""
    return await _list(tx, CHANGED, since)


async def list_usable(tx: AsyncConnection[Any]) -> list[KeyRow]:
    """All keys of all organisations that may use the gateway now."""
    return await _list(tx, _USABLE, None)


async def _list(tx: AsyncConnection[Any], query: LiteralString, since: str | None) -> list[KeyRow]:
    async with tx.cursor(row_factory=args_row(KeyRow), binary=True) as cursor:
        await cursor.execute(query, {"scope": GATEWAY_SCOPE, "since": since})
        return await cursor.fetchall()
