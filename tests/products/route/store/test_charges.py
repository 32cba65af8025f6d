"""What budgets are charged: exact in any window, with the snapshot it is of (R-16, R-17)."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta

import pytest

from dd0c.kernel.db import roles, tenancy
from dd0c.kernel.db.pool import Pool, Transaction
from dd0c.products.route.models import EndReason, Usage, UsageSource
from dd0c.products.route.store import charges, ledger, overview, reading, staging, usage
from dd0c.products.route.store.ledger import Settlement
from dd0c.products.route.store.overview import Totals
from dd0c.products.route.store.selection import Filter
from dd0c.products.route.store.spans import Span
from tests.conftest import TwoOrgs
from tests.products.route import records
from tests.products.route.store.drawing import (
    KEYS,
    MODELS,
    SPAN_S,
    START,
    TAGS,
    TEAMS,
    at,
    drawn,
)
from tests.products.route.store.test_rollups import FAR, make_partitions, ship

EVER = Span(None, None)
SUBJECTS = (
    *(("organisation", ""), ("team", TEAMS[0].hex), ("key", uuid.UUID(int=KEYS[1]).hex)),
    *(("tag", TAGS[0]), ("tag", TAGS[2]), ("route", MODELS[2]), ("model", "sent")),
    *(("team", uuid.UUID(int=99).hex), ("tag", "nobody's")),
)


@pytest.fixture
def gateway_pool(pool_as: Callable[[str], Pool]) -> Pool:
    """A pool as a gateway."""
    return pool_as(roles.GATEWAY)


@pytest.fixture
def jobs_pool(pool_as: Callable[[str], Pool]) -> Pool:
    """A pool as the job worker."""
    return pool_as(roles.JOBS)


def concerns(row: staging.Rated, scope: str, subject: str) -> bool:
    """Whether an attempt falls under a budget."""
    opened = row.opened
    theirs: dict[str, Collection[str | None]] = {
        "organisation": [""],
        "team": [opened.team.hex() if opened.team else None],
        "key": [opened.key_id.hex()],
        "tag": opened.tags,
        "route": [opened.requested_model],
        "model": [opened.sent_model],
    }
    return subject in theirs[scope]


def charged_to(row: staging.Rated, scope: str, subject: str) -> int:
    """What an attempt is charged to a budget: its cost, else its reservation, else nothing."""
    if not concerns(row, scope, subject):
        return 0
    return row.cost_pico if row.cost_pico is not None else row.opened.reserved_pico or 0


async def test_any_window_of_any_scope_is_exact(
    gateway_pool: Pool, shipper_pool: Pool, jobs_pool: Pool, two_orgs: TwoOrgs
) -> None:
    """What a gateway counts is what the attempts were charged, to the pico-dollar, in windows that
    begin anywhere, merged or not, of one organisation (R-16, K-11)."""
    await make_partitions(shipper_pool)
    chance = random.Random(5)
    orgs = (two_orgs.acme, two_orgs.globex)
    rows = [drawn(chance, chance.choice(orgs)) for _ in range(900)]
    await ship(shipper_pool, rows)
    for merges in (0, 3, 1_000):
        async with tenancy.system(jobs_pool) as tx:
            await ledger.merge_rollups(tx, FAR, 1, merges)
        async with tenancy.system(gateway_pool) as tx:
            for scope, subject in SUBJECTS:
                bounds = sorted(chance.sample(range(SPAN_S), 2))
                since, until = (START + timedelta(seconds=second) for second in bounds)
                soon = since + timedelta(minutes=50)
                for begin, end in ((since, until), (since, soon), (since, None), (None, None)):
                    pico, snapshot = await charges.charged(
                        tx, two_orgs.acme, scope, subject, Span(begin, end)
                    )
                    assert pico == expected(rows, two_orgs, scope, subject, (begin, end))
                    assert snapshot.count(":") == 2


def expected(
    rows: Sequence[staging.Rated],
    orgs: TwoOrgs,
    scope: str,
    subject: str,
    window: tuple[datetime | None, datetime | None],
) -> int:
    """The same by adding up attempts."""
    since, until = window
    return sum(
        charged_to(row, scope, subject)
        for row in rows
        if row.opened.org == orgs.acme.bytes
        and (since is None or at(row) >= since)
        and (until is None or at(row) < until)
    )


async def test_sum_and_snapshot_are_one(
    gateway_pool: Pool, shipper_pool: Pool, two_orgs: TwoOrgs
) -> None:
    """An attempt is in the sum exactly if its transaction is visible in the snapshot told with it:
    one that commits between two statements of a count is in neither or in both (R-16)."""
    await make_partitions(shipper_pool)
    opened = records.opened(two_orgs.acme, reserved_pico=70)
    row = staging.row(staging.Rated(opened, None, None, None, "lost"))
    async with gateway_pool.connection() as counting:
        async with tenancy.system(shipper_pool) as tx:
            added = await ledger.insert(tx, [row], now=START)
            assert await told(counting, two_orgs.acme, added.xid) == (0, False)
        assert await told(counting, two_orgs.acme, added.xid) == (70, True)
    async with tenancy.system(shipper_pool) as tx:
        assert (await ledger.insert(tx, [row], now=START)).rows == 0


async def told(tx: Transaction, org: uuid.UUID, xid: int) -> tuple[int, bool]:
    """A count, and whether its snapshot sees the transaction."""
    pico, snapshot = await charges.charged(tx, org, "organisation", "", EVER)
    cursor = await tx.execute(
        "SELECT pg_visible_in_snapshot(%s::text::xid8, %s::pg_snapshot)", (str(xid), snapshot)
    )
    row = await cursor.fetchone()
    assert row is not None
    return pico, row[0]


FOUND = Settlement(
    EndReason.COMPLETE, Usage(input=9, output=5), UsageSource.PROVIDER, b'{"n": 1}', None, 31
)


async def test_a_pending_attempt_is_settled_once(
    app_pool: Pool, shipper_pool: Pool, two_orgs: TwoOrgs
) -> None:
    """What a provider tells later is what is billed and charged from then on, in the row and in
    every sum, with the first rating kept; told twice it counts once, and nobody settles what is
    another's or what has its cost (R-17, K-11)."""
    await make_partitions(shipper_pool)
    opened = records.opened(two_orgs.acme, reserved_pico=70, tags=("batch",))
    pending = records.closed(
        opened,
        end_reason="pending",
        usage=Usage(),
        usage_source="none",
        cost_pico=None,
        price_id=None,
        cost_reason="pending",
        usage_raw=None,
    )
    done = records.opened(two_orgs.acme)
    await ship(
        shipper_pool,
        [
            staging.Rated(opened, pending, None, None, "pending"),
            staging.Rated(done, records.closed(done), 1000, None, None),
        ],
    )
    request_id = uuid.UUID(bytes=opened.request_id)

    async def settle(org: uuid.UUID, which: uuid.UUID) -> bool:
        async with tenancy.tenant(app_pool, org) as tx:
            return await ledger.settle_pending(tx, which, 1, FOUND, now=START)

    async def sums() -> tuple[Totals, int, int]:
        async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
            totals = await overview.totals(tx, Filter())
            report = await usage.usage_by(tx, "tag", Filter(tag="batch"))
            pico, _ = await charges.charged(tx, two_orgs.acme, "tag", "batch", EVER)
            return totals, report.total.input or 0, pico

    assert await sums() == (Totals(2, 0, 1, 1000, None), 0, 70)
    assert not await settle(two_orgs.globex, request_id)
    assert not await settle(two_orgs.acme, uuid.UUID(bytes=done.request_id))
    assert await settle(two_orgs.acme, request_id)
    assert not await settle(two_orgs.acme, request_id)
    assert await sums() == (Totals(2, 0, 0, 1031, None), 9, 31)
    async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
        shown = (await reading.get_request(tx, request_id)).final
    assert (shown.end_reason, shown.cost_pico, shown.usage.output) == ("complete", 31, 5)
    assert [rating.cost_pico for rating in shown.ratings] == [None, 31]


