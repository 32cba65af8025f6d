"""Background work of route."""

from __future__ import annotations

from datetime import timedelta

from dd0c.base.process import crash_point
from dd0c.kernel.db import tenancy
from dd0c.kernel.jobs.job import Job, Work
from dd0c.products.route.store import erasures, ledger

MONTHS_AHEAD = timedelta(days=62)
LATE = timedelta(minutes=2)  # most rows of an hour are in the ledger that long after its end
NEW_ROWS_MAX = 1_000  # a reader adds up so many in a millisecond
SPANS_AT_ONCE = 200
REQUESTS_AT_ONCE = 2_000  # of one organisation, in one transaction
ATTEMPTS_AT_ONCE = 1_000


async def keep_partitions(work: Work) -> None:
    """This month's partitions of the ledger and those of the next two exist."""
    now = work.clock.now()
    async with tenancy.system(work.pool) as tx:
        await ledger.ensure_partitions(tx, now, now + MONTHS_AHEAD)


async def merge_rollups(work: Work) -> None:
    """The roll-ups of ended hours are merged, and those of an hour that already has many rows."""
    merged = SPANS_AT_ONCE
    while merged >= SPANS_AT_ONCE:
        async with tenancy.system(work.pool) as tx:
            ended_before = work.clock.now() - LATE
            merged = await ledger.merge_rollups(tx, ended_before, NEW_ROWS_MAX, SPANS_AT_ONCE)


async def delete_expired(work: Work) -> None:
    """Requests that are older than their organisation keeps them are deleted; their sums stay."""
    deleted = 1
    while deleted:
        async with tenancy.system(work.pool) as tx:
            deleted = await ledger.delete_expired(tx, work.clock.now(), REQUESTS_AT_ONCE)


async def erase_end_users(work: Work) -> None:
    """End users who are to be forgotten are taken out of requests, of those that came late too."""
    erased = 1
    while erased:
        async with tenancy.system(work.pool) as tx:
            erased = await erasures.work_off(tx, work.clock.now(), ATTEMPTS_AT_ONCE)
        crash_point("route.erasing")


JOBS = (
    Job("route.keep_partitions", keep_partitions, cron="17 3 * * *", at_start=True),
    Job("route.delete_expired", delete_expired, cron="47 3 * * *", at_start=True),
    Job("route.erase_end_users", erase_end_users, cron="* * * * *", at_start=True),
    Job("route.merge_rollups", merge_rollups, cron="* * * * *", at_start=True),
)
