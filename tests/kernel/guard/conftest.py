"""A Valkey of the tests' own, and holders of what it counts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from dd0c.base.settings import Settings
from dd0c.kernel.cache import client as clients
from dd0c.kernel.cache.embedded import EmbeddedValkey
from tests.kernel.guard.world import PATIENCE_S, Server, World
from tests.support import servers


@contextmanager
def started() -> Iterator[Server]:
    with servers.temporary_folder() as folder:
        place, settings = servers.open_home(folder)
        server = EmbeddedValkey(place)
        server.start()
        try:
            yield Server(server, settings)
        finally:
            server.stop()


@pytest.fixture(scope="session")
def valkey() -> Iterator[Server]:
    """A server for all tests here: each has an organisation of its own."""
    with started() as server:
        asyncio.run(keep_in_memory(server.settings))
        yield server


async def keep_in_memory(settings: Settings) -> None:
    """No call waits for a busy disk."""
    client = clients.open_client(settings, 1)
    await client.config_set("appendonly", "no")
    await client.aclose()


@pytest.fixture
def own_valkey() -> Iterator[Server]:
    """A server to stop and start."""
    with started() as server:
        yield server


@pytest.fixture
def world_on(runner: asyncio.Runner) -> Iterator[Callable[[Settings], World]]:
    """Holders on the server of these settings."""
    opened: list[World] = []

    def open_one(settings: Settings) -> World:
        opened.append(World(clients.open_client(settings, 4, PATIENCE_S)))
        return opened[-1]

    yield open_one
    for world in opened:
        runner.run(world.client.aclose())


@pytest.fixture
def world(valkey: Server, world_on: Callable[[Settings], World]) -> World:
    """Holders on the shared server."""
    return world_on(valkey.settings)
