"""Keys: their text, their hash, their life."""

from __future__ import annotations

import hashlib
import os
import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dd0c.base import ids
from dd0c.base.errors import Forbidden, NotFound, SetupError, Unauthenticated
from dd0c.base.secrets import Secret
from dd0c.kernel.auth import keys, permissions, principals
from dd0c.kernel.auth.keys import Key, NewKey
from dd0c.kernel.auth.pepper import Pepper
from dd0c.kernel.auth.permissions import Role, Scope
from dd0c.kernel.db import tenancy
from dd0c.kernel.db.pool import Pool
from tests.conftest import TwoOrgs

NOW = datetime(2026, 11, 3, 12, 0, tzinfo=UTC)
PEPPER = Pepper(Secret(os.urandom(32).hex()))
GRANTS = permissions.merge([permissions.KERNEL])
WANTED = NewKey("laptop", frozenset({Role.ADMIN}), frozenset({Scope.API}))

ODD = [
    "",
    " ",
    "\t",
    "dd0c_sk_",
    "dd0c_sk_" + "a" * 42,
    "dd0c_sk_" + "a" * 44,
    "dd0c_sk_" + "a" * 42 + "=",
    "dd0c_sk_" + "a" * 42 + "\n",
    "dd0c_sk_" + "ä" * 43,
    "dd0c_sk_" + "\x00" * 43,
    "dd0c_sk_" + "\ud800" * 43,
    " dd0c_sk_" + "a" * 43,
    "DD0C_SK_" + "a" * 43,
    "Bearer dd0c_sk_" + "a" * 43,
    "sk-proj-" + "a" * 40,
    "sk-ant-api03-" + "a" * 90,
    "' OR 1=1 --",
    "../../etc/passwd",
    "{}",
    "a" * 100_000,
]


@pytest.mark.parametrize("text", ODD, ids=lambda t: ascii(t[:20]))
def test_an_odd_key_is_a_clear_401(text: str) -> None:
    """Anything that is not a key's text is refused, with what to do and without the text (K-20)."""
    with pytest.raises(Unauthenticated) as refused:
        keys.parse(text)
    assert "Authorization: Bearer dd0c_sk_" in refused.value.hint
    if len(text) > 10:
        assert text[:60] not in refused.value.message


@given(st.text(max_size=80))
def test_no_text_makes_parsing_fail_otherwise(text: str) -> None:
    """Whatever arrives, parsing answers or refuses; nothing else can come out of it (K-20)."""
    try:
        assert keys.parse(text).reveal() == text
    except Unauthenticated:
        assert not keys.looks_right(text)


def test_a_new_key_has_256_random_bits() -> None:
    """Keys are unique, have the documented form, and hide themselves when shown (K-20, K-32)."""
    texts = {keys.new_text().reveal() for _ in range(1000)}
    assert len(texts) == 1000
    assert all(re.fullmatch(r"dd0c_sk_[A-Za-z0-9_-]{43}", text) for text in texts)
    assert "dd0c_sk_" not in f"{keys.new_text()!r} {keys.new_text()}"


def test_the_hash_is_keyed_with_the_pepper() -> None:
    """The stored form is BLAKE2b under the pepper: another pepper gives another hash (K-20)."""
    pepper = bytes(range(32))
    text = Secret("dd0c_sk_" + "a" * 43)
    expected = hashlib.blake2b(text.reveal().encode(), key=pepper, digest_size=32).digest()
    assert Pepper(Secret(pepper.hex())).digest(text) == expected
    assert PEPPER.digest(text) != expected
    assert PEPPER.derive(b"one") != PEPPER.derive(b"two")
    with pytest.raises(SetupError):
        Pepper(Secret("00" * 31))


async def create(pool: Pool, two_orgs: TwoOrgs, wanted: NewKey = WANTED) -> tuple[Key, Secret]:
    """A key of acme."""
    async with tenancy.tenant(pool, two_orgs.acme) as tx:
        return await keys.create(tx, PEPPER, two_orgs.acme, wanted)


