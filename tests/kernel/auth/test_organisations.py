"""Organisations, and the first of them."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dd0c.base import home, ids
from dd0c.base.errors import Conflict, NotFound, SetupError
from dd0c.base.secrets import Secret
from dd0c.kernel.auth import organisations, permissions, principals
from dd0c.kernel.auth.pepper import Pepper
from dd0c.kernel.auth.permissions import Role
from dd0c.kernel.db import tenancy
from dd0c.kernel.db.pool import Pool
from tests.conftest import TwoOrgs

NOW = datetime(2026, 11, 3, 12, 0, tzinfo=UTC)
PEPPER = Pepper(Secret(os.urandom(32).hex()))
GRANTS = permissions.merge([permissions.KERNEL])


async def test_a_new_organisation_has_an_owner(app_pool: Pool, two_orgs: TwoOrgs) -> None:
    """An organisation comes with a key that owns it and nothing beyond it."""
    org = ids.new()
    async with tenancy.tenant(app_pool, org) as tx:
        made, key, text = await organisations.create(tx, PEPPER, org, "Initech")
    async with tenancy.system(app_pool) as tx:
        who = await principals.authenticate(tx, PEPPER, text.reveal(), GRANTS, NOW)
        assert await organisations.find(tx, "INITECH") == org
        assert await organisations.find(tx, "nobody") is None
        with pytest.raises(NotFound):
            await organisations.get(tx, "nobody")
        listed = await organisations.list_organisations(tx, 10)
    assert (made.name, who.org, who.key_id) == ("Initech", org, key.id)
    assert who.roles == {Role.OWNER}
    assert "platform:orgs" not in who.permissions
    assert {one.name for one in listed} == {"acme", "globex", "Initech"}


@pytest.mark.parametrize("name", ["acme", "ACME", "aCmE"])
async def test_a_name_is_taken_in_any_case(app_pool: Pool, two_orgs: TwoOrgs, name: str) -> None:
    """Two organisations never share a name, and a refused one leaves nothing behind."""
    org = ids.new()
    with pytest.raises(Conflict, match="already"):
        async with tenancy.tenant(app_pool, org) as tx:
            await organisations.create(tx, PEPPER, org, name)
    async with tenancy.system(app_pool) as tx:
        assert len(await organisations.list_organisations(tx, 10)) == 2


async def test_listing_pages(app_pool: Pool, two_orgs: TwoOrgs) -> None:
    """The list continues after an id."""
    async with tenancy.system(app_pool) as tx:
        (first,) = await organisations.list_organisations(tx, 1)
        (second,) = await organisations.list_organisations(tx, 10, first.id)
    assert {first.name, second.name} == {"acme", "globex"}


async def test_the_first_start_may_be_repeated(app_pool: Pool, tmp_path: Path) -> None:
    """Any number of starts give one organisation and one key; a lost key file gives a new key."""
    place = home.create(tmp_path / "home")
    text = organisations.first_key(place)
    assert place.owner_key.stat().st_mode & 0o777 == 0o600
    orgs = {await organisations.ensure_first(app_pool, PEPPER, text) for _ in range(3)}
    assert organisations.first_key(place) == text
    place.owner_key.unlink()
    renewed = organisations.first_key(place)
    orgs.add(await organisations.ensure_first(app_pool, PEPPER, renewed))
    assert len(orgs) == 1
    async with tenancy.system(app_pool) as tx:
        for each in (text, renewed):
            who = await principals.authenticate(tx, PEPPER, each.reveal(), GRANTS, NOW)
            assert who.org_name == "default"
            assert who.roles == {Role.PLATFORM, Role.OWNER}


def test_a_damaged_owner_key_is_one_line(tmp_path: Path) -> None:
    """A key file with something else in it stops the start and says what to do."""
    place = home.create(tmp_path / "home")
    organisations.first_key(place)
    place.owner_key.write_text("hello\n")
    with pytest.raises(SetupError, match=r"owner\.key") as refused:
        organisations.first_key(place)
    assert "remove" in refused.value.hint
