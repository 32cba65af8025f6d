"""Further ratings: of one's own attempts only, never over what came meanwhile, sums included."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from dd0c.kernel.db import tenancy
from dd0c.kernel.db.pool import Pool
from dd0c.products.route.store import ledger, overview, ratings, staging
from dd0c.products.route.store.ratings import Rerated
from dd0c.products.route.store.selection import Filter
from tests.conftest import TwoOrgs
from tests.products.route import records

SPAN = Filter(since=records.START - timedelta(hours=1))


async def shipped(pool: Pool, orgs: TwoOrgs, count: int) -> None:
    """Attempts of acme that cost 700 each."""
    opened = [records.opened(orgs.acme, at_us=records.START_US + n) for n in range(count)]
    rated = [staging.Rated(o, records.closed(o), 700, "prc_1", None) for o in opened]
    async with tenancy.system(pool) as tx:
        await ledger.ensure_partitions(tx, records.START, records.START)
        await ledger.insert(tx, [staging.row(one) for one in rated], now=records.START)


async def test_a_rating_goes_over_nothing_that_came_meanwhile(
    app_pool: Pool, shipper_pool: Pool, two_orgs: TwoOrgs
) -> None:
    """What was rated since it was read stays; another tenant's attempts are not there (K-11)."""
    await shipped(shipper_pool, two_orgs, 1)
    async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
        read = await ratings.list_rated(tx, SPAN, limit=10)
    cheaper = [Rerated(one, "prc_2", 500, None, None) for one in read]
    dearer = [Rerated(one, "prc_3", 900, None, None) for one in read]
    async with tenancy.tenant(app_pool, two_orgs.globex) as tx:
        assert await ratings.list_rated(tx, SPAN, limit=10) == []
        assert await ratings.rerate(tx, dearer, "theirs", records.START) == 0
    async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
        assert await ratings.rerate(tx, cheaper, "first", records.START) == 1
        assert await ratings.rerate(tx, dearer, "from before that", records.START) == 0
        assert (await overview.totals(tx, SPAN)).cost_pico == 500
        [history] = (await ratings.list_all(tx, [read[0].request_id])).values()
    assert [(one.revision, one.cost_pico, one.reason) for one in history] == [
        (0, 700, None),
        (1, 500, "first"),
    ]


async def test_two_at_once_rate_each_attempt_once(
    app_pool: Pool, shipper_pool: Pool, two_orgs: TwoOrgs
) -> None:
    """Both read all and write in opposite orders; no attempt gets two ratings, none is counted
    twice, nobody waits for ever."""
    await shipped(shipper_pool, two_orgs, 60)

    async def rerate(batches: range) -> int:
        done = 0
        async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
            read = await ratings.list_rated(tx, SPAN, limit=100)
            made = [Rerated(one, "prc_2", 500, 500, 500) for one in read]
            for n in batches:
                batch = made[n * 20 : n * 20 + 20]
                done += await ratings.rerate(tx, batch, "again", records.START)
                await asyncio.sleep(0)
        return done

    async with asyncio.timeout(20):
        done = await asyncio.gather(rerate(range(3)), rerate(range(2, -1, -1)))
    assert sum(done) == 60
    async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
        assert await overview.totals(tx, SPAN) == overview.Totals(60, 0, 0, 60 * 500, None)
        again = await ratings.list_rated(tx, SPAN, limit=100)
    assert {one.revision for one in again} == {1}
