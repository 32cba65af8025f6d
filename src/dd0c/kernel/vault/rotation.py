"""New keys under traffic: old ciphertexts open until the last one is re-encrypted (K-31).

Two kinds of key, two movements:

    data keys   `retire`: each organisation gets a new one      `reseal`: its secrets move under it
                `forget`: what nothing is under is deleted
    KEK         `choose`: from now on it is this one            `rewrap`: data keys move under it

Each step is a transaction of its own that leaves everything readable, so readers never wait and a
kill at any point loses nothing: the movement is finished by running it again. What is due stands in
the database: a data key that is retired, or was wrapped before the key-encryption key was chosen.
What was made anew is opened and compared before it takes the old one's place.

This works as the owner role: nothing that serves may write secrets of all organisations.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import LiteralString

from psycopg.errors import ForeignKeyViolation
from psycopg.rows import class_row, tuple_row
from psycopg.sql import SQL, Identifier, Literal

from dd0c.base.errors import Error, Internal
from dd0c.base.process import crash_point
from dd0c.kernel.db import tenancy
from dd0c.kernel.db.pool import Pool, Transaction
from dd0c.kernel.vault import envelope
from dd0c.kernel.vault.envelope import Sealed, Vault
from dd0c.kernel.vault.holding import Holding
from dd0c.kernel.vault.keychain import Keychain, KeyEncryptionKey

BATCH = 100
KEPT = timedelta(hours=1)
NAME = "the key-encryption key"
"""Under which the installation's fingerprints name it."""

POINTS_DATA_KEYS = ("vault.retired", "vault.resealing", "vault.resealed", "vault.forgetting")
POINTS_KEK = ("vault.added", "vault.chosen", "vault.rewrapping", "vault.rewrapped")
"""Where a drill may kill us (`DD0C_CRASH_AT`)."""

Say = Callable[[str], None]

LIST_DUE: LiteralString = """
    SELECT id, org, wrapped, kek FROM kernel.data_keys
    WHERE (kek <> %(name)s OR wrapped_at < (SELECT kek_since FROM kernel.installation))
        AND (%(after)s::uuid IS NULL OR id > %(after)s)
    ORDER BY id LIMIT %(batch)s
"""


@dataclass(slots=True)
class Moved:
    """What was done, and what could not be: secrets and data keys that do not open, in words."""

    retired: int = 0
    resealed: int = 0
    forgotten: int = 0
    rewrapped: int = 0
    unreadable: list[str] = field(default_factory=list)

    def refuse(self, what: str, error: Error) -> None:
        """Note something that stays as it is."""
        self.unreadable.append(f"{what}: {error.message}")


@dataclass(frozen=True, slots=True)
class _Secret:
    id: uuid.UUID
    org: uuid.UUID | None
    secret: bytes
    data_key: uuid.UUID


@dataclass(frozen=True, slots=True)
class _DataKey:
    id: uuid.UUID
    org: uuid.UUID | None
    wrapped: bytes
    kek: str


async def retire(
    pool: Pool,
    vault: Vault,
    moved: Moved,
    tell: Callable[[Transaction, uuid.UUID | None], Awaitable[None]],
) -> None:
    """Each organisation that has a data key, and the installation, seal under a new one; `tell`
    says so in the same transaction."""
    async with tenancy.system(pool) as tx, tx.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute("SELECT DISTINCT org FROM kernel.data_keys WHERE retired_at IS NULL")
        orgs = [row[0] for row in await cursor.fetchall()]
    for org in orgs:
        async with tenancy.system(pool) as tx:
            await vault.renew(tx, org)
            await tell(tx, org)
        moved.retired += 1
        crash_point("vault.retired")


async def reseal(
    pool: Pool, vault: Vault, holdings: Sequence[Holding], moved: Moved, say: Say
) -> None:
    """Every secret under a retired data key is under its organisation's current one."""
    for holding in holdings:
        after: uuid.UUID | None = None
        while True:
            async with tenancy.system(pool) as tx:
                rows = await _list_stale(tx, holding, after)
                for row in rows:
                    await _reseal(tx, vault, holding, row, moved)
                crash_point("vault.resealing")
            if not rows:
                break
            crash_point("vault.resealed")
            after = rows[-1].id
            say(f"{moved.resealed:,} secrets re-encrypted")


async def forget(pool: Pool, holdings: Sequence[Holding], moved: Moved) -> None:
    """Retired data keys that nothing is under are deleted, an hour later: whoever read a row before
    it was re-encrypted still finds the key of what he holds."""
    used = SQL(" OR ").join(
        SQL("EXISTS (SELECT FROM {} h WHERE h.data_key = d.id)").format(_name(h)) for h in holdings
    )
    found = SQL("SELECT id FROM kernel.data_keys d WHERE retired_at < now() - {} AND NOT ({})")
    async with tenancy.system(pool) as tx, tx.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(found.format(Literal(KEPT), used))
        idle = [row[0] for row in await cursor.fetchall()]
    for data_key in idle:
        crash_point("vault.forgetting")
        try:
            async with tenancy.system(pool) as tx:
                await tx.execute("DELETE FROM kernel.data_keys WHERE id = %s", (data_key,))
        except ForeignKeyViolation:
            continue  # somebody holds it nevertheless: it stays
        moved.forgotten += 1


