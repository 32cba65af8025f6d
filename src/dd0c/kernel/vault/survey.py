"""What is under which key: how far a rotation has come, and what would be lost with a key."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString

from psycopg.rows import class_row, tuple_row
from psycopg.sql import SQL, Identifier

from dd0c.kernel.db.pool import Transaction
from dd0c.kernel.vault.envelope import Sealed, Vault
from dd0c.kernel.vault.holding import Holding


@dataclass(frozen=True, slots=True)
class Wrapping:
    """A key-encryption key, and how many data keys it wraps. `due` are to be wrapped anew."""

    name: str
    data_keys: int
    due: int
    wrapped_at: datetime


@dataclass(frozen=True, slots=True)
class Sealing:
    """An organisation's data keys and secrets. `org` None: of the whole installation.

    `due` are secrets under a data key that is retired.
    """

    org: uuid.UUID | None
    name: str | None
    data_keys: int
    retired: int
    newest_at: datetime
    secrets: int
    due: int


@dataclass(frozen=True, slots=True)
class Survey:
    """All of it."""

    wrappings: tuple[Wrapping, ...]
    sealings: tuple[Sealing, ...]

    @property
    def is_done(self) -> bool:
        """Whether no rotation is unfinished."""
        return not sum(one.due for one in self.wrappings) + sum(one.due for one in self.sealings)


WRAPPINGS: LiteralString = """
    SELECT kek AS name, count(*) AS data_keys, max(wrapped_at) AS wrapped_at,
        count(*) FILTER (
            WHERE kek <> %s OR wrapped_at < (SELECT kek_since FROM kernel.installation)
        ) AS due
    FROM kernel.data_keys GROUP BY kek ORDER BY max(wrapped_at) DESC, kek
"""


async def look(tx: Transaction, holdings: Sequence[Holding], current: str) -> Survey:
    """As owner; `current` is the name of the key that wraps now."""
    async with tx.cursor(row_factory=class_row(Wrapping)) as cursor:
        await cursor.execute(WRAPPINGS, (current,))
        wrappings = await cursor.fetchall()
    held = SQL(" UNION ALL ").join(
        SQL("SELECT data_key FROM {} WHERE data_key IS NOT NULL").format(
            Identifier(holding.schema, holding.table)
        )
        for holding in holdings
    )
    query = SQL(
        "SELECT d.org, o.name, count(DISTINCT d.id) AS data_keys,"
        " count(DISTINCT d.id) FILTER (WHERE d.retired_at IS NOT NULL) AS retired,"
        " max(d.created_at) AS newest_at, count(h.data_key) AS secrets,"
        " count(h.data_key) FILTER (WHERE d.retired_at IS NOT NULL) AS due"
        " FROM kernel.data_keys d LEFT JOIN kernel.organisations o ON o.id = d.org"
        " LEFT JOIN ({}) h ON h.data_key = d.id GROUP BY d.org, o.name ORDER BY d.org NULLS FIRST"
    ).format(held)
    async with tx.cursor(row_factory=class_row(Sealing)) as cursor:
        await cursor.execute(query)
        sealings = await cursor.fetchall()
    return Survey(tuple(wrappings), tuple(sealings))


async def open_all(tx: Transaction, vault: Vault, holdings: Sequence[Holding]) -> int:
    """How many secrets there are; Internal for the first that does not open."""
    opened = 0
    for holding in holdings:
        query = SQL("SELECT id, org, secret, data_key FROM {} WHERE data_key IS NOT NULL")
        async with tx.cursor(row_factory=tuple_row) as cursor:
            await cursor.execute(query.format(Identifier(holding.schema, holding.table)))
            rows = await cursor.fetchall()
        for record, org, secret, data_key in rows:
            await vault.open(tx, org, record, Sealed(data_key, secret))
            opened += 1
    return opened
