"""Writing the ledger as the shipper's role and reading it as the control server's."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from dd0c.base import ids
from dd0c.base.errors import NotFound
from dd0c.kernel.db import roles, tenancy
from dd0c.kernel.db.pool import Pool
from dd0c.products.route.models import AttemptOpened, Usage
from dd0c.products.route.prices import PriceTable
from dd0c.products.route.store import ledger, reading, staging, usage
from dd0c.products.route.store.selection import Filter
from tests.conftest import TwoOrgs
from tests.products.route import records
from tests.support.database import Database

START, START_US = records.START, records.START_US
DAY_US = 86_400 * 1_000_000


async def ship(pool: Pool, attempts: Sequence[staging.Rated]) -> int:
    """Insert a batch as the shipper does."""
    async with tenancy.system(pool) as tx:
        await ledger.ensure_partitions(tx, START, START)
    async with tenancy.system(pool) as tx:
        return (await ledger.insert(tx, [staging.row(a) for a in attempts], now=START)).rows


def rated(opened: AttemptOpened, **changes: object) -> staging.Rated:
    """A closed attempt with the rating that came in its record."""
    closed = records.closed(opened, **changes)
    return staging.Rated(opened, closed, closed.cost_pico, closed.price_id, closed.cost_reason)


async def test_an_attempt_reads_back_as_it_was_recorded(
    app_pool: Pool, shipper_pool: Pool, two_orgs: TwoOrgs
) -> None:
    """What the spool says of an attempt, its price and its tags is what the ledger tells (R-10)."""
    price = PriceTable()
    found = price.find("openai", "gpt-5-mini")
    assert found is not None
    row = price.row(found.price_id)
    assert row is not None
    opened = records.opened(two_orgs.acme, tags=("team=a", "env=prod"), end_user="ann")
    async with tenancy.system(shipper_pool) as tx:
        await ledger.add_prices(tx, [row, row])
    assert await ship(shipper_pool, [rated(opened, price_id=found.price_id)]) == 1

    async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
        request = await reading.get_request(tx, uuid.UUID(bytes=opened.request_id))
    assert request.org == two_orgs.acme
    assert (request.endpoint, request.dialect, request.stream) == ("chat", "openai", False)
    assert request.end_user == "ann"
    attempt = request.final
    assert attempt.usage == Usage(input=100, cache_read=20, output=50, reasoning=10)
    assert attempt.started_at == START
    assert attempt.trace_id == bytes(range(16))
    assert (attempt.cost_pico, attempt.cost_reason) == (145_500_000, None)
    assert attempt.price == row
    assert row.rates["tiers"][0]["output"] == "2"
    assert attempt.tags == ("env=prod", "team=a")
    assert attempt.usage_raw == {"prompt_tokens": 120, "completion_tokens": 60}
    assert (attempt.queue_us, attempt.first_byte_us, attempt.total_us) == (120, 300_000, 900_000)


async def test_a_batch_may_be_shipped_again(
    app_pool: Pool, shipper_pool: Pool, two_orgs: TwoOrgs
) -> None:
    """A replay, whole or in part, adds nothing and changes nothing (R-15)."""
    batch = [
        rated(records.opened(two_orgs.acme, at_us=START_US + n, tags=("a",))) for n in range(9)
    ]
    assert await ship(shipper_pool, batch[:6]) == 6
    changed = [staging.Rated(a.opened, a.closed, 1, "other", None) for a in batch]
    assert await ship(shipper_pool, [*changed[:6], *batch[3:]]) == 3
    assert await ship(shipper_pool, [*batch, *batch]) == 0
    async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
        report = await usage.usage_by(tx, "model", Filter())
    assert report.total.attempts == 9
    assert report.total.cost_pico == 9 * 145_500_000


async def test_two_tenants_on_every_read(
    app_pool: Pool, shipper_pool: Pool, two_orgs: TwoOrgs
) -> None:
    """No read function shows, counts or prices another organisation's attempts (K-11)."""
    theirs = records.opened(two_orgs.acme, requested_model="secret-model", tags=("t",))
    await ship(shipper_pool, [rated(theirs)])
    request_id = uuid.UUID(bytes=theirs.request_id)
    everything = [
        Filter(),
        Filter(model="secret-model"),
        Filter(key_id=uuid.UUID(bytes=theirs.key_id)),
        Filter(end_reason="complete"),
        Filter(since=START, until=datetime(2027, 1, 1, tzinfo=UTC)),
        Filter(before=uuid.UUID(int=2**128 - 1)),
    ]
    for org, seen in ((two_orgs.acme, 1), (two_orgs.globex, 0)):
        async with tenancy.tenant(app_pool, org) as tx:
            for wanted in everything:
                page = await reading.list_requests(tx, wanted, limit=10)
                assert len(page.requests) == seen
            for by in ("model", "key", "day"):
                report = await usage.usage_by(tx, by, Filter())
                assert report.total.attempts == len(report.rows) == seen
            if seen:
                assert (await reading.get_request(tx, request_id)).request_id == request_id
            else:
                with pytest.raises(NotFound, match=ids.text(ids.Kind.REQUEST, request_id)):
                    await reading.get_request(tx, request_id)


