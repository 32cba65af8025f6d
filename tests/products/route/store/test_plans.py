"""What each query reads, at 300,000 rows of three organisations, as the runtime role (K-13)."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from psycopg import AsyncCursor
from psycopg.sql import SQL, Composable

from dd0c.base import ids
from dd0c.base.errors import Error
from dd0c.kernel.db import pool as pools
from dd0c.kernel.db import roles, tenancy
from dd0c.kernel.db.pool import Transaction
from dd0c.products.route.store import (
    charges,
    groups,
    latencies,
    overview,
    ratings,
    reading,
    reconciliations,
    selection,
    spans,
    usage,
)
from dd0c.products.route.store.selection import Filter
from dd0c.products.route.store.spans import Span
from tests.isolation import functions
from tests.isolation.tenants import NOBODY
from tests.products.route.store import crowd
from tests.products.route.store.crowd import Crowd
from tests.support.database import Cluster

ROWS, DAYS = 300_000, 10
BIG = ("attempts", "ratings", "rollups", "tag_rollups", "latencies", "attempt_tags")
PAGE = 40

CUTS: tuple[usage.By, ...] = ("team", "tag", "hour")
Ask = Callable[[Transaction], Awaitable[Any]]


@pytest.fixture(scope="module")
def crowded(cluster: Cluster) -> Iterator[Crowd]:
    """The ledger that all of these queries are asked of."""
    with cluster.clone() as database:
        yield crowd.fill(database, ROWS, timedelta(days=DAYS))


class Explained(AsyncCursor[Any]):
    """A cursor that asks for the plan of each query, with what was really read, before it."""

    plans: list[dict[str, Any]]

    async def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
        text = query if isinstance(query, Composable) else SQL(query)
        plain = AsyncCursor(self.connection)
        await plain.execute(SQL("EXPLAIN (ANALYZE, FORMAT JSON) ") + text, params, **options)
        row = await plain.fetchone()
        assert row is not None
        type(self).plans.append(row[0][0]["Plan"])
        return await super().execute(query, params, **options)


def scans(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The nodes of a plan that read a big table."""
    if str(plan.get("Relation Name", "")).startswith(BIG):
        yield plan
    for child in plan.get("Plans", ()):
        yield from scans(child)


def rows_read(node: dict[str, Any]) -> int:
    """Rows that a node looked at, also those it dropped."""
    dropped = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
    return int((node["Actual Rows"] + dropped) * node["Actual Loops"])


