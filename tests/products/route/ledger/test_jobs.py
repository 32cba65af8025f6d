"""Background work of route on a real database."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

import psycopg

from dd0c.kernel.db import roles
from dd0c.kernel.db.pool import Pool
from dd0c.kernel.jobs.job import Work
from dd0c.products.route import jobs
from tests.support.database import Database


class Fixed:
    """A clock that stands."""

    def __init__(self, now: datetime) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now

    def now_us(self) -> int:
        return int(self._now.timestamp()) * 1_000_000


def partitions(database: Database) -> set[str]:
    with psycopg.connect(database.conninfo(roles.ADMIN).reveal()) as admin:
        rows = admin.execute("SELECT inhrelid::regclass::text FROM pg_inherits").fetchall()
    return {name for (name,) in rows}


def test_the_months_ahead_are_made(
    database: Database, pool_as: Callable[[str], Pool], runner: asyncio.Runner
) -> None:
    """Over the turn of a year, at the last second of a month, twice: the next months are there."""
    pool = pool_as(roles.JOBS)
    moment = datetime(2029, 11, 30, 23, 59, 59, tzinfo=UTC)
    before = partitions(database)
    for _ in range(2):
        work = Work(settings=database.settings, pool=pool, clock=Fixed(moment))
        runner.run(jobs.keep_partitions(work))
    made = partitions(database) - before
    tables = {name for name in made if name.startswith(("route.attempts_20", "route.ratings_20"))}
    months = ("2029_11", "2029_12", "2030_01")
    assert tables >= {f"route.{t}_{m}" for t in ("attempts", "ratings") for m in months}


def test_jobs_are_declared() -> None:
    """The job worker learns of each job, and runs it at its start as well."""
    assert [(job.name, job.at_start) for job in jobs.JOBS] == [
        ("route.keep_partitions", True),
        ("route.erase_end_users", True),
        ("route.merge_rollups", True),
    ]
