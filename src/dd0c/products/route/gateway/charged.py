"""What the bank asks PostgreSQL: what a budget was charged, and whether other gateways run."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import psycopg

from dd0c.base.errors import Error, Unavailable
from dd0c.base.secrets import Secret
from dd0c.kernel.db import roles, tenancy
from dd0c.kernel.db.pool import Pool, open_pool
from dd0c.kernel.parts import register
from dd0c.kernel.parts.part import Part, State
from dd0c.products.route.hotpath.snapshot import Rule
from dd0c.products.route.store import charges
from dd0c.products.route.store.spans import Span

COUNT_MAX_S = 6.0
LOOK_MAX_S = 0.5
CLOSE_S = 1.0


class Charged:
    """Counts budgets in the ledger, over a connection that is made when it is needed first."""

    def __init__(self, conninfo: Secret):
        self._conninfo = conninfo
        self._pool: Pool | None = None
        self._opening = asyncio.Lock()

    async def count(self, rule: Rule, from_s: int, until_s: int | None) -> tuple[int, str]:
        """Pico-dollars of a rule's window and the snapshot they are of; Unavailable or Timeout."""
        async with self._opening:
            if self._pool is None:
                self._pool = await open_pool(self._conninfo, roles.GATEWAY, 1)
        since = None if rule.window == "total" else datetime.fromtimestamp(from_s, UTC)
        until = None if until_s is None else datetime.fromtimestamp(until_s, UTC)
        org, span = uuid.UUID(bytes=rule.org), Span(since, until)
        try:
            async with tenancy.system(self._pool, deadline_s=COUNT_MAX_S) as tx:
                return await charges.charged(tx, org, rule.scope, rule.subject, span)
        except psycopg.Error as error:
            raise Unavailable(f"the ledger cannot be summed up: {error}") from error

    async def close(self) -> None:
        """End the connection."""
        if self._pool is not None:
            await self._pool.close(CLOSE_S)


class Neighbours:
    """Whether this gateway is the only one of its installation."""

    def __init__(self, part: Part):
        self._part = part
        self._pool: Pool | None = None

    @asynccontextmanager
    async def watching(self, pool: Pool) -> AsyncIterator[None]:
        """Know the pool for the block."""
        self._pool = pool
        try:
            yield
        finally:
            self._pool = None

    async def alone(self) -> bool:
        """True only if the register says so."""
        if self._pool is None:
            return False
        try:
            async with tenancy.system(self._pool, deadline_s=LOOK_MAX_S) as tx:
                seen = await register.list_parts(tx)
        except (Error, psycopg.Error):
            return False
        return not any(
            one.part.kind == self._part.kind
            and one.part.id != self._part.id
            and one.state is State.ALIVE
            for one in seen
        )
