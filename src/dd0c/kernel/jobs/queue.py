"""The queue of this installation: tasks made from the manifests' jobs, and its own upkeep.

A job worker that is killed leaves its runs as `doing`; nobody would touch them again. The upkeep
puts back every run whose worker has not been heard of, and drops it where the same job waits
already. What is done is deleted at once, what failed is kept a week to be looked at.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

from procrastinate import App, PsycopgConnector, exceptions
from procrastinate.jobs import Status
from psycopg.conninfo import conninfo_to_dict

from dd0c.base.secrets import Secret
from dd0c.kernel.jobs.job import Job, Work
from dd0c.kernel.jobs.metrics import Stats

SCHEMA_OPTION = "-c search_path=jobs"
CONNECTIONS_MAX = 4
HEARTBEAT_EVERY_S = 3.0
STALLED_AFTER_S = 15.0
FAILED_KEPT_HOURS = 7 * 24
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

    async def put_back(_: Work) -> None:
        await put_back_stalled(app, stalled_after_s)
        stats.queue = await _measure(app)

    async def forget(_: Work) -> None:
        await app.job_manager.delete_old_jobs(
            nb_hours=FAILED_KEPT_HOURS,
            include_failed=True,
            include_cancelled=True,
            include_aborted=True,
        )

    async def answer(_: Work) -> None:
        """That it ran is all: health asks whether anybody does."""

    own = (
        Job(ANSWER, answer, timeout_s=5),
        Job(UPKEEP, put_back, cron="* * * * * */5", timeout_s=30),
        Job(FORGET, forget, cron="17 * * * *", timeout_s=300),
    )
    for job in (*own, *jobs):
        _add(app, job, work, stats)


def _add(app: App, job: Job, work: Work, stats: Stats) -> None:
    async def run(timestamp: int | None = None) -> None:
        """`timestamp` is the moment a periodic run was due."""
        begun, outcome = time.monotonic(), "failed"
        try:
            async with asyncio.timeout(job.timeout_s):
                await job.run(work)
            outcome = "done"
        except TimeoutError:
            outcome = "timeout"
            raise
        except asyncio.CancelledError:
            outcome = "cancelled"
            raise
        finally:
            stats.observe(job.name, outcome, time.monotonic() - begun)

    task = app.task(name=job.name, queueing_lock=job.name)(run)
    if job.cron is not None:
        app.periodic(cron=job.cron)(task)


async def defer(app: App, name: str) -> bool:
    """Put a job into the queue; False when it waits there already."""
    try:
        await app.configure_task(name, queueing_lock=name).defer_async()
    except exceptions.AlreadyEnqueued:
        return False
    return True


async def put_back_stalled(app: App, stalled_after_s: float) -> None:
    """Give runs of dead workers back to the queue."""
    stalled = await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=stalled_after_s)
    for job in stalled:
        try:
            await app.job_manager.retry_job(job)
        except exceptions.UniqueViolation:  # the same job waits already
            await app.job_manager.finish_job(job, Status.ABORTED, delete_job=True)


async def _measure(app: App) -> dict[str, int]:
    """How many runs are in each state of interest."""
    row = await app.connector.execute_query_one_async(
        "SELECT count(*) FILTER (WHERE status = 'todo') AS todo,"
        " count(*) FILTER (WHERE status = 'doing') AS doing,"
        " count(*) FILTER (WHERE status = 'failed') AS failed FROM procrastinate_jobs"
    )
    return {str(state): int(count) for state, count in row.items()}
