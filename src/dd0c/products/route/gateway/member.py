"""One worker process, as its parent sees it: alive, heard of, and counted.

A worker's death is seen as the end of its socketpair, which the kernel closes whatever killed it.
It tells its counters every second; one that says nothing in `SILENT_CHECKS_MAX` looks is stuck and
is killed, which also bounds what may queue for it. Looks are counted, not seconds: if we ourselves
were stopped, no worker is to blame.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Callable
from typing import Protocol

from dd0c.products.route.gateway.handover import Predecessor
from dd0c.products.route.gateway.link import Link
from dd0c.products.route.hotpath.frames import encode
from dd0c.products.route.hotpath.snapshot import (
    PROTOCOL,
    Drain,
    FromWorker,
    ToWorker,
    WorkerReady,
    WorkerStats,
)

SILENT_CHECKS_MAX = 15
START_CHECKS_MAX = 60
REAP_MAX_S = 1.0

log = logging.getLogger(__name__)


class Process(Protocol):
    """The part of `subprocess.Popen` that is needed."""

    @property
    def pid(self) -> int: ...

    def poll(self) -> int | None: ...

    def kill(self) -> None: ...


class Adopted:
    """A child of this process that the program before us in it has started."""

    def __init__(self, pid: int):
        self.pid = pid
        self._status: int | None = None

    def poll(self) -> int | None:
        """The exit status, once there is one; negative for a signal."""
        if self._status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self._status = os.waitstatus_to_exitcode(status) if pid else None
        return self._status

    def kill(self) -> None:
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)


class Member:
    """A worker. `hear` gets it with each of its messages; its counters are kept in `stats`.

    One that speaks another protocol is not listened to, and told nothing but to drain.
    """

    def __init__(
        self,
        process: Process,
        hear: Callable[[Member, FromWorker], None],
        *,
        protocol: int = PROTOCOL,
        received: bytes = b"",
    ):
        self.process = process
        self.ready = False
        self.stats = WorkerStats({}, {})
        self._hear = hear
        self._protocol = protocol
        self._link = Link(self._heard if protocol == PROTOCOL else None, received)
        self._silent_checks = SILENT_CHECKS_MAX - START_CHECKS_MAX

    async def join(self, sock: socket.socket) -> None:
        """Take the parent's end of its socketpair."""
        sock.setblocking(False)
        await asyncio.get_running_loop().create_unix_connection(lambda: self._link, sock=sock)

    def tell(self, message: ToWorker, frame: bytes | None = None) -> None:
        """Send a message, or its frame if that is at hand."""
        if self._protocol == PROTOCOL or isinstance(message, Drain):
            self._link.send(frame or encode(message))

    @property
    def pid(self) -> int:
        """Its process."""
        return self.process.pid

    @property
    def joined(self) -> bool:
        """Whether it is there; else it is still coming or going."""
        return self._link.open

    @property
    def unsent(self) -> int:
        """Bytes that it has not taken yet."""
        return self._link.unsent

    def leave(self) -> Predecessor:
        """What our successor in this process has to know of it."""
        link = self._link
        return Predecessor(self.process.pid, link.descriptor, self._protocol, link.received)

    def cut(self) -> None:
        """Close its socketpair, which ends it."""
        self._link.cut()

    async def until_gone(self, check_every_s: float) -> int | None:
        """Watch it until it is gone; its exit status."""
        closed = self._link.closed
        while not closed.done():
            await asyncio.wait([closed], timeout=check_every_s)
            self._silent_checks += self._protocol == PROTOCOL
            if self._silent_checks > SILENT_CHECKS_MAX:
                log.error("worker is silent, killing it", extra={"worker": self.process.pid})
                self.process.kill()
                self._link.cut()
        deadline = asyncio.get_running_loop().time() + REAP_MAX_S
        while (status := self.process.poll()) is None:
            if asyncio.get_running_loop().time() > deadline:
                self.process.kill()
            await asyncio.sleep(0.01)
        self.ready = False
        return status

    def _heard(self, message: FromWorker) -> None:
        self._silent_checks = 0
        match message:
            case WorkerReady():
                self.ready = True
            case WorkerStats():
                self.stats = message
        self._hear(self, message)
