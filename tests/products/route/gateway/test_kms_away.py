"""What follows the database while the KMS that opens the providers' keys is away."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from dd0c.base.errors import Unavailable
from dd0c.base.home import Home
from dd0c.kernel.auth import pepper
from dd0c.kernel.db import roles
from dd0c.kernel.vault import local
from dd0c.kernel.vault.envelope import Vault
from dd0c.kernel.vault.keychain import Keychain
from dd0c.kernel.vault.local import LocalKey
from dd0c.products.route.gateway.configuration import Configuration
from dd0c.products.route.gateway.feed import Feed
from dd0c.products.route.hotpath.snapshot import Snapshot
from dd0c.products.route.prices import PriceTable
from tests.products.route.gateway.test_feed import Told
from tests.support.database import Database

ADDRESS = "http://elsewhere.test/v1"


@dataclass
class Kms:
    """A service that has this home's key, and may be away."""

    key: LocalKey
    away: bool = False

    @property
    def name(self) -> str:
        return self.key.name

    async def wrap(self, data_key: bytes, context: bytes) -> bytes:
        raise AssertionError("gateways wrap nothing here")

    async def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        if self.away:
            raise Unavailable("the KMS does not answer")
        return await self.key.unwrap(wrapped, context)


@pytest.mark.usefixtures("registered")
async def test_no_provider_is_taken_away_while_the_kms_is(place: Home, database: Database) -> None:
    """K-30: a provider that changes while its key cannot be opened stays as it was, and follows
    once the KMS answers; it is never left out."""
    kms, told = Kms(local.read(place)[0]), Told()
    configuration = Configuration(pepper.load(place).secret)
    vault = Vault(Keychain(lambda: [kms], nothing), cached_s=0)
    conninfo = database.conninfo(roles.GATEWAY)
    feed = Feed(conninfo, vault, PriceTable(), configuration, told.messages.append)
    task = asyncio.create_task(feed.run())
    try:
        await told.until(lambda t: t.of(Snapshot) and feed.away is False, within_s=20)
        kms.away = True
        with database.cluster.admin(database.name) as admin:
            admin.execute("UPDATE route.providers SET base_url = %s", (ADDRESS,))
        await told.until(lambda t: feed.away is True, within_s=20)
        assert [p.host for p in configuration.snapshot().providers] == ["127.0.0.1"]
        kms.away = False
        await told.until(lambda t: feed.away is False, within_s=20)
        assert [p.host for p in configuration.snapshot().providers] == ["elsewhere.test"]
    finally:
        task.cancel()
        await asyncio.wait([task], timeout=10)


async def nothing() -> None:
    """Nobody makes a newer key here."""
