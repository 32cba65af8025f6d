"""Who runs, as the others see it."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from psycopg.errors import InsufficientPrivilege

from dd0c.base.clock import SystemClock
from dd0c.base.errors import Conflict, NotFound
from dd0c.kernel.db import roles, tenancy
from dd0c.kernel.db.pool import Pool
from dd0c.kernel.parts import heartbeat, part, register
from dd0c.kernel.parts.part import Part, Seen, State
from tests.support.database import Database

WITHIN_S = 10.0
CLOCK = SystemClock()
NOBODY = 2**30  # more than Linux numbers processes


@pytest.fixture
def pool_of(pool_as: Callable[[str], Pool]) -> dict[str, Pool]:
    """A pool for each role that reports."""
    return {role: pool_as(role) for role in roles.REPORTING}


@pytest.fixture
def shipper(pool_of: dict[str, Pool]) -> Pool:
    """A pool as a gateway's role."""
    return pool_of[roles.SHIPPER]


async def seen(app_pool: Pool) -> dict[Part, Seen]:
    async with tenancy.system(app_pool) as tx:
        return {one.part: one for one in await register.list_parts(tx)}


async def until(app_pool: Pool, happened: Callable[[dict[Part, Seen]], bool]) -> dict[Part, Seen]:
    """What is seen once it happened."""
    deadline = time.monotonic() + WITHIN_S
    while not happened(found := await seen(app_pool)):
        assert time.monotonic() < deadline, found
        await asyncio.sleep(0.02)
    return found


async def silence(database: Database, silent: Part, seconds: int) -> None:
    """Make its last report that old."""
    with database.cluster.admin(database.name) as admin:
        admin.execute(
            "UPDATE kernel.parts SET seen_at = now() - %s WHERE id = %s",
            (timedelta(seconds=seconds), silent.id),
        )


async def beat(pool: Pool, one: Part) -> None:
    async with tenancy.system(pool) as tx:
        await register.beat(tx, one, {})


@pytest.mark.parametrize("role", roles.REPORTING)
async def test_a_part_is_seen_while_it_runs(
    pool_of: dict[str, Pool], app_pool: Pool, role: str
) -> None:
    """Each role's process shows up with its facts, and as stopped when it ended (K-5)."""
    me = part.this("worker", CLOCK)
    async with heartbeat.reporting(pool_of[role], me, lambda: {"answer": 42}):
        found = (await until(app_pool, lambda parts: me in parts))[me]
        assert (found.state, found.facts) == (State.ALIVE, {"answer": 42})
        assert found.part.pid == os.getpid()
    assert (await seen(app_pool))[me].state is State.STOPPED


async def test_news_do_not_wait_for_their_turn(app_pool: Pool) -> None:
    """What a part has to tell besides its regular reports is seen at once (K-5)."""
    me, news, loaded = part.this("worker", CLOCK), asyncio.Event(), False
    reporting = heartbeat.reporting(app_pool, me, lambda: {"loaded": loaded}, news, every_s=600)
    async with reporting:
        assert (await until(app_pool, lambda parts: me in parts))[me].facts == {"loaded": False}
        loaded = True
        news.set()
        await until(app_pool, lambda parts: parts[me].facts == {"loaded": True})


async def test_silence_shows_and_is_forgotten(app_pool: Pool, database: Database) -> None:
    """A part that is not heard of is stale after 20 s, and gone after a day (K-5)."""
    me = part.this("control", CLOCK)
    await beat(app_pool, me)
    for seconds, state in (
        (19, State.ALIVE),
        (21, State.STALE),
        (86_000, State.STALE),
        (-3_600, State.STALE),
    ):
        await silence(database, me, seconds)
        assert (await seen(app_pool))[me].state is state
    await silence(database, me, 86_401)
    assert me not in await seen(app_pool)


async def test_the_dead_are_buried_by_their_successors(app_pool: Pool, database: Database) -> None:
    """A part removes what dead ones of its kind left on its machine; others stay (K-5)."""
    me, dead = part.this("control", CLOCK), replace(part.this("control", CLOCK), pid=NOBODY)
    hung = part.this("control", CLOCK)  # silent, but its process lives
    elsewhere = replace(part.this("control", CLOCK), host="elsewhere", pid=NOBODY)
    other = replace(part.this("gateway", CLOCK), pid=NOBODY)
    starting = replace(part.this("control", CLOCK), pid=NOBODY)
    for one in (dead, hung, elsewhere, other):
        await beat(app_pool, one)
        await silence(database, one, 60)
    await beat(app_pool, starting)  # heard of a moment ago: not silent
    async with heartbeat.reporting(app_pool, me, dict):
        found = await until(app_pool, lambda parts: dead not in parts)
    assert {hung, elsewhere, other, starting} <= found.keys()


async def test_a_role_speaks_for_itself_only(shipper: Pool, app_pool: Pool) -> None:
    """A gateway's role sees, changes and removes no part of another role (K-10, proofs 8)."""
    control, gateway = part.this("control", CLOCK), part.this("gateway", CLOCK)
    await beat(app_pool, control)
    await beat(shipper, gateway)
    async with tenancy.system(shipper) as tx:
        assert [one.part for one in await register.list_parts(tx)] == [gateway]
        await register.mark_stopped(tx, control)
        await register.forget(tx, [control.id])
    found = await seen(app_pool)
    assert found[control].state is State.ALIVE
    async with tenancy.system(app_pool) as tx:
        await register.forget(tx, [gateway.id])
    assert (await seen(app_pool)).keys() == {control, gateway}
    with pytest.raises(InsufficientPrivilege):
        async with tenancy.system(shipper) as tx:
            await tx.execute(
                "UPDATE kernel.parts SET role = 'dd0c_app' WHERE id = %s", (gateway.id,)
            )


async def test_only_what_is_gone_can_be_forgotten(
    shipper: Pool, app_pool: Pool, database: Database
) -> None:
    """The control server forgets a gateway that fell silent or stopped; one that reports it cannot,
    and the database holds to that, too (K-5, K-10)."""
    alive, silent, stopped = (part.this("gateway", CLOCK) for _ in range(3))
    for one in (alive, silent, stopped):
        await beat(shipper, one)
    await silence(database, silent, 21)
    async with tenancy.system(shipper) as tx:
        await register.mark_stopped(tx, stopped)
    async with tenancy.system(app_pool) as tx:
        with pytest.raises(Conflict):
            await register.remove(tx, alive.id)
        await tx.execute("DELETE FROM kernel.parts WHERE id = %s", (alive.id,))
        for one in (silent, stopped):
            assert (await register.remove(tx, one.id)).part == one
            with pytest.raises(NotFound):
                await register.remove(tx, one.id)
    assert (await seen(app_pool)).keys() == {alive}


async def test_a_part_without_its_database_goes_on(
    shipper: Pool, app_pool: Pool, database: Database
) -> None:
    """Cut off, its end neither fails nor hangs, and it is not taken for stopped (K-5)."""
    me = part.this("gateway", CLOCK)
    with database.cluster.admin() as admin:
        async with heartbeat.reporting(shipper, me, dict):
            await until(app_pool, lambda parts: me in parts)
            admin.execute(f"ALTER ROLE {roles.SHIPPER} CONNECTION LIMIT 0")
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = %s AND usename = %s",
                (database.name, roles.SHIPPER),
            )
            begun = time.monotonic()
        admin.execute(f"ALTER ROLE {roles.SHIPPER} CONNECTION LIMIT -1")
    assert time.monotonic() - begun < heartbeat.FAREWELL_MAX_S + 3
    assert (await seen(app_pool))[me].state is State.ALIVE
