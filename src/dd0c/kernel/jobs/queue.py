"""The queue of this installation: tasks made from the manifests' jobs, and its own upkeep.

Of one job (and subject, where it has one) at most one run waits and one is worked at. What fails
is tried again after a growing pause, and is dead after its attempts. A job worker that is killed
leaves its runs as `doing`; nobody would touch them again. The upkeep puts back every run whose
worker has not been heard of, and drops it where the same job waits already. What is done is deleted
at once, what is dead is kept a week to be looked at, of each job the last (`runs`).
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterable
from dataclasses import replace

import psycopg
from procrastinate import App, JobContext, PsycopgConnector, RetryStrategy, exceptions
from psycopg.conninfo import conninfo_to_dict

from dd0c.base.errors import Error
from dd0c.base.secrets import Secret
from dd0c.kernel.db.pool import IDLE_S
from dd0c.kernel.jobs import runs
from dd0c.kernel.jobs.job import Job, Work
from dd0c.kernel.jobs.metrics import Stats

SCHEMA_OPTION = "-c search_path=jobs"
CONNECTIONS_MAX = 3
HEARTBEAT_EVERY_S = 3.0
STALLED_AFTER_S = 15.0
DEAD_KEPT_HOURS = 7 * 24
UPKEEP = "kernel.put_back"
FORGET = "kernel.forget"
ANSWER = "kernel.answer"


def open_queue(conninfo: Secret, size: int = CONNECTIONS_MAX) -> App:
    """The queue without tasks: enough to defer jobs by name. Open it before use."""
    given = conninfo_to_dict(conninfo.reveal()).get("options") or ""
    connector = PsycopgConnector(
        conninfo=conninfo.reveal(),
        kwargs={"options": f"{given} {SCHEMA_OPTION}".strip()},
        min_size=1,
        max_size=size,
        max_idle=IDLE_S,
    )
    return App(connector=connector)


def add_jobs(
    app: App,
    jobs: Iterable[Job],
    work: Work,
    stats: Stats,
    *,
    stalled_after_s: float = STALLED_AFTER_S,
) -> None:
    """Make a task of every job, and add the upkeep."""
    attempts: dict[str, int] = {}

    async def put_back(_: Work) -> None:
        async with runs.queue(work.pool) as tx:
            await runs.put_back(tx, stalled_after_s, attempts)
            stats.queue = await runs.count(tx)

    async def forget(_: Work) -> None:
        await app.job_manager.delete_old_jobs(
            nb_hours=DEAD_KEPT_HOURS,
            include_failed=True,
            include_cancelled=True,
            include_aborted=True,
        )
        async with runs.queue(work.pool) as tx:
            await runs.forget(tx)

    async def answer(_: Work) -> None:
        """That it ran is all: health asks whether anybody does."""

    own = (
        Job(ANSWER, answer, timeout_s=5),
        Job(UPKEEP, put_back, cron="* * * * * */5", timeout_s=30),
        Job(FORGET, forget, cron="17 * * * *", timeout_s=300),
    )
    for job in (*own, *jobs):
        attempts[job.name] = job.attempts
        _add(app, job, work, stats)


def _add(app: App, job: Job, work: Work, stats: Stats) -> None:
    async def run(
        context: JobContext, timestamp: int | None = None, subject: str | None = None
    ) -> None:
        """`timestamp` is the moment a periodic run was due."""
        begun, outcome = time.monotonic(), "failed"
        try:
            async with asyncio.timeout(job.timeout_s):
                await job.run(replace(work, subject=subject))
            outcome = "done"
        except asyncio.CancelledError:
            outcome = "cancelled"
            raise
        except Exception as error:
            late = isinstance(error, TimeoutError)
            outcome = "timeout" if late else outcome
            said = f"took longer than {job.timeout_s:g} s" if late else str(error)
            await _note(work, context, f"{type(error).__name__}: {said}")
            raise
        finally:
            stats.observe(job.name, outcome, time.monotonic() - begun)

    again = RetryStrategy(max_attempts=job.attempts - 1, exponential_wait=job.pause_s)
    task = app.task(
        name=job.name,
        queueing_lock=job.name,
        lock=None if job.name == UPKEEP else job.name,  # what a dead worker held, it sets free
        retry=again if job.attempts > 1 else False,  # 0 would be for ever
        pass_context=True,
    )(run)
    if job.cron is not None:
        app.periodic(cron=job.cron)(task)


async def _note(work: Work, context: JobContext, error: str) -> None:
    """Keep what went wrong; where that cannot be, the log has it."""
    assert context.job.id is not None
    with contextlib.suppress(Error, psycopg.Error):
        async with runs.queue(work.pool) as tx:
            await runs.note_failure(tx, context.job.id, error)


async def defer(app: App, name: str, subject: str | None = None) -> bool:
    """Put a job into the queue, for a subject where it has one; False when it waits there already.

    Runs for the same subject are done one after the other, whatever their jobs.
    """
    key = name if subject is None else f"{name} {subject}"
    given = {} if subject is None else {"subject": subject}
    task = app.configure_task(
        name, queueing_lock=key, lock=None if name == UPKEEP else subject or name
    )
    try:
        await task.defer_async(**given)
    except exceptions.AlreadyEnqueued:
        return False
    return True
