"""The workers: one a slot, replaced when they die or fall silent, on sockets that stay.

After a reload the workers of the program before us serve on until every slot has one of ours; then
they are told to drain. Counters of workers that are gone are kept, so that sums never fall.

A slot whose workers die again and again is tried ever more rarely. Connections in its queue wait;
new ones go to the other slots until it has been quiet for a while.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import subprocess
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from dd0c.base.errors import SetupError
from dd0c.products.route.gateway import listeners as doors
from dd0c.products.route.gateway.handover import Handover, Predecessor
from dd0c.products.route.gateway.member import Adopted, Member, Process
from dd0c.products.route.hotpath.frames import encode
from dd0c.products.route.hotpath.snapshot import (
    Drain,
    FromWorker,
    ToWorker,
    WorkerReady,
    WorkerStats,
)

CHECK_EVERY_S = 1.0
STEADY_S = 10.0  # a worker that lived this long is replaced at once
DELAY_MIN_S = 0.1
DELAY_MAX_S = 5.0
LOOP_DEATHS = 3  # within LOOP_S they are a crash loop
LOOP_S = 60.0
SETTLE_LOOKS = 200
CUT_S = 5.0  # what a worker gets beyond its time to drain

log = logging.getLogger(__name__)

Spawn = Callable[[int, int, Sequence[int]], Process]
"""Starts the worker of a slot with its control and its listening descriptors."""

Hear = Callable[[Member, FromWorker], None]


class Death(NamedTuple):
    """When a worker died, and of what; None: it could not be started."""

    at: float
    status: int | None

    @property
    def cause(self) -> str:
        """In words."""
        if self.status is None:
            return "it did not start"
        return f"signal {-self.status}" if self.status < 0 else f"exit status {self.status}"


@dataclass(slots=True)
class Slot:
    """A place for one worker, with the listening sockets that all its workers share in turn."""

    number: int
    listeners: Sequence[socket.socket]
    worker: Member | None = None
    restarts: int = 0
    deaths: deque[Death] = field(default_factory=lambda: deque(maxlen=100))

    @property
    def ready(self) -> bool:
        """Whether its worker serves."""
        return self.worker is not None and self.worker.ready

    @property
    def pid(self) -> int | None:
        """Its worker's process."""
        return self.worker.process.pid if self.worker is not None else None

    def crash_loop(self, now: float) -> str | None:
        """What is going on in a slot whose workers keep dying; None for one that is well."""
        recent = [death for death in self.deaths if now - death.at <= LOOP_S]
        if len(recent) < LOOP_DEATHS:
            return None
        for_s = now - recent[0].at
        return f"{len(recent)} deaths in {for_s:.0f} s, the last by {recent[-1].cause}"


