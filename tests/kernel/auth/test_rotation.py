"""A key and the one that follows it: what passes on, what ends, and what is refused."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from dd0c.base.clock import SystemClock
from dd0c.base.errors import Conflict, NotFound, Unauthenticated
from dd0c.base.secrets import Secret
from dd0c.kernel.auth import keys, rotation, sessions, teams
from dd0c.kernel.auth.keys import Key, NewKey
from dd0c.kernel.auth.last_used import Uses
from dd0c.kernel.auth.permissions import Role, Scope
from dd0c.kernel.auth.rotation import Rotated
from dd0c.kernel.db import roles, tenancy
from dd0c.kernel.db.pool import Pool
from tests.conftest import TwoOrgs
from tests.kernel.auth.test_keys import GRANTS, PEPPER, sign_in

HOUR = timedelta(hours=1)
WITHIN_S = 20.0
MARKS = "SELECT changed_xid::text FROM kernel.api_keys"
WANTED = NewKey(
    "checkout",
    frozenset({Role.VIEWER}),
    frozenset({Scope.API, Scope.CONSOLE}),
    models=("gpt-5*",),
    networks=("10.0.0.0/8",),
)


@pytest.fixture
def shipper_pool(pool_as: Callable[[str], Pool]) -> Pool:
    """A pool as the gateway writes."""
    return pool_as(roles.SHIPPER)


async def create(pool: Pool, org: uuid.UUID, wanted: NewKey = WANTED) -> tuple[Key, Secret]:
    """A key of the organisation."""
    async with tenancy.tenant(pool, org) as tx:
        return await keys.create(tx, PEPPER, org, wanted)


async def rotate(pool: Pool, org: uuid.UUID, key: uuid.UUID, overlap: timedelta = HOUR) -> Rotated:
    """The key that follows."""
    async with tenancy.tenant(pool, org) as tx:
        old = await keys.get(tx, key, locked=True)
        follower, ends = rotation.decide(old, datetime.now(UTC), overlap, old.id)
        return await rotation.rotate(tx, PEPPER, old, follower, ends)


async def get(pool: Pool, org: uuid.UUID, key: uuid.UUID) -> Key:
    """The key as it is now."""
    async with tenancy.tenant(pool, org) as tx:
        return await keys.get(tx, key)


async def test_both_work_until_the_overlap_is_over(app_pool: Pool, two_orgs: TwoOrgs) -> None:
    """The new key may do what the old one may; that one ends with its overlap, and its console
    session with it (K-20)."""
    old, old_text = await create(app_pool, two_orgs.acme)
    now = datetime.now(UTC)
    who = await sign_in(app_pool, old_text, now)
    async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
        team = await teams.create(tx, two_orgs.acme, "search")
        await keys.change(tx, old.id, team=team.id)
        token, _ = await sessions.start(tx, PEPPER, who, now)
    done = await rotate(app_pool, two_orgs.acme, old.id)
    same = ("name", "roles", "scopes", "models", "networks", "team", "expires_at")
    assert [getattr(done.key, n) for n in same] == [getattr(old, n) for n in same[:5]] + [
        "search",
        None,
    ]
    assert (done.key.line, done.old.followed_by) == (old.id, done.key.id)
    later = now + HOUR / 2
    assert (await sign_in(app_pool, old_text, later)).key_id == old.id
    assert (await sign_in(app_pool, done.text, later)).key_id == done.key.id
    over = now + 2 * HOUR
    assert (await sign_in(app_pool, done.text, over)).key_id == done.key.id
    with pytest.raises(Unauthenticated, match="expired"):
        await sign_in(app_pool, old_text, over)
    with pytest.raises(Unauthenticated):
        async with tenancy.system(app_pool) as tx:
            await sessions.authenticate(tx, PEPPER, token.reveal(), GRANTS, over)


async def test_an_overlap_never_prolongs_a_key(app_pool: Pool, two_orgs: TwoOrgs) -> None:
    """A key that ends sooner ends then, and the new one lives as long as it was to (K-20)."""
    ends = datetime.now(UTC) + HOUR
    old, _ = await create(app_pool, two_orgs.acme, replace(WANTED, expires_at=ends))
    done = await rotate(app_pool, two_orgs.acme, old.id, 24 * HOUR)
    assert done.old.expires_at == ends
    assert done.key.expires_at is not None
    lives = done.key.expires_at - done.key.created_at
    assert abs(lives - HOUR) < timedelta(seconds=30)


async def test_a_line_has_one_end(app_pool: Pool, two_orgs: TwoOrgs) -> None:
    """Of two who rotate the same key at once one is told so; the line goes on from its end, under
    the id of its first key (K-20)."""
    first, _ = await create(app_pool, two_orgs.acme)
    both = (rotate(app_pool, two_orgs.acme, first.id) for _ in range(2))
    found = await asyncio.gather(*both, return_exceptions=True)
    (done,) = [one for one in found if isinstance(one, Rotated)]
    assert [str(one) for one in found if isinstance(one, Conflict)] == [
        "this key was rotated already"
    ]
    third = await rotate(app_pool, two_orgs.acme, done.key.id)
    assert third.key.line == first.id
    assert (await get(app_pool, two_orgs.acme, first.id)).followed_by == done.key.id
    async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
        assert await keys.find_lines(tx, "checkout") == [first.id]


async def test_what_has_ended_is_not_rotated(app_pool: Pool, two_orgs: TwoOrgs) -> None:
    """A revoked key stays dead, and another organisation's is not there (K-20, K-11)."""
    key, _ = await create(app_pool, two_orgs.acme)
    with pytest.raises(NotFound):
        await rotate(app_pool, two_orgs.globex, key.id)
    async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
        await keys.revoke(tx, key.id, datetime.now(UTC))
    with pytest.raises(Conflict, match="revoked"):
        await rotate(app_pool, two_orgs.acme, key.id)
    assert (await get(app_pool, two_orgs.acme, key.id)).followed_by is None


async def test_uses_are_written_down_and_never_a_change_of_the_key(
    app_pool: Pool, two_orgs: TwoOrgs, shipper_pool: Pool
) -> None:
    """By the gateway's role, in one statement for keys of all; gateways, which follow each change
    of a key, hear nothing of it; an older note does not undo a newer one (K-20)."""
    made = [(await create(app_pool, org))[0] for org in (two_orgs.acme, two_orgs.globex)]
    async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
        before = await (await tx.execute(MARKS)).fetchall()
    uses = Uses(SystemClock())
    async with uses.writing(shipper_pool, every_s=0.05):
        uses.note([made[0].id, uuid.uuid4()])  # one of them of a key that is no more
        async with asyncio.timeout(WITHIN_S):
            while True:
                if (await get(app_pool, two_orgs.acme, made[0].id)).used_at is not None:
                    break
                await asyncio.sleep(0.02)
        uses.note([made[1].id])
    for key, org in zip(made, (two_orgs.acme, two_orgs.globex), strict=True):
        used = (await get(app_pool, org, key.id)).used_at
        assert used is not None
        assert used >= key.created_at
        async with tenancy.system(shipper_pool) as tx:
            await tx.execute(
                "SELECT kernel.mark_used(%s, %s)", ([key.id], [used - timedelta(days=1)])
            )
        assert (await get(app_pool, org, key.id)).used_at == used
    async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
        after = await (await tx.execute(MARKS)).fetchall()
        seen = await (await tx.execute("SELECT org FROM kernel.key_uses")).fetchall()
    assert after == before
    assert seen == [(two_orgs.acme,)]
