"""Reading and judging texts without holding up the server (N-3): every face comes through here.

    parsed = await documents.read(source, Format.MARKDOWN)
    async for judged in documents.judge(parsed.steps, source, advice.advisor(request, who)):
        ...                                     # a step with its verdicts, as soon as it is judged

It is work for a processor, so threads do it: two at once, a few waiting, the rest is told to come
back. Who gives up waiting leaves a thread at work until it is done, which the bounds of the parser
and of the scanner keep short.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from itertools import takewhile
from threading import BoundedSemaphore
from typing import TypeVar

from dd0c.base.errors import Timeout, Unavailable
from dd0c.kernel.guard.rates import Rates
from dd0c.products.run import judging, prose
from dd0c.products.run.advice import Advisor
from dd0c.products.run.judging import JudgedStep
from dd0c.products.run.models import Format, Parsed, Step
from dd0c.scan.models import Verdict

T = TypeVar("T")

AT_ONCE = 2
WAITING_MAX = 32
WITHIN_S = 10.0
PER_MINUTE = 30
RATE = "run.verdicts"


class Threads:
    """Does work beside the event loop, a bounded amount at a time."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="run")
        self._places = BoundedSemaphore(AT_ONCE + WAITING_MAX)

    async def do(self, work: Callable[[], T]) -> T:
        """What the work comes to; Unavailable when too much waits, Timeout."""
        if not self._places.acquire(blocking=False):
            raise Unavailable("too many runbooks are read at this moment", retry_after_s=5)
        doing = self._threads.submit(work)
        doing.add_done_callback(lambda _: self._places.release())
        try:
            async with asyncio.timeout(WITHIN_S):
                return await asyncio.wrap_future(doing)
        except TimeoutError:
            raise Timeout(f"this took longer than {WITHIN_S:g} s to read") from None


@cache
def _threads() -> Threads:
    return Threads()


async def require_rate(rates: Rates, org: uuid.UUID) -> None:
    """One more text of the organisation is to be judged; LimitExceeded beyond 30 a minute."""
    await rates.require(org, RATE, PER_MINUTE)


async def read(source: str, format: Format | None = None) -> Parsed:
    """What a text says to do; TooLarge."""
    return await _threads().do(partial(judging.read, source, format))


async def judge(
    steps: Sequence[Step], source: str = "", advisor: Advisor | None = None
) -> AsyncIterator[JudgedStep]:
    """The steps in order, each as soon as its commands are judged. Nothing waits for an advisor
    before the first step that it might say something about."""
    if advisor is None:
        known = steps
    else:
        known = list(takewhile(lambda step: not prose.is_open(step), steps))
    async for judged in _judge(known):
        yield judged
    if advisor is not None and len(known) < len(steps):
        async for judged in _judge((await advisor.place(source, steps))[len(known) :]):
            yield judged


async def _judge(steps: Sequence[Step]) -> AsyncIterator[JudgedStep]:
    for batch in judging.batches(steps):
        for judged in await _threads().do(partial(judging.judge, batch)):
            yield judged


async def classify(texts: Sequence[str]) -> tuple[Verdict, ...]:
    """The verdicts on commands, in their order; TooLarge."""
    judging.require_bounds(texts)

    def work() -> tuple[Verdict, ...]:
        from dd0c.scan import verdicts

        return verdicts.judge(texts)

    return await _threads().do(work)
