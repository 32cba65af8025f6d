"""Connections to providers: one answer at a time on each, kept for the next request.

A connection does no deciding. It parses, and tells the attempt that holds it three things: the head
of the answer, runs of its body (all that one read brought, at once), and how it ended. A connection
goes back to the pool only after a complete answer, with nothing unread and nothing unsent.

The receive buffer is bounded (`RECEIVE_BYTES`): what a slow caller leaves unread piles up at the
provider, not with us.
"""

from __future__ import annotations

import asyncio
import math
import socket
import ssl
from typing import NamedTuple, Protocol, cast

import httptools

from dd0c.products.route.hotpath import coding
from dd0c.products.route.hotpath.coding import Unfolding
from dd0c.products.route.hotpath.heads import LIMITS_SAID, PROVIDERS_LIMITS, STOPPED
from dd0c.products.route.hotpath.limits import Limits
from dd0c.products.route.hotpath.request import OWN
from dd0c.products.route.hotpath.routes import Origin

RECEIVE_BYTES = 128 * 1024
HEAD_BYTES_MAX = 128 * 1024
IDLE_S = 30.0
LINGER_S = 2.0
COPIED_BYTES_MAX = 64 * 1024  # up to this one copy is cheaper than a second buffer to write

LINES_MAX, LINE_BYTES_MAX = 2000, 200  # header lines that are remembered

_LENGTHS = (b"content-length", b"transfer-encoding")
_SAID = frozenset((b"content-type", b"x-request-id", b"request-id"))


class Line(NamedTuple):
    """A header line of an answer: as it travels on (empty: not at all), what it says if we want to
    know, and whether it tells where the answer ends."""

    onward: bytes
    name: bytes = b""
    value: bytes = b""
    delimits: bool = False


_lines: dict[bytes, Line] = {}  # most are the same in each answer of a provider


Head = tuple[int, list[bytes], dict[bytes, bytes]]
"""Status, header lines that travel on, and what some of them say."""


class Attempt(Protocol):
    """Who holds a connection."""

    def head(self, status: int, lines: list[bytes], said: dict[bytes, bytes]) -> None:
        """The head of the answer: the header lines that travel on, and what some of them say."""

    def answered(
        self, status: int, lines: list[bytes], said: dict[bytes, bytes], body: bytes
    ) -> None:
        """The answer is there, all of it; the connection is no longer the attempt's."""

    def data(self, chunk: bytes) -> None:
        """A run of the answer's body, once its head was told."""

    def ended(self) -> None:
        """The answer is complete; the connection is no longer the attempt's."""

    def lost(self, *, answered: bool) -> None:
        """The connection is gone; `answered`: bytes of an answer had come."""

    def silent(self) -> None:
        """A deadline of the connection has passed."""


class Connecting(Attempt, Protocol):
    """Who waits for a connection."""

    def connected(self, connection: Connection) -> None:
        """The connection asked for is there."""

    def not_connected(self, *, timeout: bool) -> None:
        """No connection could be made."""


class _Behind(Exception):
    """More than one answer came to one request."""


