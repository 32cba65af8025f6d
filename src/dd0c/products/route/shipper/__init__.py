"""Ships spooled attempts into the ledger: none lost, none twice, whatever is killed when (R-15).

The order is what makes that true: rows are committed first, then the listener is told, then
`shipped.json` says so, then files are deleted. A kill between two steps repeats the steps before,
which the primary key turns into nothing. A worker that is dead leaves attempts open: they become
rows with the end reason `lost`.

While PostgreSQL works on a batch, the next one is read and made ready: two are in memory at most,
and what is noted of one never speaks of the other. While PostgreSQL is away the spool waits on
disk, and its size is the backlog.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from dd0c.base.clock import Clock
from dd0c.base.errors import Error, Internal
from dd0c.base.process import crash_point
from dd0c.kernel.db import tenancy
from dd0c.kernel.db.pool import Pool
from dd0c.products.route.hotpath import spool, tariff
from dd0c.products.route.models import EndReason, PriceRow
from dd0c.products.route.pairing import Pair
from dd0c.products.route.prices import PriceTable
from dd0c.products.route.shipper.folder import Batch, Folder, Living, Rejected
from dd0c.products.route.shipper.listener import Charge, Listener, Shipment
from dd0c.products.route.store import ledger, staging

CRASH_POINTS = (
    "shipper.collected",
    "shipper.inserted",
    "shipper.committed",
    "shipper.told",
    "shipper.saved",
    "shipper.deleted",
)
LOOK_EVERY_S = 0.05
INSERT_MAX_S = 30.0
ROWS_AT_ONCE = 100  # between two looks at what else there is to do
REFUSED_MAX = 8
_DAY_MS = 86_400_000
RETRY_MIN_S = 0.1
RETRY_MAX_S = 5.0

Row = tuple[Pair, list[Any]]

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Counts:
    """What happened since the start."""

    rows: int = 0
    lost: int = 0
    torn: int = 0
    rejected: int = 0
    failures: int = 0


@dataclass(slots=True)
class Ready:
    """A batch as the ledger takes it: rows, and what must be there before them."""

    folder: str
    batch: Batch
    rows: list[Row] = field(default_factory=list)
    prices: dict[str, PriceRow] = field(default_factory=dict)
    days: set[int] = field(default_factory=set)  # since 1970, of the request ids
    shipments: list[Shipment] = field(default_factory=list)  # once they are in


class Shipper:
    """Ships one gateway's spool, and what gateways before it `left`: in the folders beside it.

    The caller holds the home's only right to be a gateway: every worker that `living` does not name
    is dead, and so are all workers of other folders.
    """

    def __init__(
        self,
        spool_dir: Path,
        pool: Pool,
        prices: PriceTable,
        clock: Clock,
        *,
        left: Sequence[Path] | None = None,
        listener: Listener | None = None,
    ):
        self.counts = Counts()
        self._own = Folder(spool_dir)
        self._left = [Folder(path) for path in (_left_behind(spool_dir) if left is None else left)]
        self._pool = pool
        self._prices = prices
        self._clock = clock
        self._listener = listener
        self._kept_prices: set[str] = set()
        self._one_at_a_time = asyncio.Lock()
        self._caught_up_at = time.monotonic()  # no clock of the day: that may be set back
        self._failing = False

    async def run(self, living: Living, stop: asyncio.Event) -> None:
        """Ship until `stop` is set, and once more then; PostgreSQL may come and go."""
        delay_s = LOOK_EVERY_S
        while not stop.is_set():
            if await self._try(living):
                delay_s = LOOK_EVERY_S
            else:
                delay_s = min(max(delay_s * 2, RETRY_MIN_S), RETRY_MAX_S)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), delay_s)
        await self._try(living)

    async def ship_once(self, living: Living = frozenset) -> int:
        """Ship all there is now; says how many attempts. Raises when the ledger takes none."""
        async with self._one_at_a_time:
            alive = living()  # before we look: what is dead by now has written all it ever will
            shipped = await self._ship(self._own, living)
            while self._left:
                shipped += await self._ship(self._left[0], frozenset)
                self._left[0].remove_if_empty()
                del self._left[0]
            if self._listener is not None:
                await self._listener.caught_up(alive)
            self._caught_up_at = time.monotonic()
            return shipped

    def backlog_bytes(self) -> int:
        """Bytes of records that are not in the ledger yet."""
        return sum(folder.unshipped_bytes() for folder in (self._own, *self._left))

    def backlog_age_s(self) -> float:
        """Seconds since the ledger last had everything; 0 while it has."""
        if not self.backlog_bytes():
            return 0.0
        return time.monotonic() - self._caught_up_at

    async def _try(self, living: Living) -> bool:
        """Ship, and say whether that went well; logs once when it no longer does, or does again."""
        try:
            await self.ship_once(living)
        except (Error, psycopg.Error, OSError) as error:
            if not self._failing:
                log.warning("the ledger takes no rows, they wait in the spool: %s", error)
            self._failing = True
            self.counts.failures += 1
            return False
        if self._failing:
            log.info("the ledger takes rows again")
        self._failing = False
        return True

    async def _ship(self, folder: Folder, living: Living) -> int:
        shipped = 0
        coming = asyncio.create_task(self._prepare(folder, living))
        try:
            while batch := (ready := await coming).batch:
                crash_point("shipper.collected")
                staged = asyncio.Event()
                more = batch.full  # else that was all: what came meanwhile waits for company
                if more:
                    coming = asyncio.create_task(self._prepare(folder, living, staged))
                await self._insert(ready, staged)
                crash_point("shipper.committed")
                if self._listener is not None:
                    for shipment in ready.shipments:
                        await self._listener.shipped(shipment)
                crash_point("shipper.told")
                folder.settle(batch)
                self._count(folder, batch)
                shipped += len(batch.pairs)
                if not more:
                    break
        except BaseException:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)
            folder.reset()  # what was collected is not shipped: read it again
            raise
        return shipped

    async def _prepare(
        self, folder: Folder, living: Living, begin: asyncio.Event | None = None
    ) -> Ready:
        """The next attempts, rated, as rows; those that fit nowhere join what was rejected.

        Begun any earlier than `begin`, it would only keep the batch before from getting to work.
        """
        if begin is not None:
            await begin.wait()
        ready = Ready(folder.path.name, folder.collect(living))
        for n, pair in enumerate(ready.batch.pairs):
            if n % ROWS_AT_ONCE == 0:
                await asyncio.sleep(0)
            rated = self._rate(pair)
            try:
                ready.rows.append((pair, staging.row(rated)))
            except staging.Unfit as error:
                ready.batch.rejected.append(_unfit(pair, str(error)))
                continue
            ready.days.add(int.from_bytes(pair.opened.request_id[:6], "big") // _DAY_MS)
            if (price := self._new_price(rated)) is not None:
                ready.prices[price.id] = price
        return ready

    async def _insert(self, ready: Ready, staged: asyncio.Event) -> None:
        """Commit the rows of a batch; sets `staged` as soon as only the database is busy."""
        if not ready.rows:
            staged.set()
            return
        async with tenancy.system(self._pool, deadline_s=INSERT_MAX_S) as tx:
            for month in sorted({_month(day) for day in ready.days}):
                await ledger.ensure_partitions(tx, month, month)
            await ledger.add_prices(tx, ready.prices.values())
        self._kept_prices |= ready.prices.keys()
        refused = await self._insert_rows(ready, ready.rows, staged)
        if len(refused) == len(ready.rows) > REFUSED_MAX:  # it is not for what is in them
            raise Internal(f"the database refuses every row: {refused[0][1]}")
        ready.batch.rejected.extend(_unfit(pair, reason) for pair, reason in refused)

    async def _insert_rows(
        self, ready: Ready, rows: Sequence[Row], staged: asyncio.Event
    ) -> list[tuple[Pair, str]]:
        """Commit rows. Those that PostgreSQL refuses for what they hold come back, with its reason;
        halving the batch finds them."""
        try:
            async with tenancy.system(self._pool, deadline_s=INSERT_MAX_S) as tx:
                await ledger.stage(tx, [row for _, row in rows])
                staged.set()
                inserted = await ledger.insert_staged(tx, now=self._clock.now())
                crash_point("shipper.inserted")
        except (psycopg.DataError, psycopg.IntegrityError) as error:
            staged.set()
            if len(rows) == 1:
                return [(rows[0][0], str(error).partition("\n")[0])]
            half = len(rows) // 2
            first = await self._insert_rows(ready, rows[:half], staged)
            return first + await self._insert_rows(ready, rows[half:], staged)
        self.counts.rows += inserted.rows
        if self._listener is not None:
            charges = [
                Charge(pair.opened, staging.charged_pico(row), pair.pid, ready.folder)
                for pair, row in rows
            ]
            again = inserted.rows < len(rows)
            ready.shipments.append(Shipment(charges, inserted.xid, again))
        return []

    def _rate(self, pair: Pair) -> staging.Rated:
        """The rating the worker gave; one more try where it did not know the price yet."""
        opened, closed, _ = pair
        if closed is None:
            return staging.Rated(opened, None, None, None, EndReason.LOST)
        if closed.cost_reason != "no_price":
            return staging.Rated(
                opened, closed, closed.cost_pico, closed.price_id, closed.cost_reason
            )
        price = self._prices.find(opened.price_provider, closed.served_model or opened.sent_model)
        rating = tariff.rate(price, closed.usage, closed.service_tier, opened.started_us)
        return staging.Rated(opened, closed, rating.cost_pico, rating.price_id, rating.reason)

    def _new_price(self, rated: staging.Rated) -> PriceRow | None:
        """The price of this attempt, if the ledger may not have it yet."""
        opened, closed, _, price_id, _ = rated
        if closed is None or price_id is None or price_id in self._kept_prices:
            return None
        self._prices.find(opened.price_provider, closed.served_model or opened.sent_model)
        return self._prices.row(price_id)

    def _count(self, folder: Folder, batch: Batch) -> None:
        self.counts.lost += sum(pair.closed is None for pair in batch.pairs)
        self.counts.torn += len(batch.torn)
        self.counts.rejected += len(batch.rejected)
        for damage in batch.torn:
            log.warning("a worker died while it wrote to %s", damage.path)
        for rejected in batch.rejected:
            log.error(
                "kept out of the ledger: %s",
                rejected.reason,
                extra={"file": str(folder.path / f"{rejected.name}.bad")},
            )


def _left_behind(own: Path) -> list[Path]:
    folders = (path for path in sorted(own.parent.iterdir()) if path.is_dir() and path != own)
    return [path for path in folders if any(path.glob("*.spool"))]


def _month(day: int) -> datetime:
    return datetime.fromtimestamp(day * _DAY_MS / 1000, UTC).replace(day=1)


def _unfit(pair: Pair, reason: str) -> Rejected:
    frames = b"".join(spool.encode(record) for record in pair[:2] if record is not None)
    return Rejected("unfit", frames, f"a record that fits nowhere: {reason}")
