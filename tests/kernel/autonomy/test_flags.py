"""Flags from the database to those who read them, and back when they do harm (K-62)."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from psycopg.errors import InsufficientPrivilege

from dd0c.base import ids
from dd0c.base.clock import SystemClock
from dd0c.base.errors import Conflict, NotFound
from dd0c.kernel.autonomy import flag_publishing, flags
from dd0c.kernel.autonomy.flag_publishing import Publisher
from dd0c.kernel.cache import client as clients
from dd0c.kernel.cache.client import Client
from dd0c.kernel.db import roles, tenancy
from dd0c.kernel.db.pool import Pool
from dd0c.kernel.guard.flags import KEY, Flags
from dd0c.kernel.guard.rollout import Document, Setting
from tests.conftest import TwoOrgs
from tests.kernel.guard.conftest import started
from tests.kernel.guard.world import Server, until
from tests.support.database import Database, cut_off

NAME = "hooks.deliver"
NOW = datetime(2026, 11, 21, tzinfo=UTC)


@pytest.fixture(scope="module")
def valkey() -> Iterator[Server]:
    """A server for the tests here, which empty it."""
    with started() as server:
        yield server


@pytest.fixture
def worker_pool(pool_as: Callable[[str], Pool]) -> Pool:
    """A pool as the job worker's role."""
    return pool_as(roles.JOBS)


@asynccontextmanager
async def emptied(valkey: Server) -> AsyncIterator[Client]:
    """A client of a server that has lost everything."""
    client = clients.open_client(valkey.settings, 2, within_s=20)
    await client.flushall()
    try:
        yield client
    finally:
        await client.aclose()


async def set_percent(pool: Pool, percent: int) -> None:
    async with tenancy.system(pool) as tx:
        await flags.set_percent(tx, NAME, percent, NOW)


async def override(pool: Pool, org: uuid.UUID, *, is_on: bool) -> None:
    async with tenancy.tenant(pool, org) as tx:
        await flags.set_override(tx, org, NAME, is_on=is_on)


async def told(database: Database) -> list[tuple[Any, ...]]:
    """Name and subject of what the audit log was told."""
    with database.cluster.admin(database.name) as admin:
        return admin.execute(
            "SELECT name, subject, actor, org FROM kernel.audit_outbox ORDER BY id"
        ).fetchall()


async def test_what_is_set_reaches_readers(
    app_pool: Pool, two_orgs: TwoOrgs, valkey: Server
) -> None:
    """A percentage for everybody, on and off for one organisation, and taken back (K-62)."""
    view = Flags()
    async with emptied(valkey) as client:
        publisher = Publisher(app_pool, client)

        async def seen() -> tuple[bool, bool]:
            await publisher.publish()
            await view.read(client)
            return view.is_on(NAME, two_orgs.acme), view.is_on(NAME, two_orgs.globex)

        assert await seen() == (True, True)  # as flags.toml has it
        await set_percent(app_pool, 0)
        assert await seen() == (False, False)
        await override(app_pool, two_orgs.acme, is_on=True)
        assert await seen() == (True, False)
        await set_percent(app_pool, 100)
        await override(app_pool, two_orgs.acme, is_on=False)
        assert await seen() == (False, True)
        async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
            await flags.clear_override(tx, two_orgs.acme, NAME)
        assert await seen() == (True, True)
        async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
            with pytest.raises(NotFound):
                await flags.clear_override(tx, two_orgs.acme, NAME)
        await set_percent(app_pool, 0)
        async with tenancy.system(app_pool) as tx:
            await flags.clear(tx, NAME)
        assert await seen() == (True, True)


async def test_what_is_set_for_one_organisation_needs_its_transaction(
    app_pool: Pool, two_orgs: TwoOrgs, database: Database
) -> None:
    """Nobody sets a flag for an organisation from within another; and there is a bound to how many
    are set apart (K-10, K-62)."""
    async with tenancy.tenant(app_pool, two_orgs.globex) as tx:
        with pytest.raises(InsufficientPrivilege):
            await flags.set_override(tx, two_orgs.acme, NAME, is_on=True)
    with database.cluster.admin(database.name) as admin:
        admin.execute(
            "WITH made AS (INSERT INTO kernel.organisations (id, name)"
            " SELECT uuidv7(), 'other ' || n FROM generate_series(1, %s) n RETURNING id)"
            " INSERT INTO kernel.flag_overrides SELECT id, %s, true FROM made",
            (flags.OVERRIDES_MAX - 1, NAME),
        )
    await override(app_pool, two_orgs.acme, is_on=True)
    await override(app_pool, two_orgs.acme, is_on=False)
    with pytest.raises(Conflict, match="2000 organisations"):
        await override(app_pool, two_orgs.globex, is_on=True)


