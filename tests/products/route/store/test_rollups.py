"""Roll-ups are the ledger, added up: to the pico-dollar, whatever happens meanwhile (R-10)."""

from __future__ import annotations

import asyncio
import itertools
import random
import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from dd0c.kernel.db import roles, tenancy
from dd0c.kernel.db.pool import Pool
from dd0c.products.route.store import latencies, ledger, overview, staging, usage
from dd0c.products.route.store.overview import Totals, Values
from dd0c.products.route.store.selection import Filter
from tests.conftest import TwoOrgs
from tests.products.route import records
from tests.products.route.store.drawing import (
    MODELS,
    SPAN_S,
    START,
    TAGS,
    TEAMS,
    drawn,
    groups_of,
    inside,
    totals_of,
)

FAR = datetime(2100, 1, 1, tzinfo=UTC)


async def ship(pool: Pool, batch: Sequence[staging.Rated]) -> None:
    """Insert a batch as a shipper does."""
    async with tenancy.system(pool) as tx:
        await ledger.insert(tx, [staging.row(each) for each in batch], now=START)


async def merge(pool: Pool, *, new_min: int = 1) -> int:
    async with tenancy.system(pool) as tx:
        return await ledger.merge_rollups(tx, FAR, new_min, 1_000)


@pytest.fixture
def jobs_pool(pool_as: Callable[[str], Pool]) -> Pool:
    """A pool as the job worker."""
    return pool_as(roles.JOBS)


async def make_partitions(pool: Pool) -> None:
    async with tenancy.system(pool) as tx:
        await ledger.ensure_partitions(tx, START, START + timedelta(seconds=SPAN_S))


def filters(chance: random.Random) -> Iterator[Filter]:
    """Spans that begin and end anywhere, and conditions of every kind."""
    yield Filter()
    for _ in range(12):
        bounds = sorted(chance.sample(range(-3600, SPAN_S + 3600), 2))
        if chance.random() < 0.3:
            bounds[1] = bounds[0] + 4_000  # without a whole hour, or with one
        since, until = (START + timedelta(seconds=second, milliseconds=7) for second in bounds)
        yield Filter(
            since=chance.choice((since, None)),
            until=chance.choice((until, None)),
            model=chance.choice((None, None, *MODELS)),
            key_id=chance.choice((None, None, uuid.UUID(int=2))),
            team=chance.choice((None, None, TEAMS[0])),
            tag=chance.choice((None, None, *TAGS)),
            provider=chance.choice((None, None, "sim")),
            end_reason=chance.choice((None, None, "timeout", "complete")),
            unpriced=chance.random() < 0.2,
        )


async def compare(app_pool: Pool, orgs: TwoOrgs, rows: Sequence[staging.Rated], seed: int) -> None:
    """Every sum there is, against the reference."""
    chance = random.Random(seed)
    for org in (orgs.acme, orgs.globex):
        async with tenancy.tenant(app_pool, org) as tx:
            spans = list(filters(chance))
            for wanted in spans:
                expected = inside(rows, org, wanted)
                assert await overview.totals(tx, wanted) == totals_of(expected)
                step_s = chance.choice((300, 3600, 21_600, 86_400))
                slots = await overview.spend(tx, wanted, step_s, 2, by=chance.choice(BY))
                assert sum(slot.requests for slot in slots) == totals_of(expected).requests
                known = [slot.cost_pico for slot in slots if slot.cost_pico is not None]
                assert sum(known) == (totals_of(expected).cost_pico or 0)
            for by, wanted in itertools.product(CUTS, chance.sample(spans, 3)):
                sums: dict[object, tuple[int, int]] = {}
                for row in inside(rows, org, wanted):
                    for group in groups_of(row, by, wanted):
                        attempts, cost = sums.get(group, (0, 0))
                        sums[group] = attempts + 1, cost + (row.cost_pico or 0)
                shown = await usage.usage_by(tx, by, wanted)
                assert {r.group: (r.attempts, r.cost_pico or 0) for r in shown.rows} == sums
                assert shown.total.attempts == len(inside(rows, org, wanted))
            for by in ("model", "key", "provider", "day"):
                since = START + timedelta(seconds=chance.randrange(SPAN_S))
                expected = inside(rows, org, Filter(since=since))
                report = await usage.usage_by(tx, by, Filter(since=since))
                counts = [row.closed.usage.input for row in expected if row.closed is not None]
                known = [count for count in counts if count is not None]
                assert report.total.attempts == len(expected)
                assert report.total.input == (sum(known) if known else None)
                assert (report.total.cost_pico or 0) == (totals_of(expected).cost_pico or 0)


CUTS: tuple[usage.By, ...] = ("team", "tag", "hour")
BY: tuple[overview.By, ...] = ("model", "key", "provider", "team")


async def test_sums_are_those_of_the_ledger_at_any_time(
    app_pool: Pool,
    shipper_pool: Pool,
    jobs_pool: Pool,
    owner_pool: Pool,
    two_orgs: TwoOrgs,
) -> None:
    """Four shippers at once, whole batches again, late rows, merges in between and beside: each sum
    of each span and filter is that of the attempts, digit by digit, of one tenant (R-10, K-11)."""
    await records.add_providers(owner_pool)
    await make_partitions(shipper_pool)
    chance = random.Random(11)
    orgs = (two_orgs.acme, two_orgs.globex)
    rows = [drawn(chance, chance.choice(orgs)) for _ in range(900)]
    batches = [rows[n : n + 60] for n in range(0, 720, 60)]
    for n in range(0, len(batches), 4):
        again = [chance.sample(rows[: (n + 4) * 60], 80) for _ in range(2)]
        async with asyncio.TaskGroup() as tasks:
            for batch in (*batches[n : n + 4], *again):
                tasks.create_task(ship(shipper_pool, batch))
            for _ in range(2):
                tasks.create_task(merge(jobs_pool))
        await compare(app_pool, two_orgs, rows[: (n + 4) * 60], n)
    await merge(jobs_pool)
    assert await merge(jobs_pool) == 0
    await compare(app_pool, two_orgs, rows[:720], 50)
    await ship(shipper_pool, rows)  # the last fifth is late: its hours are merged
    await compare(app_pool, two_orgs, rows, 51)
    await merge(jobs_pool)
    await compare(app_pool, two_orgs, rows, 52)


