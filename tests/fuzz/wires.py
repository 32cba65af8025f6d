"""A worker's request side without sockets: bytes go in at the caller's end, and what the provider
and the caller get comes out, in the order and the portions that the input asks for.

Everything of ours is real (`server.Caller`, the plane, the pool, the spool); only the transports,
and the loop's way of making a connection, are replaced. The provider is h11: it reads what we sent
on strictly, answers each request once, and says in its answer which one it was.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from dd0c.base.clock import SystemClock
from dd0c.base.settings import Settings
from dd0c.products.route.hotpath import limits
from dd0c.products.route.hotpath.plane import DataPlane
from dd0c.products.route.hotpath.server import Caller
from dd0c.products.route.hotpath.snapshot import Counted, CountWanted, FromWorker
from dd0c.products.route.hotpath.spool import SpoolWriter
from tests.fuzz.reference import Message, read_one
from tests.support.upstream import CHAT
from tests.support.worker import snapshot

SPOOL_BYTES = 1 << 20
_ANSWER = json.dumps(CHAT).encode()


class Wire(asyncio.Transport):
    """One end of a connection: keeps what is written to it, and tells whether it was closed."""

    def __init__(self, sock: socket.socket):
        super().__init__({"socket": sock})
        self.written = bytearray()
        self.closing = self.paused = self.lost = self.over = False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing is ever left in a buffer."""

    def get_write_buffer_size(self) -> int:
        return 0

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        if self.closing or self.over:
            raise RuntimeError("written to after its end, which uvloop does not take")
        self.written += data

    def write_eof(self) -> None:
        self.over = True

    def close(self) -> None:
        self.closing = True

    def abort(self) -> None:
        self.closing = True

    def is_closing(self) -> bool:
        return self.closing

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False


class Provider:
    """Where every connection ends that is made on its loop; `made` are those there are."""

    def __init__(self, sock: socket.socket):
        self.loop = asyncio.new_event_loop()
        self.made: list[tuple[Wire, asyncio.Protocol]] = []
        self._sock = sock
        vars(self.loop)["create_connection"] = self._connect

    async def _connect(self, factory: Any, *_: Any, **__: Any) -> Any:
        protocol, wire = factory(), Wire(self._sock)
        protocol.connection_made(wire)
        self.made.append((wire, protocol))
        return wire, protocol

    def turn(self) -> None:
        """Do what is due now."""
        self.loop.call_soon(self.loop.stop)
        self.loop.run_forever()


@dataclass(frozen=True)
class Outcome:
    """What came of some bytes: what the provider got, and what the caller; `open`: its connection
    still is."""

    forwarded: Sequence[Message]
    written: bytes
    open: bool


class Wired:
    """A plane with a caller's wire at one side and a provider's at the other."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._pair = _connected_pair()
        self._at = Provider(self._pair[0])
        made = msgspec.structs.replace(limits.of(Settings()), header_bytes_max=8192)
        spool = SpoolWriter(folder, 0, 1000, SPOOL_BYTES)
        self._told: list[FromWorker] = []
        self.plane = DataPlane(made, SystemClock(), spool, self._at.loop, self._told.append)
        self.plane.apply(snapshot(9))
        self._runs = 0

    def close(self) -> None:
        """Give back what is open."""
        self.plane.spool.close()
        self._at.loop.close()
        for sock in self._pair:
            sock.close()

    def run(self, chunks: Sequence[bytes]) -> Outcome:
        """Give the chunks to a new connection, one read each."""
        self._runs += 1
        if self._runs % 500 == 0:
            for path in self._folder.glob("*.spool"):
                path.unlink()
        caller, wire = Caller(self.plane), Wire(self._pair[0])
        caller.connection_made(wire)
        forwarded: list[Message] = []
        for chunk in filter(None, chunks):
            while wire.paused and self._go_on(caller, forwarded):
                pass
            if wire.closing:
                break
            caller.data_received(chunk)
            while self._go_on(caller, forwarded):
                pass
        still_open = not wire.closing
        _lose(wire, caller)
        while self._go_on(caller, forwarded):
            pass
        return Outcome(forwarded, bytes(wire.written), still_open)

    def _go_on(self, caller: Caller, forwarded: list[Message]) -> bool:
        """One step; False: nothing is to be done."""
        if caller in self.plane.unsure:
            caller.expire(self.plane.now())
            return True
        told, self._told[:] = list(self._told), []
        for wanted in told:
            if isinstance(wanted, CountWanted):
                self.plane.apply(Counted(wanted.id, 9, 3, 3))
        return self._provider(forwarded) or bool(told)

    def _provider(self, forwarded: list[Message]) -> bool:
        """Answer a request that came to the provider, or let a connection be made."""
        if not self._at.made and self.plane.pool.open_by_origin:
            self._at.turn()
        for wire, protocol in self._at.made:
            if wire.closing:
                _lose(wire, protocol)
            elif wire.written:
                forwarded.append(read_one(bytes(wire.written)))
                wire.written.clear()
                head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-number: %d\r\n"
                length = b"content-length: %d\r\n\r\n" % len(_ANSWER)
                protocol.data_received(head % (len(forwarded) - 1) + length + _ANSWER)
                return True
        self._at.made = [made for made in self._at.made if not made[0].lost]
        return False


def _lose(wire: Wire, protocol: asyncio.Protocol) -> None:
    if not wire.lost:
        wire.closing = wire.lost = True
        protocol.connection_lost(None)


def _connected_pair() -> tuple[socket.socket, socket.socket]:
    """Two ends of TCP, for the kernel to be asked about."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname())
        return ours, listener.accept()[0]
