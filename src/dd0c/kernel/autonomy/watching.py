"""Listens for panics on all channels at once, each in a task of its own (K-63).

PostgreSQL and Valkey are asked at a hint, and twice a second for hints that got lost; the file is
looked at five times a second. No channel waits for another: one that hangs is given up at its own
deadline and tried again, and the word of the others is heard meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import psycopg
from valkey.exceptions import ValkeyError

from dd0c.base.errors import Error
from dd0c.base.secrets import Secret
from dd0c.kernel.autonomy import cache, local, panics
from dd0c.kernel.autonomy.brake import Brake
from dd0c.kernel.autonomy.states import Channel
from dd0c.kernel.cache.client import Client
from dd0c.kernel.db import listening

HINT = "dd0c_panics"
POLL_EVERY_S = 0.5
LOOK_MAX_S = 1.0
RETRY_S = 0.5
FILE_EVERY_S = 0.2
CACHE_CONNECTIONS = 3  # one listens, one asks, one tells

log = logging.getLogger(__name__)


@contextlib.asynccontextmanager
async def watching(
    brake: Brake, conninfo: Secret, client: Client | None, home: Path
) -> AsyncIterator[None]:
    """Keep the brake as all channels say, for the block; `client` None: there is no Valkey."""
    ways: dict[Channel, Callable[[], Awaitable[None]]] = {
        Channel.DATABASE: lambda: follow_database(brake, conninfo),
        Channel.FILE: lambda: follow_file(brake, home),
    }
    if client is not None:
        ways[Channel.CACHE] = lambda: follow_cache(brake, client)
    tasks = [asyncio.create_task(_keep(brake, channel, way)) for channel, way in ways.items()]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=LOOK_MAX_S)


async def _keep(brake: Brake, channel: Channel, follow: Callable[[], Awaitable[None]]) -> None:
    """Follow for ever; a channel that fails keeps its last word and is tried again."""
    while True:
        try:
            await follow()
        except (psycopg.Error, ValkeyError, OSError, TimeoutError, Error) as error:
            if channel not in brake.away:
                cause = str(error).partition("\n")[0]
                log.warning("no news of panics by %s, its last word holds: %s", channel, cause)
            brake.away.add(channel)
        except Exception:
            log.exception("following panics by %s failed, starting again", channel)
        await asyncio.sleep(RETRY_S)


async def follow_database(brake: Brake, conninfo: Secret) -> None:
    """Until the connection breaks, or an answer takes too long."""
    async with contextlib.AsyncExitStack() as stack:
        async with asyncio.timeout(LOOK_MAX_S):
            connection = await stack.enter_async_context(listening.connected(conninfo))
        with listening.deadline(connection, LOOK_MAX_S):
            await connection.execute(f"LISTEN {HINT}")
        while True:
            answered = brake.asks(Channel.DATABASE)
            with listening.deadline(connection, LOOK_MAX_S):
                answered(await panics.list_said(connection))
            async for _ in connection.notifies(timeout=POLL_EVERY_S, stop_after=1):
                pass


async def follow_cache(brake: Brake, client: Client) -> None:
    """Until Valkey does not answer. The client's own deadlines bound each call."""
    async with client.pubsub() as hints:
        await hints.subscribe(cache.CHANNEL)
        while True:
            answered = brake.asks(Channel.CACHE)
            answered(await cache.ask(client))
            await hints.get_message(ignore_subscribe_messages=True, timeout=POLL_EVERY_S)


async def follow_file(brake: Brake, home: Path) -> None:
    """For ever: to look whether it has changed takes some microseconds."""
    seen: tuple[int, int] | None = None
    while True:
        try:
            found = os.stat(home / local.FILE, follow_symlinks=False)
        except FileNotFoundError:
            mark = None
        else:
            mark = found.st_mtime_ns, found.st_ino
        if mark != seen and (said := local.read(home)) is not None:
            brake.hear(Channel.FILE, {None: said.panic})
        else:
            brake.away.discard(Channel.FILE)
        seen = mark
        await asyncio.sleep(FILE_EVERY_S)