class Fleet:
    """Keeps `count` workers on the listeners.

    `greet` gives the messages for a worker that just started (none while nothing is loaded);
    `hear` gets what workers want, with the one that asked; `before` is what the program before us
    left.
    """

    def __init__(
        self,
        listeners: Sequence[socket.socket],
        spawn: Spawn,
        greet: Callable[[], Sequence[ToWorker]],
        hear: Hear,
        *,
        count: int | None = None,
        before: Handover | None = None,
        drain_s: float = 30.0,
        check_every_s: float = CHECK_EVERY_S,
    ):
        count = count or len(listeners)
        self.slots = [Slot(number, listeners[number::count]) for number in range(count)]
        self._listeners = listeners
        self._spawn = spawn
        self._greet = greet
        self._hear = hear
        self._drain_s = drain_s
        self._check_every_s = check_every_s
        self._elders = (
            {self._adopt(left): left.control for left in before.workers} if before else {}
        )
        self.retired = dict(before.counters) if before else {}
        self._restarts = before.restarts if before else 0
        self._steered = list(range(len(listeners))) if before is None else []
        self.complete = asyncio.Event()  # once, when every slot has a worker that serves
        self._stopping = asyncio.Event()

    @property
    def ready(self) -> bool:
        """Whether every slot has a worker that serves, and will go on."""
        return not self.draining and all(slot.ready for slot in self.slots)

    @property
    def draining(self) -> bool:
        """Whether the gateway ends."""
        return self._stopping.is_set()

    @property
    def elders(self) -> int:
        """Workers from before a reload that have not finished."""
        return len(self._elders)

    @property
    def restarts(self) -> int:
        """How many workers were replaced."""
        return self._restarts + sum(slot.restarts for slot in self.slots)

    def crash_loops(self) -> dict[int, str]:
        """The slots whose workers keep dying, and how."""
        now = asyncio.get_running_loop().time()
        return {slot.number: how for slot in self.slots if (how := slot.crash_loop(now))}

    def living(self) -> set[int]:
        """Process ids of workers that may still write."""
        return {worker.process.pid for worker in self._workers()}

    def counters(self) -> dict[str, float]:
        """Counters of all workers there are and were, summed."""
        return _sum(self.retired, *(worker.stats.counters for worker in self._workers()))

    def gauges(self) -> dict[str, float]:
        """Gauges of the living workers, summed."""
        return _sum(*(worker.stats.gauges for worker in self._workers()))

    def tell(self, message: ToWorker) -> None:
        """Send a message to every worker; it is encoded once."""
        frame = encode(message)
        for worker in self._workers():
            worker.tell(message, frame)

    async def run(self) -> None:
        """Keep the workers; returns when all are gone after `drain` or `kill`."""
        self._steer()
        async with asyncio.TaskGroup() as group:
            for elder, control in list(self._elders.items()):
                group.create_task(self._see_off(elder, control), name="worker before a reload")
            for slot in self.slots:
                group.create_task(self._keep(slot), name=f"worker slot {slot.number}")
            group.create_task(self._steer_on(), name="steering")

    def drain(self, seconds: float) -> None:
        """Let workers finish what is open, take nothing new, and replace none."""
        self._close()
        self.tell(Drain(seconds))

    def kill(self) -> None:
        """End all workers now."""
        self._close()
        for worker in self._workers():
            worker.process.kill()

    async def settle(self) -> bool:
        """Wait until workers have taken all they were told, and those that end are gone; False: one
        takes nothing."""
        for _ in range(SETTLE_LOOKS):
            if all(worker.joined and not worker.unsent for worker in self._workers()):
                return True
            await asyncio.sleep(0.01)
        return False

    def leave(self) -> tuple[Predecessor, ...]:
        """The workers, for the program that takes our place."""
        return tuple(worker.leave() for worker in self._workers() if worker.joined)

    def _workers(self) -> Iterator[Member]:
        yield from (slot.worker for slot in self.slots if slot.worker is not None)
        yield from self._elders

    def _close(self) -> None:
        self._stopping.set()
        for listener in self._listeners:
            listener.close()

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
            slot.deaths.append(Death(loop.time(), status))
            log.warning(
                "worker died, starting another",
                extra={"slot": slot.number, "status": status, "delay_s": delay_s},
            )
            self._steer()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay_s)

    async def _serve(self, slot: Slot) -> int | None:
        """Run one worker in the slot until it is gone; its exit status."""
        ours, theirs = socket.socketpair()
        try:
            listening = [listener.fileno() for listener in slot.listeners]
            process = self._spawn(slot.number, theirs.fileno(), listening)
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        worker = Member(process, self._heard)
        await worker.join(ours)
        for message in self._greet():
            worker.tell(message)
        slot.worker = worker
        if self.draining:
            worker.cut()
        status = await worker.until_gone(self._check_every_s)
        self._retire(worker)
        slot.worker = None
        return status

    def _adopt(self, left: Predecessor) -> Member:
        process = Adopted(left.pid)
        return Member(process, self._heard, protocol=left.protocol, received=left.received)

    async def _see_off(self, elder: Member, control: int) -> None:
        """Stay with a worker of the program before us until it is gone."""
        await elder.join(socket.socket(fileno=control))
        for message in self._greet():
            elder.tell(message)
        await elder.until_gone(self._check_every_s)
        self._retire(elder)
        del self._elders[elder]

    def _retire(self, worker: Member) -> None:
        self.retired = _sum(self.retired, worker.stats.counters)

    def _heard(self, worker: Member, message: FromWorker) -> None:
        match message:
            case WorkerReady():
                if self.ready and not self.complete.is_set():
                    self.complete.set()
                    self._relieve()
            case WorkerStats():
                pass
            case _:
                self._hear(worker, message)

    def _relieve(self) -> None:
        """Ours serve: those before may go."""
        if not self._elders:
            return
        log.info("the workers of before the reload finish", extra={"workers": len(self._elders)})
        for elder in self._elders:
            elder.tell(Drain(self._drain_s, handed_over=True))
            asyncio.get_running_loop().call_later(self._drain_s + CUT_S, elder.process.kill)

    async def _steer_on(self) -> None:
        while not self.draining:
            self._steer()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), self._check_every_s)

    def _steer(self) -> None:
        """Keep new connections off listeners that are one too many, and off crash loops."""
        loops = self.crash_loops()
        every = list(range(len(self.slots)))
        chosen = [number for number in every if number not in loops] or every
        if chosen != self._steered:
            self._steered = chosen
            doors.steer(self._listeners, chosen)


def _sum(*many: Mapping[str, float]) -> dict[str, float]:
    total: dict[str, float] = {}
    for one in many:
        for name, value in one.items():
            total[name] = total.get(name, 0) + value
    return total
