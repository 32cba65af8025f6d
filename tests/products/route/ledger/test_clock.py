"""The clock of the machine is set back by an hour: what is booked is booked, once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from dd0c.kernel.db import tenancy
from dd0c.kernel.db.pool import Pool
from dd0c.products.route.hotpath import spool
from dd0c.products.route.prices import PriceTable
from dd0c.products.route.shipper import Shipper
from dd0c.products.route.store import reading
from dd0c.products.route.store.selection import Filter
from tests.conftest import TwoOrgs
from tests.products.route import records

HOUR_US = 3_600_000_000


class Watch:
    """A clock that somebody sets."""

    def __init__(self) -> None:
        self.us = records.START_US

    def now_us(self) -> int:
        return self.us

    def now(self) -> datetime:
        return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=self.us)


async def test_an_hour_back_loses_and_doubles_nothing(
    tmp_path: Path, shipper_pool: Pool, app_pool: Pool, two_orgs: TwoOrgs
) -> None:
    """R-15: a worker with the pid of one before, whose ids are older than those in the ledger, has
    its one row each; what waits is known to wait, though the clock says it was shipped tomorrow."""
    folder = tmp_path / "gwy_own"
    folder.mkdir()
    watch = Watch()
    shipper = Shipper(folder, shipper_pool, PriceTable(), watch)
    for moment in (0, -HOUR_US):
        watch.us = records.START_US + moment
        opened = records.opened(two_orgs.acme, at_us=watch.us)
        writer = spool.SpoolWriter(folder, 0, 0)
        for record in (opened, records.closed(opened)):
            writer.write(record)
        writer.close()
        assert shipper.backlog_age_s() > 0
        assert await shipper.ship_once() == 1
        assert shipper.backlog_age_s() == 0
    async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
        page = await reading.list_requests(tx, Filter(), limit=10)
    assert [r.final.started_at for r in page.requests] == [
        datetime.fromtimestamp((records.START_US - back) / 1e6, UTC) for back in (0, HOUR_US)
    ]