def questions(end: Any, org: uuid.UUID) -> Iterator[tuple[str, int, Ask]]:
    """Every read function with its filters: name, rows it may read, call."""
    day, whole = end - timedelta(days=1), end - timedelta(days=DAYS, minutes=7)
    key = crowd.key_id(3)
    middle = selection.first_id(end - timedelta(days=4, minutes=20))
    lists = {
        "newest": Filter(),
        "of a day": Filter(since=day),
        "of a common model": Filter(since=whole, model="gpt-5"),
        "of a rare model": Filter(since=whole, model="rare"),
        "of no model": Filter(model="none"),
        "of a key": Filter(key_id=key),
        "of a provider": Filter(provider="sim"),
        "of no provider": Filter(provider="none"),
        "of a team": Filter(team=crowd.TEAMS[0]),
        "of no team": Filter(team=key),
        "with a common tag": Filter(since=whole, tag="env=prod"),
        "with a rare tag": Filter(tag="rare"),
        "with no tag": Filter(tag="none"),
        "with a tag, before": Filter(before=middle, tag="feature=2"),
        "that failed": Filter(end_reason="upstream_error"),
        "without a cost": Filter(unpriced=True),
        "before": Filter(before=middle),
        "after": Filter(after=middle),
        "failed, before": Filter(before=middle, end_reason="upstream_error"),
    }
    list_page = partial(reading.list_requests, limit=PAGE)
    for name, wanted in lists.items():
        yield f"list {name}", 8 * PAGE, partial(list_page, wanted=wanted)
    several = Filter(since=day, model="gpt-5", key_id=key, end_reason="upstream_error")
    nothing = Filter(since=whole, model="rare", key_id=key, provider="anthropic")
    yield "list by three", 2_000, partial(list_page, wanted=several)
    yield "list of nothing", 10_000, partial(list_page, wanted=nothing)
    digits = ids.text(ids.Kind.REQUEST, middle)[4:11]
    yield "one request", 20, partial(reading.list_starting, digits=digits, limit=1)
    late = str(2**60)
    yield "arrived", 0, partial(reading.list_arrived, wanted=Filter(), mark=late, limit=PAGE)
    for name, since, step_s in (("a day", day, 3600), ("all", whole, 86_400)):
        span = Filter(since=since)
        for scope, of in (("organisation", ""), ("team", crowd.TEAMS[0].hex), ("tag", "rare")):
            whose = partial(charges.charged_over, org=org, scope=scope, subjects=[of])
            charged = partial(whose, span=Span(since, None), step_s=step_s)
            yield f"charged over {name} to a {scope}", 4_000, charged
        narrow = Filter(since=since, model="gpt-5", key_id=key)
        yield f"totals of {name}", 2_000, partial(overview.totals, wanted=span)
        yield f"totals of some of {name}", 2_000, partial(overview.totals, wanted=narrow)
        yield f"values of {name}", 4_000, partial(overview.list_values, wanted=span)
        yield f"unpriced of {name}", 2_000, partial(overview.list_unpriced, wanted=span, limit=3)
        tagged = Filter(since=since, tag="feature=2", team=crowd.TEAMS[0])
        yield f"totals with a tag of {name}", 4_000, partial(overview.totals, wanted=tagged)
        yield f"groups of {name}", 8_000, partial(groups.load, wanted=span)
        for by in CUTS:
            ask = partial(usage.usage_by, by=by, wanted=Filter(since=since))
            yield f"usage of {name} by {by}", 8_000, ask
        for by in ("model", "key", "provider", "day"):
            ask = partial(usage.usage_by, by=by, wanted=Filter(since=since))
            yield f"usage of {name} by {by}", 2_000, ask
        spend = partial(overview.spend, wanted=span, step_s=step_s, names_max=4)
        for by in ("model", "key", "provider", "team"):
            yield f"spend of {name} by {by}", 2_000, partial(spend, by=by)
        yield f"spend of {name} by tag", 8_000, partial(spend, by="tag")
        took = partial(latencies.list_latencies, wanted=span, step_s=step_s)
        yield f"latencies of {name}", 10_000, took
    everything = partial(usage.usage_by, by="model", wanted=Filter())
    yield "usage of everything", 2_000, everything
    yield from reconciling(Filter(whole, end))
    hour = Filter(since=end - timedelta(hours=1))
    yield "failing of an hour", 2_000, partial(overview.list_failing, wanted=hour)
    fine = partial(overview.spend, wanted=hour, step_s=300, names_max=4)
    yield "spend of an hour", 2_000, fine


def reconciling(span: Filter) -> Iterator[tuple[str, int, Ask]]:
    """What is asked of the ledger to compare it with an export of whole days."""
    assert span.since is not None
    assert span.until is not None
    midnight = spans.floor(span.until, spans.DAY)
    days = Filter(since=spans.floor(span.since, spans.DAY), until=midnight)
    of = [uuid.UUID(int=number) for number in (1, 2, 9, 10)]
    yield "booked", 2_000, partial(reconciliations.list_booked, span=days, credentials=of)
    yield "odd", 12_000, partial(reconciliations.list_odd, span=days, credentials=of)
    crossing = partial(reconciliations.list_crossing, midnights=[midnight], credentials=of)
    yield "over midnight", 3_000, crossing
    yield "waiting", 12_000, reconciliations.list_waiting


async def test_no_query_reads_the_whole_ledger(crowded: Crowd) -> None:
    """Every query of pages, API and CLI goes by an index, under row security, and reads a number
    of rows that does not grow with the ledger, nor with the neighbours' (K-13)."""
    pool = await pools.open_pool(crowded.database.conninfo(roles.APP), roles.APP, 1)
    big, _, small = crowded.orgs
    wrong, silent = [], []
    try:
        every = [
            (org, question) for org in (big, small) for question in questions(crowded.end, org)
        ]
        for org, (name, most, ask) in every:
            Explained.plans = []
            async with tenancy.tenant(pool, org) as tx:
                tx.cursor_factory = Explained
                try:
                    await ask(tx)
                finally:
                    tx.cursor_factory = AsyncCursor
            found = [node for plan in Explained.plans for node in scans(plan)]
            read = sum(map(rows_read, found))
            if read > most or any(n["Node Type"] == "Seq Scan" and rows_read(n) for n in found):
                wrong.append((name, org == big, read, most))
            if org == big and not read and "no " not in name and name != "arrived":
                silent.append(name)
    finally:
        await pool.close()
    assert not wrong, wrong
    assert not silent, "these asked for nothing that is there"


