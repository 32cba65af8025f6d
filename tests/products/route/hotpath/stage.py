"""A worker's data plane without sockets, read by read: what a test hands to a caller's end or to a
provider's is one read of ours, and what comes out at each end is kept.

All of ours is real but the transports and the loop's way to connect and to tell the time. A stage
that is `forgetful` knows no head when bytes come, so each request is parsed, and carried by a relay
from its beginning: what quick ways give is compared with that.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from dd0c.base.clock import SystemClock
from dd0c.base.settings import Settings
from dd0c.products.route.hotpath import limits, spool
from dd0c.products.route.hotpath.plane import DataPlane
from dd0c.products.route.hotpath.server import Caller
from dd0c.products.route.hotpath.snapshot import (
    Counted,
    CountWanted,
    Dealings,
    FromWorker,
    Grant,
    Granted,
    Recall,
    ToWorker,
)
from dd0c.products.route.hotpath.spool import SpoolWriter
from dd0c.products.route.hotpath.upstream import Connection
from dd0c.products.route.models import AttemptClosed, AttemptOpened, SpoolRecord
from tests.support.upstream import CHAT
from tests.support.worker import snapshot

PLENTY = 10**15
_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # where a sync costs nothing
_ONCE = (  # what differs between two runs of the same: ids, traces, moments, and what is left of a
    (rb"req_[0-9a-z]+", b"req_X"),  # limit, which is told when permission is taken or afterwards
    (rb"00-[0-9a-f]{32}-[0-9a-f]{16}-", b"00-X-X-"),
    (rb"(x-ratelimit-remaining-\w+): \d+", rb"\1: N"),
)


def whole(body: Any = CHAT, status: str = "200 OK", headers: str = "") -> bytes:
    """An answer as most providers give it."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return (
        f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(content)}\r\n{headers}\r\n".encode()
        + content
    )


class Wire(asyncio.Transport):
    """One end of a connection."""

    def __init__(self, sock: socket.socket):
        super().__init__({"socket": sock})
        self.written = b""
        self.end = ""
        self.paused = False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """All that is written is taken at once."""

    def get_write_buffer_size(self) -> int:
        return 0

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        assert self.end in ("", "eof"), "written to after its end"
        self.written += data

    def write_eof(self) -> None:
        self.end = "eof"

    def close(self) -> None:
        self.end = self.end or "closed"

    def abort(self) -> None:
        self.end = "aborted"

    def is_closing(self) -> bool:
        return self.end in ("closed", "aborted")

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False


class Loop(asyncio.SelectorEventLoop):
    """A loop whose time stands, and on which every address has somebody who listens."""

    def __init__(self, sock: socket.socket):
        super().__init__()
        self.sock = sock
        self.at_s = 1000.0
        self.made: list[tuple[Wire, Connection]] = []

    def time(self) -> float:
        return self.at_s

    async def create_connection(self, protocol_factory: Any, *_: Any, **__: Any) -> Any:
        wire, protocol = Wire(self.sock), protocol_factory()
        protocol.connection_made(wire)
        self.made.append((wire, protocol))
        return wire, protocol

    def turn(self) -> None:
        """Do what is due now, and what follows from it."""
        for _ in range(3):
            self.call_soon(self.stop)
            self.run_forever()


class Moved(SystemClock):
    """The machine's clock, which a test sets forward."""

    by_us = 0

    def now_us(self) -> int:
        return super().now_us() + self.by_us


class Seen(NamedTuple):
    """What came out at all ends, but for what differs each time; `samples`: answers that were shown
    to who counts."""

    callers: list[tuple[bytes, str]]
    providers: list[tuple[bytes, str]]
    records: list[SpoolRecord]
    samples: int


