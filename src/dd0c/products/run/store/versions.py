"""Rows of run.versions and run.steps: what runbooks said, sealed, and which step is which."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from dd0c.base.errors import NotFound
from dd0c.base.secrets import Secret
from dd0c.kernel.db.pool import Transaction
from dd0c.kernel.vault.envelope import Sealed, Vault
from dd0c.kernel.vault.holding import Holding

HOLDING = Holding("run", "versions")


@dataclass(frozen=True, slots=True)
class Row:
    """A version without what it says."""

    id: uuid.UUID
    runbook: uuid.UUID
    number: int
    steps: int
    risk: int | None
    saved_at: datetime
    saved_by: str


@dataclass(frozen=True, slots=True)
class StepRow:
    """A step of a version: which one it is, and how far it is trusted."""

    identity: uuid.UUID
    basis: bytes
    pack: str
    trust: int
    trust_why: str


@dataclass(frozen=True, slots=True)
class _Kept:
    secret: bytes
    data_key: uuid.UUID


async def add(
    tx: Transaction,
    vault: Vault,
    org: uuid.UUID,
    row: Row,
    text: str,
    *,
    steps: Sequence[StepRow],
) -> None:
    """Keep a version; `text` is what it says, `steps` are in order."""
    sealed = await vault.seal(tx, org, row.id, Secret(text))
    await tx.execute(
        "INSERT INTO run.versions"
        " (id, org, runbook, number, steps, risk, saved_at, saved_by, secret, data_key)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            *(row.id, org, row.runbook, row.number, row.steps, row.risk, row.saved_at),
            *(row.saved_by, sealed.ciphertext, sealed.data_key),
        ),
    )
    async with tx.cursor() as cursor:
        await cursor.executemany(
            "INSERT INTO run.steps"
            " (org, version, position, identity, basis, pack, trust, trust_why)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
            [
                (
                    *(org, row.id, position, step.identity, step.basis),
                    *(step.pack, step.trust, step.trust_why),
                )
                for position, step in enumerate(steps, 1)
            ],
        )


async def list_versions(
    tx: Transaction, runbook: uuid.UUID, limit: int, after: uuid.UUID | None = None
) -> list[Row]:
    """The versions of a runbook, newest first."""
    async with tx.cursor(row_factory=class_row(Row)) as cursor:
        await cursor.execute(
            "SELECT id, runbook, number, steps, risk, saved_at, saved_by FROM run.versions"
            " WHERE runbook = %(runbook)s AND (%(after)s::uuid IS NULL OR id < %(after)s)"
            " ORDER BY id DESC LIMIT %(limit)s",
            {"runbook": runbook, "after": after, "limit": limit},
        )
        return await cursor.fetchall()


async def get(tx: Transaction, runbook: uuid.UUID, number: int) -> Row:
    """A version by its number; NotFound."""
    async with tx.cursor(row_factory=class_row(Row)) as cursor:
        await cursor.execute(
            "SELECT id, runbook, number, steps, risk, saved_at, saved_by FROM run.versions"
            " WHERE runbook = %s AND number = %s",
            (runbook, number),
        )
        row = await cursor.fetchone()
    if row is None:
        raise NotFound(f"this runbook has no version {number}")
    return row


async def open_text(tx: Transaction, vault: Vault, org: uuid.UUID, version: uuid.UUID) -> str:
    """What a version says; NotFound."""
    async with tx.cursor(row_factory=class_row(_Kept)) as cursor:
        await cursor.execute("SELECT secret, data_key FROM run.versions WHERE id = %s", (version,))
        kept = await cursor.fetchone()
    if kept is None:
        raise NotFound("there is no such version")
    opened = await vault.unseal(tx, org, version, Sealed(kept.data_key, kept.secret))
    return opened.reveal()


async def list_steps(tx: Transaction, version: uuid.UUID) -> list[StepRow]:
    """The steps of a version, in order."""
    async with tx.cursor(row_factory=class_row(StepRow)) as cursor:
        await cursor.execute(
            "SELECT identity, basis, pack, trust, trust_why FROM run.steps"
            " WHERE version = %s ORDER BY position",
            (version,),
        )
        return await cursor.fetchall()
