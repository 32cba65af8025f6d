"""When keys were last used, to the minute or two: coarse, so that a request writes nothing (K-20).

Whoever lets keys in notes it here, in memory; once in `EVERY_S` one statement writes down all that
were used since. What a process that is killed had noted is lost, and so is what is beyond
`NOTED_MAX` while the database is away: a later use says the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import datetime

import psycopg

from dd0c.base.clock import Clock
from dd0c.base.errors import Error
from dd0c.kernel.db import tenancy
from dd0c.kernel.db.pool import Pool

EVERY_S = 60.0
WRITE_MAX_S = 10.0
FAREWELL_MAX_S = 1.0
NOTED_MAX = 100_000


class Uses:
    """What one process knows of uses and has not written down yet."""

    def __init__(self, clock: Clock):
        self._clock = clock
        self._noted: dict[uuid.UUID, datetime] = {}

    def note(self, keys: Iterable[uuid.UUID]) -> None:
        """These keys are being used."""
        now = self._clock.now()
        for key in keys:
            if key in self._noted or len(self._noted) < NOTED_MAX:
                self._noted[key] = now

    @asynccontextmanager
    async def writing(self, pool: Pool, *, every_s: float = EVERY_S) -> AsyncIterator[None]:
        """Write down what was noted during the block, and at its end."""
        task = asyncio.create_task(self._write_for_ever(pool, every_s), name="uses of keys")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])
            await self.write(pool, FAREWELL_MAX_S)

    async def write(self, pool: Pool, deadline_s: float = WRITE_MAX_S) -> None:
        """Write what is noted; what the database does not take is kept for the next time."""
        noted = dict(self._noted)
        if not noted:
            return
        with contextlib.suppress(Error, psycopg.Error):
            async with tenancy.system(pool, deadline_s=deadline_s) as tx:
                await tx.execute(
                    "SELECT kernel.mark_used(%s::uuid[], %s::timestamptz[])",
                    (list(noted), list(noted.values())),
                )
            self._noted = {key: at for key, at in self._noted.items() if noted.get(key) != at}

    async def _write_for_ever(self, pool: Pool, every_s: float) -> None:
        while True:
            await asyncio.sleep(every_s)
            await self.write(pool)
