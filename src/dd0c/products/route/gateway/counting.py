"""Counts for the workers what no provider counted (R-14), and learns from what they did.

A vocabulary is too large for every worker and a long text takes too long for any of them, so their
parent counts: in one thread, which lets go of the interpreter while it does. What waits is bounded
in number and bytes; beyond that, or when an answer would come too late to be waited for, it is None
at once. Samples to learn from give way first. Texts are in memory only, and gone with the answer;
so are the vocabularies, a while after the last one.

What was learned is added to what other gateways did, at most every half minute; while PostgreSQL
is away it waits here, a few numbers a model.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial

import psycopg

from dd0c.base.errors import Error
from dd0c.kernel.db import tenancy
from dd0c.kernel.db.pool import Pool
from dd0c.products.route.hotpath.snapshot import Counted, CountWanted
from dd0c.products.route.store import token_factors
from dd0c.products.route.tokens import vocabulary
from dd0c.products.route.tokens.counting import count_prompt, count_text
from dd0c.products.route.tokens.factors import Factors, Measure, measure_of

WAITING_MAX = 512
WAITING_BYTES_MAX = 64 * 1024 * 1024
SAMPLES_WAITING_MAX = 32
PATIENCE_S = 2.0  # a worker waits no longer for an answer
SAVE_EVERY_S = 30.0
KEPT_S = 30.0  # vocabularies that nobody counts with
SAVE_WITHIN_S = 1.0

log = logging.getLogger(__name__)

Reply = Callable[[Counted], None]


class Counting:
    """Answers `CountWanted`. Everything but the count itself happens on the event loop."""

    def __init__(
        self,
        *,
        waiting_max: int = WAITING_MAX,
        waiting_bytes_max: int = WAITING_BYTES_MAX,
        save_every_s: float = SAVE_EVERY_S,
        kept_s: float = KEPT_S,
    ) -> None:
        self._waiting_max = waiting_max
        self._waiting_bytes_max = waiting_bytes_max
        self._save_every_s = save_every_s
        self._kept_s = kept_s
        self._forgetting: asyncio.TimerHandle | None = None
        self.factors = Factors()
        self.counted = 0
        self.refused = 0
        self._waiting = 0
        self._waiting_bytes = 0
        self._thread = ThreadPoolExecutor(1, "counting")

    def ask(self, wanted: CountWanted, reply: Reply) -> None:
        """Count and reply, with nothing known when that takes too long; a sample gets no reply."""
        size = len(wanted.received) + len(wanted.body or b"")
        if not self._admits(wanted, size):
            self._refuse(wanted, reply)
            return
        self._waiting += 1
        self._waiting_bytes += size
        measure = measure_of(wanted.model, self.factors.find(wanted.provider, wanted.model))
        loop = asyncio.get_running_loop()
        done = partial(self._done, wanted, reply, size)
        until = time.monotonic() + PATIENCE_S
        job = self._thread.submit(_count, wanted, measure, until)
        job.add_done_callback(lambda job: _call_soon(loop, done, job))

    def _admits(self, wanted: CountWanted, size: int) -> bool:
        if wanted.actual is not None and self._waiting >= SAMPLES_WAITING_MAX:
            return False
        if self._waiting >= self._waiting_max:
            return False
        return self._waiting_bytes + size <= self._waiting_bytes_max

    def _refuse(self, wanted: CountWanted, reply: Reply) -> None:
        self.refused += 1
        if wanted.actual is None:
            reply(Counted(wanted.id))

    def _done(
        self, wanted: CountWanted, reply: Reply, size: int, job: Future[Counted | None]
    ) -> None:
        self._waiting -= 1
        self._waiting_bytes -= size
        if not self._waiting:
            self._forget_later()
        counted = None if job.exception() else job.result()
        if error := job.exception():
            log.error("a text could not be counted", exc_info=error)
        if counted is None:
            self._refuse(wanted, reply)
            return
        self.counted += 1
        if wanted.actual is None:
            reply(counted)
        elif counted.received and wanted.actual.output:
            self.factors.learn(
                wanted.provider,
                wanted.model,
                counted=counted.received,
                actual=wanted.actual.output,
            )

    def _forget_later(self) -> None:
        if self._forgetting is not None:
            self._forgetting.cancel()
        loop = asyncio.get_running_loop()
        self._forgetting = loop.call_later(self._kept_s, self._thread.submit, vocabulary.forget)

    @asynccontextmanager
    async def learning(self, pool: Pool) -> AsyncIterator[None]:
        """For the block, know what all gateways learned, and add what this one does."""
        async with tenancy.system(pool, deadline_s=SAVE_WITHIN_S) as tx:
            self.factors.know(await token_factors.load(tx))
        ending = asyncio.Event()  # no cancelling: a save that was cut off may have been made
        saving = asyncio.create_task(self._save_until(ending, pool))
        try:
            yield
        finally:
            ending.set()
            await saving

    async def _save_until(self, ending: asyncio.Event, pool: Pool) -> None:
        while not ending.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(ending.wait(), self._save_every_s)
            await self._save(pool)

    async def _save(self, pool: Pool) -> None:
        news = self.factors.take_unsaved()
        if not news:
            return
        try:
            async with tenancy.system(pool, deadline_s=SAVE_WITHIN_S) as tx:
                known = await token_factors.add(tx, news)
        except (Error, psycopg.Error):
            self.factors.restore(news)  # the shipper says that PostgreSQL is away
        else:
            self.factors.know(known)


def _call_soon(
    loop: asyncio.AbstractEventLoop,
    done: Callable[[Future[Counted | None]], None],
    job: Future[Counted | None],
) -> None:
    with contextlib.suppress(RuntimeError):  # the gateway has ended meanwhile
        loop.call_soon_threadsafe(done, job)


def _count(wanted: CountWanted, measure: Measure, until: float) -> Counted | None:
    """The numbers asked for, in the thread; None when it is too late to be of use."""
    text = wanted.received.decode(errors="replace")
    if wanted.actual is not None:
        return Counted(wanted.id, received=vocabulary.count(measure.vocabulary, text))
    if time.monotonic() > until:
        return None
    prompt = None
    if wanted.body is not None:
        prompt = count_prompt(measure, wanted.model, wanted.endpoint, wanted.body)
    received = count_text(measure, text)
    delivered = None
    if wanted.delivered_chars is not None:
        delivered = count_text(measure, text[: wanted.delivered_chars])
    return Counted(
        wanted.id,
        input=None if prompt is None else prompt.tokens,
        received=received.tokens,
        delivered=None if delivered is None else delivered.tokens,
        error=max(received.error, 0.0 if prompt is None else prompt.error),
    )