async def test_merged_is_one_row_of_each_kind(
    shipper_pool: Pool, jobs_pool: Pool, two_orgs: TwoOrgs, owner_pool: Pool
) -> None:
    """What was shipped a row at a time is one row of its hour and one of its day, also when more
    comes late; an hour that goes on is merged when it has many rows, and not before."""
    await make_partitions(shipper_pool)
    late = staging.Rated(records.opened(two_orgs.acme), None, None, None, "lost")
    for n in range(5):
        opened = records.opened(two_orgs.acme, at_us=records.START_US + n)
        await ship(shipper_pool, [staging.Rated(opened, None, None, None, "lost")])

    async def steps() -> dict[str, int]:
        async with tenancy.system(owner_pool) as tx:
            cursor = await tx.execute("SELECT step, count(*) FROM route.rollups GROUP BY 1")
            return dict(await cursor.fetchall())

    assert await steps() == {"new": 5}
    async with tenancy.system(jobs_pool) as tx:
        hour = records.START + timedelta(minutes=59)
        assert await ledger.merge_rollups(tx, hour, 6, 10) == 0
        assert await ledger.merge_rollups(tx, hour, 5, 10) == 1
    assert await steps() == {"hour": 1, "day": 1}
    await ship(shipper_pool, [late])
    assert await steps() == {"hour": 1, "day": 1, "new": 1}
    await merge(jobs_pool)
    assert await steps() == {"hour": 1, "day": 1}


async def test_a_correction_is_one_more_row(
    app_pool: Pool, shipper_pool: Pool, owner_pool: Pool, two_orgs: TwoOrgs
) -> None:
    """A correction adds up with what it corrects: a re-rating is one more row (R-10)."""
    await make_partitions(shipper_pool)
    opened = records.opened(two_orgs.acme)
    closed = records.closed(opened)
    await ship(shipper_pool, [staging.Rated(opened, closed, 700, None, None)])
    async with tenancy.system(owner_pool) as tx:
        await tx.execute(
            "INSERT INTO route.rollups SELECT org, step, at, key_id, requested_model, served_model,"
            " provider, credential_id, endpoint, stream, end_reason, usage_source, cost_reason,"
            " 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, -50,"
            " team, sent_model, tagged, 0"
            " FROM route.rollups"
        )
    async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
        assert await overview.totals(tx, Filter()) == Totals(1, 0, 0, 650, None)


async def test_the_sums_are_the_triggers_alone(
    app_pool: Pool, shipper_pool: Pool, jobs_pool: Pool, two_orgs: TwoOrgs
) -> None:
    """No runtime role writes a roll-up by hand, and only the tenant's are read (K-10, K-11)."""
    await make_partitions(shipper_pool)
    await ship(shipper_pool, [drawn(random.Random(3), two_orgs.acme)])
    for pool in (app_pool, shipper_pool, jobs_pool):
        for statement in ("DELETE FROM route.rollups", "UPDATE route.latencies SET answers = 0"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                async with tenancy.tenant(pool, two_orgs.acme) as tx:
                    await tx.execute(statement)
    for pool in (shipper_pool, jobs_pool):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            async with tenancy.system(pool) as tx:
                await tx.execute("SELECT * FROM route.rollups")


async def test_filter_values_and_latencies(
    app_pool: Pool, shipper_pool: Pool, jobs_pool: Pool, two_orgs: TwoOrgs
) -> None:
    """What to filter by, the most used first; half and 95 of 100 answers within a fifth of what
    they were, failed ones left out; of one tenant, merged or not (R-50, K-11)."""
    await make_partitions(shipper_pool)
    rows = []
    for n in range(200):
        opened = records.opened(two_orgs.acme, requested_model="often" if n else "once")
        closed = records.closed(
            opened,
            total_us=(n + 1) * 10_000 if n < 199 else 10**9,
            first_byte_us=80_000,
            end_reason="complete" if n < 199 else "timeout",
        )
        rows.append(staging.Rated(opened, closed, 1, None, None))
    await ship(shipper_pool, rows)
    wanted = Filter(since=records.START + timedelta(minutes=20), model="often")
    for _ in range(2):
        async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
            values = await overview.list_values(tx, Filter(since=records.START))
            first, total = await latencies.list_latencies(tx, wanted, 3600)
        assert values == Values(("often", "once"), (uuid.UUID(int=7),), ("openai",))
        slot = records.START_US // 3_600_000_000
        assert (first.slot, first.kind, first.answers) == (slot, "first_byte", 198)
        assert (total.slot, total.kind, total.answers) == (slot, "total", 198)
        assert first.p50_us == pytest.approx(80_000, rel=0.19)
        assert total.p50_us == pytest.approx(1_000_000, rel=0.05)  # worked out: the 100th of 199
        assert total.p95_us == pytest.approx(1_890_000, rel=0.1)
        await merge(jobs_pool)
    async with tenancy.tenant(app_pool, two_orgs.globex) as tx:
        assert await overview.list_values(tx, Filter()) == Values((), (), ())
        assert await latencies.list_latencies(tx, Filter(), 3600) == []
