"""kill -9 at each step of shipping, and of the database: no row lost, none twice (R-15)."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg.sql import SQL, Identifier

from dd0c.base import home, ids, settings
from dd0c.base.clock import SystemClock
from dd0c.base.settings import Settings
from dd0c.kernel.db import address, migrate, roles, tenancy
from dd0c.kernel.db import pool as pools
from dd0c.kernel.db.embedded import EmbeddedPostgres
from dd0c.kernel.db.pool import Pool
from dd0c.products.route.models import SpoolRecord
from dd0c.products.route.prices import PriceTable
from dd0c.products.route.shipper import CRASH_POINTS, Shipper, folder
from dd0c.products.route.store import reading, usage
from dd0c.products.route.store.selection import Filter
from tests.conftest import TwoOrgs
from tests.products.route import records
from tests.products.route.ledger import ship_child, spools
from tests.support.database import Database, product_migrations

CLOSED, LOST = 2 * folder.BATCH_ROWS + 321, 7
RESERVED, COST = 9 * 10**9, 145_500_000


def fill(path: Path, two_orgs: TwoOrgs) -> dict[bytes, str]:
    """Spools of two dead workers, rotated in the middle of attempts; what the ledger must hold."""
    expected: dict[bytes, str] = {}
    files: dict[tuple[int, int], list[SpoolRecord]] = {}
    for n in range(CLOSED + LOST):
        org = (two_orgs.acme, two_orgs.globex)[n % 2]
        opened = records.opened(
            org, at_us=records.START_US + n, tags=("t",), reserved_pico=RESERVED
        )
        pid, sequence = spools.DEAD + n % 3 // 2, 1 + n // (CLOSED // 4)
        files.setdefault((pid, sequence), []).append(opened)
        expected[opened.request_id] = "lost"
        if n % (CLOSED // LOST) or n >= CLOSED:
            end = files.setdefault((pid, sequence + n % 2), [])  # every second one after a rotation
            end.append(records.closed(opened))
            expected[opened.request_id] = "complete"
    for (pid, sequence), content in files.items():
        spools.write(path, content, pid=pid, sequence=sequence)
    assert set(expected.values()) == {"lost", "complete"}
    return expected


def ship(path: Path, database: Database, crash_at: str = "") -> int:
    """The exit status of a process that ships the folder."""
    child = subprocess.run(
        [sys.executable, ship_child.__file__, path, told_of(path)],
        input=database.conninfo(roles.SHIPPER).reveal().encode(),
        env={**os.environ, "DD0C_CRASH_AT": crash_at},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert child.returncode in (0, -signal.SIGKILL), child.stderr.decode()
    return child.returncode


def told_of(path: Path) -> Path:
    """Where it is written what was told while the folder was shipped."""
    return path.with_suffix(".told")


async def ledger_of(app_pool: Pool, two_orgs: TwoOrgs) -> tuple[dict[bytes, str], list[int]]:
    """End reasons by request id of both organisations; how many attempts, ratings and tags there
    are, and attempts as the roll-ups have them."""
    found: dict[bytes, str] = {}
    rows = [0, 0, 0, 0]
    for org in (two_orgs.acme, two_orgs.globex):
        async with tenancy.tenant(app_pool, org) as tx:
            page = await reading.list_requests(tx, Filter(), limit=10_000)
            found |= {r.request_id.bytes: r.final.end_reason for r in page.requests}
            for n, table in enumerate(("attempts", "ratings", "attempt_tags")):
                cursor = await tx.execute(
                    SQL("SELECT count(*) FROM route.{}").format(Identifier(table))
                )
                rows[n] += (await cursor.fetchone() or (0,))[0]
            rows[3] += (await usage.usage_by(tx, "day", Filter())).total.attempts
    return found, rows


@pytest.mark.parametrize("point", CRASH_POINTS)
async def test_a_kill_at_any_step_neither_loses_nor_doubles(
    point: str, tmp_path: Path, database: Database, app_pool: Pool, two_orgs: TwoOrgs
) -> None:
    """Killed at each named point, again and again, the ledger ends up as if nothing happened, and
    whoever counts what was charged has heard of each attempt: once, or as one that came again."""
    path = tmp_path / "gwy"
    expected = fill(path, two_orgs)
    for _ in range(3):
        killed = await asyncio.to_thread(ship, path, database, point)
        if killed == 0:  # killed often enough to get to the end
            break
        assert killed == -signal.SIGKILL, f"the point {point} was not hit"
    assert await asyncio.to_thread(ship, path, database) == 0
    found, rows = await ledger_of(app_pool, two_orgs)
    assert found == expected
    assert rows == [CLOSED + LOST] * 4
    assert spools.files(path) == []
    assert not list(path.glob("*.bad"))
    *told, end = told_of(path).read_text().splitlines()
    assert end == "caught up 0"
    fresh = [line.split()[0] for line in told if line.endswith(" 0")]
    assert len(fresh) == len(set(fresh))
    assert {tuple(line.split()[:2]) for line in told if line[0] != "c"} == {
        (request_id.hex(), str(RESERVED if end_reason == "lost" else COST))
        for request_id, end_reason in expected.items()
    }
    assert {line.split()[3] for line in told if line[0] != "c"} == {path.name}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[EmbeddedPostgres, Settings]]:
    """A PostgreSQL of this test's own, migrated, that it may kill: what it commits is on disk."""
    found = settings.load({"home": tempfile.mkdtemp(prefix="dd0c-test-")}, {})
    server = EmbeddedPostgres(home.create(found.home), found)
    try:
        server.start()
        asyncio.run(migrate.migrate(found, product_migrations()))
        yield server, found
    finally:
        server.stop()
        shutil.rmtree(found.home)


def test_the_database_is_killed_and_comes_back(
    tmp_path: Path, server: tuple[EmbeddedPostgres, Settings]
) -> None:
    """While PostgreSQL is away attempts wait in the spool; when it is back all are shipped."""
    postgres, found = server
    two = TwoOrgs(ids.new(), ids.new())
    path = tmp_path / "gwy"
    expected = fill(path, two)
    crowd = [records.opened(two.acme, at_us=records.START_US - n) for n in range(500)]

    async def drill() -> None:
        pool = await pools.open_pool(address.conninfo(found, roles.SHIPPER), roles.SHIPPER, 2)
        shipper = Shipper(path, pool, PriceTable(), SystemClock())
        stop = asyncio.Event()
        running = asyncio.create_task(shipper.run(lambda: {spools.ALIVE}, stop))
        async with asyncio.timeout(60):
            await spools.until(lambda: shipper.counts.rows > 0)
            assert postgres.child is not None
            postgres.child.kill()
            for opened in crowd:
                spools.write(path, [opened, records.closed(opened)], pid=spools.ALIVE)
            await spools.until(lambda: shipper.counts.failures > 0)
            assert shipper.backlog_bytes() > 0
            postgres.stop()
            postgres.start()
            await spools.until(lambda: shipper.backlog_bytes() == 0)
        stop.set()
        await running
        await pool.close()

    asyncio.run(drill())
    expected |= dict.fromkeys([o.request_id for o in crowd], "complete")

    async def look() -> None:
        app_pool = await pools.open_pool(address.conninfo(found, roles.APP), roles.APP, 1)
        seen, rows = await ledger_of(app_pool, two)
        await app_pool.close()
        assert seen == expected
        assert (*rows[:2], rows[3]) == (len(expected),) * 3

    asyncio.run(look())
