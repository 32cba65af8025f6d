"""The feed against a real database: nothing missed, nothing slow, and life without PostgreSQL."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import psycopg
import pytest

from dd0c.base import home, settings
from dd0c.kernel.auth import pepper
from dd0c.kernel.auth.permissions import Scope
from dd0c.kernel.db import roles, tenancy
from dd0c.kernel.db.pool import Pool, open_pool
from dd0c.kernel.vault import local
from dd0c.kernel.vault.envelope import Vault
from dd0c.products.route import providers
from dd0c.products.route.gateway.configuration import Configuration
from dd0c.products.route.gateway.feed import LOOK_MAX_S, Feed
from dd0c.products.route.hotpath.snapshot import (
    KeysChanged,
    PricesChanged,
    ProvidersChanged,
    Snapshot,
    Stale,
    ToWorker,
)
from dd0c.products.route.prices import PriceTable
from dd0c.products.route.store import keys as key_store
from tests.products.route.gateway.tenant import MANY_KEYS, Tenant, as_owner
from tests.support.database import Database

M = TypeVar("M")
FEED_LOG = "dd0c.products.route.gateway.feed"


@dataclass
class Told:
    """What the workers were told, in order."""

    messages: list[ToWorker] = field(default_factory=list)

    def of(self, kind: type[M]) -> list[M]:
        """Messages of one kind."""
        return [message for message in self.messages if isinstance(message, kind)]

    async def until(self, condition: Callable[[Told], object], within_s: float = 1.0) -> None:
        """Wait until the condition holds; revocation has one second."""
        async with asyncio.timeout(within_s):
            while True:
                if condition(self):
                    return
                await asyncio.sleep(0.005)

    def removed(self, key_hash: bytes) -> bool:
        """Whether the workers were told to forget the key."""
        return any(key_hash in change.remove for change in self.of(KeysChanged))


@contextlib.asynccontextmanager
async def following(
    database: Database, place: home.Home, configuration: Configuration | None = None
) -> AsyncIterator[Told]:
    """A feed for the block."""
    told = Told()
    configuration = configuration or Configuration(pepper.load(place).secret)
    conninfo = database.conninfo(roles.GATEWAY)
    vault = Vault(local.load(place))
    feed = Feed(conninfo, vault, PriceTable(), configuration, told.messages.append)
    task = asyncio.create_task(feed.run())
    try:
        await told.until(lambda t: t.of(Snapshot) and feed.away is False, within_s=10)
        yield told
    finally:
        task.cancel()
        await asyncio.wait([task], timeout=10)


def backend(database: Database) -> int:
    """Process id of the feed's connection at the server."""
    with database.cluster.admin() as admin:
        row = admin.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = %s AND usename = %s",
            (database.name, roles.GATEWAY),
        ).fetchone()
    assert row is not None
    return int(str(row[0]))


def cut(database: Database) -> None:
    """End the feed's connection at the server."""
    with database.cluster.admin() as admin:
        admin.execute("SELECT pg_terminate_backend(%s)", (backend(database),))


def pages_of_a_look(gateway: psycopg.Connection[tuple[Any, ...]]) -> int:
    """Pages that the query for changed keys touches, after the change that it looks for."""
    (watermark,) = gateway.execute(
        "SELECT pg_snapshot_xmin(pg_current_snapshot())::text"
    ).fetchone() or ("",)
    arguments = {"scope": key_store.GATEWAY_SCOPE, "since": watermark}
    query = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {key_store.CHANGED}"
    row = gateway.execute(query, arguments).fetchone()
    assert row is not None
    plan = row[0][0]["Plan"]
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


async def test_a_new_key_and_its_end_reach_workers_within_a_second(
    database: Database, place: home.Home, acme: Tenant
) -> None:
    """Created, then revoked: each time one message that names this key alone (K-20)."""
    async with following(database, place) as told:
        key, key_hash, _ = await acme.create()
        await told.until(lambda t: t.of(KeysChanged))
        await acme.revoke(key)
        await told.until(lambda t: t.removed(key_hash))
    first, second = told.of(KeysChanged)
    assert [entry.hash for entry in first.upsert] == [key_hash]
    assert second == KeysChanged((), (key_hash,))


async def test_only_keys_with_the_gateway_scope_are_known(
    database: Database, place: home.Home, acme: Tenant
) -> None:
    """A console key is no gateway key, and a revoked one is not loaded (K-20)."""
    await acme.create(Scope.CONSOLE, Scope.API)
    ended, _, _ = await acme.create()
    await acme.revoke(ended)
    _, key_hash, _ = await acme.create()
    async with following(database, place) as told:
        (snapshot,) = told.of(Snapshot)
    assert [entry.hash for entry in snapshot.keys] == [key_hash]


async def test_a_change_that_commits_late_is_seen(
    database: Database, place: home.Home, acme: Tenant
) -> None:
    """A revocation that began before others and commits after them is not passed by (K-20)."""
    early, early_hash, _ = await acme.create()
    conninfo = database.conninfo(roles.OWNER).reveal()
    async with following(database, place) as told:
        async with await psycopg.AsyncConnection.connect(conninfo) as slow:
            await slow.execute(
                "UPDATE kernel.api_keys SET revoked_at = now() WHERE id = %s", (early.id,)
            )
            for _ in range(3):
                _, other_hash, _ = await acme.create()
            await told.until(
                lambda t: any(e.hash == other_hash for c in t.of(KeysChanged) for e in c.upsert)
            )
            await asyncio.sleep(0.6)  # a poll more, with the slow transaction still open
            assert not told.removed(early_hash)
            await slow.commit()
        await told.until(lambda t: t.removed(early_hash))


