"""Background work of route."""

from __future__ import annotations

from datetime import timedelta

from dd0c.kernel.db import tenancy
from dd0c.kernel.jobs.job import Job, Work
from dd0c.products.route.store import ledger

MONTHS_AHEAD = timedelta(days=62)


async def keep_partitions(work: Work) -> None:
    """This month's partitions of the ledger and those of the next two exist."""
    now = work.clock.now()
    async with tenancy.system(work.pool) as tx:
        await ledger.ensure_partitions(tx, now, now + MONTHS_AHEAD)


JOBS = (Job("route.keep_partitions", keep_partitions, cron="17 3 * * *", at_start=True),)