async def test_counting_a_budget_reads_no_whole_ledger(crowded: Crowd) -> None:
    """A gateway that counts what a window of any scope was charged reads the sums, and of the
    ledger at most the ends of hours (R-16)."""
    pool = await pools.open_pool(crowded.database.conninfo(roles.GATEWAY), roles.GATEWAY, 1)
    end, wrong = crowded.end, []
    windows = {
        "minute": (end - timedelta(seconds=61), end),
        "hour": (spans.floor(end, spans.HOUR), None),
        "day elsewhere": (spans.floor(end, spans.DAY) - timedelta(minutes=345), None),
        "month": (end - timedelta(days=30), None),
        "total": (None, None),
    }
    scopes = (
        *(("organisation", ""), ("team", crowd.TEAMS[0].hex), ("key", crowd.key_id(3).hex)),
        *(("tag", "env=prod"), ("route", "gpt-5"), ("model", "rare")),
    )
    try:
        for (scope, subject), (name, window) in itertools.product(scopes, windows.items()):
            Explained.plans = []
            async with tenancy.system(pool) as tx:
                tx.cursor_factory = Explained
                try:
                    await charges.charged(tx, crowded.orgs[0], scope, subject, Span(*window))
                finally:
                    tx.cursor_factory = AsyncCursor
            found = [node for plan in Explained.plans for node in scans(plan)]
            read = sum(map(rows_read, found))
            if read > 4_000 or any(n["Node Type"] == "Seq Scan" and rows_read(n) for n in found):
                wrong.append((scope, name, read))
    finally:
        await pool.close()
    assert not wrong, wrong


async def test_no_function_of_the_store_reads_the_whole_ledger(crowded: Crowd) -> None:
    """Every function of the store that there is, listed by the matrix of tenants, as the runtime
    role: by the server's own count, also inside functions, it goes by indexes (K-13)."""
    pool = await pools.open_pool(crowded.database.conninfo(roles.APP), roles.APP, 1)
    wrong, every = [], 0
    try:
        async with tenancy.tenant(pool, crowded.orgs[0]) as tx:
            of = await _something(tx, crowded.orgs[0])
        for name, call in functions.CALLS.items():
            async with tenancy.tenant(pool, crowded.orgs[0]) as tx:
                before = await _counted(tx)
                with suppress(Error):  # there is no such override, nor export
                    await call(tx, of)
                after = await _counted(tx)
            whole, rows = after[0] - before[0], after[1] - before[1]
            if whole or rows > 12_000:
                wrong.append((name, whole, rows))
            every += rows
    finally:
        await pool.close()
    assert not wrong, wrong
    assert every > 5_000, "they read what is there"


async def _something(tx: Transaction, org: uuid.UUID) -> functions.Of:
    """What the organisation asks about: rows that are rare among many."""
    whole = Filter(since=crowd.START)
    rated = await ratings.list_rated(tx, replace(whole, model="rare"), limit=1)
    waiting = await reconciliations.list_waiting(tx)
    named = {"model": "rare", "tag": "rare", "provider": "openai"}
    named |= {"org": ids.text(ids.Kind.ORGANISATION, org)}
    named |= {"request": ids.text(ids.Kind.REQUEST, rated[0].request_id)}
    named |= {"key": ids.text(ids.Kind.KEY, crowd.key_id(3))}
    named |= {"team": ids.text(ids.Kind.TEAM, crowd.TEAMS[0])}
    named |= {"provider_id": ids.text(ids.Kind.PROVIDER, uuid.UUID(int=9))}
    return functions.Of(NOBODY | named, rated[0], waiting[0])


async def _counted(tx: Transaction) -> tuple[int, int]:
    """Rows of big tables that this connection read of late: one after the other, by an index."""
    cursor = await tx.execute(
        "SELECT relname, seq_tup_read, coalesce(idx_tup_fetch, 0) FROM pg_stat_xact_user_tables"
        " WHERE schemaname = 'route'"
    )
    big = [row for row in await cursor.fetchall() if row[0].startswith(BIG)]
    return sum(row[1] for row in big), sum(row[2] for row in big)
