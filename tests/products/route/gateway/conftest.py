"""A home with secrets, and an organisation whose keys come and go."""

from __future__ import annotations

from pathlib import Path

import pytest

from dd0c.base import home
from dd0c.kernel.auth import pepper
from dd0c.kernel.db.pool import Pool
from dd0c.kernel.vault import local
from tests.conftest import TwoOrgs
from tests.products.route.gateway.tenant import Tenant


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
