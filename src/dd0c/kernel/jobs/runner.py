"""Runs the jobs until cancelled, and goes on when a database that was away is back."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

import psycopg
from procrastinate import exceptions

from dd0c.base.clock import Clock
from dd0c.base.errors import Error, SetupError
from dd0c.base.secrets import Secret
from dd0c.base.settings import Settings
from dd0c.kernel.db import roles
from dd0c.kernel.db.pool import Pool, open_pool
from dd0c.kernel.jobs import queue
from dd0c.kernel.jobs.job import Job, Work
from dd0c.kernel.jobs.metrics import Stats
from dd0c.kernel.parts import heartbeat
from dd0c.kernel.parts import part as parts
from dd0c.kernel.parts.part import Part

POOL_SIZE = 2
RETRY_EVERY_S = 2.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a worker reports, when it counts as dead, how many jobs it runs at a time; and how
    often it looks for one that is due again, which nobody announces."""

    heartbeat_every_s: float = queue.HEARTBEAT_EVERY_S
    stalled_after_s: float = queue.STALLED_AFTER_S
    concurrency: int = 4
    look_every_s: float = 1.0


@dataclass(frozen=True, slots=True)
class Told:
    """What a worker tells of itself: facts to the other parts, numbers on its admin port."""

    facts: Mapping[str, str] = field(default_factory=dict)
    stats: Stats = field(default_factory=Stats)


async def serve(
    settings: Settings,
    conninfo: Secret,
    jobs: Sequence[Job],
    clock: Clock,
    pace: Pace | None = None,
    *,
    refuse_unfit: Callable[[Pool], Awaitable[None]],
    told: Told | None = None,
) -> None:
    """Run jobs. Cancelled once, running jobs get `drain_s` to finish; twice, and they are cut.

    SetupError when `refuse_unfit` says that the database is not to be served from.
    """
    told = told or Told()
    me = parts.this("worker", clock)
    away = False
    while True:
        try:
            await _judge(conninfo, refuse_unfit)
            await _serve_once(settings, conninfo, jobs, clock, pace or Pace(), me=me, told=told)
            away = False
        except SetupError:
            raise
        except (psycopg.Error, exceptions.ProcrastinateException, OSError, Error) as error:
            if not away:
                log.warning("jobs wait for PostgreSQL: %s", error)
            away = True
        await asyncio.sleep(RETRY_EVERY_S)


async def _judge(conninfo: Secret, refuse_unfit: Callable[[Pool], Awaitable[None]]) -> None:
    pool = await open_pool(conninfo, roles.JOBS, 1)
    try:
        await refuse_unfit(pool)
    finally:
        await pool.close()


async def _serve_once(
    settings: Settings,
    conninfo: Secret,
    jobs: Sequence[Job],
    clock: Clock,
    pace: Pace,
    *,
    me: Part,
    told: Told,
) -> None:
    """Run one worker; it returns when it lost the database."""
    async with contextlib.AsyncExitStack() as stack:
        pool = await open_pool(conninfo, roles.JOBS, POOL_SIZE)
        stack.push_async_callback(pool.close)
        await stack.enter_async_context(heartbeat.reporting(pool, me, lambda: told.facts))
        app = queue.open_queue(conninfo)
        work = Work(settings, pool, clock)
        queue.add_jobs(app, jobs, work, told.stats, stalled_after_s=pace.stalled_after_s)
        await stack.enter_async_context(app.open_async())
        for job in jobs:
            if job.at_start:
                await queue.defer(app, job.name)
        told.stats.ready = True
        log.info("taking jobs")
        stack.callback(setattr, told.stats, "ready", False)
        await app.run_worker_async(
            concurrency=pace.concurrency,
            fetch_job_polling_interval=pace.look_every_s,
            install_signal_handlers=False,
            delete_jobs="successful",
            update_heartbeat_interval=pace.heartbeat_every_s,
            stalled_worker_timeout=pace.stalled_after_s,
            shutdown_graceful_timeout=settings.drain_s,
        )
