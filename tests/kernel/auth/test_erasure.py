"""Closing an organisation while somebody is at work in it, and what is deleted when it is over."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from dd0c.base import ids
from dd0c.base.clock import SystemClock
from dd0c.base.secrets import Secret
from dd0c.kernel.auth import erasure, keys, lockout, organisations
from dd0c.kernel.auth.pepper import Pepper
from dd0c.kernel.db import roles, tenancy
from dd0c.kernel.db.pool import Pool, Transaction
from dd0c.kernel.jobs.job import Work
from tests.conftest import TwoOrgs
from tests.support.database import Database

NOW = datetime.now(UTC)
PEPPER = Pepper(Secret(os.urandom(32).hex()))
CLOSE = "SELECT kernel.erase_organisation(%s, now())"


@pytest.fixture
def jobs_pool(pool_as: Callable[[str], Pool]) -> Pool:
    """A pool as the job worker's role."""
    return pool_as(roles.JOBS)


async def test_a_key_that_is_just_being_made_ends_too(app_pool: Pool, two_orgs: TwoOrgs) -> None:
    """Closing waits for a key that is made at that moment and ends it; a key that is made while an
    organisation is closed waits for that, and is not made (K-14, proofs 7)."""

    async def close(org: uuid.UUID) -> None:
        async with tenancy.system(app_pool) as tx:
            await tx.execute(CLOSE, (org,))

    async def make(org: uuid.UUID) -> None:
        async with tenancy.tenant(app_pool, org) as tx:
            await keys.create(tx, PEPPER, org, organisations.OWNER_KEY)

    async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
        made, _ = await keys.create(tx, PEPPER, two_orgs.acme, organisations.OWNER_KEY)
        closing = asyncio.create_task(close(two_orgs.acme))
        await somebody_waits(tx)
    await closing
    async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
        assert (await keys.get(tx, made.id)).revoked_at is not None
    async with tenancy.system(app_pool) as tx:
        await tx.execute(CLOSE, (two_orgs.globex,))
        making = asyncio.create_task(make(two_orgs.globex))
        await somebody_waits(tx)
    for late in (making, asyncio.create_task(make(two_orgs.globex))):
        with pytest.raises(psycopg.errors.ForeignKeyViolation, match="is gone"):
            await late


async def somebody_waits(tx: Transaction) -> None:
    """Until somebody waits for what this transaction holds."""
    for _ in range(1_000):
        if await is_waited_for(tx):
            return
        await asyncio.sleep(0.02)
    raise AssertionError("nobody waits")


async def is_waited_for(tx: Transaction) -> bool:
    """Whether somebody waits for what this transaction holds."""
    cursor = await tx.execute(
        "SELECT count(*) FROM pg_locks WHERE NOT granted"
        " AND pg_backend_pid() = ANY (pg_blocking_pids(pid))"
    )
    row = await cursor.fetchone()
    return row != (0,)


async def test_only_an_erased_organisation_is_emptied(jobs_pool: Pool, two_orgs: TwoOrgs) -> None:
    """The job's function takes no row of one that is not erased, and none of it is due (K-14)."""
    async with tenancy.system(jobs_pool) as tx:
        with pytest.raises(psycopg.errors.RaiseException, match="is not erased"):
            async with tx.transaction():
                await tx.execute("SELECT kernel.erase_rows(%s, 10)", (two_orgs.acme,))
        cursor = await tx.execute("SELECT * FROM kernel.list_erased(now() + interval '1 year')")
        assert await cursor.fetchall() == []


async def test_what_is_over_is_deleted(
    jobs_pool: Pool, app_pool: Pool, two_orgs: TwoOrgs, database: Database
) -> None:
    """Sessions that ended, invitations of three months ago and failures of yesterday go; those of
    today stay (K-14)."""
    subjects = lockout.subjects(PEPPER, "ada@example.com", "192.0.2.1")
    async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
        key, _ = await keys.create(tx, PEPPER, two_orgs.acme, organisations.OWNER_KEY)
        for number, ends in enumerate((NOW - timedelta(days=91), NOW + timedelta(hours=1))):
            await tx.execute(
                "INSERT INTO kernel.sessions (token_hash, org, key_id, expires_at)"
                " VALUES (%s, %s, %s, %s)",
                (bytes([number] * 32), two_orgs.acme, key.id, ends),
            )
            await tx.execute(
                "INSERT INTO kernel.invitations"
                " (id, org, email, roles, token_hash, created_by, expires_at)"
                " VALUES (%s, %s, 'a@b.example', '{viewer}', %s, %s, %s)",
                (ids.new(), two_orgs.acme, bytes([number] * 32), key.id, ends),
            )
        await lockout.take(tx, subjects[:1], NOW - timedelta(hours=25))
        await tx.execute(
            "INSERT INTO kernel.sign_in_failures VALUES (%s, 1, %s)", (subjects[1].hashed, NOW)
        )
    work = Work(database.settings, jobs_pool, SystemClock())
    await erasure.delete_expired(work)
    for table in ("sessions", "invitations", "sign_in_failures"):
        with database.cluster.admin(database.name) as admin:
            assert admin.execute(f"TABLE kernel.{table}").rowcount == 1, table
