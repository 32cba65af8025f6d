"""Several shippers with the same rows at once, and a database that is away for an hour (R-15)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dd0c.base.clock import SystemClock
from dd0c.base.errors import Unavailable
from dd0c.kernel.db import roles, tenancy
from dd0c.kernel.db.pool import Pool
from dd0c.products.route.prices import PriceTable
from dd0c.products.route.shipper import Shipper
from dd0c.products.route.shipper.folder import BATCH_ROWS
from dd0c.products.route.shipper.listener import Shipment
from dd0c.products.route.store import ledger, usage
from dd0c.products.route.store.selection import Filter
from tests.conftest import TwoOrgs
from tests.products.route import records
from tests.products.route.ledger import spools
from tests.products.route.ledger.test_clock import Watch
from tests.support.database import Database, cut_off

ROWS, ROUNDS, SHIPPERS, COST = BATCH_ROWS - 1, 4, 4, 145_500_000
NEW_YEAR = datetime(2027, 1, 1, tzinfo=UTC)


class Ears:
    """Keeps what it is told for new."""

    def __init__(self) -> None:
        self.fresh: list[bytes] = []

    async def shipped(self, shipment: Shipment) -> None:
        if not shipment.again:
            self.fresh += [charge.opened.request_id for charge in shipment.charges]

    async def caught_up(self, living: Collection[int]) -> None:
        pass


@pytest.fixture
def pools(pool_as: Callable[..., Pool]) -> tuple[Pool, Pool]:
    """One that all shippers fit in, and one as the job worker."""
    return pool_as(roles.SHIPPER, 2 * SHIPPERS), pool_as(roles.JOBS)


async def test_four_shippers_with_the_same_rows(
    tmp_path: Path, pools: tuple[Pool, Pool], app_pool: Pool, two_orgs: TwoOrgs
) -> None:
    """Four shippers bring the same rows, each in an order of its own, with merges beside them: no
    deadlock, no row twice, every sum exact, and no row new to two of them (R-15)."""
    shipping, jobs = pools
    ears = [Ears() for _ in range(SHIPPERS)]
    added = 0

    async def merge(done: asyncio.Event) -> None:
        while not done.is_set():
            async with tenancy.system(jobs) as tx:
                await ledger.merge_rollups(tx, NEW_YEAR, 1, 100)
            await asyncio.sleep(0)

    done = asyncio.Event()
    merging = asyncio.create_task(merge(done))
    for round in range(ROUNDS):
        at_us = records.START_US + round * ROWS
        opens = [records.opened(two_orgs.acme, at_us=at_us + n, tags=("t",)) for n in range(ROWS)]
        shippers = []
        for n in range(SHIPPERS):
            folder = tmp_path / f"home{round}-{n}" / "gwy"
            mine = random.Random(n).sample(opens, ROWS)
            spools.write(folder, [r for o in mine for r in (o, records.closed(o))])
            shippers.append(
                Shipper(folder, shipping, PriceTable(), SystemClock(), listener=ears[n])
            )
        took = await asyncio.gather(*(one.ship_once() for one in shippers))
        assert took == [ROWS] * SHIPPERS
        added += sum(one.counts.rows for one in shippers)
    done.set()
    await merging
    assert added == ROUNDS * ROWS
    fresh = [request_id for one in ears for request_id in one.fresh]
    assert len(fresh) == len(set(fresh))
    async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
        for by in ("model", "tag"):
            (row,) = (await usage.usage_by(tx, by, Filter())).rows
            assert (row.attempts, row.cost_pico) == (added, added * COST)


async def test_an_hour_without_a_database(
    tmp_path: Path, pools: tuple[Pool, Pool], app_pool: Pool, two_orgs: TwoOrgs, database: Database
) -> None:
    """An hour of attempts, one a second, waits on disk while PostgreSQL is away, over the end of a
    year; when it is back each is booked once, in its own hour and month (R-15)."""
    watch, folder = Watch(), tmp_path / "gwy"
    folder.mkdir()
    begun = NEW_YEAR - timedelta(minutes=20)
    shipper = Shipper(folder, pools[0], PriceTable(), watch)
    assert await shipper.ship_once() == 0
    with cut_off(database):
        for second in range(3_600):
            watch.us = int(begun.timestamp() + second) * 1_000_000
            opened = records.opened(two_orgs.acme, at_us=watch.us)
            spools.write(folder, [opened, records.closed(opened)], pid=spools.ALIVE)
        with pytest.raises(Unavailable):
            await shipper.ship_once(lambda: {spools.ALIVE})
        assert shipper.backlog_bytes() == sum(p.stat().st_size for p in folder.glob("*.spool"))
    stop = asyncio.Event()
    running = asyncio.create_task(shipper.run(lambda: {spools.ALIVE}, stop))
    async with asyncio.timeout(60):
        await spools.until(lambda: shipper.backlog_bytes() == 0)
    stop.set()
    await running
    assert shipper.counts.rows == 3_600
    async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
        report = await usage.usage_by(tx, "hour", Filter())
    assert [(row.group, row.attempts) for row in report.rows] == [
        (NEW_YEAR - timedelta(hours=1), 1_200),
        (NEW_YEAR, 2_400),
    ]
    assert report.total.cost_pico == 3_600 * COST
