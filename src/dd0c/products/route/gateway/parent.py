"""Ties the parts of the parent together, and decides how they stop and what they tell.

A stop closes the listeners, lets workers finish, then ships what they wrote. A second one cuts: the
attempts that were open are booked as lost by the shipper. Without our supervisor there is no
database either, so then nothing is waited for long.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

from dd0c.base.settings import Settings
from dd0c.products.route.gateway import admin
from dd0c.products.route.gateway.configuration import Configuration
from dd0c.products.route.gateway.feed import Feed
from dd0c.products.route.gateway.fleet import Fleet

CUT_AFTER_DRAIN_S = 0.5
BOOK_MAX_S = 2.0
ORPHAN_DRAIN_S = 2.0
ORPHAN_BOOK_S = 0.3
RESTART_S = 1.0
SPOOL_CHECK_S = 0.5
SPOOL_RELEASE = 0.9  # of the bound, so that the door does not flutter

log = logging.getLogger(__name__)


class Shipper(Protocol):
    """What brings the workers' records into the ledger."""

    @property
    def backlog_bytes(self) -> int:
        """Bytes of records that are not in the ledger yet."""
        ...

    async def run(self) -> None:
        """Ship for ever."""
        ...

    async def finish(self) -> None:
        """Ship what is left, when no worker lives any more."""
        ...


class Gateway:
    """One gateway. `run` serves until `drain`; `cut` ends it now."""

    def __init__(
        self,
        settings: Settings,
        configuration: Configuration,
        fleet: Fleet,
        feed: Feed,
        shipper: Shipper,
    ):
        self._settings = settings
        self._configuration = configuration
        self._fleet = fleet
        self._feed = feed
        self._shipper = shipper
        self._book_max_s = BOOK_MAX_S

    async def run(self, on_admin: Callable[[int], None]) -> None:
        """Serve; `on_admin` is told the admin port once it answers."""
        server = await admin.listen(self._settings.gateway_admin_port, self.report)
        on_admin(server.sockets[0].getsockname()[1])
        loops = (self._feed.run, self._shipper.run, self._watch_spool)
        tasks = [asyncio.create_task(_for_ever(loop)) for loop in loops]
        try:
            await self._fleet.run()
        finally:
            server.close()
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=self._book_max_s)
        await self._book()

    def drain(self, seconds: float) -> None:
        """Take nothing new, give open requests `seconds`, then cut."""
        self._fleet.drain(seconds)
        asyncio.get_running_loop().call_later(seconds + CUT_AFTER_DRAIN_S, self._fleet.kill)

    def cut(self) -> None:
        """End all workers now."""
        self._fleet.kill()

    def abandon(self) -> None:
        """Our supervisor is gone: end within three seconds."""
        self._book_max_s = ORPHAN_BOOK_S
        self.drain(ORPHAN_DRAIN_S)

    def report(self) -> admin.Report:
        """What the admin port tells."""
        configuration, feed, fleet = self._configuration, self._feed, self._fleet
        age_s = None
        if feed.looked_at is not None:
            age_s = round(asyncio.get_running_loop().time() - feed.looked_at, 3)
        workers = [
            {"slot": slot.number, "pid": slot.process and slot.process.pid, "ready": slot.ready}
            for slot in fleet.slots
        ]
        backlog = self._shipper.backlog_bytes
        return admin.Report(
            ready=configuration.loaded and fleet.ready,
            facts={
                "workers": workers,
                "snapshot": {"version": configuration.version, "age_s": age_s},
                "database": "away" if feed.away is not False else "following",
                "spool": {"backlog_bytes": backlog, "full": configuration.spool_full},
            },
            counters=fleet.counters() | {"dd0c_route_worker_restarts_total": fleet.restarts},
            gauges=fleet.gauges()
            | {
                "dd0c_route_workers": len(fleet.slots),
                "dd0c_route_workers_ready": sum(slot.ready for slot in fleet.slots),
                "dd0c_route_keys": configuration.key_count,
                "dd0c_route_snapshot_version": configuration.version,
                "dd0c_route_snapshot_age_seconds": -1.0 if age_s is None else age_s,
                "dd0c_route_database_away": float(feed.away is not False),
                "dd0c_route_spool_backlog_bytes": backlog,
                "dd0c_route_spool_full": float(configuration.spool_full),
            },
        )

    async def _watch_spool(self) -> None:
        """Close the door while more is unshipped than may be, and open it again."""
        bound = self._settings.spool_bytes_max
        while True:
            await asyncio.sleep(SPOOL_CHECK_S)
            full = self._configuration.spool_full
            limit = bound * SPOOL_RELEASE if full else bound
            change = self._configuration.set_spool_full(self._shipper.backlog_bytes > limit)
            if change is not None:
                self._fleet.tell(change)
                log.warning("the spool is %s", "full, refusing requests" if change.full else "free")

    async def _book(self) -> None:
        """Ship what the workers left, while there is time; the next start ships the rest."""
        try:
            async with asyncio.timeout(self._book_max_s):
                await self._shipper.finish()
        except TimeoutError:
            log.warning("records are left in the spool, the next start ships them")


async def _for_ever(work: Callable[[], Awaitable[None]]) -> None:
    """Keep a loop of the parent running: a bug in one must not end the workers."""
    while True:
        try:
            await work()
        except Exception:
            log.exception("a loop of the gateway failed, starting it again")
        await asyncio.sleep(RESTART_S)
