"""Rows of route.providers. Secrets pass through here as ciphertext only."""

from __future__ import annotations

import uuid
from dataclasses import astuple, dataclass
from datetime import datetime
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import class_row, scalar_row

from dd0c.kernel.vault.holding import Holding

HOLDING = Holding("route", "providers")


@dataclass(frozen=True, slots=True)
class Listed:
    """A provider without its secret. `org` None: every organisation may use it."""

    id: uuid.UUID
    org: uuid.UUID | None
    name: str
    dialect: str
    base_url: str
    price_provider: str
    simulated: bool
    enabled: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Sealed:
    """A provider with its secret as the vault sealed it; None for one that needs no secret."""

    id: uuid.UUID
    org: uuid.UUID | None
    name: str
    dialect: str
    base_url: str
    price_provider: str
    simulated: bool
    secret: bytes | None
    data_key: uuid.UUID | None


async def list_visible(tx: AsyncConnection[Any]) -> list[Listed]:
    """Providers that the transaction's organisation may use: its own, then the installation's."""
    async with tx.cursor(row_factory=class_row(Listed)) as cursor:
        await cursor.execute(
            "SELECT id, org, name, dialect, base_url, price_provider, simulated, enabled,"
            " created_at FROM route.providers ORDER BY org NULLS LAST, id"
        )
        return await cursor.fetchall()


async def list_sealed(tx: AsyncConnection[Any]) -> list[Sealed]:
    """Every enabled provider of every organisation, in creation order: for gateways."""
    async with tx.cursor(row_factory=class_row(Sealed)) as cursor:
        await cursor.execute(
            "SELECT id, org, name, dialect, base_url, price_provider, simulated, secret, data_key"
            " FROM route.providers WHERE enabled ORDER BY id"
        )
        return await cursor.fetchall()


async def has_changed(tx: AsyncConnection[Any], since: str) -> bool:
    """Whether a transaction not older than the watermark changed any provider, or an organisation:
    one that is erased takes its own along."""
    cursor = await tx.execute(
        "SELECT EXISTS (SELECT FROM route.providers WHERE changed_xid >= %(since)s::xid8)"
        " OR EXISTS (SELECT FROM kernel.organisations WHERE changed_xid >= %(since)s::xid8)",
        {"since": since},
    )
    row = await cursor.fetchone()
    return row is not None and bool(row[0])


async def save(tx: AsyncConnection[Any], provider: Sealed) -> None:
    """Insert an enabled provider, or replace its address and secret and enable it."""
    await tx.execute(
        "INSERT INTO route.providers (id, org, name, dialect, base_url, price_provider, simulated,"
        " secret, data_key) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"
        " ON CONFLICT (id) DO UPDATE SET base_url = excluded.base_url, enabled = true,"
        " secret = excluded.secret, data_key = excluded.data_key",
        astuple(provider),
    )


async def disable_simulated(tx: AsyncConnection[Any]) -> list[uuid.UUID]:
    """Switch the simulated providers off, and say which were on; owner role only."""
    async with tx.cursor(row_factory=scalar_row) as cursor:
        await cursor.execute(
            "UPDATE route.providers SET enabled = false"
            " WHERE simulated AND enabled AND org IS NULL RETURNING id"
        )
        return await cursor.fetchall()
