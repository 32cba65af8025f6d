"""Blobs in the database: a row for each chunk, under row-level security as all that is a tenant's.

The default: one thing to back up, and every machine of an installation sees it. Each chunk is
written in a transaction of its own, so that a slow source holds none open; what an interrupted put
leaves is an orphan.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from psycopg.rows import tuple_row

from dd0c.kernel.content.places import Write
from dd0c.kernel.db import tenancy
from dd0c.kernel.db.pool import Pool

NAME = "database"


class Database:
    """Chunks in `kernel.content_chunks`."""

    name = NAME

    def __init__(self, pool: Pool):
        self._pool = pool

    @asynccontextmanager
    async def writing(self, org: uuid.UUID, blob: uuid.UUID) -> AsyncIterator[Write]:
        number = 0

        async def write(sealed: bytes) -> None:
            nonlocal number
            async with tenancy.tenant(self._pool, org) as tx:
                await tx.execute(
                    "INSERT INTO kernel.content_chunks (blob, number, org, sealed)"
                    " VALUES (%s, %s, %s, %s)",
                    (blob, number, org, sealed),
                )
            number += 1

        whole = False
        try:
            yield write
            whole = True
        finally:
            if not whole:
                await self.delete(org, blob)

    async def read(self, org: uuid.UUID, blob: uuid.UUID, number: int) -> bytes | None:
        async with (
            tenancy.tenant(self._pool, org) as tx,
            tx.cursor(row_factory=tuple_row, binary=True) as cursor,
        ):
            await cursor.execute(
                "SELECT sealed FROM kernel.content_chunks WHERE blob = %s AND number = %s",
                (blob, number),
            )
            row = await cursor.fetchone()
        return None if row is None else row[0]

    async def delete(self, org: uuid.UUID, blob: uuid.UUID) -> None:
        async with tenancy.tenant(self._pool, org) as tx:
            await tx.execute("DELETE FROM kernel.content_chunks WHERE blob = %s", (blob,))
