"""Console sessions end by themselves, at sign-out, and with their key."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from dd0c.base.errors import Forbidden, Unauthenticated
from dd0c.base.secrets import Secret
from dd0c.kernel.auth import keys, permissions, principals, sessions
from dd0c.kernel.auth.keys import NewKey
from dd0c.kernel.auth.pepper import Pepper
from dd0c.kernel.auth.permissions import Role, Scope
from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.db import tenancy
from dd0c.kernel.db.pool import Pool
from tests.conftest import TwoOrgs

NOW = datetime(2026, 11, 3, 12, 0, tzinfo=UTC)
PEPPER = Pepper(Secret(os.urandom(32).hex()))
GRANTS = permissions.merge([permissions.KERNEL])


async def signed_in(
    pool: Pool, two_orgs: TwoOrgs, expires_at: datetime | None = None
) -> tuple[Principal, Secret, datetime]:
    """A key of acme and a session of it."""
    wanted = NewKey("me", frozenset({Role.OWNER}), frozenset(Scope), expires_at=expires_at)
    async with tenancy.tenant(pool, two_orgs.acme) as tx:
        _, text = await keys.create(tx, PEPPER, two_orgs.acme, wanted)
    async with tenancy.system(pool) as tx:
        who = await principals.authenticate(tx, PEPPER, text.reveal(), GRANTS, NOW)
    async with tenancy.tenant(pool, two_orgs.acme) as tx:
        token, ends = await sessions.start(tx, PEPPER, who, NOW)
    return who, token, ends


async def resume(pool: Pool, token: str, now: datetime = NOW) -> Principal:
    """Who this session is."""
    async with tenancy.system(pool) as tx:
        return await sessions.authenticate(tx, PEPPER, token, GRANTS, now)


async def test_a_session_is_its_key(app_pool: Pool, two_orgs: TwoOrgs) -> None:
    """A session acts for the key it was started with; only the hash of its token is stored."""
    who, token, _ = await signed_in(app_pool, two_orgs)
    assert await resume(app_pool, token.reveal()) == who
    async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
        cursor = await tx.execute("SELECT token_hash FROM kernel.sessions")
        assert await cursor.fetchall() == [(PEPPER.digest(token),)]


async def test_a_session_ends_by_itself(app_pool: Pool, two_orgs: TwoOrgs) -> None:
    """After twelve hours, or with its key's expiry when that is sooner."""
    for expires_at, ends in ((None, NOW + sessions.LIFETIME), (NOW + timedelta(hours=1),) * 2):
        _, token, said = await signed_in(app_pool, two_orgs, expires_at)
        assert said == ends
        await resume(app_pool, token.reveal(), ends - timedelta(seconds=1))
        with pytest.raises(Unauthenticated, match="over"):
            await resume(app_pool, token.reveal(), ends)


async def test_revoking_the_key_ends_its_sessions(app_pool: Pool, two_orgs: TwoOrgs) -> None:
    """A revoked key's sessions are gone at once; those of other keys stay (K-20)."""
    who, token, _ = await signed_in(app_pool, two_orgs)
    _, other, _ = await signed_in(app_pool, two_orgs)
    async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
        await keys.revoke(tx, who.actor.id, NOW)
    with pytest.raises(Unauthenticated, match="over"):
        await resume(app_pool, token.reveal())
    await resume(app_pool, other.reveal())


async def test_a_session_that_outlives_the_deletion_is_revoked_too(
    app_pool: Pool, two_orgs: TwoOrgs
) -> None:
    """A session written just after its key's revocation does not work either."""
    who, _, _ = await signed_in(app_pool, two_orgs)
    async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
        await keys.revoke(tx, who.actor.id, NOW)
        token, _ = await sessions.start(tx, PEPPER, who, NOW)
    with pytest.raises(Unauthenticated, match="revoked"):
        await resume(app_pool, token.reveal())


async def test_sign_out(app_pool: Pool, two_orgs: TwoOrgs) -> None:
    """An ended session is over; another organisation cannot end it; again is no error (K-11)."""
    _, token, _ = await signed_in(app_pool, two_orgs)
    async with tenancy.tenant(app_pool, two_orgs.globex) as tx:
        await sessions.end(tx, PEPPER, token.reveal())
    await resume(app_pool, token.reveal())
    for _ in range(2):
        async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
            await sessions.end(tx, PEPPER, token.reveal())
    with pytest.raises(Unauthenticated):
        await resume(app_pool, token.reveal())


@pytest.mark.parametrize("token", ["", "x", "dd0c_ses_", "dd0c_ses_" + "a" * 43, "\x00" * 52])
async def test_an_odd_token_is_no_session(app_pool: Pool, token: str) -> None:
    """Whatever a cookie holds, the answer is to sign in again."""
    with pytest.raises(Unauthenticated, match="over"):
        await resume(app_pool, token)


async def test_a_key_without_the_scope_gets_no_session(app_pool: Pool, two_orgs: TwoOrgs) -> None:
    """A key for programs does not open the console."""
    who, _, _ = await signed_in(app_pool, two_orgs)
    async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
        with pytest.raises(Forbidden, match="`console`"):
            await sessions.start(tx, PEPPER, replace(who, scopes=frozenset()), NOW)
