"""Key-encryption keys that stay in AWS KMS or in Vault: what is sent, bound, versioned and away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dd0c.app import vault as app
from dd0c.base import home as homes
from dd0c.base import ids
from dd0c.base.errors import SetupError, Unavailable
from dd0c.base.secrets import Secret
from dd0c.base.settings import Settings
from dd0c.kernel.db import roles, tenancy
from dd0c.kernel.db.pool import Pool
from dd0c.kernel.vault import configured, local
from dd0c.kernel.vault.envelope import Vault
from dd0c.kernel.vault.keychain import Keychain
from tests.conftest import TwoOrgs
from tests.kernel.vault.installation import Installation, read_all
from tests.kernel.vault.kms import PATIENCE_S, Kms, Transit, moto

DATA_KEY, CONTEXT = b"k" * 32, b"org and record"


@pytest.fixture(scope="module", params=["aws", "transit"])
def kms(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kms]:
    """A service; its last test ends it."""
    folder = tmp_path_factory.mktemp("kms")
    if request.param == "transit":
        transit = Transit(folder)
        yield transit
        transit.end()
        return
    environ: dict[str, str] = {}
    with pytest.MonkeyPatch.context() as patch, moto(folder, environ) as aws:
        for name, value in environ.items():
            patch.setenv(name, value)
        yield aws


async def test_a_data_key_opens_with_its_key_and_context_only(kms: Kms) -> None:
    """K-30: what the service wrapped it unwraps, for this key and this context; the data key does
    not show in what is stored."""
    key, other = kms.open("one"), kms.open("two")
    wrapped = await key.wrap(DATA_KEY, CONTEXT)
    assert DATA_KEY not in wrapped
    assert await kms.open("one").unwrap(wrapped, CONTEXT) == DATA_KEY
    assert await other.unwrap(await other.wrap(DATA_KEY, CONTEXT), CONTEXT) == DATA_KEY
    with pytest.raises((ValueError, Unavailable)):  # moto: AccessDenied, AWS: IncorrectKey
        await other.unwrap(wrapped, CONTEXT)
    with pytest.raises(ValueError, match="not"):
        await key.unwrap(wrapped, b"another record")
    changed = wrapped[:-6] + bytes([wrapped[-6] ^ 1]) + wrapped[-5:]
    with pytest.raises(ValueError, match="not"):
        await key.unwrap(changed, CONTEXT)


async def test_a_new_version_of_a_key_opens_what_the_old_one_wrapped(kms: Kms) -> None:
    """K-31: the service's own rotation leaves everything readable, and wraps with the new version
    from then on."""
    key = kms.open("one")
    before = await key.wrap(DATA_KEY, CONTEXT)
    await key.renew()
    after = await key.wrap(DATA_KEY, CONTEXT)
    assert await key.unwrap(before, CONTEXT) == await key.unwrap(after, CONTEXT) == DATA_KEY
    if isinstance(kms, Transit):
        assert (before[:9], after[:9]) == (b"vault:v1:", b"vault:v2:")


def test_secrets_move_from_the_file_into_the_service(
    kms: Kms, full: Installation, pool_as: Callable[[str], Pool], runner: asyncio.Runner
) -> None:
    """K-31: with both listed, `rewrap` brings every data key under the service's key, which then
    opens everything without the file; its own rotation wraps all of them anew."""
    settings = replace(full.settings, vault=f"{kms.name('one')},local")
    if isinstance(kms, Transit):
        settings = replace(settings, vault_token_file=str(kms.token_file))
    assert app.rewrap(settings, lambda _: None).moved.rewrapped == 3
    (full.home.secrets / local.FILE).unlink()
    alone = replace(settings, vault=kms.name("one"))
    [only] = app.look(alone).survey.wrappings
    assert (only.name, only.data_keys, only.due) == (kms.name("one"), 3, 0)
    assert app.rotate_kek(alone, lambda _: None).moved.rewrapped == 3
    runner.run(read_all(replace(full, settings=alone), pool_as(roles.GATEWAY), cached_s=60))


def keychain(kms: Kms, *, within_s: float = PATIENCE_S) -> Keychain:
    """One key of the service."""
    key = kms.open("one", within_s=within_s)
    return Keychain(lambda: [key], key.renew)


async def test_a_service_that_is_away_stops_nobody_who_knows_the_key(
    kms: Kms, app_pool: Pool, two_orgs: TwoOrgs
) -> None:
    """K-30: while the service hangs, and when it is gone, what was opened within the hour opens;
    what was not is unavailable within the deadline; when it answers again, so is it."""
    keys, row, secret = keychain(kms), ids.new(), Secret("sk-canary-outage")
    hasty, knows = keychain(kms, within_s=1.0), Vault(keys)
    async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
        sealed = await knows.seal(tx, two_orgs.acme, row, secret)
        assert await knows.open(tx, two_orgs.acme, row, sealed) == secret
        kms.hang()
        with pytest.raises(Unavailable):
            await Vault(hasty).open(tx, two_orgs.acme, row, sealed)
        assert await knows.open(tx, two_orgs.acme, row, sealed) == secret
        kms.go_on()
        assert await Vault(keys).open(tx, two_orgs.acme, row, sealed) == secret
        kms.end()
        with pytest.raises(Unavailable):
            await Vault(keys, cached_s=0).open(tx, two_orgs.acme, row, sealed)
        assert await knows.open(tx, two_orgs.acme, row, sealed) == secret


BAD = {
    "": "is empty",
    "file": "no place for a key-encryption key",
    "aws-kms:alias/dd0c": "no ARN of a key",
    "aws-kms:arn:aws:kms:eu-central-1:111122223333:alias/dd0c": "no ARN of a key",
    "vault-transit:https://vault.example:8200/dd0c": "no key of a transit engine",
    "vault-transit:http://vault.example:8200/transit/dd0c": "in the clear",
    "vault-transit:https://root:pass@vault.example/transit/dd0c": "in the clear",
    "vault-transit:https://vault.example:8200/transit/dd0c": "no token for it",
}


@pytest.mark.parametrize("text", BAD)
def test_a_setting_that_cannot_work_is_named(tmp_path: Path, text: str) -> None:
    """K-30: what DD0C_VAULT says wrong is one line before anything starts, without a password."""
    with pytest.raises(SetupError, match=BAD[text]) as refused:
        configured.load(Settings(vault=text), homes.create(tmp_path / "home"))
    assert "pass@" not in refused.value.message
    assert refused.value.hint
