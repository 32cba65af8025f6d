"""One gateway worker: serves requests from memory, writes the spool, and nothing else.

Started by the gateway's parent with a control socket, a listening socket and a spool folder. It
holds no database driver and reads no file but its spool; secrets reach it over the control socket
only. It lives as long as its parent: the end of the control socket drains it.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import os
import resource
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
import uvloop

from dd0c.base import log, memory
from dd0c.base.clock import SystemClock
from dd0c.products.route.hotpath.control import Control
from dd0c.products.route.hotpath.limits import Limits
from dd0c.products.route.hotpath.plane import SWEEP_S, DataPlane
from dd0c.products.route.hotpath.server import SEND_BUFFER_BYTES, Caller
from dd0c.products.route.hotpath.snapshot import (
    PROTOCOL,
    Drain,
    KeysUsed,
    Snapshot,
    ToWorker,
    WorkerReady,
)
from dd0c.products.route.hotpath.spool import SpoolWriter

ORPHAN_DRAIN_S = 3.0  # what an installation may outlive its supervisor
FLUSH_S = 0.5
STATS_S = 1.0
USED_S = 60.0
TRIM_S = 10.0
TRIM_ABOVE_BYTES = 64 * 1024 * 1024
BACKLOG = 1024
OTHER_VERSION = 3  # exit status
TCP_NOTSENT_LOWAT = 25  # linux/tcp.h: unsent bytes beyond which a socket is not writable
NOTSENT_BYTES = 64 * 1024

_log = logging.getLogger(__name__)


class Worker:
    """The process: its sockets, its timers, and the order in which it ends."""

    def __init__(self, limits: Limits, spool: SpoolWriter, loop: asyncio.AbstractEventLoop):
        self._loop = loop
        self._limits = limits
        self._control = Control(self._on_message, self._on_orphaned)
        self._plane = DataPlane(limits, SystemClock(), spool, loop, self._control.tell)
        self._servers: list[asyncio.Server] = []
        self._deadline: float | None = None
        self._orphaned = False
        self._cut = False
        self._stopped = asyncio.Event()
        self._listeners: Sequence[socket.socket] = ()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(
        self, control: socket.socket, listeners: Sequence[socket.socket], spool: SpoolWriter
    ) -> None:
        """Serve until drained or cut."""
        self._listeners = listeners
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self._on_signal)
        await self._loop.create_connection(lambda: self._control, sock=control)
        syncing = self._loop.create_task(spool.keep_synced())
        ticking = self._loop.create_task(self._tick())
        await self._stopped.wait()
        self._control.tell(self._plane.stats())
        self._tell_used()
        syncing.cancel()
        ticking.cancel()
        self._plane.journal.pay()
        spool.close()

    def _on_message(self, message: ToWorker) -> None:
        self._plane.apply(message)
        if isinstance(message, Snapshot) and not self._tasks and not self._servers:
            listening = self._loop.create_task(self._listen())
            self._tasks.add(listening)
            listening.add_done_callback(self._tasks.discard)
        elif isinstance(message, Drain):
            self._drain(message.seconds, handed_over=message.handed_over)

    async def _listen(self) -> None:
        for listener in self._listeners:
            server = await self._loop.create_server(
                lambda: Caller(self._plane), sock=listener, backlog=BACKLOG
            )
            self._servers.append(server)
        gc.freeze()
        self._control.tell(WorkerReady(os.getpid()))

    def _on_signal(self) -> None:
        if self._orphaned:
            return  # the signal of the parent's death: its end was seen, and has its own deadline
        self._drain(self._limits.drain_s if self._deadline is None else 0)

    def _on_orphaned(self) -> None:
        self._orphaned = True
        self._drain(ORPHAN_DRAIN_S)

    def _drain(self, seconds: float, *, handed_over: bool = False) -> None:
        deadline = self._loop.time() + seconds
        if self._deadline is None or deadline < self._deadline:
            self._deadline = deadline
        for server in self._servers:
            server.close()
        self._plane.drain(handed_over=handed_over)

    async def _tick(self) -> None:
        told = trimmed = told_used = 0.0
        while True:
            await asyncio.sleep(SWEEP_S)
            now = self._loop.time()
            self._plane.sweep()
            if now - told >= STATS_S:
                told = now
                self._control.tell(self._plane.stats())
            if now - told_used >= USED_S:
                told_used = now
                self._tell_used()
            if now - trimmed >= TRIM_S:
                trimmed = now
                _trim()
            if self._deadline is not None:
                self._end(now)

    def _tell_used(self) -> None:
        if used := self._plane.keys.take_used():
            self._control.tell(KeysUsed(used))

    def _end(self, now: float) -> None:
        """Stop once nobody is left; cut those who are when their time is over."""
        assert self._deadline is not None
        if not self._plane.unfinished or (self._cut and now >= self._deadline):
            self._stopped.set()
        elif now >= self._deadline:
            self._cut = True
            self._deadline = now + FLUSH_S  # for the last bytes to reach their sockets
            self._plane.cut()


def main(argv: Sequence[str] | None = None) -> int:
    """The command line of a worker; see the parent for who calls it."""
    given = _arguments(argv)
    log.configure(f"worker-{given.slot}", form=given.log_format)
    if given.protocol != PROTOCOL:
        _log.error(
            "this worker is of another version than its gateway (protocol %d, not %d): dd0c was "
            "replaced on disk; `dd0c reload` takes it over",
            PROTOCOL,
            given.protocol,
        )
        return OTHER_VERSION
    limits = msgspec.json.decode(given.limits, type=Limits)
    _allow_descriptors()
    control = socket.socket(fileno=given.control_fd)
    listeners = [socket.socket(fileno=descriptor) for descriptor in given.listen_fd]
    for listener in listeners:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        listener.setsockopt(socket.IPPROTO_TCP, TCP_NOTSENT_LOWAT, NOTSENT_BYTES)
    for one in (control, *listeners):
        one.setblocking(False)
    spool = SpoolWriter(given.spool, given.slot, limits.spool_sync_ms)

    async def serve() -> None:
        await Worker(limits, spool, asyncio.get_running_loop()).run(control, listeners, spool)

    uvloop.run(serve())
    return 0


def _trim() -> None:
    """Give back what large bodies left behind."""
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    if resident > TRIM_ABOVE_BYTES:
        memory.give_back()


def _allow_descriptors() -> None:
    """Take all descriptors the system grants: each request takes two, and 1024 is a usual start."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="dd0c.app.gateway_worker")
    parser.add_argument("--control-fd", type=int, required=True)
    parser.add_argument("--listen-fd", type=int, required=True, action="append")
    parser.add_argument("--protocol", type=int, default=PROTOCOL, help="the parent's")
    parser.add_argument("--spool", type=Path, required=True, help="folder for spool files")
    parser.add_argument("--slot", type=int, required=True)
    parser.add_argument("--limits", required=True, help="JSON of hotpath.limits.Limits")
    parser.add_argument("--log-format", choices=log.FORMATS, default="text")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
