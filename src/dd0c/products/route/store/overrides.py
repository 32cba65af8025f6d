"""Rows of route.price_overrides: what organisations pay in place of the list (R-12)."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from datetime import datetime
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from dd0c.base.errors import NotFound
from dd0c.kernel.db.pool import Transaction

_LIST = """
SELECT id, org, provider, model, service_tier, rates, price_id, holds_from, holds_until, note,
    created_at, created_by
FROM route.price_overrides WHERE removed_at IS NULL
ORDER BY org, provider, model, service_tier, holds_from
"""
_PRICE = """
INSERT INTO route.prices (id, org, provider, model, rates, source, as_of)
VALUES (%s, %s, %s, %s, %s, 'override', %s) ON CONFLICT DO NOTHING
"""
_OVERRIDE = """
INSERT INTO route.price_overrides (id, org, provider, model, service_tier, rates, price_id,
    holds_from, holds_until, note, created_at, created_by)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""


@dataclass(frozen=True, slots=True)
class Override:
    """A price of an organisation's own for a model in one service tier ("" is the standard one).

    `rates` is in the form of `PriceRow`. It holds from `holds_from` on and before `holds_until`.
    """

    id: uuid.UUID
    org: uuid.UUID
    provider: str
    model: str
    service_tier: str
    rates: dict[str, Any]
    price_id: str
    holds_from: datetime
    holds_until: datetime | None
    note: str | None
    created_at: datetime
    created_by: uuid.UUID


async def list_all(tx: AsyncConnection[Any]) -> list[Override]:
    """Those that were not removed: the tenant's, or for a gateway everybody's."""
    async with tx.cursor(row_factory=class_row(Override)) as cursor:
        await cursor.execute(_LIST)
        return await cursor.fetchall()


async def has_changed(tx: AsyncConnection[Any], since: str) -> bool:
    """Whether a transaction not older than the watermark changed any."""
    cursor = await tx.execute(
        "SELECT EXISTS (SELECT FROM route.price_overrides WHERE changed_xid >= %s::xid8)", (since,)
    )
    row = await cursor.fetchone()
    return row is not None and bool(row[0])


async def hold(tx: Transaction, org: uuid.UUID) -> None:
    """Be the only one who changes the organisation's overrides, until the transaction ends."""
    await tx.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended('route.price_overrides' || %s, 0))",
        (str(org),),
    )


async def add(tx: Transaction, overrides: Sequence[Override]) -> None:
    """Keep them, and their rates among the prices: what bills a request explains it for ever."""
    async with tx.cursor() as cursor:
        await cursor.executemany(
            _PRICE,
            [
                (o.price_id, o.org, o.provider, o.model, Jsonb(o.rates), o.holds_from.date())
                for o in overrides
            ],
        )
        await cursor.executemany(
            _OVERRIDE,
            [
                [Jsonb(value) if isinstance(value, dict) else value for value in astuple(o)]
                for o in overrides
            ],
        )


async def end(tx: Transaction, override: uuid.UUID, at: datetime) -> None:
    """Let it hold until then only."""
    await tx.execute(
        "UPDATE route.price_overrides SET holds_until = %s WHERE id = %s", (at, override)
    )


async def remove(tx: Transaction, override: uuid.UUID, now: datetime) -> None:
    """Let it hold at no time, the past included; what it billed stays as it is."""
    await tx.execute(
        "UPDATE route.price_overrides SET removed_at = %s WHERE id = %s", (now, override)
    )


async def get(tx: Transaction, override: uuid.UUID) -> Override:
    """One that was not removed; NotFound when the tenant has none of that id."""
    found = next((one for one in await list_all(tx) if one.id == override), None)
    if found is None:
        raise NotFound("there is no such price override")
    return found