@pytest.mark.parametrize("step_s", [60, 3_600, 86_400])
async def test_what_was_charged_over_time_adds_up(
    app_pool: Pool, shipper_pool: Pool, jobs_pool: Pool, two_orgs: TwoOrgs, step_s: int
) -> None:
    """Each attempt is in the slot of its own time, in steps finer and coarser than those of the
    roll-ups, and those without a known cost are counted; nothing is another's (R-16, K-11)."""
    await make_partitions(shipper_pool)
    chance = random.Random(8)
    rows = [drawn(chance, chance.choice((two_orgs.acme, two_orgs.globex))) for _ in range(300)]
    await ship(shipper_pool, rows)
    async with tenancy.system(jobs_pool) as tx:
        await ledger.merge_rollups(tx, FAR, 1, 1_000)
    since = START + timedelta(seconds=SPAN_S // 5)
    for scope, subject in SUBJECTS:
        async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
            found = await charges.charged_over(
                tx, two_orgs.acme, scope, [subject], Span(since, None), step_s=step_s
            )
        wanted: dict[int, list[int]] = {}
        for row in rows:
            ours = row.opened.org == two_orgs.acme.bytes and at(row) >= since
            if ours and concerns(row, scope, subject):
                slot = wanted.setdefault(int(at(row).timestamp()) // step_s, [0, 0])
                slot[0] += charged_to(row, scope, subject)
                slot[1] += row.cost_pico is None
        assert {n: [one.pico, one.unknown] for n, one in found[subject].items()} == wanted
