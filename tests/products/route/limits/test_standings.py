"""How budgets stand: what gateways count live, what the ledger tells, and where it leads."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from dd0c.base import ids
from dd0c.kernel.auth import organisations
from dd0c.kernel.cache import client
from dd0c.kernel.cache.embedded import EmbeddedValkey
from dd0c.kernel.db import tenancy
from dd0c.kernel.db.pool import Pool
from dd0c.kernel.guard.counters import Counters
from dd0c.kernel.guard.limits import CALL_WITHIN_S, Ask, Counter, Granted, Kind
from dd0c.kernel.guard.windows import Window
from dd0c.products.route import standings
from dd0c.products.route.standings import Standing
from dd0c.products.route.store import budgets, limits, rules
from dd0c.products.route.store.budgets import Budget, NewBudget
from dd0c.products.route.store.limits import NewLimit
from tests.conftest import TwoOrgs
from tests.products.route import records
from tests.products.route.api.ledger import rated
from tests.products.route.store.test_rollups import make_partitions, ship
from tests.support import servers

NOW = datetime(2026, 11, 3, 13, 0, tzinfo=UTC)
DOLLAR = 10**12
NANO = 1000  # pico-dollars


@pytest.fixture
def valkey(runner: asyncio.Runner) -> Iterator[tuple[EmbeddedValkey, client.Client]]:
    """A server of the test's own, and a client of it."""
    with servers.temporary_folder() as folder:
        place, settings = servers.open_home(folder)
        server = EmbeddedValkey(place)
        server.start()
        opened = client.open_client(settings, 2, CALL_WITHIN_S)
        yield server, opened
        runner.run(opened.aclose())
        server.stop()


async def set_budget(pool: Pool, org: uuid.UUID, span: str, *, hard: bool = True) -> Budget:
    """Two dollars for the whole organisation."""
    async with tenancy.tenant(pool, org) as tx:
        wanted = NewBudget("organisation", "", span, 2 * DOLLAR, hard)
        return await budgets.save(tx, org, wanted, NOW)


