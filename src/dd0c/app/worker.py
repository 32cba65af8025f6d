"""The job worker: runs the jobs of every product, chains the audit log, and sends webhooks."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Awaitable, Callable
from functools import partial

from dd0c.app import auditing, entrance, webhooks
from dd0c.base import admin, process
from dd0c.base.admin import Report
from dd0c.base.clock import SystemClock
from dd0c.base.home import Home
from dd0c.base.settings import Settings
from dd0c.kernel.audit import chainer
from dd0c.kernel.audit import metrics as audit
from dd0c.kernel.auth import erasure
from dd0c.kernel.autonomy import flag_publishing
from dd0c.kernel.content import sweeping
from dd0c.kernel.db import address, roles
from dd0c.kernel.db.pool import Pool
from dd0c.kernel.hooks import jobs as hooks
from dd0c.kernel.jobs import metrics, runner
from dd0c.kernel.jobs.job import Job, Work
from dd0c.kernel.jobs.runner import Told
from dd0c.products.route import jobs as route

log = logging.getLogger(__name__)

ORPHAN_MAX_S = 3.0  # what a process may live on without its supervisor


async def _watch_flags(work: Work) -> None:
    await flag_publishing.watch(work.settings, work.pool, work.clock)


WATCH_FLAGS = Job(
    "kernel.watch_flags", _watch_flags, cron="* * * * * */5", at_start=True, timeout_s=30
)
JOBS: tuple[Job, ...] = (WATCH_FLAGS, *erasure.JOBS, *sweeping.JOBS, *hooks.JOBS, *route.JOBS)


def main(settings: Settings) -> int:
    """Work until SIGTERM or SIGINT (again: cut), or until the supervisor is gone."""
    settings, place = entrance.enter(settings)
    patience_s = settings.drain_s + ORPHAN_MAX_S  # the worker before us may finish its jobs
    port = settings.worker_admin_port
    with admin.open_door(port, "DD0C_WORKER_ADMIN_PORT", patience_s=patience_s) as door:
        asyncio.run(_serve(settings, place, door))
    return 0


async def _serve(settings: Settings, place: Home, door: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    chained = audit.Stats()
    told = Told({"admin_url": f"http://{admin.HOST}:{door.getsockname()[1]}"})

    def report() -> Report:
        return Report(told.stats.ready, {}, {**told.stats.samples(), **chained.samples()})

    answering = await admin.listen(door, (*metrics.CATALOGUE, *audit.CATALOGUE), report)
    conninfo = address.conninfo(settings, roles.JOBS)
    judge = partial(entrance.refuse_unfit, settings=settings, place=place)
    work = asyncio.create_task(
        runner.serve(settings, conninfo, JOBS, SystemClock(), refuse_unfit=judge, told=told)
    )
    besides = [
        asyncio.create_task(_chain(settings, place, judge, chained)),
        asyncio.create_task(webhooks.deliver(settings, place, judge)),
    ]
    for task in besides:
        task.add_done_callback(lambda ended: _failed(ended) and work.cancel())
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, work.cancel)
    orphaned = asyncio.create_task(process.supervisor_gone())
    await asyncio.wait([work, orphaned], return_when=asyncio.FIRST_COMPLETED)
    if not work.done():
        log.warning("the supervisor is gone, stopping")
        loop.call_later(ORPHAN_MAX_S, os._exit, 1)
        work.cancel()
    orphaned.cancel()
    await asyncio.wait([work])
    for task in besides:  # after the jobs: what they tell is chained too
        task.cancel()
    await asyncio.wait(besides)
    answering.close()
    for task in (*besides, work):
        if not task.cancelled():
            task.result()


def _failed(task: asyncio.Task[None]) -> bool:
    return not task.cancelled() and task.exception() is not None


async def _chain(
    settings: Settings, place: Home, judge: Callable[[Pool], Awaitable[None]], stats: audit.Stats
) -> None:
    """Chain what the audit log is told, where this machine has the key that signs it."""
    signer = auditing.find(settings, place)
    if signer is None:
        log.info("no %s here: another machine chains the audit log", auditing.FILE)
        return
    conninfo = address.conninfo(settings, roles.CHAINER)
    await chainer.serve(conninfo, signer, stats, refuse_unfit=judge)
