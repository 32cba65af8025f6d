"""Hearing of panics on three channels at once, each with faults of its own."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest

from dd0c.kernel.autonomy import cache, local, panics, watching
from dd0c.kernel.autonomy.brake import Brake
from dd0c.kernel.autonomy.local import Said
from dd0c.kernel.autonomy.states import Channel, Event, Panic
from dd0c.kernel.cache.client import Client, open_client
from dd0c.kernel.db import roles, tenancy
from dd0c.kernel.db.pool import Pool
from tests.conftest import TwoOrgs
from tests.kernel.guard.conftest import started
from tests.kernel.guard.world import Server
from tests.support.database import Database, cut_off

WITHIN_S = 20.0
HALT = Panic.HALT


@pytest.fixture(scope="module")
def valkey() -> Iterator[Server]:
    """A Valkey for this module."""
    with started() as server:
        yield server


@pytest.fixture
def client(valkey: Server, runner: asyncio.Runner) -> Iterator[Client]:
    """A client like a gateway's, on a Valkey that was told nothing."""
    client = open_client(valkey.settings, watching.CACHE_CONNECTIONS, watching.POLL_EVERY_S)

    async def forget() -> None:
        await client.delete(cache.KEY)

    runner.run(forget())
    yield client
    runner.run(client.aclose())


@dataclass(frozen=True)
class Heard:
    """A process that listens, as far as panics go."""

    brake: Brake
    changed: asyncio.Event

    async def until(self, condition: Callable[[Brake], object]) -> None:
        async with asyncio.timeout(WITHIN_S):
            while True:
                if condition(self.brake):
                    return
                await asyncio.sleep(0.01)


def listener() -> Heard:
    changed = asyncio.Event()
    return Heard(Brake(changed.set), changed)


async def press(pool: Pool, org: uuid.UUID, event: Event) -> None:
    async with tenancy.tenant(pool, org) as tx:
        await panics.apply(tx, org, event, reason="why", actor="who", now=datetime.now(UTC))


async def test_each_channel_is_heard_and_takes_back_its_own(
    app_pool: Pool, two_orgs: TwoOrgs, database: Database, client: Client, tmp_path: Path
) -> None:
    """K-63: database, Valkey and file each put a brake on, and each is released by its own word."""
    acme, globex = two_orgs.acme, two_orgs.globex
    heard = listener()
    conninfo = database.conninfo(roles.GATEWAY)
    async with watching.watching(heard.brake, conninfo, client, tmp_path):
        await heard.until(lambda brake: not brake.away)
        await press(app_pool, acme, Event.HALT)
        await heard.until(lambda brake: brake.of(acme) is HALT)
        await cache.tell(client, acme, HALT)
        await cache.tell(client, globex, Panic.PASSTHROUGH)
        await heard.until(lambda brake: brake.of(globex) is Panic.PASSTHROUGH)
        local.write(tmp_path, Said(HALT, "", ""))
        await heard.until(lambda brake: brake.of(globex) is HALT)
        await press(app_pool, acme, Event.END)
        await cache.tell(client, acme, None)
        (tmp_path / local.FILE).unlink()  # gone is not taken back
        await heard.until(
            lambda brake: (
                brake.said_by(Channel.DATABASE, acme) is None
                and brake.said_by(Channel.CACHE, acme) is None
            )
        )
        assert heard.brake.of(acme) is HALT
        local.write(tmp_path, Said(None, "", ""))
        await heard.until(lambda brake: brake.of(acme) is None)
        assert heard.brake.panics() == {globex: Panic.PASSTHROUGH}


async def test_a_channel_that_is_away_keeps_its_word_and_delays_nobody(
    app_pool: Pool,
    two_orgs: TwoOrgs,
    database: Database,
    client: Client,
    valkey: Server,
    tmp_path: Path,
) -> None:
    """K-63: with Valkey paused the database is heard, with the database away Valkey is, and what
    both said before holds until they say something else."""
    acme, globex = two_orgs.acme, two_orgs.globex
    heard = listener()
    conninfo = database.conninfo(roles.GATEWAY)
    async with watching.watching(heard.brake, conninfo, client, tmp_path):
        await cache.tell(client, globex, HALT)
        await heard.until(lambda brake: brake.of(globex) is HALT)
        with valkey.paused():
            await heard.until(lambda brake: Channel.CACHE in brake.away)
            await press(app_pool, acme, Event.HALT)
            await heard.until(lambda brake: brake.of(acme) is HALT)
            assert heard.brake.of(globex) is HALT
        await heard.until(lambda brake: Channel.CACHE not in brake.away)
        with cut_off(database):
            await heard.until(lambda brake: Channel.DATABASE in brake.away)
            await cache.tell(client, globex, None)
            await heard.until(lambda brake: brake.of(globex) is None)
            assert heard.brake.of(acme) is HALT
        await client.delete(cache.KEY)  # it has lost its data: no word
        await press(app_pool, acme, Event.END)
        await heard.until(lambda brake: brake.of(acme) is None)


async def test_a_hint_that_got_lost_is_made_up_for(
    app_pool: Pool, two_orgs: TwoOrgs, database: Database, client: Client, tmp_path: Path
) -> None:
    """K-63: who was not notified finds out by looking, in either store."""
    heard = listener()
    async with watching.watching(heard.brake, database.conninfo(roles.GATEWAY), client, tmp_path):
        await heard.until(lambda brake: not brake.away)
        with database.cluster.admin(database.name) as admin:
            admin.execute("SET session_replication_role = replica")  # no trigger, so no hint
            admin.execute(
                "INSERT INTO kernel.panics (org, panic, epoch, reason, changed_at, changed_by)"
                " VALUES (%s, 'halt', 1, '', now(), '')",
                (two_orgs.acme,),
            )
        await cast(Awaitable[int], client.hset(cache.KEY, str(two_orgs.globex), "halt"))
        both = {two_orgs.acme: HALT, two_orgs.globex: HALT}
        await heard.until(lambda brake: brake.panics() == both)