async def test_a_lost_notification_costs_less_than_a_second(
    database: Database, place: home.Home, acme: Tenant
) -> None:
    """Without any notification the poll finds the revocation in time (K-20)."""
    key, key_hash, _ = await acme.create()
    async with following(database, place) as told:
        as_owner(database, "ALTER TABLE kernel.api_keys DISABLE TRIGGER notify")
        await acme.revoke(key)
        await told.until(lambda t: t.removed(key_hash))


async def test_a_cut_connection_costs_less_than_a_second(
    database: Database, place: home.Home, acme: Tenant, caplog: pytest.LogCaptureFixture
) -> None:
    """Cut while a key is revoked: it is seen in time, and one line tells each transition (R-32)."""
    caplog.set_level(logging.INFO, FEED_LOG)
    key, key_hash, _ = await acme.create()
    async with following(database, place) as told:
        caplog.clear()
        cut(database)
        await acme.revoke(key)
        await told.until(lambda t: t.removed(key_hash))
        await told.until(lambda t: len(t.of(Stale)) == 2)
    assert told.of(Stale) == [Stale(True), Stale(False)]
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


async def test_keys_that_a_restored_database_does_not_have_are_forgotten(
    database: Database, place: home.Home, acme: Tenant
) -> None:
    """After every reconnection everything is compared, not only what is newer (R-32)."""
    key, key_hash, _ = await acme.create()
    async with following(database, place) as told:
        as_owner(database, "DELETE FROM kernel.api_keys WHERE id = %s", key.id)
        cut(database)
        await told.until(lambda t: t.removed(key_hash), within_s=15)


async def test_a_server_that_hangs_is_given_up_and_found_again(
    database: Database, place: home.Home, acme: Tenant
) -> None:
    """A backend that answers nothing costs its deadline, not the feed (R-32)."""
    key, key_hash, _ = await acme.create()
    async with following(database, place) as told:
        stuck = backend(database)
        os.kill(stuck, signal.SIGSTOP)
        try:
            await told.until(lambda t: Stale(True) in t.messages, within_s=LOOK_MAX_S + 2)
            await told.until(lambda t: Stale(False) in t.messages, within_s=15)
            await acme.revoke(key)
            await told.until(lambda t: t.removed(key_hash))
        finally:
            os.kill(stuck, signal.SIGCONT)


async def test_a_look_costs_the_same_with_ten_keys_and_a_hundred_thousand(
    database: Database, place: home.Home, acme: Tenant, pool_as: Callable[[str], Pool]
) -> None:
    """What a look reads depends on what changed, not on how many keys there are (K-20, K-13)."""
    with psycopg.connect(database.conninfo(roles.GATEWAY).reveal(), autocommit=True) as gateway:
        key, key_hash, _ = await acme.create()
        few = pages_of_a_look(gateway)
        as_owner(database, MANY_KEYS, 100_000, acme.org)
        as_owner(database, "ANALYZE kernel.api_keys")
        async with following(database, place) as told:
            (snapshot,) = told.of(Snapshot)
            assert len(snapshot.keys) == 100_001
            await acme.revoke(key)
            await told.until(lambda t: t.removed(key_hash))
            assert told.of(KeysChanged) == [KeysChanged((), (key_hash,))]
        many = pages_of_a_look(gateway)
    assert many <= few + 10


async def test_a_providers_change_is_told_as_a_whole_and_a_broken_one_left_out(
    database: Database, place: home.Home, acme: Tenant, caplog: pytest.LogCaptureFixture
) -> None:
    """Secrets arrive opened; one that does not open costs only its own provider (K-30, R-32)."""
    pool = await open_pool(database.conninfo(roles.OWNER), roles.OWNER, 1)
    vault = Vault(local.load(place))
    found = settings.load({}, {"OPENAI_API_KEY": "sk-real-1", "ANTHROPIC_API_KEY": "sk-real-2"})
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(pool.close)
        told = await stack.enter_async_context(following(database, place))
        async with tenancy.system(pool) as tx:
            await providers.ensure_from_environment(found, tx, vault, None)
        await told.until(lambda t: t.of(ProvidersChanged), within_s=10)  # compiles two price lists
        async with tenancy.system(pool) as tx:
            await tx.execute(
                "UPDATE route.providers SET secret = secret || '\\x00' WHERE name = 'openai'"
            )
        await told.until(lambda t: len(t.of(ProvidersChanged)) == 2, within_s=10)
    first, second = told.of(ProvidersChanged)
    assert [(p.name, p.secret.reveal()) for p in first.providers] == [
        ("openai", "sk-real-1"),
        ("anthropic", "sk-real-2"),
    ]
    assert [p.name for p in second.providers] == ["anthropic"]
    assert "a provider is left out" in caplog.text
    assert "sk-real" not in caplog.text
    assert told.of(PricesChanged), "prices of a provider come with it"
