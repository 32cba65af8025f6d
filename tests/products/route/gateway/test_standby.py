"""A gateway that starts while PostgreSQL is away."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path

from dd0c.base.home import Home
from dd0c.kernel.autonomy import panics
from dd0c.kernel.autonomy.states import Event
from dd0c.kernel.db import tenancy
from tests.conftest import TwoOrgs
from tests.products.route.gateway.running import ask, running_gateway, wait_for
from tests.products.route.gateway.tenant import Tenant
from tests.support.database import Database

UNKNOWN = "dd0c_sk_" + "A" * 43


@contextmanager
def away(database: Database) -> Iterator[Callable[[], None]]:
    """Nobody reaches the database until what this gives is called, or the block ends."""
    with database.cluster.admin() as admin:
        admin.execute(f"ALTER DATABASE {database.name} ALLOW_CONNECTIONS false".encode())
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
            (database.name,),
        )

        def come_back() -> None:
            admin.execute(f"ALTER DATABASE {database.name} ALLOW_CONNECTIONS true".encode())

        try:
            yield come_back
        finally:
            come_back()


async def press(tenant: Tenant, event: Event) -> None:
    """Put the brake of an organisation on, or release it, in the database alone."""
    now = datetime.now(UTC)
    async with tenancy.tenant(tenant.pool, tenant.org) as tx:
        await panics.apply(tx, tenant.org, event, reason="why", actor="who", now=now)


def answer(connection: HTTPConnection, key: str) -> tuple[int, str]:
    """Status and error code of a request that costs nothing."""
    connection.request("GET", "/v1/models", headers={"Authorization": f"Bearer {key}"})
    got = connection.getresponse()
    body = json.loads(got.read())
    return got.status, body.get("error", {}).get("code", "")


def test_known_keys_are_served_from_disk_until_the_database_is_back(
    database: Database,
    place: Home,
    registered: None,
    acme: Tenant,
    two_orgs: TwoOrgs,
    runner: asyncio.Runner,
    tmp_path: Path,
) -> None:
    """Restarted without PostgreSQL: known keys work, others get 503 in words, and a key that was
    revoked meanwhile ends when PostgreSQL is back; a disk that takes none is told (K-8, R-32). Who
    was halted is halted until PostgreSQL says that this is over (K-63)."""
    kept, revoked = runner.run(acme.create()), runner.run(acme.create())
    globex = Tenant(acme.pool, two_orgs.globex, acme.pepper)
    stopped = runner.run(globex.create()).text.reveal()
    runner.run(press(globex, Event.HALT))
    with running_gateway(database, place, tmp_path / "log", workers=1) as gateway:
        gateway.wait_ready()
        assert gateway.readiness()["snapshot"]["source"] == "database"
        in_the_way = place.path / "gateway.snapshot.new"
        in_the_way.mkdir()
        runner.run(acme.create())
        wait_for(lambda: gateway.readiness()["snapshot"]["unkept_s"] > 0, 10)
        in_the_way.rmdir()
        wait_for(lambda: gateway.readiness()["snapshot"]["unkept_s"] == 0, 10)
        connection = gateway.connect()
        wait_for(lambda: answer(connection, stopped) == (503, "panic_halt"), 20)
        connection.close()
    runner.run(acme.revoke(revoked.key))
    log = tmp_path / "next"
    with away(database) as back, running_gateway(database, place, log, workers=1) as gateway:
        gateway.wait_ready()
        facts = gateway.readiness()
        assert (facts["snapshot"]["source"], facts["database"]) == ("disk", "away")
        assert f"from disk, as of {facts['snapshot']['as_of']}" in log.read_text()
        connection = gateway.connect()
        for made in (kept, revoked):
            assert answer(connection, made.text.reveal()) == (200, "")
        assert answer(connection, UNKNOWN) == (503, "keys_not_current")
        assert answer(connection, stopped) == (503, "panic_halt")
        back()
        wait_for(lambda: ask(connection, revoked.text.reveal()) == 401, 10)
        assert answer(connection, kept.text.reveal()) == (200, "")
        assert gateway.readiness()["snapshot"]["source"] == "database"
        assert answer(connection, stopped) == (503, "panic_halt")
        runner.run(press(globex, Event.END))
        wait_for(lambda: answer(connection, stopped) == (200, ""), 20)
        connection.close()


def test_a_configuration_that_is_too_old_lets_nobody_in(
    database: Database,
    place: Home,
    registered: None,
    acme: Tenant,
    runner: asyncio.Runner,
    tmp_path: Path,
) -> None:
    """Nobody is served longer than max_stale_s without PostgreSQL, then again with it (K-8)."""
    key = runner.run(acme.create()).text.reveal()
    stale = {"DD0C_MAX_STALE_S": "1.5"}
    with running_gateway(database, place, tmp_path / "log", workers=1, **stale) as gateway:
        gateway.wait_ready()
        connection = gateway.connect()
        assert answer(connection, key) == (200, "")
        with away(database) as back:
            assert answer(connection, key) == (200, "")
            wait_for(lambda: answer(connection, key) == (503, "keys_not_current"), 10)
            wait_for(lambda: not gateway.readiness()["ready"], 15)
            back()
            wait_for(lambda: ask(connection, key) == 200, 10)
        connection.close()
