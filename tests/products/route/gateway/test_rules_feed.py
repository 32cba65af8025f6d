"""Rules and terms on their way to the workers: all of them, in time, and only what is enforced."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime

import psycopg

from dd0c.base import home
from dd0c.kernel.auth import keys, organisations, teams
from dd0c.kernel.auth.keys import NewKey
from dd0c.kernel.auth.permissions import Role, Scope
from dd0c.kernel.db import roles, tenancy
from dd0c.products.route.hotpath.snapshot import KeysChanged, Rule, RulesChanged, Snapshot, Terms
from dd0c.products.route.store import budgets, limits, terms
from dd0c.products.route.store.budgets import Budget, NewBudget
from dd0c.products.route.store.limits import NewLimit
from tests.products.route.gateway.tenant import Tenant, as_owner
from tests.products.route.gateway.test_feed import Told, following
from tests.support.database import Database

NOW = datetime(2026, 11, 20, tzinfo=UTC)
NOW_US = 1_795_132_800_000_000


async def set_budget(
    acme: Tenant, scope: str = "organisation", subject: str = "", *, hard: bool = True
) -> Budget:
    """A dollar and a half a month."""
    wanted = NewBudget(scope, subject, "month", 1_500_000_000_000, hard)
    async with tenancy.tenant(acme.pool, acme.org) as tx:
        return await budgets.save(tx, acme.org, wanted, NOW)


def last(told: Told) -> RulesChanged:
    """What the workers go by."""
    return told.of(RulesChanged)[-1]


def says(rule: Callable[[Rule], object]) -> Callable[[Told], bool]:
    """Whether the last message has a rule like that."""
    return lambda told: bool(told.of(RulesChanged)) and any(map(rule, last(told).rules))


def goes_by(budget: Budget, time_zone: str) -> Callable[[Told], bool]:
    """Whether the workers count the budget by that clock."""
    return says(lambda rule: (rule.id, rule.time_zone) == (budget.counter, time_zone))


def knows_team(team: uuid.UUID | None) -> Callable[[Told], bool]:
    """Whether the last message about keys is of one key in that team."""
    entry = None if team is None else team.bytes
    return lambda told: (
        [e.team for change in told.of(KeysChanged)[-1:] for e in change.upsert] == [entry]
    )


async def test_rules_reach_workers_within_a_second(
    database: Database, place: home.Home, acme: Tenant
) -> None:
    """Set, changed and removed: each time one message with all rules; soft budgets are none of the
    workers' business (R-16)."""
    async with following(database, place) as told:
        await set_budget(acme, "model", "gpt-5-mini", hard=False)
        made = await set_budget(acme)
        await told.until(lambda t: t.of(RulesChanged))
        async with tenancy.tenant(acme.pool, acme.org) as tx:
            wanted = NewLimit("tag", "eu", 60, None, 3)
            limit = await limits.save(tx, acme.org, wanted, NOW)
            await terms.set_disconnect(tx, acme.org, "drain_up_to_usd", 5)
        await told.until(says(lambda rule: rule.scope == "tag"))
        org = acme.org.bytes
        found = {(rule.measure, rule.window, rule.amount) for rule in last(told).rules}
        assert found == {
            ("usd", "month", 1_500_000_000_000),
            ("requests", "minute", 60),
            ("concurrency", "", 3),
        }
        assert len({rule.id for rule in last(told).rules}) == 3
        budget = next(rule for rule in last(told).rules if rule.measure == "usd")
        assert budget == Rule(
            *(made.counter, org, "organisation", "", "usd", "month", 1_500_000_000_000),
            time_zone="UTC",
            created_us=NOW_US,
        )
        assert last(told).terms == (Terms(org, "drain_up_to_usd", 5, "open", "closed"),)
        async with tenancy.tenant(acme.pool, acme.org) as tx:
            await budgets.remove(tx, made.id, NOW)
            await limits.remove(tx, limit.id, NOW)
        await told.until(lambda t: last(t).rules == ())