class Connection(asyncio.Protocol):
    """One connection to a provider."""

    def __init__(self, pool: Pool, origin: Origin):
        self.origin = origin
        self.deadline = math.inf
        self.used = False  # it has carried a request before
        self._farewell = False
        self._paused = False
        self._pool = pool
        self._attempt: Attempt | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._total_deadline = math.inf

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's are no subclass of it
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
        self._pool.joined(self)

    def send(self, attempt: Attempt, head: bytes, body: list[bytes | memoryview]) -> None:
        """Send a request and deliver its answer to `attempt`."""
        limits, now = self._pool.limits, self._pool.now()
        self._attempt = attempt
        self._answered = self._complete = self._reusable = False
        self._status = 0
        self._raw = b""
        self._head: Head | None = None  # until the attempt has heard it
        self._unfolding: Unfolding | None = None
        self._delimited = False
        self._body: list[bytes] = []
        self._total_deadline = now + limits.total_timeout_s
        self.deadline = now + self._pool.first_byte_s
        if len(body) == 1 and len(body[0]) <= COPIED_BYTES_MAX:
            self.transport.write(head + body[0])
        else:
            self.transport.writelines([head, *body])

    def hand_over(self, attempt: Attempt) -> None:
        """Another one goes on with what was sent."""
        self._attempt = attempt

    def pause(self) -> None:
        """Read no more until `resume`: the caller is slow, which is not the provider's silence."""
        if not self.transport.is_closing():
            self._paused = True
            self.transport.pause_reading()
            self.deadline = self._total_deadline

    def resume(self) -> None:
        """Read on, if it was paused."""
        if self._paused and not self.transport.is_closing():
            self._paused = False
            self.transport.resume_reading()
            self._expect_more()

    def hurry(self) -> None:
        """The terminal event is out: the provider has little time left to end its message."""
        self.deadline = self._pool.now() + LINGER_S

    def drop(self) -> None:
        """Close at once; the attempt hears nothing more."""
        self._attempt = None
        self.transport.abort()

    def expire(self) -> None:
        """The deadline has passed."""
        attempt = self._attempt
        if attempt is None:
            self.transport.close()
        else:
            attempt.silent()

    def data_received(self, data: bytes) -> None:
        attempt = self._attempt
        if attempt is None:
            self.transport.abort()  # nobody asked
            return
        self._answered = True
        if not self._status:
            self._raw = self._raw + data if self._raw else data
        broken = False
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError as error:
            if not isinstance(error.__context__, _Behind):
                raise  # a mistake of ours: logged, and this connection ends
            broken = True
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            broken = True  # what came before it counts
        if broken:
            self._reusable = False
        if self._head is not None:
            head, self._head = self._head, None
            if self._complete and self._unfolding is None:
                whole = b"".join(self._body)
                self._release()
                attempt.answered(*head, whole)
                return
            attempt.head(*head)
        if not (self._complete or self._paused):
            self._expect_more()  # before the attempt hears of it: it may know better
        if self._body and self._attempt is not None:
            body = self._body
            self._body = []
            run = body[0] if len(body) == 1 else b"".join(body)
            if self._unfolding is not None:
                try:
                    run = self._unfolding.feed(run)
                except coding.Broken:
                    self._fail()
                    return
            if run:
                self._attempt.data(run)
        if self._attempt is None:
            return
        if self._complete and (self._unfolding is None or self._unfolding.complete):
            attempt = self._attempt
            self._release()
            attempt.ended()
        elif broken or self._complete or len(self._raw) > HEAD_BYTES_MAX:
            self._fail()

    def on_message_begin(self) -> None:
        if self._complete:  # it would be the answer to the next request
            raise _Behind

    def on_headers_complete(self) -> None:
        raw, status = self._raw.lstrip(b"\r\n"), self._parser.get_status_code()
        end = raw.index(b"\r\n\r\n")
        if status < 200:
            self._raw = raw[end + 4 :]
            return  # 100 and 103: the real head follows
        self._status = status
        lines: list[bytes] = []
        said: dict[bytes, bytes] = {}
        _, *given = raw[:end].split(b"\r\n")
        for text in given:
            onward, name, value, delimits = _lines.get(text) or _read(text)
            if onward:
                lines.append(onward)
            if name:
                if name == b"content-encoding" and name in said:  # what is in transfer counts too
                    value = b"%b, %b" % (said[name], value)
                said[name] = value
            if delimits:
                self._delimited = True
        self._raw = b""
        if said.get(b"content-encoding") in coding.KNOWN:
            self._unfolding = Unfolding()
        self._head = status, lines, said

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        if not self._status:
            return  # interim
        self._complete = True
        self._reusable = self._parser.should_keep_alive()

    def eof_received(self) -> None:
        """The provider ends the connection; over TLS nobody else can have us believe that."""
        self._farewell = True

    def connection_lost(self, exc: Exception | None) -> None:
        self._pool.left(self)
        del self._parser  # it knows us: a cycle would keep both until a collection
        attempt, self._attempt = self._attempt, None
        if attempt is None:
            return
        over = exc is None and self._farewell and not self._delimited
        if over and self._status and self._whole():
            attempt.ended()  # this answer ends with its connection
        else:
            attempt.lost(answered=self._answered)

    def _whole(self) -> bool:
        return self._unfolding is None or self._unfolding.complete

    def _expect_more(self) -> None:
        stall = self._pool.now() + self._pool.limits.stall_timeout_s
        self.deadline = min(stall, self._total_deadline)

    def _fail(self) -> None:
        attempt = self._attempt
        self.drop()
        if attempt is not None:
            attempt.lost(answered=True)

    def _release(self) -> None:
        self._attempt = None
        if self._paused:  # it may end while its caller is slow
            self._paused = False
            self.transport.resume_reading()
        if self._reusable and not self.transport.get_write_buffer_size():
            self.used = True
            self._pool.give(self)
        else:
            self.transport.close()


