"""Serving without PostgreSQL, and for how long (K-8, R-32).

A gateway that starts while PostgreSQL is away takes its configuration from the disk. One that runs
keeps what it has in memory. For both the same bound holds: a configuration that PostgreSQL has not
confirmed for `max_stale_s` is served from no longer, because a key that was revoked meanwhile would
go on working. Then every key is unknown, which callers are told with 503.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime

from dd0c.base.clock import Clock
from dd0c.base.errors import Unavailable
from dd0c.products.route.gateway.configuration import Configuration
from dd0c.products.route.gateway.feed import Feed
from dd0c.products.route.gateway.saved import Shelf, Unusable
from dd0c.products.route.hotpath.snapshot import ToWorker

LOOK_EVERY_S = 1.0
SAVE_EVERY_S = 3.0
CONFIRM_EVERY_S = 60.0  # without a change: the age on disk is wrong by so much at most

log = logging.getLogger(__name__)


class Standby:
    """Keeps the disk current, begins from it, and ends what is too old."""

    def __init__(
        self,
        shelf: Shelf,
        configuration: Configuration,
        feed: Feed,
        tell: Callable[[ToWorker], None],
        *,
        max_stale_s: float,
        clock: Clock,
    ):
        self._shelf = shelf
        self._configuration = configuration
        self._feed = feed
        self._tell = tell
        self._max_stale_s = max_stale_s
        self._clock = clock
        self._saved_version = -1
        self._saved_at = 0.0
        self._unkept_since: float | None = None
        self._failing = False
        self._tried = False

    @property
    def kept(self) -> bool:
        """Whether the disk has all that we know."""
        return self._saved_version == self._configuration.version

    def unkept_s(self) -> float:
        """For how long the disk has not had what we know."""
        if self._unkept_since is None:
            return 0.0
        return round(asyncio.get_running_loop().time() - self._unkept_since, 1)

    @property
    def as_of(self) -> str | None:
        """When PostgreSQL last said what we serve from."""
        age_s = self._feed.age_s()
        if age_s is None:
            return None
        moment = datetime.fromtimestamp(self._clock.now_us() / 1_000_000 - age_s, UTC)
        return moment.isoformat(timespec="seconds")

    async def restore(self) -> None:
        """Begin from the disk, if what is there may be served from; asked again, do nothing."""
        if self._tried:
            return
        self._tried = True
        try:
            saved, age_s = await self._shelf.take(self._max_stale_s)
        except Unusable as error:
            log.warning("not serving before PostgreSQL is there: %s", error)
            return
        if self._configuration.loaded:
            return
        if age_s < 0:
            log.warning("the configuration on disk is from the future: was the clock set back?")
        self._feed.begin_at_age(max(0.0, age_s))
        for message in self._configuration.restore(saved):
            self._tell(message)
        self._saved_version = self._configuration.version
        log.warning("PostgreSQL is away, serving known keys from disk, as of %s", self.as_of)

    async def keep(self) -> None:
        """Look after disk and age for ever."""
        while True:
            self._end_what_is_too_old()
            await self._save_when_due()
            self._note_what_is_unkept()
            await asyncio.sleep(LOOK_EVERY_S)

    async def save(self) -> None:
        """Bring the disk up to date now."""
        configuration, age_s = self._configuration, self._feed.age_s()
        if not configuration.loaded or configuration.expired or age_s is None:
            return
        version = configuration.version
        saved = configuration.to_save(self._clock.now_us() - int(age_s * 1_000_000))
        try:
            await self._shelf.put(saved)
        except (OSError, Unavailable) as error:
            if not self._failing:
                log.warning("the configuration cannot be kept on disk: %s", error)
            self._failing = True
        else:
            self._failing = False
            self._saved_version = version
        self._saved_at = asyncio.get_running_loop().time()

    async def _save_when_due(self) -> None:
        since_s = asyncio.get_running_loop().time() - self._saved_at
        confirms = self._feed.away is False and since_s >= CONFIRM_EVERY_S
        if (not self.kept and since_s >= SAVE_EVERY_S) or confirms:
            await self.save()

    def _note_what_is_unkept(self) -> None:
        if self.kept or not self._configuration.loaded:
            self._unkept_since = None
        elif self._unkept_since is None:
            self._unkept_since = asyncio.get_running_loop().time()

    def _end_what_is_too_old(self) -> None:
        age_s = self._feed.age_s()
        if age_s is None or age_s <= self._max_stale_s or self._configuration.expired:
            return
        log.error("PostgreSQL is away for longer than max_stale_s, serving no key any more")
        for message in self._configuration.expire():
            self._tell(message)
