"""How fast attempts get from the spool into the ledger: `python -m tests.bench.shipping` (R-43).

One shipper, one worker's spool, embedded PostgreSQL that syncs nothing: what is measured is the
work of both, not the disk. The promise is 20,000 rows a second on a machine with nothing else to
do.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from dd0c.base.clock import SystemClock
from dd0c.kernel.db import pool as pools
from dd0c.kernel.db import roles
from dd0c.kernel.db.pool import Pool
from dd0c.products.route.models import SpoolRecord
from dd0c.products.route.prices import PriceTable
from dd0c.products.route.shipper import Shipper
from tests.products.route import records
from tests.products.route.ledger import spools
from tests.support.database import Database, running_cluster

ROWS, ROUNDS = 40_000, 7
PER_SECOND_MIN = 20_000
ORG = uuid.UUID(int=5)
MODELS = ("gpt-5-mini", "gpt-5", "claude-sonnet-4-5", "gpt-5-nano", "gpt-4.1-mini", "o3")
EVERY_US = 50


def attempts(begin_us: int, rows: int) -> Iterator[SpoolRecord]:
    """Attempts of eight keys and six models, streamed or not, none as long as another."""
    for n in range(rows):
        opened = records.opened(
            ORG,
            at_us=begin_us + n * EVERY_US,
            key_id=uuid.UUID(int=7 + n % 8).bytes,
            requested_model=MODELS[n % len(MODELS)],
            stream=bool(n & 1),
        )
        yield opened
        first_us = 50_000 + n * 104_729 % 900_000
        yield records.closed(opened, first_byte_us=first_us, total_us=first_us + n * 7_919 % 10**6)


async def per_second(pool: Pool, folder: Path, rows: int) -> float:
    """Rows a second of a folder that is shipped at once."""
    shipper = Shipper(folder, pool, PriceTable(), SystemClock())
    begun = time.perf_counter()
    await shipper.ship_once()
    took_s = time.perf_counter() - begun
    assert shipper.counts.rows == rows
    return rows / took_s


async def measure(database: Database, rows: int, rounds: int) -> list[float]:
    """What each round came to; one before them is not counted."""
    pool = await pools.open_pool(database.conninfo(roles.SHIPPER), roles.SHIPPER, 2)
    found = []
    for _ in range(1 + rounds):
        with tempfile.TemporaryDirectory() as home:
            folder = Path(home) / "gwy"
            begin_us = int(datetime.now(UTC).timestamp() * 1e6)
            spools.write(folder, attempts(begin_us, rows))
            found.append(await per_second(pool, folder, rows))
    await pool.close()
    return found[1:]


def rates(rows: int = ROWS, rounds: int = ROUNDS) -> list[float]:
    """Rows a second of each round, in a database of their own."""
    with running_cluster() as cluster, cluster.clone() as database:
        return asyncio.run(measure(database, rows, rounds))


def main() -> int:
    """Prints the median and the slowest round; exit status 1 when the median is too slow."""
    found = rates()
    median = statistics.median(found)
    print(f"{median:,.0f} rows a second; slowest of {ROUNDS} rounds {min(found):,.0f}")
    return 0 if median >= PER_SECOND_MIN else 1


if __name__ == "__main__":
    sys.exit(main())
