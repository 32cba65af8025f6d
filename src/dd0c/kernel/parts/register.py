"""The rows of parts. Every statement runs as the role of the part itself, and sees its role's."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from psycopg.types.json import Jsonb

from dd0c.base import ids
from dd0c.base.errors import Conflict, NotFound
from dd0c.kernel.db.pool import Transaction
from dd0c.kernel.parts.part import STALE_AFTER, Part, Seen, State

KEPT = "1 day"


async def beat(tx: Transaction, part: Part, facts: Mapping[str, Any]) -> None:
    """The part runs and says this of itself."""
    await tx.execute(
        "INSERT INTO kernel.parts (id, kind, host, pid, version, started_at, facts)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT (id) DO UPDATE"
        " SET seen_at = now(), stopped_at = NULL, facts = excluded.facts,"
        " version = excluded.version",
        (part.id, part.kind, part.host, part.pid, part.version, part.started_at, Jsonb(facts)),
    )


async def mark_stopped(tx: Transaction, part: Part) -> None:
    """The part ends, and was asked to."""
    await tx.execute(
        "UPDATE kernel.parts SET seen_at = now(), stopped_at = now() WHERE id = %s", (part.id,)
    )


async def list_silent_beside(tx: Transaction, part: Part) -> list[tuple[uuid.UUID, int]]:
    """Id and process id of the others of its kind on its machine that no longer report."""
    cursor = await tx.execute(
        "SELECT id, pid FROM kernel.parts WHERE kind = %s AND host = %s AND id <> %s"
        " AND (stopped_at IS NOT NULL OR seen_at < now() - %s)",
        (part.kind, part.host, part.id, STALE_AFTER),
    )
    return await cursor.fetchall()


async def forget(tx: Transaction, gone: list[uuid.UUID]) -> None:
    """Remove these rows, and all that are a day old."""
    await tx.execute(
        "DELETE FROM kernel.parts WHERE id = ANY(%s) OR seen_at < now() - %s::interval",
        (gone, KEPT),
    )


async def get_part(tx: Transaction, wanted: uuid.UUID) -> Seen:
    """One part; NotFound."""
    for seen in await list_parts(tx):
        if seen.part.id == wanted:
            return seen
    raise NotFound("there is no such part", hint="dd0c parts list")


async def remove(tx: Transaction, gone: uuid.UUID) -> Seen:
    """Forget a part that no longer reports, as `dd0c_app`. NotFound; Conflict while it reports."""
    seen = await get_part(tx, gone)
    if seen.state is State.ALIVE:
        raise Conflict("this part reports, so it cannot be forgotten", hint="stop it first")
    await tx.execute("DELETE FROM kernel.parts WHERE id = %s", (gone,))
    return seen


async def write_and_remove(tx: Transaction) -> None:
    """A row that was never there: whether the database takes what we write."""
    await tx.execute(
        "INSERT INTO kernel.parts (id, kind, host, pid, version, started_at, facts)"
        " VALUES (%s, 'health', '', 0, '', now(), '{}')",
        (tried := ids.new(),),
    )
    await tx.execute("DELETE FROM kernel.parts WHERE id = %s", (tried,))


async def list_parts(tx: Transaction) -> list[Seen]:
    """The parts of the last day, by kind, the latest first; all of them as `dd0c_app`."""
    cursor = await tx.execute(
        "SELECT id, kind, host, pid, version, started_at, now() - seen_at, stopped_at, facts"
        " FROM kernel.parts WHERE seen_at > now() - %s::interval"
        " ORDER BY kind, started_at DESC, id LIMIT 1000",
        (KEPT,),
    )
    return [Seen(Part(*row[:6]), *row[6:]) for row in await cursor.fetchall()]
