"""An organisation that has one of everything is erased, and killed at every point of it."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from psycopg import sql

from dd0c.kernel.auth import erasure
from dd0c.kernel.cache import client as clients
from dd0c.kernel.db import roles
from dd0c.kernel.db.pool import open_pool
from dd0c.kernel.guard.limits import Counter, Kind
from dd0c.kernel.jobs.job import Work
from tests.isolation.judging import World
from tests.kernel.guard.conftest import started
from tests.kernel.guard.world import Server
from tests.products.route import records
from tests.products.route.api.ledger import rated, ship
from tests.products.route.ledger.test_jobs import Fixed

CHILD = Path(__file__).with_name("erase_child.py")
AUDIT = {f"kernel.audit_{table}" for table in ("outbox", "entries", "tiles", "heads")}
"""That something happened to which id stays; what anybody typed, or is called, goes."""

ID = re.compile(r"[a-z]{2,4}_[0-9a-z]{16,26}|[0-9a-f]{16}")

STAYS = {"org", "person", "other_person"}
"""Names of acme's that are ids of tombstones."""


@pytest.fixture(scope="module")
def valkey() -> Iterator[Server]:
    """Where gateways count."""
    with started() as server:
        yield server


def test_an_erased_organisation_leaves_an_id_and_nothing_else(spare: World, valkey: Server) -> None:
    """Closed at once, with its secrets; the job is killed at each of its points and goes on, until
    neither a row nor a counter nor a name is left; what comes late goes too. Of the other
    organisation nothing changes (K-14, proofs 2, 4)."""
    acme, globex = spare.acme, spare.globex
    before = spare.books.read(globex.org)
    counted = [Counter(each.org.bytes, bytes(16), Kind.MONEY, cap=1).key for each in (acme, globex)]
    assert asyncio.run(count(valkey, counted)) == [1, 1]
    with spare.served.client(spare.served.platform) as platform:
        path = f"/api/v1/orgs/{acme.names['org']}"
        assert platform.delete(path, params={"confirm": "Acme"}).status_code == 409
        erased = platform.delete(path, params={"confirm": "acme"})
        assert (erased.status_code, erased.json()["state"]) == (202, "erasing"), erased.text
        assert platform.delete(path, params={"confirm": "acme"}).status_code == 404
    assert_closed(spare)
    for point in (*erasure.POINTS, ""):
        age(spare)
        assert empty(spare, valkey, point) == (-signal.SIGKILL if point else 0), point
        assert state(spare) == ("erasing" if point else "erased")
    left = {table for table, rows in spare.books.read(acme.org).items() if rows}
    assert left - AUDIT == {"kernel.organisations"}
    names = [value for name, value in acme.names.items() if name not in STAYS]
    told, rest = everything(spare)
    assert not [name for name in names if name in rest]
    assert not [name for name in names if name in told and not ID.fullmatch(name)]
    assert asyncio.run(counts(valkey, counted)) == [0, 1]
    late = records.opened(acme.org, at_us=records.START_US)
    ship(spare.served, [rated(late)])
    assert spare.books.read(acme.org)["route.attempts"]
    asyncio.run(empty_in(spare, valkey, timedelta(hours=2)))
    assert not spare.books.read(acme.org)["route.attempts"]
    assert spare.books.read(globex.org) == before


def assert_closed(world: World) -> None:
    """Nobody gets in, and no secret is there any more, sealed or not."""
    acme, served = world.acme, world.served
    with served.client(acme.owner) as key, served.client() as browser:
        assert key.get("/api/v1/me").status_code == 401
        browser.cookies.set("dd0c_session", acme.session)
        assert browser.get("/api/v1/me").status_code == 401
    rows = world.books.read(acme.org)
    assert not [table for table in ("kernel.data_keys", "route.providers") if rows[table]]
    assert rows["route.attempts"]


async def count(valkey: Server, keys: list[str]) -> list[int]:
    """Something is counted under each key; which are there."""
    client = clients.open_client(valkey.settings, 1)
    for key in keys:
        await client.set(key, 7)
    await client.aclose()
    return await counts(valkey, keys)


async def counts(valkey: Server, keys: list[str]) -> list[int]:
    """Which of these are there."""
    client = clients.open_client(valkey.settings, 1)
    found = [int(await client.exists(key)) for key in keys]
    await client.aclose()
    return found


def age(world: World) -> None:
    """It was closed two minutes ago: every gateway knows."""
    with world.served.database.cluster.admin(world.served.database.name) as admin:
        admin.execute(
            "UPDATE kernel.organisations SET erased_at = now() - interval '2 min'"
            " WHERE erased_at IS NOT NULL"
        )


def empty(world: World, valkey: Server, crash_at: str) -> int:
    """How the job ends in a process that is killed at that point."""
    done = subprocess.run(
        [sys.executable, "-m", f"tests.isolation.{CHILD.stem}", str(valkey.settings.home)],
        input=world.served.database.conninfo(roles.JOBS).reveal() + "\n",
        env={**os.environ, "DD0C_CRASH_AT": crash_at},
        cwd=CHILD.parents[2],
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode


async def empty_in(world: World, valkey: Server, later: timedelta) -> None:
    """The job runs that much later."""
    pool = await open_pool(world.served.database.conninfo(roles.JOBS), roles.JOBS, 1)
    clock = Fixed(datetime.now(UTC) + later)
    await erasure.empty_erased(Work(valkey.settings, pool, clock))
    await pool.close()


def state(world: World) -> str:
    """How the list of organisations names acme's."""
    with world.served.client(world.served.platform) as platform:
        listed = platform.get("/api/v1/orgs").json()["items"]
    return next(str(each["state"]) for each in listed if each["id"] == world.acme.names["org"])


def everything(world: World) -> tuple[str, str]:
    """All rows of the audit log, and those of all other tables, but what was learned of models:
    that is of no organisation."""
    with world.served.database.cluster.admin(world.served.database.name) as admin:
        tables = admin.execute(
            "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n"
            " ON n.oid = c.relnamespace WHERE c.relkind = 'r' AND n.nspname IN ('kernel', 'route')"
            " AND c.relname <> 'token_factors'"
        ).fetchall()
        assert len(tables) > 20
        read = sql.SQL("SELECT t::text FROM {} t")
        rows = {
            f"{schema}.{table}": str(
                admin.execute(read.format(sql.Identifier(str(schema), str(table)))).fetchall()
            )
            for schema, table in tables
        }
    told = [rows.pop(table) for table in AUDIT]
    return "\n".join(told), "\n".join(rows.values())
