"""Secrets of sources and endpoints: sealed rows, at most two of a holder alive (K-30, K-70)."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from psycopg.rows import class_row

from dd0c.base import ids
from dd0c.base.errors import Conflict
from dd0c.base.secrets import Secret
from dd0c.kernel.db.pool import Transaction
from dd0c.kernel.vault.envelope import Sealed, Vault
from dd0c.kernel.vault.holding import Holding

HOLDING = Holding("kernel", "hook_secrets")
OVERLAP_MAX = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Row:
    """A secret as it is stored. `expires_at` None: the newest, which stays."""

    id: uuid.UUID
    secret: bytes
    data_key: uuid.UUID
    expires_at: datetime | None


async def add(
    tx: Transaction, vault: Vault, org: uuid.UUID, holder: uuid.UUID, secret: Secret
) -> None:
    """The holder's secret from now on, beside those that still count."""
    row = ids.new()
    sealed = await vault.seal(tx, org, row, secret)
    await tx.execute(
        "INSERT INTO kernel.hook_secrets (id, org, holder, secret, data_key)"
        " VALUES (%s, %s, %s, %s, %s)",
        (row, org, holder, sealed.ciphertext, sealed.data_key),
    )


async def retire(tx: Transaction, holder: uuid.UUID, now: datetime, overlap: timedelta) -> None:
    """What counts now counts for `overlap` longer; Conflict while another rotation overlaps."""
    live = await list_live(tx, holder, now)
    if overlap and len(live) > 1:
        raise Conflict(
            f"the secret before this one counts until {live[0].expires_at:%Y-%m-%d %H:%M} UTC",
            hint="wait for that, or rotate without overlap to end both now",
        )
    await tx.execute(
        "UPDATE kernel.hook_secrets SET expires_at = %s"
        " WHERE holder = %s AND (expires_at IS NULL OR expires_at > %s)",
        (now + overlap, holder, now),
    )


async def list_live(tx: Transaction, holder: uuid.UUID, now: datetime) -> list[Row]:
    """The rows that count, the oldest first."""
    async with tx.cursor(row_factory=class_row(Row)) as cursor:
        await cursor.execute(
            "SELECT id, secret, data_key, expires_at FROM kernel.hook_secrets"
            " WHERE holder = %s AND (expires_at IS NULL OR expires_at > %s) ORDER BY id",
            (holder, now),
        )
        return await cursor.fetchall()


async def open_all(
    tx: Transaction, vault: Vault, org: uuid.UUID, rows: Sequence[Row]
) -> list[Secret]:
    """The secrets themselves."""
    return [await vault.open(tx, org, row.id, Sealed(row.data_key, row.secret)) for row in rows]


async def remove(tx: Transaction, holder: uuid.UUID) -> None:
    """None of the holder's count any more."""
    await tx.execute("DELETE FROM kernel.hook_secrets WHERE holder = %s", (holder,))
