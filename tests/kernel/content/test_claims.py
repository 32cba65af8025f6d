"""Claim-check: whatever dies in between, what is pointed to is there."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import uuid
from datetime import timedelta

from dd0c.kernel.content import contents, sweeping
from dd0c.kernel.db import roles, tenancy
from tests.kernel.content import claimant
from tests.kernel.content.conftest import Store
from tests.kernel.content.test_contents import blobs, kept, read, rows

WITHIN_S = 60.0


async def claim(store: Store, crash_at: str) -> uuid.UUID:
    """A content that is pointed to, which a process that claims another then ends; unless it is
    killed at that point."""
    ended = await kept(store, b"pointed to")
    async with tenancy.tenant(store.pool, store.acme) as tx:
        await claimant.point(tx, store.acme, ended)
    keys, home = store.database.cluster.home.path, store.settings.home
    words = (str(keys), str(home), store.settings.content, str(store.acme), str(ended))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.kernel.content.claimant", *words),
        stdin=subprocess.PIPE,
        env={**os.environ, "DD0C_CRASH_AT": crash_at},
    )
    async with asyncio.timeout(WITHIN_S):
        given = store.database.conninfo(roles.APP).reveal().encode() + b"\n"
        await process.communicate(given)
    assert process.returncode == (-signal.SIGKILL if crash_at else 0), crash_at
    return ended


async def test_what_is_pointed_to_is_there_wherever_somebody_dies(store: Store) -> None:
    """Killed at each point of a claim and of its end, no pointer points to nothing, nothing that
    was pointed to is lost, and a sweep leaves exactly what has a row (K-85)."""
    points = ("", *contents.POINTS)
    claims = await asyncio.gather(*(claim(store, point) for point in points))
    ended = dict(zip(points, claims, strict=True))
    over = {ended[""], ended["content.forgotten"]}
    async with tenancy.tenant(store.pool, store.acme) as tx:
        pointers = await claimant.list_pointers(tx)
    for pointer in pointers:
        assert await read(store, pointer) in (b"pointed to", claimant.DATA)
    assert set(ended.values()) - over <= pointers
    assert len(pointers) == len(contents.POINTS) - 1 + 2
    assert pointers == {content.id for content in await rows(store)}
    store.clock.ahead = sweeping.GRACE + timedelta(hours=1)
    await sweeping.sweep(store.work)
    assert await blobs(store) == pointers