class Stage:
    """A plane with as many callers as a test wants, and the connections that it makes."""

    def __init__(self, folder: Path, sock: socket.socket, *, forgetful: bool, **bounds: Any):
        self.forgetful = forgetful
        self.loop = Loop(sock)
        self.said: list[FromWorker] = []
        self.granted = 1000  # times of what is asked for
        self.out: Counter[bytes] = Counter()  # granted and not returned
        self.clock = Moved()
        self.samples = 0
        self._folder = folder
        self._ends: list[tuple[Wire, Caller]] = []
        made = msgspec.structs.replace(limits.of(Settings()), **bounds)
        writer = SpoolWriter(folder, 0, 1000)
        self.plane = DataPlane(made, self.clock, writer, self.loop, self._hear)
        self.tell(snapshot(9))

    def tell(self, message: ToWorker) -> None:
        """Say something in the parent's place."""
        self.plane.apply(message)
        self.settle()

    def _hear(self, message: FromWorker) -> None:
        self.said.append(message)

    def settle(self) -> None:
        """Let everything happen that is due; the parent grants and counts what it is asked."""
        self.loop.turn()
        while asked := [one for one in self.said if isinstance(one, Dealings | CountWanted)]:
            self.said = [one for one in self.said if one not in asked]
            for one in asked:
                self._answer(one)
            self.loop.turn()

    def _answer(self, one: FromWorker) -> None:
        if isinstance(one, CountWanted) and one.actual is None:
            body = None if one.body is None else 100
            self.plane.apply(Counted(one.id, input=body, received=len(one.received), delivered=0))
        elif isinstance(one, CountWanted):
            self.samples += 1
        if isinstance(one, Dealings):
            until = time.monotonic() + 1e6
            for back in one.returned:
                self.out[back.rule] -= back.amount
            for ask in one.asks:
                given = []
                for want in ask.wants:
                    given.append(Grant(self.granted * want.need, PLENTY, False, 1, until))
                    self.out[want.rule] += given[-1].amount
                self.plane.apply(Granted(ask.id, tuple(given)))

    def call(self) -> int:
        """The number of a new caller."""
        wire, caller = Wire(self.loop.sock), Caller(self.plane)
        caller.connection_made(wire)
        self._ends.append((wire, caller))
        return len(self._ends) - 1

    def send(self, data: bytes, who: int = 0) -> None:
        """One read of a caller's bytes."""
        wire, caller = self._ends[who]
        if wire.is_closing():
            return
        if self.forgetful:
            self.plane.known.forget()
        caller.data_received(data)
        self.settle()

    def answer(self, data: bytes) -> None:
        """One read of a provider's bytes, by the connection that was written to last."""
        wire, connection = self.busiest()
        if not wire.is_closing():
            connection.data_received(data)
            self.settle()

    def busiest(self) -> tuple[Wire, Connection]:
        """The connection to a provider that carries a request."""
        busy = [
            (wire, connection)
            for wire, connection in self.loop.made
            if connection._attempt is not None and not wire.is_closing()
        ]
        return busy[-1] if busy else self.loop.made[-1]

    def provider_leaves(self) -> None:
        """The provider closes its connection."""
        wire, connection = self.busiest()
        connection.eof_received()
        wire.abort()
        connection.connection_lost(None)
        self.settle()

    def leave(self, who: int = 0, *, half: bool = False) -> None:
        """A caller closes, or only says that it sends no more."""
        wire, caller = self._ends[who]
        if half:
            if not caller.eof_received():
                wire.close()
        else:
            wire.abort()
            caller.connection_lost(None)
        self.settle()

    def later(self, seconds: float) -> None:
        """Time passes."""
        self.loop.at_s += seconds
        self.plane.sweep()
        self.settle()

    def chat(self, sent: bytes, answer: bytes | None = None, who: int = 0) -> None:
        """A request and its whole answer."""
        self.send(sent, who)
        self.answer(whole() if answer is None else answer)

    def written(self, who: int = 0) -> bytes:
        """What a caller has got."""
        return self._ends[who][0].written

    def carried(self) -> int:
        """Requests under way that no relay carries."""
        return sum(caller._express is not None for _, caller in self._ends)

    def records(self) -> list[SpoolRecord]:
        """What stands in the spool."""
        found: list[SpoolRecord] = []
        for path in sorted(self._folder.glob("*.spool")):
            decoded = spool.decode(path.read_bytes())
            assert decoded.error is None
            found += decoded.records
        return found

    def closed(self) -> list[AttemptClosed]:
        """All close records."""
        return [one for one in self.records() if isinstance(one, AttemptClosed)]

    def spent(self) -> dict[bytes, int]:
        """What of each rule was used, as the parent knows it when all that is idle was returned."""
        keys = [(id_, 0) for id_ in self.out]
        self.tell(Recall(1, tuple(keys)))
        return dict(self.out)

    def seen(self) -> Seen:
        """What came out, to be compared."""
        made = [(plain(wire.written), wire.end) for wire, _ in self.loop.made]
        return Seen(
            [(plain(wire.written), wire.end) for wire, _ in self._ends],
            made,
            [_timeless(one) for one in self.records()],
            self.samples,
        )

    def end(self) -> None:
        """Close what is open."""
        for _, caller in self._ends:
            self.plane.callers.discard(caller)
        self.plane.spool.close()
        self.loop.close()


def plain(data: bytes) -> bytes:
    """Bytes without what differs each time."""
    for pattern, instead in _ONCE:
        data = re.sub(pattern, instead, data)
    return data


def _timeless(record: SpoolRecord) -> SpoolRecord:
    if isinstance(record, AttemptOpened):
        return msgspec.structs.replace(record, request_id=b"", started_us=0, trace_id=b"")
    assert isinstance(record, AttemptClosed)
    first = None if record.first_byte_us is None else 0
    return msgspec.structs.replace(record, request_id=b"", total_us=0, first_byte_us=first)


@contextmanager
def staged(
    *, forgetful: bool = False, greeting: Sequence[ToWorker] = (), **bounds: Any
) -> Iterator[Stage]:
    """A stage with one caller."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        far = socket.create_connection(server.getsockname())
        near, _ = server.accept()
    with far, near, tempfile.TemporaryDirectory(dir=_MEMORY) as folder:
        stage = Stage(Path(folder), near, forgetful=forgetful, **bounds)
        try:
            for message in greeting:
                stage.tell(message)
            stage.call()
            yield stage
        finally:
            stage.end()


@contextmanager
def both(*, greeting: Sequence[ToWorker] = (), **bounds: Any) -> Iterator[tuple[Stage, Stage]]:
    """One that knows heads and one that does not, to which a test does the same."""
    with (
        staged(greeting=greeting, **bounds) as quick,
        staged(forgetful=True, greeting=greeting, **bounds) as slow,
    ):
        yield quick, slow
