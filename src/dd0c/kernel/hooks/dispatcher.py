"""Sends what is due, for all organisations, until it is stopped: a task of the job worker (K-71).

Each round asks which organisations have anything to send, makes deliveries of what is new in their
logs, and claims what is due, at most one of each endpoint at a time: a receiver gets events in
their order while it takes them, and one that is slow holds up nobody else. Any number of workers
may do this beside each other.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import uuid
from collections.abc import Awaitable, Callable
from datetime import datetime

import psycopg
from psycopg.rows import tuple_row

from dd0c.base import ids
from dd0c.base.errors import Error, SetupError
from dd0c.base.process import crash_point
from dd0c.base.secrets import Secret
from dd0c.kernel.audit import outbox
from dd0c.kernel.audit.canonical import Value
from dd0c.kernel.audit.outbox import Event
from dd0c.kernel.db import roles, tenancy
from dd0c.kernel.db.pool import Pool, Transaction, open_pool
from dd0c.kernel.hooks import deliveries, endpoints, events, retrying
from dd0c.kernel.hooks.deliveries import Claimed
from dd0c.kernel.hooks.retrying import Verdict
from dd0c.kernel.hooks.sending import Sender
from dd0c.kernel.vault.envelope import Vault

POOL_SIZE = 2
POLL_S = 1.0
RETRY_EVERY_S = 2.0
IN_FLIGHT_MAX = 32
AT_ONCE_OF_AN_ORG = 8
RESTING_MAX_S = 3600.0
POINTS = ("hooks.claimed", "hooks.sent")
"""Where a drill may kill us (`DD0C_CRASH_AT`)."""

May = Callable[[uuid.UUID], bool]
"""Whether anything may be sent for an organisation now."""

log = logging.getLogger(__name__)


async def serve(
    conninfo: Secret,
    vault: Vault,
    sender: Sender,
    may: May,
    *,
    refuse_unfit: Callable[[Pool], Awaitable[None]],
) -> None:
    """Send until cancelled, and go on when a database that was away is back.

    SetupError when `refuse_unfit` says that the database is not to be served from.
    """
    told = ""
    while True:
        try:
            pool = await open_pool(conninfo, roles.JOBS, POOL_SIZE)
            try:
                await refuse_unfit(pool)
                async with asyncio.TaskGroup() as group:
                    await Dispatcher(pool, vault, sender, may, group=group).run()
            finally:
                await pool.close()
        except* SetupError:
            raise
        except* (psycopg.Error, OSError, Error) as errors:
            if str(errors.exceptions[0]) != told:
                log.warning("webhooks wait: %s", errors.exceptions[0])
            told = str(errors.exceptions[0])
        await asyncio.sleep(RETRY_EVERY_S)


class Dispatcher:
    """The rounds of one worker, and what it has under way."""

    def __init__(
        self, pool: Pool, vault: Vault, sender: Sender, may: May, *, group: asyncio.TaskGroup
    ):
        self._pool, self._vault, self._sender = pool, vault, sender
        self._may, self._clock, self._group = may, sender.clock, group
        self._busy: set[uuid.UUID] = set()
        self._resting: set[uuid.UUID] = set()  # asked us to come later, or their breaker does
        self._freed = asyncio.Event()

    async def run(self) -> None:
        """Rounds without end; the next begins when something was sent, or in a second."""
        while True:
            self._freed.clear()
            if not await self.round():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(POLL_S):
                        await self._freed.wait()

    async def round(self) -> int:
        """Begin what can be begun now; how many that were."""
        begun, now = 0, self._clock.now()
        async with tenancy.system(self._pool) as tx, tx.cursor(row_factory=tuple_row) as cursor:
            await cursor.execute("SELECT kernel.list_due_hooks(%s)", (now,))
            due = [row[0] for row in await cursor.fetchall()]
        for org in due:
            room = min(IN_FLIGHT_MAX - len(self._busy), AT_ONCE_OF_AN_ORG)
            if not self._may(org) or room <= 0:
                continue
            await deliveries.make_new(self._pool, org, now)
            async with tenancy.tenant(self._pool, org) as tx:
                claimed = await deliveries.claim(
                    tx, self._vault, org, now, limit=room, except_of=self._busy | self._resting
                )
            for one in claimed:
                crash_point("hooks.claimed")
                self._busy.add(one.endpoint)
                self._group.create_task(self._send(org, one))
            begun += len(claimed)
        return begun

    async def _send(self, org: uuid.UUID, claimed: Claimed) -> None:
        began = self._clock.now()
        try:
            outcome = await self._sender.send(claimed)
            crash_point("hooks.sent")
            following = retrying.decide(outcome, claimed.tries, secrets.randbelow(1000) / 1000)
            async with tenancy.tenant(self._pool, org) as tx:
                now = self._clock.now()
                await deliveries.finish(tx, claimed, outcome, following, began=began, now=now)
                if outcome.verdict is Verdict.GONE:
                    await _end(tx, org, claimed.endpoint, now)
            if outcome.retry_after_s:
                self._rest(claimed.endpoint, min(following.wait_s, RESTING_MAX_S))
        finally:
            self._busy.discard(claimed.endpoint)
            self._freed.set()

    def _rest(self, endpoint: uuid.UUID, for_s: float) -> None:
        self._resting.add(endpoint)
        asyncio.get_running_loop().call_later(for_s, self._resting.discard, endpoint)


async def _end(tx: Transaction, org: uuid.UUID, endpoint: uuid.UUID, now: datetime) -> None:
    """Whoever is there wants nothing more: it is paused until somebody resumes it."""
    if await endpoints.pause(tx, endpoint, now, endpoints.GONE):
        subject = ids.text(ids.Kind.ENDPOINT, endpoint)
        facts: dict[str, Value] = {"why": endpoints.GONE}
        event = Event(events.ENDPOINT_PAUSED.name, outbox.SYSTEM, subject, facts)
        await outbox.record(tx, org, event)
