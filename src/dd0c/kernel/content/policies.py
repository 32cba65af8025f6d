"""Whether, how and how long an organisation keeps each kind of content."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import tuple_row

from dd0c.kernel.content.kinds import KINDS, Kind, Mode
from dd0c.kernel.db.pool import Transaction


@dataclass(frozen=True, slots=True)
class Policy:
    """What holds for a kind, and what is stored of it: how many contents and bytes."""

    kind: Kind
    mode: Mode
    days: int
    contents: int
    size: int


async def list_policies(tx: Transaction, now: datetime) -> list[Policy]:
    """One for each kind, that it has by itself where nothing was said."""
    async with tx.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute("SELECT kind, mode, days FROM kernel.content_policies")
        said = {kind: (Mode(mode), days) for kind, mode, days in await cursor.fetchall()}
        await cursor.execute(
            "SELECT kind, count(*), sum(size) FROM kernel.contents"
            " WHERE expires_at > %s GROUP BY kind",
            (now,),
        )
        held = {kind: (contents, int(size)) for kind, contents, size in await cursor.fetchall()}
    return [
        Policy(k, *said.get(k.name, (k.mode, k.days)), *held.get(k.name, (0, 0))) for k in KINDS
    ]


async def find(tx: Transaction, kind: Kind) -> tuple[Mode, int]:
    """The mode and the days that hold for a kind."""
    async with tx.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(
            "SELECT mode, days FROM kernel.content_policies WHERE kind = %s", (kind.name,)
        )
        row = await cursor.fetchone()
    return (kind.mode, kind.days) if row is None else (Mode(row[0]), row[1])


async def save(
    tx: Transaction, org: uuid.UUID, kind: Kind, mode: Mode, *, days: int, now: datetime
) -> None:
    """From now on, and for what is stored already: it ends after `days`; with `never` its keys are
    destroyed now, and what lies in other places than the database is swept within a day."""
    await tx.execute(
        "INSERT INTO kernel.content_policies (org, kind, mode, days) VALUES (%s, %s, %s, %s)"
        " ON CONFLICT (org, kind) DO UPDATE SET mode = excluded.mode, days = excluded.days",
        (org, kind.name, mode, days),
    )
    if mode is Mode.NEVER:
        await tx.execute(
            "WITH gone AS (DELETE FROM kernel.contents WHERE kind = %s RETURNING id)"
            " DELETE FROM kernel.content_chunks USING gone WHERE blob = gone.id",
            (kind.name,),
        )
    else:
        await tx.execute(
            "UPDATE kernel.contents SET expires_at = created_at + make_interval(days => %s)"
            " WHERE kind = %s AND expires_at > %s",
            (days, kind.name, now),
        )
