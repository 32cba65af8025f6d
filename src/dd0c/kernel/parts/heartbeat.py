"""Keeps a part's row fresh while a block runs.

Nobody waits for it and nobody fails with it: while the database is away there is nothing to tell
it to, and whoever needs the database says so in the log already.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import psycopg

from dd0c.base.errors import Error
from dd0c.kernel.db import tenancy
from dd0c.kernel.db.pool import Pool
from dd0c.kernel.parts import register
from dd0c.kernel.parts.part import Part

EVERY_S = 5.0
BEAT_MAX_S = 3.0
FAREWELL_MAX_S = 1.0

Facts = Callable[[], Mapping[str, Any]]


@asynccontextmanager
async def reporting(
    pool: Pool,
    part: Part,
    facts: Facts,
    news: asyncio.Event | None = None,
    *,
    every_s: float = EVERY_S,
) -> AsyncIterator[None]:
    """Report the part and its facts for the block, at its end that it stopped.

    `news`: set when the facts are others than a moment ago and should not wait for their turn.
    """
    beats = _beat_for_ever(pool, part, facts, news or asyncio.Event(), every_s)
    beating = asyncio.create_task(beats, name="heartbeat")
    try:
        yield
    finally:
        beating.cancel()
        await asyncio.wait([beating])
        with contextlib.suppress(Error, psycopg.Error):
            async with tenancy.system(pool, deadline_s=FAREWELL_MAX_S) as tx:
                await register.mark_stopped(tx, part)


async def _beat_for_ever(
    pool: Pool, part: Part, facts: Facts, news: asyncio.Event, every_s: float
) -> None:
    while True:
        news.clear()
        with contextlib.suppress(Error, psycopg.Error):
            async with tenancy.system(pool, deadline_s=BEAT_MAX_S) as tx:
                await register.beat(tx, part, facts())
                silent = await register.list_silent_beside(tx, part)
                await register.forget(tx, [i for i, pid in silent if not _lives(pid)])
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(every_s):
                await news.wait()


def _lives(pid: int) -> bool:
    """Whether a process of this machine lives; the number may belong to another one by now."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
