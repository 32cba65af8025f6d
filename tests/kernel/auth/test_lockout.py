"""Who fails to sign in waits: longer each time, and never for ever."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime, timedelta

import pytest

from dd0c.base.secrets import Secret
from dd0c.kernel.auth import lockout
from dd0c.kernel.auth.lockout import Standing, Subject
from dd0c.kernel.auth.pepper import Pepper
from dd0c.kernel.db import tenancy
from dd0c.kernel.db.pool import Pool

NOW = datetime(2026, 11, 3, 12, 0, tzinfo=UTC)
PEPPER = Pepper(Secret(os.urandom(32).hex()))


async def take(pool: Pool, wanted: tuple[Subject, ...], now: datetime = NOW) -> bool:
    """One attempt."""
    async with tenancy.system(pool) as tx:
        return await lockout.take(tx, wanted, now)


def test_waits_grow_and_end() -> None:
    """From the fifth on 30 s, 1, 2, 4, 8 and 15 minutes; a wait is over when it says (K-21)."""
    standing, waits = Standing(0, NOW, None), list[float]()
    now = NOW
    for _ in range(12):
        after = lockout.decide(standing, 5, now)
        assert after is not None
        waits.append((after.locked_until - now).total_seconds() if after.locked_until else 0)
        standing, now = after, after.locked_until or now
    assert waits == [0, 0, 0, 0, 30, 60, 120, 240, 480, 900, 900, 900]


def test_who_tries_while_waiting_waits_no_longer() -> None:
    """Otherwise a stranger could keep somebody out for ever (K-21)."""
    locked = Standing(5, NOW, NOW + timedelta(seconds=30))
    assert lockout.decide(locked, 5, NOW + timedelta(seconds=29)) is None
    assert lockout.decide(locked, 5, NOW + timedelta(seconds=30)) is not None


def test_a_day_later_all_is_forgotten() -> None:
    """A person who mistypes once a day never waits (K-21)."""
    old = Standing(30, NOW - timedelta(hours=24), NOW - timedelta(hours=23))
    assert lockout.decide(old, 5, NOW) == Standing(1, NOW, None)


async def test_a_hundred_at_once_are_a_hundred(app_pool: Pool) -> None:
    """Attempts count before a password is looked at: no crowd gets more than its share (K-21)."""
    wanted = lockout.subjects(PEPPER, "grace@example.com", "192.0.2.1")
    may = await asyncio.gather(*(take(app_pool, wanted) for _ in range(40)))
    assert sum(may) == lockout.PATIENCE_EMAIL


async def test_an_address_that_waits_touches_nobody(app_pool: Pool) -> None:
    """One address tries a new person each time: when it has to wait, others are counted no more,
    and another address may still try (K-21)."""
    for n in range(lockout.PATIENCE_ADDRESS):
        subjects = lockout.subjects(PEPPER, f"{n}@example.com", "2001:db8::1")
        assert await take(app_pool, subjects)
    neighbour = lockout.subjects(PEPPER, "grace@example.com", "2001:db8::2")
    assert not await take(app_pool, neighbour), "one customer has the whole /64"
    async with tenancy.system(app_pool) as tx:
        cursor = await tx.execute(
            "SELECT failures FROM kernel.sign_in_failures WHERE subject = %s",
            (neighbour[1].hashed,),
        )
        assert await cursor.fetchall() == []
    assert await take(app_pool, lockout.subjects(PEPPER, "grace@example.com", "192.0.2.1"))


async def test_success_clears_the_person(app_pool: Pool) -> None:
    """Who got in starts afresh; the table holds no address in clear, and forgets (K-21)."""
    wanted = lockout.subjects(PEPPER, "grace@example.com", "192.0.2.1")
    for _ in range(lockout.PATIENCE_EMAIL - 1):
        assert await take(app_pool, wanted)
    async with tenancy.system(app_pool) as tx:
        await lockout.forgive(tx, wanted)
    for _ in range(lockout.PATIENCE_EMAIL):
        assert await take(app_pool, wanted)
    assert not await take(app_pool, wanted)
    later = lockout.subjects(PEPPER, "ada@example.com", "192.0.2.9")
    assert await take(app_pool, later, NOW + timedelta(hours=25))
    async with tenancy.system(app_pool) as tx:
        cursor = await tx.execute("SELECT f::text FROM kernel.sign_in_failures f")
        rows = str(await cursor.fetchall())
    assert rows.count("\\\\x") == 2, "the old ones are gone"
    assert "example" not in rows


@pytest.mark.parametrize(
    ("one", "other"), [("192.0.2.1", "192.0.2.2"), ("2001:db8::1", "2001:db8:0:1::1")]
)
def test_other_networks_count_apart(one: str, other: str) -> None:
    """Two customers do not wait for each other."""
    first, second = (lockout.subjects(PEPPER, "a@example.com", each) for each in (one, other))
    assert first[0] != second[0]
    assert first[1] == second[1]
