"""Providers over HTTP: what a tenant may use, without secrets; and what health says of them."""

from __future__ import annotations

import asyncio

from dd0c.base import ids
from dd0c.kernel.db import roles, tenancy
from dd0c.kernel.db.pool import open_pool
from tests.products.route.api.ledger import tenant_of
from tests.support.control import Served


def register(served: Served, key: str | None, name: str) -> None:
    """A provider of the key's organisation, or of the installation."""
    org = None if key is None else tenant_of(served, key)[0]

    async def insert() -> None:
        pool = await open_pool(served.database.conninfo(roles.OWNER), roles.OWNER, 1)
        try:
            async with tenancy.system(pool) as tx:
                await tx.execute(
                    "INSERT INTO route.providers (id, org, name, dialect, base_url, price_provider)"
                    " VALUES (%s, %s, %s, 'openai', 'https://api.example/v1', 'openai')",
                    (ids.new(), org, name),
                )
        finally:
            await pool.close()

    asyncio.run(insert())


def test_two_tenants_on_providers(served: Served) -> None:
    """An organisation sees its own providers and the installation's, not another's (K-11), and
    the address of an installation's only where it runs that."""
    register(served, None, "shared")
    register(served, served.acme, "acmes-own")
    seen = {}
    for key in (served.acme, served.globex, served.platform):
        with served.client(key) as client:
            items = client.get("/api/v1/route/providers").json()["items"]
        seen[key] = [(item["name"], item["owner"], item["base_url"]) for item in items]
        assert not any({"secret", "data_key"} & item.keys() for item in items)
    url = "https://api.example/v1"
    assert seen == {
        served.acme: [("acmes-own", "organisation", url), ("shared", "installation", None)],
        served.globex: [("shared", "installation", None)],
        served.platform: [("shared", "installation", url)],
    }
