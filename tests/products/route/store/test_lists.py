"""Lists of requests: both directions, several conditions, what arrived lately, ids half typed."""

from __future__ import annotations

import random
import uuid
from dataclasses import replace
from datetime import timedelta

import pytest

from dd0c.base import ids
from dd0c.kernel.db import tenancy
from dd0c.kernel.db.pool import Pool
from dd0c.products.route.store import ledger, reading, staging
from dd0c.products.route.store.selection import Filter
from tests.conftest import TwoOrgs
from tests.products.route import records
from tests.products.route.store.drawing import START, TAGS, TEAMS, drawn, inside
from tests.products.route.store.test_rollups import make_partitions, ship

LIMIT = 7
ANY = Filter()
SEVERAL = (
    ANY,
    Filter(provider="sim"),
    Filter(team=TEAMS[0]),
    Filter(tag=TAGS[0]),
    Filter(tag=TAGS[0], team=TEAMS[1], provider="sim"),
    Filter(unpriced=True),
    Filter(model="dear", key_id=uuid.UUID(int=2)),
    Filter(model="dear", end_reason="timeout", unpriced=True),
    Filter(model="cheap", provider="sim", key_id=uuid.UUID(int=1), end_reason="timeout"),
    Filter(since=START.replace(hour=22, minute=10), model="cheap", provider="openai"),
    Filter(until=START.replace(hour=3) + timedelta(days=1), model="dear", provider="sim"),
    Filter(model="cheap", provider="none"),
)


@pytest.mark.parametrize("wanted", SEVERAL, ids=str)
async def test_pages_go_on_and_back(
    wanted: Filter, app_pool: Pool, shipper_pool: Pool, two_orgs: TwoOrgs
) -> None:
    """Page by page to the end and back, each request that matches is there once, in order, however
    many conditions hold, and none of another tenant (K-11)."""
    chance = random.Random(5)
    await make_partitions(shipper_pool)
    rows = [drawn(chance, two_orgs.acme) for _ in range(300)]
    rows = [r for r in rows if r.opened.endpoint != "models"]
    await ship(shipper_pool, [*rows, *(drawn(chance, two_orgs.globex) for _ in range(50))])
    expected = sorted(
        uuid.UUID(bytes=row.opened.request_id)
        for row in inside(rows, two_orgs.acme, wanted)
        if row.closed is None or row.closed.final
    )[::-1]
    assert len(expected) > LIMIT or wanted.provider == "none" or wanted.end_reason

    async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
        pages = [await reading.list_requests(tx, wanted, limit=LIMIT)]
        while (before := pages[-1].next_before) is not None:
            pages.append(
                await reading.list_requests(tx, replace(wanted, before=before), limit=LIMIT)
            )
        back = [pages[-1]]
        while (after := back[-1].previous_after) is not None:
            back.append(await reading.list_requests(tx, replace(wanted, after=after), limit=LIMIT))
    assert [r.request_id for page in pages for r in page.requests] == expected
    assert [r.request_id for page in back[::-1] for r in page.requests] == expected
    assert pages[0].previous_after is None


async def test_what_arrives_late_is_not_missed(
    app_pool: Pool, shipper_pool: Pool, two_orgs: TwoOrgs
) -> None:
    """A live list sees a row whose transaction began first and committed last, and a request that
    is older than what it has shown (proof: a watermark by id would miss both)."""
    await make_partitions(shipper_pool)

    def one(at_us: int, org: uuid.UUID = two_orgs.acme) -> staging.Rated:
        return staging.Rated(records.opened(org, at_us=at_us), None, None, None, "lost")

    first, slow, old, fast = (
        one(records.START_US + n * 1000) for n in (9_000, 2_000, 1_000, 8_000)
    )
    await ship(shipper_pool, [first])

    async def look(mark: str | None, wanted: Filter = ANY) -> tuple[list[bytes], str]:
        async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
            found = await reading.list_arrived(tx, wanted, mark, limit=9)
        return [r.request_id.bytes for r in found.requests], found.mark

    nothing, mark = await look(None)
    assert nothing == []
    async with shipper_pool.connection() as beside, beside.transaction():
        await ledger.insert(beside, [staging.row(slow)], now=START)
        await ship(shipper_pool, [fast, one(records.START_US, two_orgs.globex)])
        seen, mark = await look(mark)
        assert seen == [fast.opened.request_id]
    await ship(shipper_pool, [old])
    seen, mark = await look(mark)
    assert set(seen) >= {slow.opened.request_id, old.opened.request_id}
    assert first.opened.request_id not in seen
    assert (await look(mark, Filter(end_reason="complete")))[0] == []
    assert (await look(mark))[0] == []


async def test_ids_half_typed(app_pool: Pool, shipper_pool: Pool, two_orgs: TwoOrgs) -> None:
    """The digits an id begins with find it, for its own tenant; what is no digit finds nothing."""
    await make_partitions(shipper_pool)
    opened = records.opened(two_orgs.acme)
    await ship(shipper_pool, [staging.Rated(opened, None, None, None, "lost")])
    digits = ids.text(ids.Kind.REQUEST, opened.request_id)[4:]
    for org, found in ((two_orgs.acme, 1), (two_orgs.globex, 0)):
        async with tenancy.tenant(app_pool, org) as tx:
            for typed in (digits, digits[:12], digits[:1], digits.upper()[:9]):
                assert len(await reading.list_starting(tx, typed, limit=5)) == found
            for typed in ("", "7", "zz", digits[:8] + "!", "u" * 30, "\N{SNOWMAN}"):
                assert await reading.list_starting(tx, typed, limit=5) == []
