"""Quotas where they are taken: of a month exactly, by the organisation's clock (K-84)."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from dd0c.base.errors import InvalidInput, PlanExceeded
from dd0c.kernel.db import tenancy
from dd0c.kernel.db.pool import Pool
from dd0c.kernel.plans import catalogue, quotas
from dd0c.kernel.plans.catalogue import UNLIMITED, Plan, Quota
from tests.conftest import TwoOrgs

FIVE = Plan("five", {Quota.EXECUTIONS: 50})
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
AT_ONCE = 200


@pytest.mark.parametrize(
    ("zone", "now", "first", "frees_at"),
    [
        ("UTC", "2026-11-30T23:59:59+00:00", "2026-11-01", "2026-12-01T00:00:00+00:00"),
        ("UTC", "2026-12-01T00:00:00+00:00", "2026-12-01", "2027-01-01T00:00:00+00:00"),
        # Midnight of the first is 13:00 UTC of the day before, in New Zealand's summer.
        (
            "Pacific/Auckland",
            "2026-10-31T10:59:59+00:00",
            "2026-10-01",
            "2026-10-31T11:00:00+00:00",
        ),
        (
            "Pacific/Auckland",
            "2026-10-31T11:00:00+00:00",
            "2026-11-01",
            "2026-11-30T11:00:00+00:00",
        ),
        (
            "America/New_York",
            "2026-12-01T04:59:59+00:00",
            "2026-11-01",
            "2026-12-01T05:00:00+00:00",
        ),
        (
            "America/New_York",
            "2026-12-01T05:00:00+00:00",
            "2026-12-01",
            "2027-01-01T05:00:00+00:00",
        ),
    ],
)
def test_a_month_is_that_of_the_organisations_clock(
    zone: str, now: str, first: str, frees_at: str
) -> None:
    """Its first day, and when the next begins; literals from a calendar (K-84)."""
    found = quotas.month(datetime.fromisoformat(now), ZoneInfo(zone))
    assert found == (date.fromisoformat(first), datetime.fromisoformat(frees_at))


async def take(pool: Pool, orgs: TwoOrgs, now: datetime, *, fail: bool = False) -> str:
    """One execution of acme; what became of it."""
    try:
        async with tenancy.tenant(pool, orgs.acme) as tx:
            await quotas.take_monthly(tx, Quota.EXECUTIONS, FIVE, now)
            if fail:
                raise RuntimeError
    except PlanExceeded:
        return "refused"
    except RuntimeError:
        return "failed"
    return "taken"


async def test_of_200_at_once_exactly_those_included_succeed(
    app_pool: Pool, two_orgs: TwoOrgs
) -> None:
    """A plan of 50 a month: 50 of 200 transactions at once take one, and what one took
    that failed is not taken. With the next month there are 50 again; another
    organisation has its own (K-84)."""
    failing = [take(app_pool, two_orgs, NOW, fail=True) for _ in range(20)]
    taking = [take(app_pool, two_orgs, NOW) for _ in range(AT_ONCE - len(failing))]
    found = Counter(await asyncio.gather(*failing, *taking))
    assert found["taken"] == 50
    assert found["refused"] + found["failed"] == 150
    async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
        with pytest.raises(PlanExceeded) as refused:
            await quotas.take_monthly(tx, Quota.EXECUTIONS, FIVE, NOW)
    assert (
        refused.value.message == "the plan five includes 50 executions a month, and 50 are in use"
    )
    assert refused.value.hint.startswith("wait until 2026-12-01 00:00 UTC, or ask whoever runs")
    async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
        await tx.execute("UPDATE kernel.organisations SET time_zone = 'Pacific/Auckland'")
    border = datetime(2026, 11, 30, 11, tzinfo=UTC)
    assert await take(app_pool, two_orgs, border - timedelta(seconds=1)) == "refused"
    again = [take(app_pool, two_orgs, border) for _ in range(60)]
    assert Counter(await asyncio.gather(*again)) == {"taken": 50, "refused": 10}
    async with tenancy.tenant(app_pool, two_orgs.globex) as tx:
        assert await quotas.take_monthly(tx, Quota.EXECUTIONS, FIVE, NOW) == 1


async def test_a_plan_of_ones_own_outweighs_the_installations(
    app_pool: Pool, two_orgs: TwoOrgs
) -> None:
    """Given, changed and taken away; a plan that only a newer dd0c knows counts as the
    installation's (K-84)."""
    free = catalogue.get("free")

    async def plan() -> tuple[str, bool]:
        async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
            held = await quotas.load(tx, UNLIMITED)
        return held.plan.name, held.is_own

    async def give(wanted: Plan | None) -> None:
        async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
            await quotas.set_plan(tx, wanted)

    assert await plan() == ("unlimited", False)
    await give(free)
    assert await plan() == ("free", True)
    await give(Plan("of a newer dd0c", {}))
    assert await plan() == ("unlimited", False)
    await give(None)
    assert await plan() == ("unlimited", False)
    with pytest.raises(InvalidInput, match="there is no plan 'gold'"):
        catalogue.get("gold")


def test_the_free_plan_is_what_is_published() -> None:
    """Five runbooks and 50 executions a month, among others; a larger plan includes no less of
    anything (K-84)."""
    free, team = catalogue.get("free"), catalogue.get("team")
    assert (free.limits[Quota.RUNBOOKS], free.limits[Quota.EXECUTIONS]) == (5, 50)
    assert free.limits.keys() == team.limits.keys() == set(Quota)
    assert all(free.limits[quota] < team.limits[quota] for quota in Quota)
