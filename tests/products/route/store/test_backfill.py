"""A ledger from before the roll-ups is added up when they come (R-10)."""

from __future__ import annotations

import asyncio
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from dd0c.kernel.db import migrate, roles, tenancy
from dd0c.kernel.db.pool import open_pool
from dd0c.kernel.db.schema import Source
from dd0c.products.route.store import overview, reading
from dd0c.products.route.store.overview import Totals
from dd0c.products.route.store.selection import Filter
from tests.support.database import Cluster, Database, product_migrations

ORG = uuid.UUID(int=5)
_ROWS = """
WITH made AS (
    INSERT INTO route.attempts (request_id, attempt, final, org, key_id, endpoint, dialect, stream,
        requested_model, sent_model, provider, price_provider, route_reason, started_at, end_reason,
        usage_source, trace_id)
    SELECT (left(route.first_id(now())::text, 24) || lpad(to_hex(n), 12, '0'))::uuid, 1, true, %s,
        %s, 'chat', 'openai', false, 'm' || n %% 2, 'm', 'openai', 'openai', 'endpoint', now(),
        'complete', 'provider', ''
    FROM generate_series(1, 100) AS n RETURNING request_id, org
)
INSERT INTO route.ratings (request_id, attempt, revision, org, cost_pico, reason, rated_at)
SELECT request_id, 1, revision, org,
    CASE WHEN request_id::text NOT LIKE '%%7' THEN 10 + revision END, NULL, now()
FROM made, generate_series(0, 1) AS revision
"""


@pytest.fixture
def older(cluster: Cluster, tmp_path: Path) -> Iterator[Database]:
    """A database of the release before the roll-ups."""
    database = Database(cluster, f"older_{next(cluster.numbers)}")
    asyncio.run(migrate.migrate(cluster.settings, _until(tmp_path, "0003"), database=database.name))
    yield database
    with cluster.admin() as admin:
        admin.execute(f"DROP DATABASE {database.name} WITH (FORCE)".encode())


def _until(folder: Path, number: str) -> list[Source]:
    """The migrations of route before that number."""
    (route,) = [source for source in product_migrations() if source.schema == "route"]
    for path in route.folder.glob("*.sql"):
        if path.name < number:
            shutil.copy(path, folder)
    return [replace(route, folder=folder)]


async def test_what_was_there_is_added_up_once(cluster: Cluster, older: Database) -> None:
    """Attempts of before are in the sums, with what was billed and not what they were rated later;
    what had no cost has a reason, and the lists find it."""
    with psycopg.connect(older.conninfo(roles.OWNER).reveal()) as owner:
        owner.execute(_ROWS, (ORG, ORG))
    await migrate.migrate(cluster.settings, product_migrations(), database=older.name)
    pool = await open_pool(older.conninfo(roles.APP), roles.APP, 1)
    try:
        async with tenancy.tenant(pool, ORG) as tx:
            # of 1 to 100, those whose hexadecimal ends in 7: 7, 23, 39, 55, 71, 87
            assert await overview.totals(tx, Filter()) == Totals(100, 0, 6, 940, None)
            assert (await overview.totals(tx, Filter(model="m0"))).requests == 50
            page = await reading.list_requests(tx, Filter(unpriced=True), limit=10)
            assert len(page.requests) == 6
    finally:
        await pool.close()
