"""One client connection: bytes to requests by httptools, steps of delivery to bytes.

Requests are served one at a time, in order; what a client pipelines waits. A script of steps is
performed until it wants to wait, or until the client does not read (`pause_writing`). A client that
ends its side while an answer is under way is gone, as with the proxies in front of real providers:
asyncio closes the transport by itself at the end of what a client sends.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections import deque
from collections.abc import Iterator
from typing import Final, cast

import httptools

from dd0c.sim import admin, delivery
from dd0c.sim.delivery import End, Step, Wait, Write
from dd0c.sim.http import Request, head
from dd0c.sim.records import Record
from dd0c.sim.simulator import Simulator

HEADER_BYTES_MAX: Final = 128 * 1024
BODY_BYTES_MAX: Final = 128 * 1024 * 1024
WAITING_MAX: Final = 64
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
REFUSED: Final = (
    b"HTTP/1.1 %b\r\ncontent-type: text/plain\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
)


class Connection(asyncio.Protocol):
    """The server's side of one connection."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self._parser = httptools.HttpRequestParser(self)
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[Request, bytes]] = deque()
        self._record: Record | None = None
        self._steps: Iterator[Step] | None = None
        self._keep_alive = True
        self._timer: asyncio.TimerHandle | None = None
        self._unread = False  # the client does not read what we write
        self._counted = True
        self._start_request()

    def _start_request(self) -> None:
        self._target = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []
        self._header_bytes = self._body_bytes = 0
        self._in_body = False

    # asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        self._simulator.connections += 1

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError as error:
            self._refuse(str(error.__context__).encode())
        except httptools.HttpParserError:
            self._refuse(b"400 Bad Request")
        if len(self._waiting) > WAITING_MAX:
            self._transport.pause_reading()

    def pause_writing(self) -> None:
        self._unread = True

    def resume_writing(self) -> None:
        self._unread = False
        if self._steps is not None and self._timer is None:
            self._advance()

    def connection_lost(self, _exc: Exception | None) -> None:
        if self._counted:
            self._simulator.connections -= 1
        self._waiting.clear()
        self._end_exchange(aborted=True)

    # httptools

    def on_message_begin(self) -> None:
        self._start_request()

    def on_url(self, url: bytes) -> None:
        self._target += url
        self._count_header(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_body:
            return  # a trailer
        self._headers.append((name, value))
        self._count_header(len(name) + len(value) + 4)

    def _count_header(self, size: int) -> None:
        self._header_bytes += size
        if self._header_bytes > HEADER_BYTES_MAX:
            raise ValueError("431 Request Header Fields Too Large")

    def on_headers_complete(self) -> None:
        self._in_body = True
        if self._parser.should_upgrade():
            raise ValueError("426 Upgrade Required")
        if any(name.lower() == b"expect" for name, _ in self._headers) and self._record is None:
            self._transport.write(CONTINUE)

    def on_body(self, body: bytes) -> None:
        self._body.append(body)
        self._body_bytes += len(body)
        if self._body_bytes > BODY_BYTES_MAX:
            raise ValueError("413 Content Too Large")

    def on_message_complete(self) -> None:
        parser = self._parser
        chunks = parser.get_http_version() != "1.0"
        request = Request(
            self._simulator.new_id(),
            parser.get_method().decode(),
            self._target.decode("latin-1"),
            self._headers,
            keep_alive=chunks and parser.should_keep_alive(),
            chunks=chunks,
        )
        self._waiting.append((request, b"".join(self._body)))
        self._start_request()  # lets go of the parts: a closed connection waits for the collector
        self._serve()

    # one exchange

    def _serve(self) -> None:
        """Serves what waits, unless an answer is under way."""
        transport = self._transport
        while self._waiting and self._record is None and not transport.is_closing():
            self._begin(*self._waiting.popleft())
        if not transport.is_reading() and not self._waiting and not transport.is_closing():
            transport.resume_reading()

    def _begin(self, request: Request, body: bytes) -> None:
        simulator = self._simulator
        self._keep_alive = request.keep_alive
        if admin.is_asked(request.path):
            self._leave_out()
            answer = admin.respond(simulator, request, body)
            self._transport.write(head(answer, request, int(time.time())) + answer.body)
            self._finish()
            return
        self._record = record = simulator.records.open(request, body)
        plan = simulator.respond(request, body, record)
        record.status = plan.answer.status
        start = head(plan.answer, request, int(time.time()))
        self._steps = delivery.perform(start, plan, chunks=request.chunks)
        self._advance()

    def _leave_out(self) -> None:
        """Who asks about the simulator is not counted among its clients."""
        self._simulator.connections -= self._counted
        self._counted = False

    def _advance(self) -> None:
        """Performs steps until one waits, the client stops reading, or the answer is out."""
        self._timer = None
        record, steps = self._record, self._steps
        assert record is not None
        assert steps is not None
        while not self._unread and not self._transport.is_closing():
            step = next(steps, None)
            if isinstance(step, Write):
                self._transport.write(step.data)
                record.bytes_sent += len(step.data)
                record.events_sent += step.events
            elif isinstance(step, Wait):
                self._timer = self._loop.call_later(step.seconds, self._advance)
                return
            else:
                self._finish(step)
                return

    def _finish(self, end: End | None = None) -> None:
        self._end_exchange(aborted=False)
        if end is End.RESET:
            self._reset()
        elif end is End.CLOSE or not self._keep_alive:
            self._transport.close()
        elif self._waiting:
            self._loop.call_soon(self._serve)  # not from here: a thousand would nest too deep

    def _end_exchange(self, *, aborted: bool) -> None:
        if self._timer is not None:
            self._timer.cancel()
        record, self._record, self._steps, self._timer = self._record, None, None, None
        if record is not None:
            if not record.bytes_sent:
                record.status = None
            self._simulator.records.close(record, aborted=aborted)

    def _reset(self) -> None:
        sock = self._transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    def _refuse(self, status: bytes) -> None:
        """Answers what is no HTTP, or too much of it, and hangs up."""
        if self._record is None and not self._transport.is_closing():
            self._transport.write(REFUSED % status)
        self._transport.close()