def _read(text: bytes) -> Line:
    """What a header line says. The parser has found it well-formed."""
    name, _, value = text.partition(b":")
    name, value = name.lower(), value.strip(b" \t")
    if name == b"transfer-encoding" and value.lower() != b"chunked":
        # A coding that we do not take off, wherever it is said: the answer is refused.
        line = Line(b"", b"content-encoding", b"in transfer " + value, delimits=True)
    elif name in STOPPED:
        line = Line(b"", delimits=name in _LENGTHS)
    elif name == b"content-encoding":  # it is taken off here, or the answer is refused
        line = Line(b"", name, value.lower())
    elif name[:7] == OWN:
        line = Line(b"")
    else:
        onward = b"%b: %b\r\n" % (name, value)
        line = Line(onward, name, value) if name in _SAID else Line(onward)
        if name.startswith(PROVIDERS_LIMITS):
            line = Line(onward, LIMITS_SAID, name)
    if len(text) <= LINE_BYTES_MAX:
        if len(_lines) >= LINES_MAX:
            _lines.clear()
        _lines[text] = line
    return line


class Pool:
    """All connections of a worker to providers."""

    def __init__(self, limits: Limits, loop: asyncio.AbstractEventLoop):
        self.limits = limits
        self.first_byte_s = min(limits.first_byte_timeout_s, limits.total_timeout_s)
        self.now = loop.time
        self._loop = loop
        self._idle: dict[Origin, list[Connection]] = {}
        self._all: set[Connection] = set()
        self._connecting: set[asyncio.Task[None]] = set()
        self._tls: ssl.SSLContext | None = None
        self.open_by_origin: dict[Origin, int] = {}

    @property
    def open(self) -> int:
        """Connections there are."""
        return len(self._all)

    @property
    def idle(self) -> int:
        """Connections that wait for a request."""
        return sum(map(len, self._idle.values()))

    def next_idle(self, origin: Origin) -> Connection | None:
        """The kept connection that `find_idle` will give."""
        idle = self._idle.get(origin)
        while idle and idle[-1].transport.is_closing():
            idle.pop()
        return idle[-1] if idle else None

    def find_idle(self, origin: Origin) -> Connection | None:
        """A kept connection, the one used last."""
        connection = self.next_idle(origin)
        if connection is not None:
            self.take(connection)
        return connection

    def take(self, connection: Connection) -> None:
        """Let nobody else have what `next_idle` gave."""
        self._idle[connection.origin].pop()

    def connect(self, origin: Origin, attempt: Connecting) -> None:
        """Make a connection and give it to `attempt`."""
        if self.open_by_origin.get(origin, 0) >= self.limits.upstream_connections_max:
            attempt.not_connected(timeout=False)
            return
        self._count(origin, 1)
        task = self._loop.create_task(self._connect(origin, attempt))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    def give(self, connection: Connection) -> None:
        """Keep a connection for the next request."""
        connection.deadline = self.now() + IDLE_S
        self._idle.setdefault(connection.origin, []).append(connection)

    def joined(self, connection: Connection) -> None:
        """A connection was made."""
        self._all.add(connection)

    def left(self, connection: Connection) -> None:
        """A connection is gone."""
        self._all.discard(connection)
        self._count(connection.origin, -1)
        idle = self._idle.get(connection.origin)
        if idle and connection in idle:
            idle.remove(connection)

    def sweep(self, now: float) -> None:
        """Expire what is past its deadline."""
        for connection in [c for c in self._all if c.deadline <= now]:
            connection.deadline = math.inf
            connection.expire()

    def close(self) -> None:
        """Close all connections and give up those being made."""
        for task in self._connecting:
            task.cancel()
        for connection in list(self._all):
            connection.transport.abort()

    def _count(self, origin: Origin, change: int) -> None:
        self.open_by_origin[origin] = self.open_by_origin.get(origin, 0) + change

    async def _connect(self, origin: Origin, attempt: Connecting) -> None:
        made = False
        try:
            async with asyncio.timeout(self.limits.connect_timeout_s):
                _, connection = await self._loop.create_connection(
                    lambda: Connection(self, origin),
                    origin.host,
                    origin.port,
                    ssl=self._context() if origin.scheme == "https" else None,
                )
            made = True
        except TimeoutError:
            attempt.not_connected(timeout=True)
        except (OSError, ValueError):  # refused, unknown host, TLS; a host that is no name
            attempt.not_connected(timeout=False)
        finally:
            if not made:
                self._count(origin, -1)
        if made:
            attempt.connected(connection)

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
            if self.limits.ca_bundle:
                self._tls.load_verify_locations(self.limits.ca_bundle)
        return self._tls