async def test_the_list_pages_newest_first(
    app_pool: Pool, shipper_pool: Pool, two_orgs: TwoOrgs
) -> None:
    """Paging shows each request once, newest first, with all its attempts; filters hold."""
    first = [records.opened(two_orgs.acme, at_us=START_US + n * DAY_US) for n in range(7)]
    again = [
        records.opened(two_orgs.acme, request_id=o.request_id, attempt=2, at_us=o.started_us + 5)
        for o in first
    ]
    batch = [rated(o, final=False, end_reason="upstream_error") for o in first]
    await ship(shipper_pool, batch + [rated(o) for o in again])
    seen: list[reading.Request] = []
    wanted = Filter()
    async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
        for _ in range(3):
            page = await reading.list_requests(tx, wanted, limit=3)
            seen += page.requests
            wanted = Filter(before=page.next_before)
        assert page.next_before is None
        span = Filter(
            since=datetime(2026, 11, 5, 12, tzinfo=UTC), until=datetime(2026, 11, 7, 12, tzinfo=UTC)
        )
        in_span = await reading.list_requests(tx, span, limit=100)
        none = await reading.list_requests(tx, Filter(model="gpt"), limit=100)
        failed = await reading.list_requests(tx, Filter(end_reason="upstream_error"), limit=9)
    assert [r.request_id.bytes for r in seen] == [o.request_id for o in reversed(first)]
    assert all([a.attempt for a in r.attempts] == [1, 2] for r in seen)
    assert all(r.final.attempt == 2 and r.cost_pico == 2 * 145_500_000 for r in seen)
    assert [r.request_id.bytes for r in in_span.requests] == [
        first[3].request_id,
        first[2].request_id,
    ]
    assert none.requests == failed.requests == ()  # a filter asks for the answer the caller got


async def test_totals_are_the_sum_of_the_lines(
    app_pool: Pool, shipper_pool: Pool, two_orgs: TwoOrgs
) -> None:
    """Usage by model, key and day adds up to one total, digit by digit; unknown is not 0 (R-11)."""
    costs = [1, 333_333_333_333, 7, None, 2**62, 2**62 + 1, None, 10]
    batch = [
        rated(
            records.opened(
                two_orgs.acme,
                at_us=START_US + n * DAY_US // 2,
                requested_model=f"m{n % 3}",
                key_id=uuid.UUID(int=n % 2 + 1).bytes,
            ),
            cost_pico=cost,
            cost_reason=None if cost is not None else "no_price",
        )
        for n, cost in enumerate(costs)
    ]
    await ship(shipper_pool, batch)
    expected = sum(c for c in costs if c is not None)
    async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
        reports = {by: await usage.usage_by(tx, by, Filter()) for by in ("model", "key", "day")}
    for report in reports.values():
        assert report.total.cost_pico == expected
        assert sum(r.cost_pico for r in report.rows if r.cost_pico is not None) == expected
        assert (report.total.requests, report.total.attempts, report.total.unpriced) == (8, 8, 2)
        assert report.total.input == 800
        assert report.total.cache_write_5m is None
    assert [r.group for r in reports["model"].rows] == ["m1", "m2", "m0"]
    days = [r.group for r in reports["day"].rows]
    assert days == sorted(days, key=str)
    assert len(days) == 5
    m0 = reports["model"].rows[2]
    assert (m0.cost_pico, m0.unpriced) == (1, 2)  # attempts 0, 3 and 6


async def test_usage_says_what_is_made_up(
    app_pool: Pool, shipper_pool: Pool, owner_pool: Pool, two_orgs: TwoOrgs
) -> None:
    """Money that a simulated provider would have charged is in the sum and said beside it."""
    await records.add_providers(owner_pool)
    made_up = records.SIMULATOR.bytes
    batch = [
        rated(records.opened(two_orgs.acme), cost_pico=430),
        rated(records.opened(two_orgs.acme, credential_id=made_up), cost_pico=100),
        rated(records.opened(two_orgs.acme, credential_id=made_up), cost_pico=20),
        rated(records.opened(two_orgs.acme, requested_model="gpt-5"), cost_pico=7),
    ]
    await ship(shipper_pool, batch)
    async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
        report = await usage.usage_by(tx, "model", Filter(START, START + timedelta(days=1)))
        before = await usage.usage_by(tx, "model", Filter(until=START))
    shown = [(row.group, row.cost_pico, row.simulated_pico) for row in report.rows]
    assert shown == [("gpt-5-mini", 550, 120), ("gpt-5", 7, None)]
    assert (report.total.cost_pico, report.total.simulated_pico) == (557, 120)
    assert (before.total.cost_pico, before.total.simulated_pico) == (None, None)


