"""Background jobs run, run again after their worker was killed, and outlive the database."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime

from dd0c.base.clock import SystemClock
from dd0c.base.settings import Settings
from dd0c.kernel.db import address, roles
from dd0c.kernel.jobs import heartbeat, runner
from dd0c.kernel.jobs.job import Job, Work
from tests.kernel.jobs import victim
from tests.support.database import Database

DEADLINE_S = 20.0


@contextlib.asynccontextmanager
async def serving(database: Database, *jobs: Job) -> AsyncIterator[asyncio.Task[None]]:
    """A job worker for the block, on the same roles and schema as the product's."""
    settings = replace(Settings(), drain_s=1.0)
    conninfo = address.conninfo(database.settings, roles.JOBS)
    work = runner.serve(
        settings, conninfo, jobs, SystemClock(), victim.PACE, refuse_unfit=victim.judge
    )
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task], timeout=DEADLINE_S)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for the condition, not for ever."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            if condition():
                return
            await asyncio.sleep(0.02)


async def test_a_job_runs_at_start_and_at_its_times(database: Database) -> None:
    """A job runs when a worker starts and whenever its schedule says, as the jobs role (K-3)."""
    users: list[str] = []

    async def note(work: Work) -> None:
        async with work.pool.connection() as connection:
            cursor = await connection.execute("SELECT current_user")
            row = await cursor.fetchone()
            assert row is not None
            users.append(row[0])

    job = Job("test.note", note, cron="* * * * * *", at_start=True)
    async with serving(database, job):
        await until(lambda: len(users) >= 3)
    assert set(users) == {roles.JOBS}


async def test_a_failing_job_stops_neither_the_others_nor_the_worker(database: Database) -> None:
    """A job that raises is logged and tried at its next time; other jobs go on (K-5)."""
    runs = {"bad": 0, "good": 0}

    async def fail(_: Work) -> None:
        runs["bad"] += 1
        raise ValueError("on purpose")

    async def succeed(_: Work) -> None:
        runs["good"] += 1

    jobs = (
        Job("test.fail", fail, cron="* * * * * *", pause_s=1),
        Job("test.succeed", succeed, cron="* * * * * *"),
    )
    async with serving(database, *jobs):
        await until(lambda: runs["bad"] >= 2 and runs["good"] >= 2)


async def test_work_goes_on_after_the_database_was_away(database: Database) -> None:
    """A database that goes and stays away for a while costs a pause, not the worker (K-6)."""
    runs: list[datetime] = []

    async def note(_: Work) -> None:
        runs.append(datetime.now(UTC))

    async with serving(database, Job("test.note", note, cron="* * * * * *")) as task:
        await until(lambda: len(runs) >= 1)
        with database.cluster.admin() as admin:
            admin.execute(f"ALTER DATABASE {database.name} ALLOW_CONNECTIONS false".encode())
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
                (database.name,),
            )
            await asyncio.sleep(3)  # the worker notices by its heartbeat, and gives up
            admin.execute(f"ALTER DATABASE {database.name} ALLOW_CONNECTIONS true".encode())
        before = len(runs)
        await until(lambda: len(runs) >= before + 2)
        assert not task.done()


async def test_health_sees_whether_jobs_are_done(database: Database) -> None:
    """A job goes to a worker and comes back; without one it waits, and nobody reports (K-5)."""
    conninfo = address.conninfo(database.settings, roles.JOBS)
    assert await heartbeat.find_last(conninfo) is None
    assert await heartbeat.round_trip(conninfo) is None
    async with serving(database):
        took_s = await heartbeat.round_trip(conninfo)  # the job that waits is done first
        seen = await heartbeat.find_last(conninfo)
    assert took_s is not None
    assert seen is not None
    assert (datetime.now(UTC) - seen).total_seconds() < 5
    assert await heartbeat.find_last(conninfo) is None  # it signed off
