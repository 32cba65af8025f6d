"""A home with secrets, providers, and an organisation whose keys come and go."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from dd0c.base import home
from dd0c.base.home import Home
from dd0c.base.secrets import Secret
from dd0c.base.settings import Settings
from dd0c.kernel.auth import pepper
from dd0c.kernel.db import tenancy
from dd0c.kernel.db.pool import Pool
from dd0c.kernel.vault import local
from dd0c.kernel.vault.envelope import Vault
from dd0c.products.route import providers
from tests.conftest import TwoOrgs
from tests.products.route.gateway.tenant import Tenant
from tests.support.simulator import Simulator, running_simulator

PROVIDER_KEY = "sk-canary-of-the-provider-0123456789"


@pytest.fixture
def place(tmp_path: Path) -> home.Home:
    """A home with its secrets."""
    found = home.create(tmp_path / "home")
    pepper.ensure(found)
    local.ensure(found)
    return found


@pytest.fixture
def acme(app_pool: Pool, two_orgs: TwoOrgs, place: home.Home) -> Tenant:
    """An organisation."""
    return Tenant(app_pool, two_orgs.acme, pepper.load(place))


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    """The upstream."""
    with running_simulator() as simulator:
        yield simulator


@pytest.fixture
def registered(place: Home, simulator: Simulator, owner_pool: Pool, runner: asyncio.Runner) -> None:
    """Providers whose key would be noticed anywhere it does not belong."""

    async def register() -> None:
        settings = Settings(
            home=place.path,
            openai_api_key=Secret(PROVIDER_KEY),
            openai_base_url=simulator.url,
        )
        async with tenancy.system(owner_pool) as tx:
            vault = Vault(local.load(place))
            await providers.ensure_from_environment(settings, tx, vault, None)

    runner.run(register())
