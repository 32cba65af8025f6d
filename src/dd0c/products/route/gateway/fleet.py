"""The workers: one a slot, replaced when they die or fall silent, on a socket that stays.

A worker's death is seen as the end of its socketpair, which the kernel closes whatever killed it.
A worker tells its counters every second; one that says nothing in `SILENT_CHECKS_MAX` of our looks
is stuck and is killed, which also bounds what may queue for it. Looks are counted, not seconds: if
we ourselves were stopped, no worker is to blame. Counters of dead workers are kept, so that sums
never fall.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from dd0c.base.errors import SetupError
from dd0c.products.route.gateway.link import Link
from dd0c.products.route.hotpath.frames import encode
from dd0c.products.route.hotpath.snapshot import (
    Drain,
    FromWorker,
    PriceWanted,
    ToWorker,
    WorkerReady,
    WorkerStats,
)

CHECK_EVERY_S = 1.0
SILENT_CHECKS_MAX = 15
START_CHECKS_MAX = 60
STEADY_S = 10.0  # a worker that lived this long is replaced at once
DELAY_MIN_S = 0.1
DELAY_MAX_S = 5.0
REAP_MAX_S = 1.0

log = logging.getLogger(__name__)

Spawn = Callable[[int, int, int], "subprocess.Popen[bytes]"]
"""Starts the worker of a slot with its control and its listening descriptor."""


@dataclass(slots=True)
class Slot:
    """A place for one worker, with the listening socket that all its workers share in turn."""

    number: int
    listener: socket.socket
    process: subprocess.Popen[bytes] | None = None
    link: Link | None = None
    ready: bool = False
    silent_checks: int = 0
    restarts: int = 0
    stats: WorkerStats = field(default_factory=lambda: WorkerStats({}, {}))


class Fleet:
    """Keeps one worker per listener.

    `greet` gives the messages for a worker that just started (none while nothing is loaded);
    `on_price_wanted` hears of models without a price.
    """

    def __init__(
        self,
        listeners: Sequence[socket.socket],
        spawn: Spawn,
        greet: Callable[[], Sequence[ToWorker]],
        on_price_wanted: Callable[[PriceWanted], None],
        *,
        check_every_s: float = CHECK_EVERY_S,
    ):
        self.slots = [Slot(number, listener) for number, listener in enumerate(listeners)]
        self._spawn = spawn
        self._greet = greet
        self._on_price_wanted = on_price_wanted
        self._check_every_s = check_every_s
        self._retired: dict[str, float] = {}
        self._stopping = asyncio.Event()

    @property
    def ready(self) -> bool:
        """Whether every slot has a worker that serves, and will go on."""
        return not self._stopping.is_set() and all(slot.ready for slot in self.slots)

    @property
    def restarts(self) -> int:
        """How many workers were replaced."""
        return sum(slot.restarts for slot in self.slots)

    def living(self) -> set[int]:
        """Process ids of workers that may still write."""
        return {slot.process.pid for slot in self.slots if slot.process is not None}

    def counters(self) -> dict[str, float]:
        """Counters of all workers there are and were, summed."""
        return _sum(self._retired, *(slot.stats.counters for slot in self.slots))

    def gauges(self) -> dict[str, float]:
        """Gauges of the living workers, summed."""
        return _sum(*(slot.stats.gauges for slot in self.slots))

    def tell(self, message: ToWorker) -> None:
        """Send a message to every worker; it is encoded once."""
        frame = encode(message)
        for slot in self.slots:
            if slot.link is not None:
                slot.link.send(frame)

    async def run(self) -> None:
        """Keep the workers; returns when all are gone after `drain` or `kill`."""
        async with asyncio.TaskGroup() as group:
            for slot in self.slots:
                group.create_task(self._keep(slot), name=f"worker slot {slot.number}")

    def drain(self, seconds: float) -> None:
        """Let workers finish what is open, take nothing new, and replace none."""
        self._stopping.set()
        for slot in self.slots:
            slot.listener.close()
        self.tell(Drain(seconds))

    def kill(self) -> None:
        """End all workers now."""
        self._stopping.set()
        for slot in self.slots:
            slot.listener.close()
            if slot.process is not None:
                slot.process.kill()

    async def _keep(self, slot: Slot) -> None:
        loop = asyncio.get_running_loop()
        delay_s = 0.0
        while not self._stopping.is_set():
            started = loop.time()
            try:
                status = await self._serve(slot)
            except (OSError, SetupError, subprocess.SubprocessError) as error:
                log.warning("a worker cannot start: %s", error, extra={"slot": slot.number})
                status = None
            if self._stopping.is_set():
                return
            steady = loop.time() - started > STEADY_S
            delay_s = 0.0 if steady else min(max(delay_s * 2, DELAY_MIN_S), DELAY_MAX_S)
            slot.restarts += 1
            log.warning(
                "worker died, starting another",
                extra={"slot": slot.number, "status": status, "delay_s": delay_s},
            )
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay_s)

    async def _serve(self, slot: Slot) -> int | None:
        """Run one worker in the slot until it is gone; its exit status."""
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        try:
            slot.process = self._spawn(slot.number, theirs.fileno(), slot.listener.fileno())
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        link = Link(partial(self._heard, slot))
        await loop.create_unix_connection(lambda: link, sock=ours)
        slot.silent_checks = SILENT_CHECKS_MAX - START_CHECKS_MAX
        for message in self._greet():
            link.send(encode(message))
        slot.link = link
        if self._stopping.is_set():
            link.cut()
        while not link.closed.done():
            await asyncio.wait([link.closed], timeout=self._check_every_s)
            slot.silent_checks += 1
            if slot.silent_checks > SILENT_CHECKS_MAX:
                log.error("worker is silent, killing it", extra={"slot": slot.number})
                slot.process.kill()
                link.cut()
        return await self._bury(slot)

    async def _bury(self, slot: Slot) -> int | None:
        """Wait for a worker whose link has ended, kill it if need be, keep its counters."""
        process = slot.process
        assert process is not None
        deadline = asyncio.get_running_loop().time() + REAP_MAX_S
        while process.poll() is None:
            if asyncio.get_running_loop().time() > deadline:
                process.kill()
            await asyncio.sleep(0.01)
        self._retired = _sum(self._retired, slot.stats.counters)
        slot.process, slot.link, slot.ready = None, None, False
        slot.stats = WorkerStats({}, {})
        return process.returncode

    def _heard(self, slot: Slot, message: FromWorker) -> None:
        slot.silent_checks = 0
        match message:
            case WorkerReady():
                slot.ready = True
            case WorkerStats():
                slot.stats = message
            case PriceWanted():
                self._on_price_wanted(message)


def _sum(*many: Mapping[str, float]) -> dict[str, float]:
    total: dict[str, float] = {}
    for one in many:
        for name, value in one.items():
            total[name] = total.get(name, 0) + value
    return total
