"""Sealing secrets per organisation, bound to their record."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import pytest
from psycopg.errors import InsufficientPrivilege

from dd0c.base import ids
from dd0c.base.errors import Internal, NotFound, SetupError
from dd0c.base.secrets import Secret
from dd0c.kernel.db import roles, tenancy
from dd0c.kernel.db.pool import Pool, Transaction
from dd0c.kernel.vault.envelope import Sealed, Vault
from dd0c.kernel.vault.keychain import Keychain
from dd0c.kernel.vault.local import LocalKey
from tests.conftest import TwoOrgs

CANARY = Secret("sk-canary-7f3a9c")


def local_key() -> Keychain:
    """A key-encryption key of the test's own."""
    key = LocalKey(Secret(os.urandom(32).hex()))

    async def renew() -> None:
        raise AssertionError

    return Keychain(lambda: [key], renew)


async def count(tx: Transaction) -> int:
    """How many data keys this transaction sees."""
    cursor = await tx.execute("SELECT count(*) FROM kernel.data_keys")
    row = await cursor.fetchone()
    assert row is not None
    return int(row[0])


async def test_a_secret_opens_where_it_was_sealed(app_pool: Pool, two_orgs: TwoOrgs) -> None:
    """What was sealed opens again, in this process and in the next, to the same text (K-30)."""
    key, record = local_key(), ids.new()
    async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
        sealed = await Vault(key).seal(tx, two_orgs.acme, record, CANARY)
    assert CANARY.reveal().encode() not in sealed.ciphertext
    for vault in (Vault(key), Vault(key)):
        async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
            for _ in range(2):
                assert await vault.open(tx, two_orgs.acme, record, sealed) == CANARY


async def test_an_organisation_keeps_its_data_key(app_pool: Pool, two_orgs: TwoOrgs) -> None:
    """All secrets of an organisation are under one data key; each organisation has its own."""
    vault = Vault(local_key())
    sealed: list[Sealed] = []
    for org in (two_orgs.acme, two_orgs.acme, two_orgs.globex):
        async with tenancy.tenant(app_pool, org) as tx:
            sealed.append(await vault.seal(tx, org, ids.new(), CANARY))
            assert await count(tx) == 1
    assert sealed[0].data_key == sealed[1].data_key != sealed[2].data_key
    assert sealed[0].ciphertext != sealed[1].ciphertext


async def test_a_swapped_ciphertext_does_not_open(app_pool: Pool, two_orgs: TwoOrgs) -> None:
    """A ciphertext put into another row, another tenant's row, or changed by a bit fails (K-31)."""
    vault, mine, other = Vault(local_key()), ids.new(), ids.new()
    async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
        sealed = await vault.seal(tx, two_orgs.acme, mine, CANARY)
        assert await vault.open(tx, two_orgs.acme, mine, sealed) == CANARY
        with pytest.raises(Internal, match="does not open"):
            await vault.open(tx, two_orgs.acme, other, sealed)
        for position in range(len(sealed.ciphertext)):
            body = bytearray(sealed.ciphertext)
            body[position] ^= 1
            with pytest.raises(Internal, match="does not open"):
                await vault.open(tx, two_orgs.acme, mine, replace(sealed, ciphertext=bytes(body)))
        for short in (b"", b"\x01", sealed.ciphertext[:20]):
            with pytest.raises(Internal, match="does not open"):
                await vault.open(tx, two_orgs.acme, mine, replace(sealed, ciphertext=short))


async def test_another_tenants_data_key_is_not_used(app_pool: Pool, two_orgs: TwoOrgs) -> None:
    """Naming another organisation's data key finds nothing, although the vault has it cached."""
    vault, record = Vault(local_key()), ids.new()
    async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
        sealed = await vault.seal(tx, two_orgs.acme, record, CANARY)
        assert await vault.open(tx, two_orgs.acme, record, sealed) == CANARY
    async with tenancy.tenant(app_pool, two_orgs.globex) as tx:
        for org in (two_orgs.globex, None):
            with pytest.raises(NotFound):
                await vault.open(tx, org, record, sealed)


@pytest.fixture
def owner_pool(pool_as: Callable[[str], Pool]) -> Pool:
    """A pool as the role that registers what belongs to the installation."""
    return pool_as(roles.OWNER)


@pytest.fixture
def gateway_pool(pool_as: Callable[[str], Pool]) -> Pool:
    """A pool as the role that opens providers' secrets."""
    return pool_as(roles.GATEWAY)


async def test_secrets_of_the_installation(
    owner_pool: Pool, gateway_pool: Pool, app_pool: Pool, two_orgs: TwoOrgs
) -> None:
    """The owner role seals for the whole installation, gateways open it. The control server has the
    same data key, for the installation's audit log, and is refused the ciphertexts (K-30)."""
    key, record = local_key(), ids.new()
    async with tenancy.system(owner_pool) as tx:
        sealed = await Vault(key).seal(tx, None, record, CANARY)
    async with tenancy.system(gateway_pool) as tx:
        assert await Vault(key).open(tx, None, record, sealed) == CANARY
    async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
        with pytest.raises(InsufficientPrivilege):
            await tx.execute("SELECT secret FROM route.providers")


async def test_a_data_key_that_was_rolled_back_is_not_used(
    app_pool: Pool, two_orgs: TwoOrgs
) -> None:
    """After an aborted transaction the next secret is sealed under a key that is really stored."""
    key, record = local_key(), ids.new()
    vault = Vault(key)
    with suppress(RuntimeError):
        async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
            lost = await vault.seal(tx, two_orgs.acme, record, CANARY)
            raise RuntimeError
    async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
        kept = await vault.seal(tx, two_orgs.acme, record, CANARY)
    assert kept.data_key != lost.data_key
    async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
        assert await Vault(key).open(tx, two_orgs.acme, record, kept) == CANARY


async def test_the_wrong_key_file_is_named(app_pool: Pool, two_orgs: TwoOrgs) -> None:
    """With another key-encryption key nothing opens or is sealed, and it says why (K-33)."""
    ours, other, record = local_key(), local_key(), ids.new()
    async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
        sealed = await Vault(ours).seal(tx, two_orgs.acme, record, CANARY)
        wrong = pytest.raises(Internal, match=f"wrapped by {ours.current().name}, which this home")
        with wrong:
            await Vault(other).open(tx, two_orgs.acme, record, sealed)
        with wrong:
            await Vault(other).seal(tx, two_orgs.acme, record, CANARY)


@pytest.mark.parametrize("text", ["", "00", "zz" * 32, "00" * 31, "00" * 33])
def test_a_key_file_with_other_content_is_refused(text: str) -> None:
    """A key-encryption key is 32 bytes in hexadecimal, nothing else."""
    with pytest.raises(SetupError, match="64 hexadecimal digits"):
        LocalKey(Secret(text))