async def test_lists_of_models_are_no_usage(
    app_pool: Pool, shipper_pool: Pool, two_orgs: TwoOrgs
) -> None:
    """Who asks which models there are uses none: no row, no request, no cost of it."""
    listed = records.opened(two_orgs.acme, endpoint="models", requested_model="", sent_model="")
    await ship(shipper_pool, [rated(listed, cost_pico=0), rated(records.opened(two_orgs.acme))])
    async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
        for by in ("model", "key", "day"):
            report = await usage.usage_by(tx, by, Filter())
            assert (len(report.rows), report.total.requests, report.total.attempts) == (1, 1, 1)


async def test_only_unknown_costs_are_shown_as_unknown(
    app_pool: Pool, shipper_pool: Pool, two_orgs: TwoOrgs
) -> None:
    """A model none of whose attempts has a cost has no cost, not one of 0."""
    batch = [rated(records.opened(two_orgs.acme), cost_pico=None, cost_reason="no_usage")]
    await ship(shipper_pool, batch)
    async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
        report = await usage.usage_by(tx, "model", Filter())
        page = await reading.list_requests(tx, Filter(), limit=1)
    assert report.rows[0].cost_pico is None
    assert report.total.cost_pico is None
    assert report.total.unpriced == 1
    assert page.requests[0].cost_pico is None
    assert page.requests[0].final.cost_reason == "no_usage"


async def test_the_shipper_reads_nothing_and_the_app_writes_nothing(
    app_pool: Pool, shipper_pool: Pool, two_orgs: TwoOrgs
) -> None:
    """The runtime roles cannot do more with the ledger than they need (K-10)."""
    await ship(shipper_pool, [rated(records.opened(two_orgs.acme))])
    for statement in (
        "SELECT * FROM route.attempts",
        "UPDATE route.ratings SET cost_pico = 0",
        "DELETE FROM route.attempts",
        "SELECT * FROM route.attempts_2026_11",
        "CREATE TABLE route.x ()",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            async with tenancy.system(shipper_pool) as tx:
                await tx.execute(statement)
    for statement in (
        "UPDATE route.prices SET source = ''",
        "UPDATE route.ratings SET cost_pico = 0",
        "DELETE FROM route.attempts",
        "SELECT * FROM route.attempts_2026_11",
        "SELECT route.ensure_partitions(now(), now())",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
                await tx.execute(statement)


async def test_partitions_lie_where_the_ids_say(shipper_pool: Pool, database: Database) -> None:
    """A month's partition holds exactly the ids made in that month, UTC, for any session's zone."""
    async with tenancy.system(shipper_pool) as tx:
        await tx.execute("SET LOCAL timezone = 'Pacific/Auckland'")
        span = datetime(2024, 1, 31, 23, 59, tzinfo=UTC), datetime(2024, 3, 1, tzinfo=UTC)
        assert await ledger.ensure_partitions(tx, *span) == 9
        assert await ledger.ensure_partitions(tx, *span) == 0
        first = ids.first_of(int(datetime(2024, 2, 1, tzinfo=UTC).timestamp() * 1000))
        cursor = await tx.execute(
            "SELECT route.first_id('2024-02-01 00:00+00'), route.time_of(%s)", (first,)
        )
        assert await cursor.fetchone() == (first, datetime(2024, 2, 1, tzinfo=UTC))
    with psycopg.connect(database.conninfo(roles.ADMIN).reveal()) as admin:
        bounds = admin.execute(
            "SELECT pg_get_expr(relpartbound, oid), relforcerowsecurity FROM pg_class"
            " WHERE oid = 'route.attempts_2024_02'::regclass"
        ).fetchone()
        unattached = admin.execute(
            "SELECT count(*) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
            " WHERE NOT c.relispartition AND i.indrelid IN"
            " (SELECT inhrelid FROM pg_inherits WHERE inhparent = 'route.attempts'::regclass)"
        ).fetchone()
    end = ids.first_of(int(datetime(2024, 3, 1, tzinfo=UTC).timestamp() * 1000))
    assert bounds == (f"FOR VALUES FROM ('{first}') TO ('{end}')", True)
    assert unattached == (0,)


async def test_the_column_table_is_the_schema(database: Database) -> None:
    """Each column of the ledger is written, under its own type."""
    with psycopg.connect(database.conninfo(roles.ADMIN).reveal()) as admin:
        rows = admin.execute(
            "SELECT attname, format_type(atttypid, NULL) FROM pg_attribute"
            " WHERE attrelid = 'route.attempts'::regclass AND attnum > 0"
            " AND attname NOT IN ('billed_pico', 'billed_revision', 'charged_pico',"
            " 'unbilled_reason', 'arrived')"
        ).fetchall()
    spelled = {"timestamp with time zone": "timestamptz"}
    assert {name: spelled.get(kind, kind) for name, kind in rows} == {
        name: staging.TYPES[name] for name in staging.ATTEMPT_COLUMNS
    }
