"""People are above organisations, and yet only their own change them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import psycopg
import pytest

from dd0c.base import ids
from dd0c.kernel.auth import members, people
from dd0c.kernel.auth.permissions import Role
from dd0c.kernel.db import tenancy
from dd0c.kernel.db.pool import Pool, Transaction
from tests.conftest import TwoOrgs

NOW = datetime(2026, 11, 3, 12, 0, tzinfo=UTC)


async def test_who_is_no_member_is_not_changed(app_pool: Pool, two_orgs: TwoOrgs) -> None:
    """The database itself refuses to set the password or standing of somebody who is no member of
    the transaction's organisation, whoever forgot to check (K-10, K-12)."""
    async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
        ada = await people.add(tx, "ada@acme.example", "Ada", "before")
        await members.join(tx, two_orgs.acme, ada, [Role.VIEWER], ids.new())
    changes: list[Callable[[Transaction], Awaitable[None]]] = [
        lambda tx: people.set_password(tx, ada, "theirs"),
        lambda tx: people.set_standing(tx, ada, platform=True, disabled_at=NOW),
    ]
    for change in changes:
        for opened in (tenancy.tenant(app_pool, two_orgs.globex), tenancy.system(app_pool)):
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="no member here"):
                async with opened as tx:
                    await change(tx)
    async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
        account = await people.find_by_id(tx, ada)
        assert account is not None
        assert (account.password, account.disabled_at) == ("before", None)
        await people.set_password(tx, ada, "after")
        await people.set_standing(tx, ada, platform=True, disabled_at=NOW)
        account = await people.find_by_id(tx, ada)
    assert account is not None
    assert (account.password, account.disabled_at) == ("after", NOW)