async def test_a_lost_notification_costs_rules_less_than_a_second(
    database: Database, place: home.Home, acme: Tenant
) -> None:
    """Without any notification the poll finds a new rule, and one that is gone (R-16)."""
    async with following(database, place) as told:
        as_owner(database, "ALTER TABLE route.budgets DISABLE TRIGGER notify")
        made = await set_budget(acme)
        await told.until(says(lambda rule: rule.id == made.counter))
        async with tenancy.tenant(acme.pool, acme.org) as tx:
            await budgets.remove(tx, made.id, NOW)
        await told.until(lambda t: last(t).rules == ())


async def test_a_rule_that_commits_late_is_seen(
    database: Database, place: home.Home, acme: Tenant
) -> None:
    """A budget lowered in a transaction that began before others and ends after them is not passed
    by (R-16)."""
    early = await set_budget(acme)
    conninfo = database.conninfo(roles.OWNER).reveal()
    async with following(database, place) as told:
        async with await psycopg.AsyncConnection.connect(conninfo) as slow:
            await slow.execute(
                "UPDATE route.budgets SET amount_pico = 7 WHERE id = %s", (early.id,)
            )
            await set_budget(acme, "tag", "eu")
            await told.until(says(lambda rule: rule.scope == "tag"), within_s=10)
            assert 7 not in {rule.amount for rule in last(told).rules}
            await slow.commit()
        await told.until(says(lambda rule: rule.amount == 7), within_s=10)


async def test_another_clock_and_a_budget_made_hard_are_counted_anew(
    database: Database, place: home.Home, acme: Tenant
) -> None:
    """A counter that nobody settled for a while is never used again: there and back is a new one,
    and a raised budget keeps its own (R-16)."""
    seen = []
    async with following(database, place) as told:
        for zone in ("UTC", "Asia/Tokyo", "UTC"):
            async with tenancy.tenant(acme.pool, acme.org) as tx:
                await organisations.set_time_zone(tx, zone)
            budget = await set_budget(acme)
            assert (await set_budget(acme)).counter == budget.counter
            await told.until(goes_by(budget, zone), within_s=10)
            seen.append(budget.counter)
        await set_budget(acme, hard=False)
        await told.until(lambda t: last(t).rules == (), within_s=10)
        seen.append((await set_budget(acme)).counter)
        await told.until(lambda t: [rule.id for rule in last(t).rules] == seen[-1:], within_s=10)
    assert len(set(seen)) == 4


async def test_workers_know_the_team_of_a_key(
    database: Database, place: home.Home, acme: Tenant
) -> None:
    """From the first snapshot on, and when a key is moved (K-10)."""
    made, key_hash, _ = await acme.create()
    async with tenancy.tenant(acme.pool, acme.org) as tx:
        one, other = [await teams.create(tx, acme.org, name) for name in ("search", "ads")]
        await keys.change(tx, made.id, team=one.id)
    async with following(database, place) as told:
        (snapshot,) = told.of(Snapshot)
        assert {entry.hash: entry.team for entry in snapshot.keys} == {key_hash: one.id.bytes}
        for team in (other.id, None):
            async with tenancy.tenant(acme.pool, acme.org) as tx:
                await keys.change(tx, made.id, team=team)
            await told.until(knows_team(team), within_s=10)


async def test_no_key_is_known_without_its_limits(
    database: Database, place: home.Home, acme: Tenant
) -> None:
    """A key and its limit of one transaction: workers hear of the limit first (K-20, K-60)."""
    wanted = NewKey("k", frozenset({Role.VIEWER}), frozenset({Scope.GATEWAY}))
    async with following(database, place) as told:
        async with tenancy.tenant(acme.pool, acme.org) as tx:
            key, _ = await keys.create(tx, acme.pepper, acme.org, wanted)
            await limits.save(tx, acme.org, NewLimit("key", key.id.hex, 5, None, None), NOW)
        await told.until(lambda t: t.of(KeysChanged) and t.of(RulesChanged), within_s=20)
    heard = [type(one) for one in told.messages if isinstance(one, KeysChanged | RulesChanged)]
    assert heard == [RulesChanged, KeysChanged]
