"""What fails is tried again, what cannot be done waits for somebody, and nothing is done twice."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from procrastinate import App

from dd0c.base import ids, secrets
from dd0c.base.errors import Conflict, NotFound
from dd0c.base.secrets import Secret
from dd0c.kernel.db import roles
from dd0c.kernel.db.pool import Pool
from dd0c.kernel.jobs import queue, runs
from dd0c.kernel.jobs.job import Job, Work
from dd0c.kernel.jobs.runs import Run, State
from tests.kernel.jobs.test_jobs import DEADLINE_S, serving, until
from tests.support.database import Database

NAME = "test.job"


@pytest.fixture
def pool(pool_as: Callable[[str], Pool]) -> Pool:
    """A pool as the job worker's role."""
    return pool_as(roles.JOBS)


@contextlib.asynccontextmanager
async def opened(database: Database) -> AsyncIterator[App]:
    """The queue, to put jobs into."""
    app = queue.open_queue(database.conninfo(roles.JOBS), 1)
    async with app.open_async():
        yield app


async def listed(pool: Pool) -> list[Run]:
    """What is in the queue, without the upkeep that comes and goes."""
    async with runs.queue(pool) as tx:
        return [run for run in await runs.list_runs(tx, 100) if not run.job.startswith("kernel.")]