async def test_gateways_count_what_the_ledger_does_not_know_yet(
    app_pool: Pool,
    shipper_pool: Pool,
    two_orgs: TwoOrgs,
    valkey: tuple[EmbeddedValkey, client.Client],
) -> None:
    """A hard budget that gateways have met shows their figures; one that they have not, and a soft
    one, the ledger's. Without an answer the hard ones are unknown, the soft one is not (R-16)."""
    server, opened = valkey
    await make_partitions(shipper_pool)
    attempt = records.opened(two_orgs.acme)
    await ship(shipper_pool, [rated(attempt, cost_pico=DOLLAR // 4)])
    met = await set_budget(app_pool, two_orgs.acme, "total")
    unmet = await set_budget(app_pool, two_orgs.acme, "month")
    soft = await set_budget(app_pool, two_orgs.acme, "day", hard=False)
    gateway, reader = Counters(opened, "gateway"), Counters(opened, "reader")
    await gateway.post([])
    counter = standings.counter_of(met, Window(0, None))
    token = await gateway.begin_count(counter)
    assert token is not None
    assert await gateway.end_count(counter, token, DOLLAR // 2 // NANO, "1:1:")
    granted = await gateway.take([Ask(counter, DOLLAR // 10 // NANO, DOLLAR // 10 // NANO)])
    assert isinstance(granted, Granted)

    async def stand(found: list[Budget]) -> list[tuple[int | None, ...]]:
        async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
            stood = await standings.stand(tx, reader, found, NOW)
        return [(one.spent_pico, one.reserved_pico, one.remaining_pico) for one in stood]

    assert await stand([met, unmet, soft]) == [
        (500_000_000_000, 100_000_000_000, 1_400_000_000_000),
        (250_000_000_000, 0, 1_750_000_000_000),
        (250_000_000_000, 0, 1_750_000_000_000),
    ]
    async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
        over = await standings.list_over(tx, reader, 25.0, NOW)
    assert [(one.budget.id, one.percent) for one in over] == [(met.id, 25.0)]
    server.stop()
    unknown = (None, None, None)
    assert await stand([met, unmet, soft]) == [
        *(unknown, unknown),
        (250_000_000_000, 0, 1_750_000_000_000),
    ]


async def test_a_day_of_a_soft_budget_is_the_organisations_day(
    app_pool: Pool,
    shipper_pool: Pool,
    two_orgs: TwoOrgs,
    valkey: tuple[EmbeddedValkey, client.Client],
) -> None:
    """In Tokyo the 4th of November begins at 15:00 UTC of the 3rd: what was spent a millisecond
    before is yesterday's (R-16)."""
    await make_partitions(shipper_pool)
    midnight_us = 1_793_718_000_000_000  # 2026-11-03T15:00:00Z
    spent = [(midnight_us - 1000, 1), (midnight_us, 20), (midnight_us + 3_600_000_000, 300)]
    await ship(
        shipper_pool,
        [rated(records.opened(two_orgs.acme, at_us=at), cost_pico=cost) for at, cost in spent],
    )
    async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
        await organisations.set_time_zone(tx, "Asia/Tokyo")
    soft = await set_budget(app_pool, two_orgs.acme, "day", hard=False)
    reader = Counters(valkey[1], "reader")
    found = []
    for at in (-1, 0):
        moment = datetime.fromtimestamp(midnight_us // 1_000_000 + at, UTC)
        async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
            found += await standings.stand(tx, reader, [soft], moment)
    assert [one.spent_pico for one in found] == [1, 320]
    assert [one.window.from_s for one in found] == [1_793_631_600, 1_793_718_000]


async def test_what_is_used_of_limits_is_what_gateways_count(
    app_pool: Pool, two_orgs: TwoOrgs, valkey: tuple[EmbeddedValkey, client.Client]
) -> None:
    """Requests and tokens of the last minute, requests at the moment; of nobody else's limits, and
    unknown without an answer (K-60, K-11)."""
    server, opened = valkey
    both = NewLimit("tag", "eu", 60, None, 5)
    for org, wanted in (
        (two_orgs.acme, both),
        (two_orgs.globex, NewLimit("organisation", "", 9, 9, 9)),
    ):
        async with tenancy.tenant(app_pool, org) as tx:
            await limits.save(tx, org, wanted, NOW)
    async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
        by_measure = {rule.measure: rule.counter for rule in await rules.list_rules(tx)}
    gateway, reader = Counters(opened, "gateway"), Counters(opened, "reader")
    await gateway.post([])
    for measure, kind, cap, amount in (
        ("requests", Kind.RATE, 60, 3),
        ("concurrency", Kind.CONCURRENCY, 5, 2),
    ):
        counter = Counter(two_orgs.acme.bytes, by_measure[measure], kind, cap)
        assert isinstance(await gateway.take([Ask(counter, amount, amount)]), Granted)

    async def used() -> dict[tuple[str, str, str], int | None]:
        async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
            return await standings.list_in_use(tx, reader)

    assert await used() == {("tag", "eu", "requests"): 3, ("tag", "eu", "concurrency"): 2}
    server.stop()
    assert await used() == {("tag", "eu", "requests"): None, ("tag", "eu", "concurrency"): None}


BUDGET = Budget(ids.new(), ids.new(), "key", "0" * 32, "day", 30_000, True, NOW, None, b"c" * 16)
DAY = Window(int(NOW.timestamp()), int(NOW.timestamp()) + 86_400)


def standing(hours: float, spent: int | None, window: Window = DAY) -> Standing:
    """So many hours into the day."""
    return Standing(BUDGET, window, NOW + timedelta(hours=hours), spent, None)


@pytest.mark.parametrize(
    ("hours", "spent", "forecast"),
    [
        (6, 100, 400),
        (12, 501, 1002),
        (24, 7, 7),
        (8, 100, 300),
        (7, 100, 342),  # 342.86 is told as no more than it is
        (1.2, 10, 200),
        (1.19, 10, None),
        (0, 0, None),
        (6, None, None),
        (6, 0, 0),
    ],
)
def test_where_spending_leads(hours: float, spent: int | None, forecast: int | None) -> None:
    """A straight line from the window's beginning to its end; unknown in its first twentieth, and
    when what is spent is (R-16)."""
    assert standing(hours, spent).forecast_pico == forecast
    assert standing(hours, spent, Window(0, None)).forecast_pico is None


@pytest.mark.parametrize(
    ("spent", "percent"), [(0, 0.0), (29_999, 99.9), (30_000, 100.0), (70_359, 234.5), (None, None)]
)
def test_all_of_it_is_spent_when_all_is(spent: int | None, percent: float | None) -> None:
    """The percentage is rounded down: 100 is not shown a cent too early."""
    assert standing(1, spent).percent == percent
