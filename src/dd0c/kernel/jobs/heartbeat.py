"""Whether a job worker lives and takes work, as the health probe asks."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime

from procrastinate import App
from psycopg import AsyncConnection

from dd0c.base.secrets import Secret
from dd0c.kernel.jobs import queue

PATIENCE_S = 2.0
LOOK_EVERY_S = 0.02
_UNDONE = (
    "SELECT count(*) AS undone FROM procrastinate_jobs"
    " WHERE task_name = %(name)s AND status IN ('todo', 'doing')"
)


async def round_trip(conninfo: Secret) -> float | None:
    """Seconds until a job that does nothing was done; None: it still waits after `PATIENCE_S`."""
    app = queue.open_queue(conninfo, size=1)
    try:
        await app.open_async()
        begun = time.monotonic()
        await queue.defer(app, queue.ANSWER)  # or wait for the one that is there already
        while await _undone(app):
            if time.monotonic() - begun > PATIENCE_S:
                return None
            await asyncio.sleep(LOOK_EVERY_S)
        return time.monotonic() - begun
    finally:
        await app.close_async()  # also what was cancelled while it opened


async def _undone(app: App) -> int:
    row = await app.connector.execute_query_one_async(_UNDONE, name=queue.ANSWER)
    return int(row["undone"])


async def find_last(conninfo: Secret) -> datetime | None:
    """When a job worker last reported; None when there is none. They report every 3 seconds."""
    async with await AsyncConnection.connect(conninfo.reveal()) as tx:
        cursor = await tx.execute("SELECT max(last_heartbeat) FROM jobs.procrastinate_workers")
        row = await cursor.fetchone()
    return None if row is None else row[0]
