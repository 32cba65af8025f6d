"""Taking of quotas, in the transaction of what is taken for, and how they stand.

    async with tenancy.tenant(pool, org) as tx:
        await quotas.take(tx, Quota.KEYS, default)
        await keys.create(tx, …)

The organisation's row is locked first and what there is counted after it, in a statement of its
own: that sees what those committed who held the lock before. The lock lets foreign keys through.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from types import MappingProxyType
from typing import LiteralString
from zoneinfo import ZoneInfo

from psycopg import sql
from psycopg.rows import tuple_row

from dd0c.base.errors import NotFound
from dd0c.kernel.db.pool import Transaction
from dd0c.kernel.guard import windows
from dd0c.kernel.guard.windows import Span
from dd0c.kernel.plans import catalogue
from dd0c.kernel.plans.catalogue import Plan, Quota

COUNTS: Mapping[Quota, LiteralString] = MappingProxyType(
    {
        Quota.PEOPLE: "SELECT count(*) FROM kernel.memberships WHERE removed_at IS NULL",
        Quota.KEYS: (
            "SELECT count(DISTINCT coalesce(first, id)) FROM kernel.api_keys"
            " WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())"
        ),
        Quota.TEAMS: "SELECT count(*) FROM kernel.teams WHERE removed_at IS NULL",
        Quota.WEBHOOKS: (
            "SELECT (SELECT count(*) FROM kernel.hook_sources)"
            " + (SELECT count(*) FROM kernel.hook_endpoints)"
        ),
    }
)
"""How many there are in the organisation of the transaction, of what is the kernel's."""


@dataclass(frozen=True, slots=True)
class Held:
    """The plan of the transaction's organisation, whether it has one of its own, and its clock."""

    plan: Plan
    is_own: bool
    zone: ZoneInfo


@dataclass(frozen=True, slots=True)
class Standing:
    """How much of a quota there may be (None: any), is, and when what is used up is there again."""

    quota: Quota
    limit: int | None
    used: int
    frees_at: datetime | None


async def take(
    tx: Transaction, quota: Quota, default: Plan, counts: Mapping[Quota, LiteralString] = COUNTS
) -> None:
    """One more is to be made in this transaction; PlanExceeded. `default`: the plan of those who
    have none of their own. `counts`: how many there are, where a product has them."""
    if (await load(tx, default)).plan.limit(quota) is None:
        return
    held = await load(tx, default, locked=True)
    held.plan.require(quota, await _count(tx, counts[quota]))


async def take_monthly(tx: Transaction, quota: Quota, default: Plan, now: datetime) -> int:
    """One of this month is used up with this transaction; how many are now. PlanExceeded."""
    held = await load(tx, default, locked=True)
    first, frees_at = month(now, held.zone)
    used = await _used(tx, quota, first)
    held.plan.require(quota, used, frees_at)
    await tx.execute(
        "INSERT INTO kernel.quota_uses (org, quota, period, used)"
        " SELECT id, %s, %s, 1 FROM kernel.organisations"
        " ON CONFLICT (org, quota, period) DO UPDATE SET used = quota_uses.used + 1",
        (quota, first),
    )
    return used + 1


async def list_standings(
    tx: Transaction, default: Plan, now: datetime, counts: Mapping[Quota, LiteralString] = COUNTS
) -> list[Standing]:
    """How every quota stands that something can be taken of."""
    held = await load(tx, default)
    first, frees_at = month(now, held.zone)
    found = [
        Standing(quota, held.plan.limit(quota), await _count(tx, query), None)
        for quota, query in counts.items()
    ]
    for quota in filter(lambda each: each.is_monthly, Quota):
        used = await _used(tx, quota, first)
        found.append(Standing(quota, held.plan.limit(quota), used, frees_at))
    return found


async def load(tx: Transaction, default: Plan, *, locked: bool = False) -> Held:
    """The plan of the transaction's organisation; `locked`: nobody else takes meanwhile. A plan
    that only another dd0c knows counts as the default. NotFound."""
    query = sql.SQL("SELECT plan, time_zone FROM kernel.organisations")
    async with tx.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(query + sql.SQL(" FOR NO KEY UPDATE") if locked else query)
        row = await cursor.fetchone()
    if row is None:
        raise NotFound("this organisation is gone")
    own = catalogue.PLANS.get(row[0])
    return Held(own or default, own is not None, ZoneInfo(row[1]))


async def set_plan(tx: Transaction, plan: Plan | None) -> None:
    """The transaction's organisation has this plan from now on; None: the installation's."""
    name = None if plan is None else plan.name
    await tx.execute("UPDATE kernel.organisations SET plan = %s", (name,))


def month(now: datetime, zone: ZoneInfo) -> tuple[date, datetime]:
    """The first day of the month by that clock, and the moment when the next begins."""
    window = windows.window_of(Span.MONTH, int(now.timestamp()), zone)
    assert window.until_s is not None
    first = datetime.fromtimestamp(window.from_s, zone).date()
    return first, datetime.fromtimestamp(window.until_s, UTC)


async def _count(tx: Transaction, query: LiteralString) -> int:
    async with tx.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(query)
        row = await cursor.fetchone()
    assert row is not None
    return int(row[0])


async def _used(tx: Transaction, quota: Quota, period: date) -> int:
    async with tx.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(
            "SELECT used FROM kernel.quota_uses WHERE quota = %s AND period = %s", (quota, period)
        )
        row = await cursor.fetchone()
    return 0 if row is None else int(row[0])
