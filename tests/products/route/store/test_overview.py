"""The overview's sums: exact, by tenant, and null where nothing is known."""

from __future__ import annotations

from datetime import timedelta

from dd0c.kernel.db import tenancy
from dd0c.kernel.db.pool import Pool
from dd0c.products.route.models import AttemptOpened
from dd0c.products.route.store import ledger, overview, staging
from dd0c.products.route.store.overview import Slot, Totals, Unpriced
from dd0c.products.route.store.selection import Filter
from tests.conftest import TwoOrgs
from tests.products.route import records

HOUR_US = 3_600_000_000
FIRST_SLOT = records.START_US // HOUR_US
WHOLE = Filter(since=records.START, until=records.START + timedelta(hours=3))


def priced(opened: AttemptOpened, cost_pico: int | None, **changes: object) -> staging.Rated:
    """A closed attempt that cost that; without a cost its model has no price."""
    reason = None if cost_pico is not None else "no_price"
    return staging.Rated(opened, records.closed(opened, **changes), cost_pico, None, reason)


async def fill(pool: Pool, orgs: TwoOrgs) -> None:
    """Three hours of acme; one request of globex."""

    def at(hour: int, model: str, **changes: object) -> AttemptOpened:
        return records.opened(
            orgs.acme, at_us=records.START_US + hour * HOUR_US + 5, requested_model=model, **changes
        )

    rows = [
        priced(at(0, "dear"), 500),
        priced(at(0, "cheap"), 20),
        priced(at(1, "dear"), 700),
        priced(at(1, "odd"), None),
        priced(at(2, "least"), 3),
        priced(at(2, "dear", provider="shaky"), None, end_reason="timeout", upstream_status=None),
        priced(at(3, "dear"), 9_000),  # after the span
        priced(records.opened(orgs.globex, at_us=records.START_US + 7), 40),
    ]
    async with tenancy.system(pool) as tx:
        await ledger.ensure_partitions(tx, records.START, records.START)
        await ledger.insert(tx, [staging.row(r) for r in rows], now=records.START)


async def test_sums_are_of_one_tenant_and_one_span(
    app_pool: Pool, shipper_pool: Pool, two_orgs: TwoOrgs
) -> None:
    """Each tenant reads its own requests, failures and costs, nothing beyond the span (K-11)."""
    await fill(shipper_pool, two_orgs)
    async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
        assert await overview.totals(tx, WHOLE) == Totals(6, 1, 2, 1223, None)
        assert await overview.totals(tx, Filter(model="odd")) == Totals(1, 0, 1, None, None)
        assert await overview.totals(tx, Filter(model="none")) == Totals(0, 0, 0, 0, None)
        assert (await overview.totals(tx, Filter())).cost_pico == 10_223
    async with tenancy.tenant(app_pool, two_orgs.globex) as tx:
        assert await overview.totals(tx, WHOLE) == Totals(1, 0, 0, 40, None)


async def test_what_is_made_up_is_said_beside_the_sum(
    app_pool: Pool, shipper_pool: Pool, owner_pool: Pool, two_orgs: TwoOrgs
) -> None:
    """The sum's simulated part is known of each span and tenant, the unknown is in neither."""
    await records.add_providers(owner_pool)
    made_up = records.SIMULATOR.bytes
    rows = [
        priced(records.opened(two_orgs.acme), 430),
        priced(records.opened(two_orgs.acme, credential_id=made_up), 100),
        priced(records.opened(two_orgs.acme, credential_id=made_up), 20),
        priced(records.opened(two_orgs.acme, credential_id=made_up), None),
        priced(records.opened(two_orgs.acme, credential_id=None), 5),
        priced(records.opened(two_orgs.globex, credential_id=made_up), 7),
    ]
    async with tenancy.system(shipper_pool) as tx:
        await ledger.ensure_partitions(tx, records.START, records.START)
        await ledger.insert(tx, [staging.row(r) for r in rows], now=records.START)
    async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
        assert await overview.totals(tx, WHOLE) == Totals(5, 0, 1, 555, 120)
        late = Filter(since=records.START + timedelta(hours=3))
        assert await overview.totals(tx, late) == Totals(0, 0, 0, 0, None)
    async with tenancy.tenant(app_pool, two_orgs.globex) as tx:
        assert await overview.totals(tx, WHOLE) == Totals(1, 0, 0, 7, 7)


async def test_spend_is_by_hour_and_by_the_dearest_models(
    app_pool: Pool, shipper_pool: Pool, two_orgs: TwoOrgs
) -> None:
    """Beyond the dearest models everything is one; what has no cost adds null, not zero (R-11)."""
    await fill(shipper_pool, two_orgs)
    async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
        found = await overview.spend(tx, WHOLE, 3600, 2)
    assert found == [
        Slot(FIRST_SLOT, "cheap", 1, 0, 0, 20, None),
        Slot(FIRST_SLOT, "dear", 1, 0, 0, 500, None),
        Slot(FIRST_SLOT + 1, "dear", 1, 0, 0, 700, None),
        Slot(FIRST_SLOT + 1, None, 1, 0, 1, None, None),
        Slot(FIRST_SLOT + 2, "dear", 1, 1, 1, None, None),
        Slot(FIRST_SLOT + 2, None, 1, 0, 0, 3, None),
    ]


async def test_what_needs_a_person_is_of_one_tenant(
    app_pool: Pool, shipper_pool: Pool, two_orgs: TwoOrgs
) -> None:
    """Models without a price and providers that fail are listed to their own tenant (K-11)."""
    await fill(shipper_pool, two_orgs)
    async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
        unpriced = await overview.list_unpriced(tx, WHOLE, 5)
        (failing,) = await overview.list_failing(tx, WHOLE)
    assert unpriced == [Unpriced("dear", "no_price", 1), Unpriced("odd", "no_price", 1)]
    assert (failing.provider, failing.attempts, failing.failed) == ("shaky", 1, 1)
    assert failing.last_status is None
    async with tenancy.tenant(app_pool, two_orgs.globex) as tx:
        assert not await overview.list_unpriced(tx, WHOLE, 5)
        assert not await overview.list_failing(tx, WHOLE)