async def test_an_older_word_does_not_replace_a_newer_one(valkey: Server) -> None:
    """Whoever read the database earlier and comes later publishes nothing (K-62)."""
    async with emptied(valkey) as client:
        assert await flag_publishing.publish(client, Document(9, {NAME: Setting(9, 0)}))
        assert not await flag_publishing.publish(client, Document(8, {NAME: Setting(8, 100)}))
        view = Flags()
        await view.read(client)
        assert view.is_on(NAME, ids.new()) is False
        assert await flag_publishing.publish(client, Document(9, {}))
        assert 0 < await client.ttl(KEY) <= flag_publishing.KEPT_S  # a restored database heals


async def test_changes_at_once_are_one_after_the_other(app_pool: Pool, two_orgs: TwoOrgs) -> None:
    """Of two that set flags at the same moment the revision of the later one is higher: forty
    changes are forty revisions (K-62)."""
    await asyncio.gather(*(set_percent(app_pool, percent) for percent in range(40)))
    async with tenancy.system(app_pool) as tx:
        said = await flags.load(tx)
    assert said.revision == 40
    assert said.rows[NAME].serial == 40


async def test_a_cache_that_lost_its_data_has_it_back(
    app_pool: Pool, database: Database, valkey: Server
) -> None:
    """Published again and again: what Valkey lost it has back in seconds, and while the database is
    away too (K-62)."""
    await set_percent(app_pool, 0)
    async with emptied(valkey) as client:
        async with flag_publishing.publishing(app_pool, client):
            await until(lambda: client.exists(KEY), "nothing is published")
            await client.flushall()
            await until(lambda: client.exists(KEY), "nothing is published")
        publisher = Publisher(app_pool, client)
        await publisher.publish()
        with cut_off(database):
            await client.flushall()
            await publisher.publish()
        view = Flags()
        await view.read(client)
        assert view.is_on(NAME, ids.new()) is False


async def test_a_flag_that_does_harm_is_off_until_a_person_turns_it_on(
    app_pool: Pool,
    worker_pool: Pool,
    database: Database,
    two_orgs: TwoOrgs,
    valkey: Server,
) -> None:
    """Where the flag is on everything fails, where it is off nothing does: it is off for all within
    the next look, the audit log was told once, and it stays off. Turned on by a person it is on:
    what was seen before counts no more (K-62)."""
    view = Flags()
    async with emptied(valkey) as client:
        publisher = Publisher(app_pool, client)

        async def look() -> list[str]:
            await view.read(client)
            return await flag_publishing.turn_off(worker_pool, client, SystemClock().now())

        async def seen() -> tuple[bool, bool]:
            await publisher.publish()
            await view.read(client)
            return view.is_on(NAME, two_orgs.acme), view.is_on(NAME, two_orgs.globex)

        await override(app_pool, two_orgs.globex, is_on=False)
        assert await seen() == (True, False)
        for _ in range(30):
            view.observe(NAME, two_orgs.globex, ok=True)
            view.observe(NAME, two_orgs.acme, ok=True)
        assert await look() == []
        for _ in range(90):
            view.observe(NAME, two_orgs.acme, ok=False)
        assert await look() == [NAME]
        assert await look() == []
        await override(app_pool, two_orgs.globex, is_on=True)
        assert await seen() == (False, False)
        assert await told(database) == [("FlagTripped", NAME, "system", None)]
        async with tenancy.system(app_pool) as tx:
            why = (await flags.load(tx)).rows[NAME].tripped_why
        assert why == "90 of 120 failed with it in 5 minutes, 0 of 30 where it is off"
        await set_percent(app_pool, 100)
        assert await seen() == (True, True)
        assert await look() == []
