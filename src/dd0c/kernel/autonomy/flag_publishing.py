"""Brings flags from the database to Valkey, and what was seen of them back to be judged.

Whoever changes a flag publishes right after; every control server publishes again every two seconds
and the job worker every five, so that a Valkey that lost its data has it back. An older document
never replaces a newer one: the script compares revisions. A revision that the database no longer
has, after a restore, is forgotten within a minute with its document.

While the database is away what was published last is published on: readers keep what they know.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from valkey.exceptions import ValkeyError

from dd0c.base.clock import Clock
from dd0c.base.errors import Error, Unavailable
from dd0c.base.settings import Settings
from dd0c.kernel.audit import outbox
from dd0c.kernel.audit.outbox import SYSTEM, Event
from dd0c.kernel.autonomy import flag_errors, flags
from dd0c.kernel.autonomy.flag_errors import BEFORE_MIN, WINDOW_MIN, Sample, Seen
from dd0c.kernel.autonomy.flags import FLAG_TRIPPED, Off, Said
from dd0c.kernel.cache import client as cache
from dd0c.kernel.cache import fitness
from dd0c.kernel.cache.client import Client
from dd0c.kernel.db import tenancy
from dd0c.kernel.db.pool import Pool
from dd0c.kernel.guard import flagfile, rollout
from dd0c.kernel.guard.flags import KEY, MINUTE_S, seen_key
from dd0c.kernel.guard.rollout import Document

EVERY_S = 2.0
WITHIN_S = 2.0
KEPT_S = 60
_PUBLISH = """
local known = tonumber(redis.call('GET', KEYS[2]) or '-1')
if tonumber(ARGV[1]) < known then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
redis.call('SET', KEYS[2], ARGV[1], 'EX', ARGV[3])
return 1
"""


class Publisher:
    """Publishes what the database says, and knows what it said last."""

    def __init__(self, pool: Pool, client: Client):
        self._pool = pool
        self._client = client
        self._document: Document | None = None

    async def publish(self) -> None:
        """Publish once; Unavailable when Valkey is away, or nothing was ever read."""
        with contextlib.suppress(Error):
            async with tenancy.system(self._pool, deadline_s=WITHIN_S) as tx:
                self._document = (await flags.load(tx)).document
        if self._document is None:
            raise Unavailable("the database is away")
        await publish(self._client, self._document)

    async def publish_for_ever(self) -> None:
        """Again and again, whatever is away."""
        while True:
            with contextlib.suppress(Error):
                await self.publish()
            await asyncio.sleep(EVERY_S)


@asynccontextmanager
async def publishing(pool: Pool, client: Client) -> AsyncIterator[Publisher]:
    """Publish for the block, now and then and when the publisher is told to."""
    publisher = Publisher(pool, client)
    task = asyncio.create_task(publisher.publish_for_ever(), name="flags published")
    try:
        yield publisher
    finally:
        task.cancel()
        await asyncio.wait([task])


async def publish(client: Client, document: Document) -> bool:
    """Publish unless something newer is; whether it did. Unavailable."""
    body = rollout.encode(document)
    run: Callable[..., Awaitable[Any]] = client.execute_command
    try:
        async with asyncio.timeout(WITHIN_S):
            words = (2, KEY, f"{KEY}:revision", document.revision, body, KEPT_S)
            return bool(await run("EVAL", _PUBLISH, *words))
    except (ValkeyError, OSError, TimeoutError) as error:
        raise fitness.explain(error) from error


async def watch(settings: Settings, pool: Pool, clock: Clock) -> None:
    """Publish, and turn off what does harm: a job does it again and again. While something is away
    there is nothing to do; health says so."""
    client = cache.open_client(settings, 1, within_s=WITHIN_S)
    try:
        with contextlib.suppress(Unavailable):
            publisher = Publisher(pool, client)
            await publisher.publish()
            if await turn_off(pool, client, clock.now()):
                await publisher.publish()
    finally:
        await client.aclose()


async def turn_off(pool: Pool, client: Client, now: datetime) -> list[str]:
    """The flags that did harm in the last minutes and are off from now on."""
    async with tenancy.system(pool) as tx:
        said = await flags.load(tx)
    tripped = []
    for name, declared in flagfile.load().items():
        setting = said.setting(name)
        why = None if setting.tripped else flag_errors.judge(await look(client, said, name))
        if why is None:
            continue
        async with tenancy.system(pool) as tx:
            if await flags.trip(tx, name, setting, Off(declared.initial, why.text, now)):
                await outbox.record(tx, None, Event(FLAG_TRIPPED.name, SYSTEM, name, why.facts))
                tripped.append(name)
    return tripped


async def look(client: Client, said: Said, name: str) -> Seen:
    """What readers told of a flag in the last minutes; Unavailable."""
    minute, serial = int(time.time()) // MINUTE_S, said.setting(name).serial
    pipeline = client.pipeline(transaction=False)
    for past in range(WINDOW_MIN + BEFORE_MIN):
        pipeline.hgetall(seen_key(name, minute - past))
    try:
        async with asyncio.timeout(WITHIN_S):
            minutes: list[dict[bytes, bytes]] = await pipeline.execute()
    except (ValkeyError, OSError, TimeoutError) as error:
        raise fitness.explain(error) from error
    on, off = f"on:{serial}".encode(), b"off"
    return Seen(
        on=tuple(_sample(found, on) for found in minutes),
        off=tuple(_sample(found, off) for found in minutes),
    )


def _sample(found: dict[bytes, bytes], arm: bytes) -> Sample:
    return Sample(int(found.get(arm + b":ok", 0)), int(found.get(arm + b":bad", 0)))
