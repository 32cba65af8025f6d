"""Ties the parts of the parent together, and decides how they start, stop and what they tell.

Workers start at once and wait for their snapshot; following and shipping begin when PostgreSQL
answers and was found to keep tenants apart; until then what is on disk is served. A stop closes the
listeners, lets workers finish, then ships what they wrote. A second one cuts: the attempts that
were open are booked as lost. Without our supervisor there is no database either, so then nothing is
waited for long.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import socket
from collections.abc import Awaitable, Callable
from typing import Protocol

from dd0c.base import admin
from dd0c.base.clock import SystemClock
from dd0c.base.errors import Unavailable
from dd0c.base.settings import Settings
from dd0c.products.route import prices
from dd0c.products.route.gateway import metrics
from dd0c.products.route.gateway.bank import Bank
from dd0c.products.route.gateway.circuits import Circuits
from dd0c.products.route.gateway.configuration import Configuration
from dd0c.products.route.gateway.counting import Counting
from dd0c.products.route.gateway.feed import Feed
from dd0c.products.route.gateway.fleet import Fleet
from dd0c.products.route.gateway.standby import Standby
from dd0c.products.route.shipper import Shipper

CUT_AFTER_DRAIN_S = 1.0
BOOK_MAX_S = 2.0
ORPHAN_DRAIN_S = 2.0
ORPHAN_BOOK_S = 0.3
RESTART_S = 1.0
DATABASE_PATIENCE_S = 3.0  # a server that neither answers nor refuses
SPOOL_CHECK_S = 0.5
FULL = "full, refusing requests of organisations that are not to be served without a record"
UNRECORDED = "dd0c_route_requests_unrecorded_total"
SPOOL_RELEASE = 0.9  # of the bound, so that the door does not flutter

log = logging.getLogger(__name__)


class Ledger(Protocol):
    """Where attempts go. `open` raises Unavailable while PostgreSQL is away."""

    async def open(self) -> Shipper:
        """What ships them there."""
        ...

    def backlog_bytes(self) -> int:
        """Bytes in the spool, while nothing ships."""
        ...


class Gateway:
    """One gateway. `run` serves until `stop` or `abandon`."""

    def __init__(
        self,
        settings: Settings,
        configuration: Configuration,
        fleet: Fleet,
        *,
        feed: Feed,
        standby: Standby,
        ledger: Ledger,
        counting: Counting,
        bank: Bank,
        circuits: Circuits,
    ):
        self._settings = settings
        self._configuration = configuration
        self._fleet = fleet
        self._feed = feed
        self._standby = standby
        self._ledger = ledger
        self._counting = counting
        self._bank = bank
        self._circuits = circuits
        self._shipper: Shipper | None = None
        self._workers_gone = asyncio.Event()
        self._asked_to_stop = False
        self._book_max_s = BOOK_MAX_S

    async def run(self, door: socket.socket) -> None:
        """Serve; `door` is for the admin port. SetupError: unsafe database."""
        server = await admin.listen(door, metrics.CATALOGUE, self.report)
        working = asyncio.create_task(self._work())
        serving = asyncio.create_task(self._fleet.run())
        await asyncio.wait([working, serving], return_when=asyncio.FIRST_COMPLETED)
        if not serving.done():
            self._fleet.kill()
        self._workers_gone.set()
        await asyncio.wait([working, serving], timeout=self._book_max_s)
        if not working.done():
            working.cancel()
            await asyncio.wait([working], timeout=RESTART_S)
        server.close()
        for task in (working, serving):
            if task.done() and not task.cancelled():
                task.result()

    def stop(self) -> None:
        """Take nothing new and give open requests `drain_s`; asked again, cut them."""
        self._drain(0 if self._asked_to_stop else self._settings.drain_s)
        self._asked_to_stop = True

    async def settle(self) -> bool:
        """Before another program takes over: everything known is on disk and told."""
        await self._standby.save()
        return not self._fleet.draining and await self._fleet.settle()

    def abandon(self) -> None:
        """Our supervisor is gone: end within three seconds."""
        self._book_max_s = ORPHAN_BOOK_S
        self._drain(ORPHAN_DRAIN_S)

    def _drain(self, seconds: float) -> None:
        self._fleet.drain(seconds)
        asyncio.get_running_loop().call_later(seconds + CUT_AFTER_DRAIN_S, self._fleet.kill)

    async def _work(self) -> None:
        """Follow, ship and watch the spool until the workers are gone and what they left is in."""
        loops = [
            asyncio.create_task(until_done(self._watch_spool)),
            asyncio.create_task(until_done(self._standby.keep)),
            asyncio.create_task(until_done(self._bank.run)),
            asyncio.create_task(until_done(self._circuits.run)),
        ]
        try:
            self._shipper = shipper = await self._begin()
            loops.append(asyncio.create_task(until_done(self._feed.run)))
            await until_done(lambda: shipper.run(self._fleet.living, self._workers_gone))
            await self._bank.leave()
            await self._standby.save()
        finally:
            for loop in loops:
                loop.cancel()

    async def _begin(self) -> Shipper:
        """Open the ledger; where PostgreSQL refuses or is silent, serve from disk meanwhile."""
        said = False
        while True:
            opening = asyncio.ensure_future(self._ledger.open())
            try:
                await asyncio.wait([opening], timeout=DATABASE_PATIENCE_S)
                if not opening.done() or isinstance(opening.exception(), Unavailable):
                    await self._standby.restore()
                return await opening
            except Unavailable as error:
                if not said:
                    log.warning("waiting for PostgreSQL: %s", error)
                said = True
            finally:
                opening.cancel()
            await asyncio.sleep(RESTART_S)

    def report(self) -> admin.Report:
        """What the admin port tells."""
        configuration, feed, fleet = self._configuration, self._feed, self._fleet
        age_s = feed.age_s()
        prices_age = prices.age_days(SystemClock().now())
        backlog = self._backlog_bytes()
        crash_loops = fleet.crash_loops()
        workers = [
            {
                "slot": slot.number,
                "pid": slot.pid,
                "ready": slot.ready,
                "restarts": slot.restarts,
                "crash_loop": crash_loops.get(slot.number),
            }
            for slot in fleet.slots
        ]
        return admin.Report(
            ready=configuration.loaded and not configuration.expired and fleet.ready,
            facts={
                "workers": workers,
                "draining": fleet.draining,
                "workers_before_reload": fleet.elders,
                "snapshot": {
                    "version": configuration.version,
                    "age_s": age_s,
                    "source": configuration.source,
                    "as_of": self._standby.as_of,
                    "kept_on_disk": self._standby.kept,
                    "unkept_s": self._standby.unkept_s(),
                    "expired": configuration.expired,
                },
                "database": "following" if feed.away is False else "away",
                "spool": {
                    "backlog_bytes": backlog,
                    "lag_s": self._shipper and round(self._shipper.backlog_age_s(), 1),
                    "full": configuration.spool_full,
                    "unrecorded": int(fleet.counters().get(UNRECORDED, 0)),
                },
                "breakers": self._circuits.report(),
                "panics": len(configuration.brake.panics()),
                "disk_free_bytes": shutil.disk_usage(self._settings.home).free,
                "prices": {"source": prices.SOURCE, "as_of": prices.AS_OF and str(prices.AS_OF)},
            },
            samples={
                **fleet.counters(),
                "dd0c_route_worker_restarts_total": fleet.restarts,
                **self._ledger_samples(),
                **self._bank.samples(),
                **self._circuits.breakers.samples(),
                **fleet.gauges(),
                "dd0c_route_token_counts_total": self._counting.counted,
                "dd0c_route_token_counts_refused_total": self._counting.refused,
                "dd0c_route_workers": len(fleet.slots),
                "dd0c_route_workers_ready": sum(slot.ready for slot in fleet.slots),
                "dd0c_route_keys": configuration.key_count,
                "dd0c_route_snapshot_version": configuration.version,
                **({} if age_s is None else {"dd0c_route_snapshot_age_seconds": age_s}),
                **({} if prices_age is None else {"dd0c_route_prices_age_days": prices_age}),
                "dd0c_route_panics": len(configuration.brake.panics()),
                "dd0c_route_database_away": float(feed.away is not False),
                "dd0c_route_spool_backlog_bytes": backlog,
                "dd0c_route_spool_full": float(configuration.spool_full),
            },
        )

    def _backlog_bytes(self) -> int:
        waiting = self._shipper or self._ledger
        return waiting.backlog_bytes()

    def _ledger_samples(self) -> dict[str, float]:
        if self._shipper is None:
            return {}
        counts = self._shipper.counts
        return {
            "dd0c_route_ledger_rows_total": counts.rows,
            "dd0c_route_ledger_lost_total": counts.lost,
            "dd0c_route_ledger_failures_total": counts.failures,
            "dd0c_route_spool_lag_seconds": self._shipper.backlog_age_s(),
            "dd0c_route_spool_torn_total": counts.torn,
            "dd0c_route_spool_rejected_total": counts.rejected,
        }

    async def _watch_spool(self) -> None:
        """Close the door while more is unshipped than may be, and open it again."""
        bound = self._settings.spool_bytes_max
        while True:
            full = self._configuration.spool_full
            limit = bound * SPOOL_RELEASE if full else bound
            change = self._configuration.set_spool_full(self._backlog_bytes() > limit)
            if change is not None:
                self._fleet.tell(change)
                log.warning("the spool is %s", FULL if change.full else "free")
            await asyncio.sleep(SPOOL_CHECK_S)


async def until_done(work: Callable[[], Awaitable[None]]) -> None:
    """Start a loop of the parent again when it fails: a bug in one must not end the workers."""
    while True:
        try:
            return await work()
        except Exception:
            log.exception("a loop of the gateway failed, starting it again")
        await asyncio.sleep(RESTART_S)
