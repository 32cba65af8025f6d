"""The database's word, and an organisation's mode: rows that only this file writes.

Each function takes the transaction first. A panic of everywhere is the row without an organisation;
whether the caller may write that one is the caller's to check.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString

from psycopg.rows import class_row, tuple_row

from dd0c.base.errors import Conflict
from dd0c.kernel.autonomy.brake import Scope
from dd0c.kernel.autonomy.states import TABLE, Effect, Event, Mode, Panic, State
from dd0c.kernel.db.pool import Transaction

_FIND: LiteralString = (
    "SELECT panic, epoch, reason, changed_at, changed_by FROM kernel.panics"
    " WHERE org IS NOT DISTINCT FROM %s"
)
_LOCK: LiteralString = _FIND + " FOR UPDATE"


class Panicking(Conflict):
    """A panic is on: the configuration stays as it was when it began."""

    code = "panic"


@dataclass(frozen=True, slots=True)
class Row:
    """A panic that is on, or was (`panic` None): since when, by whom, and why."""

    panic: State
    epoch: int
    reason: str
    changed_at: datetime
    changed_by: str


async def apply(
    tx: Transaction, scope: Scope, event: Event, *, reason: str, actor: str, now: datetime
) -> tuple[Row, Effect]:
    """The row after the event, and what came of it; Panicking for what would loosen a halt."""
    await tx.execute(
        "INSERT INTO kernel.panics (org, epoch, reason, changed_at, changed_by)"
        " VALUES (%s, 0, '', %s, '') ON CONFLICT DO NOTHING",
        (scope, now),
    )
    found = await _find(tx, scope, lock=True)
    assert found is not None
    panic, effect = TABLE[found.panic, event]
    if effect is Effect.REFUSE:
        raise Panicking(
            "a halt is on, which is stricter",
            hint="end it first; then begin the other one, if it is wanted",
        )
    if effect is Effect.NOTHING:
        return found, effect
    row = Row(panic, found.epoch + (effect is Effect.BEGIN), reason, now, actor)
    await tx.execute(
        "UPDATE kernel.panics SET panic = %s, epoch = %s, reason = %s, changed_at = %s,"
        " changed_by = %s WHERE org IS NOT DISTINCT FROM %s",
        (panic, row.epoch, reason, now, actor, scope),
    )
    return row, effect


async def find(tx: Transaction, scope: Scope) -> Row | None:
    """The panic of an organisation, or of everywhere; None: there never was one."""
    return await _find(tx, scope, lock=False)


async def _find(tx: Transaction, scope: Scope, *, lock: bool) -> Row | None:
    async with tx.cursor(row_factory=class_row(_Stored)) as cursor:
        await cursor.execute(_LOCK if lock else _FIND, (scope,))
        found = await cursor.fetchone()
    if found is None:
        return None
    panic = None if found.panic is None else Panic(found.panic)
    return Row(panic, found.epoch, found.reason, found.changed_at, found.changed_by)


async def list_said(tx: Transaction) -> dict[Scope, State]:
    """What the database says about everybody, whoever asks."""
    async with tx.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute("SELECT org, panic FROM kernel.list_panics()")
        return {org: panic and Panic(panic) for org, panic in await cursor.fetchall()}


async def get_mode(tx: Transaction, org: uuid.UUID) -> Mode:
    """How far an organisation lets products act; `strict` until it says something else."""
    async with tx.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute("SELECT mode FROM kernel.autonomy WHERE org = %s", (org,))
        found = await cursor.fetchone()
    return Mode.STRICT if found is None else Mode(found[0])


async def set_mode(tx: Transaction, org: uuid.UUID, mode: Mode) -> None:
    """From the next decision on."""
    await tx.execute(
        "INSERT INTO kernel.autonomy (org, mode) VALUES (%s, %s)"
        " ON CONFLICT (org) DO UPDATE SET mode = excluded.mode",
        (org, mode),
    )


@dataclass(frozen=True, slots=True)
class _Stored:
    panic: str | None
    epoch: int
    reason: str
    changed_at: datetime
    changed_by: str