async def choose(
    pool: Pool, name: str, tell: Callable[[Transaction, str], Awaitable[None]], *, newer: bool
) -> None:
    """The installation's key-encryption key is the one of that name, as `tell` says in the same
    transaction; where it is a `newer` version, all that was wrapped before is due."""
    async with tenancy.system(pool) as tx:
        await tx.execute(
            "UPDATE kernel.installation SET"
            " fingerprints = fingerprints || jsonb_build_object(%s::text, %s::text),"
            " kek_since = CASE WHEN %s THEN clock_timestamp() ELSE kek_since END",
            (NAME, name, newer),
        )
        await tell(tx, name)
    crash_point("vault.chosen")


async def rewrap(pool: Pool, keys: Keychain, moved: Moved, say: Say) -> None:
    """Every data key is wrapped by what the key-encryption key is now."""
    to = keys.current()
    async for batch in _list_due(pool, to.name):
        made = [(row, await _rewrap(keys, to, row, moved)) for row in batch]
        async with tenancy.system(pool) as tx:
            for row, wrapped in made:
                if wrapped is not None:
                    moved.rewrapped += await _replace(tx, row, wrapped, to.name)
            crash_point("vault.rewrapping")
        crash_point("vault.rewrapped")
        say(f"{moved.rewrapped:,} data keys wrapped anew")


async def _list_stale(tx: Transaction, holding: Holding, after: uuid.UUID | None) -> list[_Secret]:
    query = SQL(
        "SELECT h.id, h.org, h.secret, h.data_key FROM {} h"
        " JOIN kernel.data_keys d ON d.id = h.data_key"
        " WHERE d.retired_at IS NOT NULL AND (%(after)s::uuid IS NULL OR h.id > %(after)s)"
        " ORDER BY h.id LIMIT %(batch)s FOR UPDATE OF h"
    ).format(_name(holding))
    async with tx.cursor(row_factory=class_row(_Secret)) as cursor:
        await cursor.execute(query, {"after": after, "batch": BATCH})
        return await cursor.fetchall()


async def _reseal(
    tx: Transaction, vault: Vault, holding: Holding, row: _Secret, moved: Moved
) -> None:
    try:
        secret = await vault.open(tx, row.org, row.id, Sealed(row.data_key, row.secret))
    except Internal as error:
        moved.refuse(f"{holding} {row.id}", error)
        return
    sealed = await vault.seal(tx, row.org, row.id, secret)
    if await vault.open(tx, row.org, row.id, sealed) != secret:
        raise Internal(f"{holding} {row.id} would not open again")
    await tx.execute(
        SQL("UPDATE {} SET secret = %s, data_key = %s WHERE id = %s").format(_name(holding)),
        (sealed.ciphertext, sealed.data_key, row.id),
    )
    moved.resealed += 1


async def _list_due(pool: Pool, name: str) -> AsyncIterator[list[_DataKey]]:
    """Batches, each once; a KMS is asked between the transactions, not in them."""
    after: uuid.UUID | None = None
    while True:
        async with (
            tenancy.system(pool) as tx,
            tx.cursor(row_factory=class_row(_DataKey)) as cursor,
        ):
            wanted = {"name": name, "after": after, "batch": BATCH}
            await cursor.execute(LIST_DUE, wanted)
            rows = await cursor.fetchall()
        if not rows:
            return
        yield rows
        after = rows[-1].id


async def _rewrap(
    keys: Keychain, to: KeyEncryptionKey, row: _DataKey, moved: Moved
) -> bytes | None:
    context = envelope.context(row.org, row.id)
    try:
        data_key = await keys.unwrap(row.kek, row.wrapped, context)
    except Internal as error:
        moved.refuse(f"data key {row.id}", error)
        return None
    wrapped = await to.wrap(data_key, context)
    if await to.unwrap(wrapped, context) != data_key:
        raise Internal(f"data key {row.id} would not open again")
    return wrapped


async def _replace(tx: Transaction, row: _DataKey, wrapped: bytes, kek: str) -> int:
    cursor = await tx.execute(
        "UPDATE kernel.data_keys SET wrapped = %s, kek = %s, wrapped_at = clock_timestamp()"
        " WHERE id = %s AND wrapped = %s",
        (wrapped, kek, row.id, row.wrapped),
    )
    return cursor.rowcount


def _name(holding: Holding) -> Identifier:
    return Identifier(holding.schema, holding.table)
