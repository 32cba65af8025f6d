"""Every background job with two organisations."""

from __future__ import annotations

from dd0c.app import worker
from dd0c.base.clock import SystemClock
from dd0c.kernel.db import roles
from dd0c.kernel.db.pool import open_pool
from dd0c.kernel.jobs.job import Work
from tests.isolation.asking import Answer
from tests.isolation.judging import World

REWRITES: dict[str, frozenset[str]] = {
    "content.delete_expired": frozenset(),
    "content.sweep": frozenset(),
    "kernel.empty_erased": frozenset(),
    "kernel.watch_flags": frozenset(),
    "kernel.delete_old_hooks": frozenset(),
    "kernel.delete_expired": frozenset(),
    "route.delete_expired": frozenset(),
    "route.erase_end_users": frozenset(),
    "route.keep_partitions": frozenset(),
    "route.merge_rollups": frozenset({"route.rollups", "route.tag_rollups", "route.latencies"}),
}
"""The tables of a tenant whose rows each job may write anew."""


def test_every_job_has_a_row() -> None:
    """A job without a row fails here (K-11)."""
    names = {job.name for job in worker.JOBS}
    assert names == REWRITES.keys(), "REWRITES in tests/isolation/test_jobs.py lists other jobs"


async def test_no_job_changes_what_an_organisation_has_or_is_told(world: World) -> None:
    """As the jobs' role each job does its work over both organisations: what it may not write
    stays row by row, and what either is told of its sums stays digit by digit (K-11)."""
    pool = await open_pool(world.served.database.conninfo(roles.JOBS), roles.JOBS, 1)
    work, tenants = Work(world.served.settings, pool, SystemClock()), (world.acme, world.globex)
    try:
        for job in worker.JOBS:
            before = [world.books.read(tenant.org) for tenant in tenants]
            told = sums(world)
            await job.run(work)
            for tenant, rows in zip(tenants, before, strict=True):
                now = world.books.read(tenant.org)
                changed = {table for table in rows if rows[table] != now[table]}
                assert changed <= REWRITES[job.name], (job.name, tenant.name)
            assert sums(world) == told, job.name
    finally:
        await pool.close()


def sums(world: World) -> list[Answer]:
    """What both are told that they used."""
    asked = [question for question in world.asked if question.route == "GET /api/v1/route/usage"]
    both = (world.owner, world.stranger)
    return [who.call(question, who.tenant.names) for who in both for question in asked]