async def sign_in(pool: Pool, text: Secret, now: datetime = NOW) -> principals.Principal:
    """Who this key is."""
    async with tenancy.system(pool) as tx:
        return await principals.authenticate(tx, PEPPER, text.reveal(), GRANTS, now)


async def test_a_key_is_known_by_its_text(app_pool: Pool, two_orgs: TwoOrgs) -> None:
    """A key gives its organisation, roles, scopes and permissions, and its text is not stored."""
    key, text = await create(app_pool, two_orgs)
    who = await sign_in(app_pool, text)
    assert (who.org, who.org_name, who.key_id, who.actor.name) == (
        two_orgs.acme,
        "acme",
        key.id,
        "laptop",
    )
    assert who.permissions == GRANTS[Role.ADMIN]
    assert who.scopes == {Scope.API}
    with pytest.raises(Forbidden, match="`console`"):
        who.require_scope(Scope.CONSOLE)
    with pytest.raises(Forbidden, match="`platform:orgs`"):
        who.require("platform:orgs")
    async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
        cursor = await tx.execute("SELECT k::text FROM kernel.api_keys k")
        rows = str(await cursor.fetchall())
    assert key.prefix == text.reveal()[:12]
    assert text.reveal()[12:] not in rows


async def test_unknown_expired_and_revoked_keys(app_pool: Pool, two_orgs: TwoOrgs) -> None:
    """Each refusal says which it is; a key holds until its expiry, to the moment (K-20)."""
    ends = NOW + timedelta(hours=1)
    key, text = await create(
        app_pool, two_orgs, NewKey("ci", frozenset({Role.OWNER}), frozenset(Scope), expires_at=ends)
    )
    await sign_in(app_pool, text, ends - timedelta(microseconds=1))
    with pytest.raises(Unauthenticated, match="expired"):
        await sign_in(app_pool, text, ends)
    with pytest.raises(Unauthenticated, match="no such key"):
        await sign_in(app_pool, keys.new_text())
    async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
        revoked = await keys.revoke(tx, key.id, NOW)
        again = await keys.revoke(tx, key.id, NOW + timedelta(days=1))
    assert revoked.revoked_at == again.revoked_at == NOW
    with pytest.raises(Unauthenticated, match="revoked"):
        await sign_in(app_pool, text)


async def test_a_role_of_a_newer_dd0c_grants_nothing(app_pool: Pool, two_orgs: TwoOrgs) -> None:
    """Old code beside new code: a role or scope it does not know is no error and no permission."""
    key, text = await create(app_pool, two_orgs)
    async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
        await tx.execute(
            "UPDATE kernel.api_keys SET roles = '{emperor}', scopes = '{api,moon}' WHERE id = %s",
            (key.id,),
        )
    who = await sign_in(app_pool, text)
    assert who.scopes == {Scope.API}
    assert not who.roles | who.permissions


async def test_two_tenants_on_every_function(app_pool: Pool, two_orgs: TwoOrgs) -> None:
    """Another organisation's key is not listed, named or revoked, and stays as it was (K-11)."""
    key, text = await create(app_pool, two_orgs)
    async with tenancy.tenant(app_pool, two_orgs.globex) as tx:
        assert await keys.list_keys(tx, 10) == []
        assert await keys.is_known(tx, PEPPER.digest(text)) is False
        with pytest.raises(NotFound):
            await keys.revoke(tx, key.id, NOW)
    async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
        assert await keys.list_keys(tx, 10) == [key]
        assert await keys.is_known(tx, PEPPER.digest(text)) is True
        assert (await keys.revoke(tx, key.id, NOW)).revoked_at == NOW


async def test_keys_page_newest_first(app_pool: Pool, two_orgs: TwoOrgs) -> None:
    """Paging by the last id shows each key once."""
    made = [(await create(app_pool, two_orgs))[0].id for _ in range(5)]
    async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
        first = await keys.list_keys(tx, 3)
        rest = await keys.list_keys(tx, 3, first[-1].id)
        assert await keys.list_keys(tx, 3, ids.first_of(0)) == []
    assert sorted(key.id for key in first + rest) == sorted(made)
    assert [key.id for key in first] == sorted(made, reverse=True)[:3]
