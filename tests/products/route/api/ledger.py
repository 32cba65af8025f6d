"""Ledger rows for API tests, shipped as the gateway's shipper does."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from dd0c.base import ids
from dd0c.kernel.db import roles, tenancy
from dd0c.kernel.db.pool import open_pool
from dd0c.products.route.models import AttemptOpened
from dd0c.products.route.store import ledger, staging
from tests.products.route import records
from tests.support.control import Served


def ship(served: Served, attempts: Sequence[staging.Rated]) -> None:
    """Put attempts into the ledger."""

    async def insert() -> None:
        pool = await open_pool(served.database.conninfo(roles.SHIPPER), roles.SHIPPER, 1)
        now = datetime.now(UTC)
        try:
            async with tenancy.system(pool) as tx:
                await ledger.ensure_partitions(tx, records.START, now)
            async with tenancy.system(pool) as tx:
                await ledger.insert(tx, [staging.row(a) for a in attempts], now=now)
        finally:
            await pool.close()

    asyncio.run(insert())


def register(served: Served) -> None:
    """Put the provider of these attempts and the simulator into the database."""

    async def insert() -> None:
        pool = await open_pool(served.database.conninfo(roles.OWNER), roles.OWNER, 1)
        try:
            await records.add_providers(pool)
        finally:
            await pool.close()

    asyncio.run(insert())


def rated(opened: AttemptOpened, **changes: Any) -> staging.Rated:
    """A closed attempt with the rating of its record."""
    closed = records.closed(opened, **changes)
    return staging.Rated(opened, closed, closed.cost_pico, closed.price_id, closed.cost_reason)


def tenant_of(served: Served, key: str) -> tuple[uuid.UUID, uuid.UUID]:
    """The organisation and the key id behind a key."""
    with served.client(key) as client:
        me = client.get("/api/v1/me").json()
    return ids.parse(ids.Kind.ORGANISATION, me["org_id"]), ids.parse(ids.Kind.KEY, me["key"]["id"])


def request_id(opened: AttemptOpened) -> str:
    """The text form of an attempt's request id."""
    return ids.text(ids.Kind.REQUEST, opened.request_id)
