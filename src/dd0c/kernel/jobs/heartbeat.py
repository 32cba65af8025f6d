"""Whether a job worker lives, as the health probe asks."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from psycopg import AsyncConnection


async def find_last(tx: AsyncConnection[Any]) -> datetime | None:
    """When a job worker last reported; None when there is none. They report every 3 seconds."""
    cursor = await tx.execute("SELECT max(last_heartbeat) FROM jobs.procrastinate_workers")
    row = await cursor.fetchone()
    return None if row is None else row[0]
