"""What each query reads, at 300,000 rows of three organisations, as the runtime role (K-13)."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from psycopg import AsyncCursor
from psycopg.sql import SQL, Composable

from dd0c.base import ids
from dd0c.kernel.db import pool as pools
from dd0c.kernel.db import roles, tenancy
from dd0c.kernel.db.pool import Transaction
from dd0c.products.route.store import latencies, overview, reading, selection, usage
from dd0c.products.route.store.selection import Filter
from tests.products.route.store import crowd
from tests.products.route.store.crowd import Crowd
from tests.support.database import Cluster

ROWS, DAYS = 300_000, 10
BIG = ("attempts", "ratings", "rollups", "latencies", "attempt_tags")
PAGE = 40

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
    return round((node["Actual Rows"] + dropped) * node["Actual Loops"])


def questions(end: Any) -> Iterator[tuple[str, int, Ask]]:
    """Every read function with its filters: name, rows it may read, call."""
    day, whole = end - timedelta(days=1), end - timedelta(days=DAYS, minutes=7)
    key = uuid.UUID("00000000-0000-7000-8000-000000000003")
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
        "that failed": Filter(end_reason="upstream_error"),
        "without a cost": Filter(unpriced=True),
        "before": Filter(before=middle),
        "after": Filter(after=middle),
        "failed, before": Filter(before=middle, end_reason="upstream_error"),
    }
    for name, wanted in lists.items():
        yield (
            f"list {name}",
            4 * PAGE,
            lambda tx, w=wanted: reading.list_requests(tx, w, limit=PAGE),
        )
    several = Filter(since=day, model="gpt-5", key_id=key, end_reason="upstream_error")
    nothing = Filter(since=whole, model="rare", key_id=key, provider="anthropic")
    yield "list by three", 8_000, lambda tx: reading.list_requests(tx, several, limit=PAGE)
    yield "list of nothing", 50_000, lambda tx: reading.list_requests(tx, nothing, limit=PAGE)
    yield (
        "one request",
        8,
        lambda tx: reading.list_starting(tx, ids.text(ids.Kind.REQUEST, middle)[4:11], limit=1),
    )
    yield "arrived", 0, lambda tx: reading.list_arrived(tx, Filter(), str(2**60), limit=PAGE)
    for name, since in (("a day", day), ("all", whole)):
        for narrowed in (Filter(since=since), Filter(since=since, model="gpt-5", key_id=key)):
            yield f"totals of {name}", 6_000, lambda tx, w=narrowed: overview.totals(tx, w)
        span = Filter(since=since)
        yield f"values of {name}", 6_000, lambda tx, w=span: overview.list_values(tx, w)
        yield f"unpriced of {name}", 6_000, lambda tx, w=span: overview.list_unpriced(tx, w, 3)
        for by in ("model", "key", "provider", "day"):
            yield (
                f"usage of {name} by {by}",
                6_000,
                lambda tx, s=since, b=by: usage.usage_by(tx, b, s, None),
            )
        step_s = 3600 if since == day else 86_400
        for by in ("model", "key", "provider"):
            yield (
                f"spend of {name} by {by}",
                6_000,
                lambda tx, w=span, s=step_s, b=by: overview.spend(tx, w, s, 4, by=b),
            )
        yield (
            f"latencies of {name}",
            20_000,
            lambda tx, w=span, s=step_s: latencies.list_latencies(tx, w, s),
        )
    yield "usage of everything", 6_000, lambda tx: usage.usage_by(tx, "model", None, None)
    hour = Filter(since=end - timedelta(hours=1))
    yield "failing of an hour", 1_000, lambda tx: overview.list_failing(tx, hour)
    yield "spend of an hour", 1_000, lambda tx: overview.spend(tx, hour, 300, 4)


async def test_no_query_reads_the_whole_ledger(crowded: Crowd) -> None:
    """Every query of pages, API and CLI goes by an index, under row security, and reads a number
    of rows that does not grow with the ledger (K-13); and none reads nothing by mistake."""
    pool = await pools.open_pool(crowded.database.conninfo(roles.APP), roles.APP, 1)
    wrong, silent = [], []
    try:
        for name, most, ask in questions(crowded.end):
            Explained.plans = []
            async with tenancy.tenant(pool, crowded.orgs[1]) as tx:
                tx.cursor_factory = Explained
                try:
                    await ask(tx)
                finally:
                    tx.cursor_factory = AsyncCursor
            found = [node for plan in Explained.plans for node in scans(plan)]
            read = sum(map(rows_read, found))
            kinds = {n["Node Type"] for n in found if n["Node Type"] == "Seq Scan" and rows_read(n)}
            if kinds or read > most:
                wrong.append((name, read, most, kinds))
            if not read and "no " not in name and name != "arrived":
                silent.append(name)
    finally:
        await pool.close()
    assert wrong == []
    assert silent == []