async def until_listed(pool: Pool, wanted: Callable[[list[Run]], object]) -> list[Run]:
    """Wait for the queue to be so, not for ever."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            if wanted(found := await listed(pool)):
                return found
            await asyncio.sleep(0.05)


async def die_at_work(pool: Pool) -> None:
    """Whatever waits was taken by a worker that is no more."""
    async with runs.queue(pool) as tx:
        await tx.execute("UPDATE procrastinate_jobs SET status = 'doing' WHERE status = 'todo'")


@contextlib.asynccontextmanager
async def worker(database: Database, began: Path, seconds: int) -> AsyncIterator[None]:
    """A job worker as a process, which is killed at the end of the block."""
    command = ["-m", "tests.kernel.jobs.victim", str(began.parent), str(began), str(seconds)]
    process = await asyncio.create_subprocess_exec(sys.executable, *command, stdin=subprocess.PIPE)
    try:
        assert process.stdin is not None
        process.stdin.write(database.conninfo(roles.JOBS).reveal().encode() + b"\n")
        yield
    finally:
        process.kill()
        await process.wait()


async def test_the_job_of_a_killed_worker_is_done_once_more(
    database: Database, pool: Pool, tmp_path: Path
) -> None:
    """A run whose worker was killed with -9 is found and done by one of two others, by one only
    (K-6, K-80)."""
    began = tmp_path / "began"
    async with worker(database, began, seconds=60):
        await until(began.exists)
    async with worker(database, began, seconds=0), worker(database, began, seconds=0):
        await until_listed(pool, lambda found: not found)
    assert len(began.read_text().splitlines()) == 2


async def test_two_who_look_for_dead_workers_give_a_run_back_once(
    database: Database, pool: Pool
) -> None:
    """Job workers that find the same stalled run at once do not both put it back (K-80)."""

    async def put_back() -> tuple[int, int]:
        async with runs.queue(pool) as tx:
            found = await runs.put_back(tx, 0, {NAME: 3})
            async with asyncio.timeout(DEADLINE_S):
                await looked.wait()  # neither ends before the other has looked
            return found

    looked = asyncio.Barrier(2)
    async with opened(database) as app:
        await queue.defer(app, NAME)
    await die_at_work(pool)
    assert sorted(await asyncio.gather(put_back(), put_back())) == [(0, 0), (1, 0)]
    found = await listed(pool)
    assert [(run.state, run.attempts) for run in found] == [(State.QUEUED, 1)]
    assert "killed" in str(found[0].error)


async def test_what_kills_every_worker_is_given_up(database: Database, pool: Pool) -> None:
    """A job that no worker survives is not put back for ever: it is dead after its attempts
    (K-80)."""
    async with opened(database) as app:
        await queue.defer(app, NAME)
    for _ in range(2):
        await die_at_work(pool)
        async with runs.queue(pool) as tx:
            await runs.put_back(tx, 0, {NAME: 2})
    assert [(run.state, run.attempts) for run in await listed(pool)] == [(State.DEAD, 2)]


async def test_a_stalled_run_is_dropped_when_the_same_job_waits(
    database: Database, pool: Pool
) -> None:
    """Putting back a run whose job is queued already neither fails nor queues it twice (K-6)."""
    async with opened(database) as app:
        await queue.defer(app, NAME)
        await die_at_work(pool)
        assert await queue.defer(app, NAME)
        assert not await queue.defer(app, NAME)
    async with runs.queue(pool) as tx:
        await runs.put_back(tx, 0, {NAME: 3})
    assert [run.state for run in await listed(pool)] == [State.QUEUED]


async def test_what_fails_is_tried_again_then_waits_for_somebody(
    database: Database, pool: Pool
) -> None:
    """A job that raises is tried as often as it says and is then dead, with what went wrong and
    without secrets; retried by hand it runs (K-80, K-40)."""
    secret = secrets.keep(Secret("hunter2-is-no-good-password"))
    tried: list[str] = []

    async def fail(_: Work) -> None:
        tried.append("")
        if len(tried) <= 3:
            raise ValueError(f"no entry with {secret.reveal()}")

    async with serving(database, Job(NAME, fail, at_start=True, attempts=3, pause_s=1)):
        first = await until_listed(pool, lambda found: found and found[0].state is State.FAILED)
        assert first[0].next_at is not None
        found = await until_listed(pool, lambda found: found and found[0].state is State.DEAD)
        assert (len(tried), found[0].attempts, found[0].next_at) == (3, 3, None)
        assert str(found[0].error).startswith("ValueError: no entry with [secret:")
        async with runs.queue(pool) as tx:
            await runs.retry(tx, found[0].id)
        await until_listed(pool, lambda found: not found)
    assert len(tried) == 4


async def test_only_what_failed_is_retried_and_what_runs_is_left_alone(
    database: Database, pool: Pool
) -> None:
    """By hand nothing is queued twice, and nothing is taken from under a worker (K-80)."""
    async with opened(database) as app:
        await queue.defer(app, NAME)
        (run,) = await listed(pool)
        with pytest.raises(Conflict, match="is queued"):
            async with runs.queue(pool) as tx:
                await runs.retry(tx, run.id)
        await die_at_work(pool)
        with pytest.raises(Conflict, match="a worker is at it"):
            async with runs.queue(pool) as tx:
                await runs.remove(tx, run.id)
        async with runs.queue(pool) as tx:
            await runs.put_back(tx, 0, {})
        assert await queue.defer(app, NAME)
        with pytest.raises(Conflict, match="waits in the queue already"):
            async with runs.queue(pool) as tx:
                await runs.retry(tx, run.id)
    async with runs.queue(pool) as tx:
        await runs.remove(tx, run.id)
        with pytest.raises(NotFound):
            await runs.get(tx, run.id)
        with pytest.raises(NotFound):
            await runs.get(tx, ids.new())
    assert [one.state for one in await listed(pool)] == [State.QUEUED]


async def test_of_each_job_the_last_dead_run_is_kept(database: Database, pool: Pool) -> None:
    """What fails every minute does not fill the page: the newest failure stands for all (K-80)."""
    async with opened(database) as app:
        for name in (NAME, NAME, "test.other"):
            await queue.defer(app, name)
            await die_at_work(pool)
            async with runs.queue(pool) as tx:
                await runs.put_back(tx, 0, {})
    before = await listed(pool)
    async with runs.queue(pool) as tx:
        await runs.forget(tx)
    assert await listed(pool) == before[:2]
    assert [run.job for run in before] == ["test.other", NAME, NAME]


async def test_a_slow_periodic_job_does_not_pile_up(database: Database, pool: Pool) -> None:
    """A job that takes longer than its period runs once at a time, and waits once (K-80)."""
    at_work, most, ticks = 0, 0, 0

    async def slow(_: Work) -> None:
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        try:
            await asyncio.Event().wait()
        finally:
            at_work -= 1

    async def tick(_: Work) -> None:
        nonlocal ticks
        ticks += 1

    jobs = (Job("test.slow", slow, cron="* * * * * *"), Job("test.tick", tick, cron="* * * * * *"))
    async with serving(database, *jobs):
        await until(lambda: at_work == 1)
        seen = ticks
        await until(lambda: ticks >= seen + 3)
        found = [run.state for run in await listed(pool) if run.job == "test.slow"]
    assert (found, most) == ([State.QUEUED, State.RUNNING], 1)


async def test_one_subject_is_worked_at_once_at_a_time(database: Database) -> None:
    """Jobs about the same subject follow one another, whatever they do; others go on (K-80)."""
    begun: list[str] = []
    go_on = asyncio.Event()

    async def wait(work: Work) -> None:
        begun.append(f"a {work.subject}")
        await go_on.wait()

    async def note(work: Work) -> None:
        begun.append(f"b {work.subject}")

    async with (
        serving(database, Job("test.a", wait), Job("test.b", note)),
        opened(database) as app,
    ):
        await queue.defer(app, "test.a", "one")
        await until(lambda: begun == ["a one"])
        await queue.defer(app, "test.b", "one")
        assert not await queue.defer(app, "test.b", "one")  # waits already
        await queue.defer(app, "test.b", "two")
        await until(lambda: len(begun) == 2)
        assert begun == ["a one", "b two"]
        go_on.set()
        await until(lambda: begun == ["a one", "b two", "b one"])
