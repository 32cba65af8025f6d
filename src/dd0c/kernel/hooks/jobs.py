"""Background work of webhooks, besides the sending."""

from __future__ import annotations

from psycopg.rows import tuple_row

from dd0c.kernel.db import tenancy
from dd0c.kernel.jobs.job import Job, Work

ROWS_AT_ONCE = 500


async def delete_expired(work: Work) -> None:
    """What arrived and what was told 30 days ago goes, and secrets that count no more."""
    deleted = 1
    while deleted:
        async with (
            tenancy.system(work.pool) as tx,
            tx.cursor(row_factory=tuple_row) as cursor,
        ):
            await cursor.execute(
                "SELECT kernel.delete_old_hooks(%s, %s)", (work.clock.now(), ROWS_AT_ONCE)
            )
            (deleted,) = await cursor.fetchone() or (0,)


JOBS = (Job("kernel.delete_old_hooks", delete_expired, cron="27 * * * *", at_start=True),)
