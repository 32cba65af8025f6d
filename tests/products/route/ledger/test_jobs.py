"""Background work of route on a real database."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from dd0c.base import ids
from dd0c.kernel.auth import organisations
from dd0c.kernel.db import roles, tenancy
from dd0c.kernel.db.pool import Pool, Transaction
from dd0c.kernel.jobs.job import Work
from dd0c.products.route import events, jobs
from dd0c.products.route.store import charges, ledger, staging, terms, usage
from dd0c.products.route.store.selection import Filter
from dd0c.products.route.store.spans import Span
from tests.conftest import TwoOrgs
from tests.products.route import records
from tests.support.database import Database
from tests.support.told import told

START, EVER = records.START, Span(None, None)
DAY_US = 86_400 * 1_000_000


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


@pytest.fixture
def jobs_pool(pool_as: Callable[[str], Pool]) -> Pool:
    """A pool as the job worker."""
    return pool_as(roles.JOBS)


def aged(org: uuid.UUID, days: float) -> staging.Rated:
    """An attempt so old, with two tags, that cost 145.5 millionths of a dollar."""
    at_us = records.START_US - int(days * DAY_US)
    opened = records.opened(org, at_us=at_us, tags=("a", "b"))
    closed = records.closed(opened)
    return staging.Rated(opened, closed, closed.cost_pico, closed.price_id, None)


async def all_of(tx: Transaction) -> tuple[int, int, int]:
    """How many attempts, ratings and tags the tenant has."""
    counts = [
        await (await tx.execute(query)).fetchone()
        for query in (
            "SELECT count(*) FROM route.attempts",
            "SELECT count(*) FROM route.ratings",
            "SELECT count(*) FROM route.attempt_tags",
        )
    ]
    attempts, ratings, tags = (int(row[0]) for row in counts if row is not None)
    return attempts, ratings, tags


async def test_what_an_organisation_does_not_keep_is_deleted_and_its_sums_stay(
    database: Database, shipper_pool: Pool, jobs_pool: Pool, app_pool: Pool, two_orgs: TwoOrgs
) -> None:
    """Requests older than ten days go with their ratings and tags, to the millisecond, and nobody
    else's; nothing that was summed up changes, before and after sums are merged; the audit log
    says how many (R-10, K-50)."""
    orgs = (two_orgs.acme, two_orgs.globex)
    batch = [aged(org, age) for org in orgs for age in (40, 10.0001, 9.9999, 0)]
    async with tenancy.system(shipper_pool) as tx:
        await ledger.ensure_partitions(tx, START - timedelta(days=40), START)
    async with tenancy.system(shipper_pool) as tx:
        await ledger.insert(tx, [staging.row(each) for each in batch], now=START)
    async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
        await terms.set_retention(tx, two_orgs.acme, 10)
    work = Work(settings=database.settings, pool=jobs_pool, clock=Fixed(START))
    for _ in range(2):
        await jobs.delete_expired(work)
        async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
            assert await all_of(tx) == (2, 2, 4)
            report = await usage.usage_by(tx, "model", Filter())
            assert report.total.cost_pico == 4 * 145_500_000
            charged = await charges.charged(tx, two_orgs.acme, "tag", "b", EVER)
            assert charged[0] == 4 * 145_500_000
        async with tenancy.tenant(app_pool, two_orgs.globex) as tx:
            assert await all_of(tx) == (4, 4, 8)
        await jobs.merge_rollups(work)
    deleted = [each for each in told(database) if each.name == events.EXPIRED_REQUESTS_DELETED.name]
    acme = ids.text(ids.Kind.ORGANISATION, two_orgs.acme)
    assert [(each.org, each.facts) for each in deleted] == [(acme, {"attempts": 2})]


async def test_a_day_that_begins_within_an_hour_keeps_a_month(
    database: Database, shipper_pool: Pool, jobs_pool: Pool, app_pool: Pool, two_orgs: TwoOrgs
) -> None:
    """India's midnight is half past the hour: a month's budget counts its first half hour from the
    requests, so they stay for 32 days (R-10, R-16)."""
    batch = [aged(two_orgs.acme, age) for age in (33, 31.9, 2)]
    async with tenancy.system(shipper_pool) as tx:
        await ledger.ensure_partitions(tx, START - timedelta(days=40), START)
    async with tenancy.system(shipper_pool) as tx:
        await ledger.insert(tx, [staging.row(each) for each in batch], now=START)
    async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
        await terms.set_retention(tx, two_orgs.acme, 1)
        await organisations.set_time_zone(tx, "Asia/Kolkata")
    await jobs.delete_expired(Work(settings=database.settings, pool=jobs_pool, clock=Fixed(START)))
    async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
        assert (await all_of(tx))[0] == 2


def test_jobs_are_declared() -> None:
    """The job worker learns of each job, and runs it at its start as well."""
    assert [(job.name, job.at_start) for job in jobs.JOBS] == [
        ("route.keep_partitions", True),
        ("route.delete_expired", True),
        ("route.erase_end_users", True),
        ("route.merge_rollups", True),
    ]
