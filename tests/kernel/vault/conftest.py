"""Fixtures of the vault's tests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dd0c.app import entrance
from dd0c.base import home as homes
from dd0c.base import ids
from dd0c.base.secrets import Secret
from dd0c.kernel.auth import pepper
from dd0c.kernel.db import fitness, roles, tenancy
from dd0c.kernel.db.pool import Pool
from dd0c.kernel.vault import local
from dd0c.kernel.vault.envelope import Vault
from dd0c.products.route.store import providers
from tests.conftest import TwoOrgs
from tests.kernel.vault.installation import EACH, Installation
from tests.support.database import Database


@pytest.fixture
def full(
    database: Database,
    two_orgs: TwoOrgs,
    pool_as: Callable[[str], Pool],
    runner: asyncio.Runner,
    tmp_path: Path,
) -> Installation:
    """Two organisations and the installation with many secrets each: several batches."""
    home = homes.create(tmp_path / "home")
    pepper.ensure(home)
    vault = Vault(local.ensure(home))
    found = Installation(
        database, home, replace(database.settings, home=home.path), pool_as(roles.OWNER)
    )

    async def fill() -> None:
        async with tenancy.system(found.owner) as tx:
            ours = entrance.fingerprints(database.settings, home)
            await fitness.claim(tx, home.installation, ours)
            for number in range(3 * EACH):
                org = (two_orgs.acme, two_orgs.globex, None)[number % 3]
                row, secret = ids.new(), Secret(f"sk-canary-{number}")
                sealed = await vault.seal(tx, org, row, secret)
                place = ("openai", "https://provider.test/v1", "openai", False)
                name = f"provider-{number}"
                await providers.save(
                    tx,
                    providers.Sealed(row, org, name, *place, sealed.ciphertext, sealed.data_key),
                )
                found.secrets[row] = secret

    runner.run(fill())
    return found
