"""An upstream whose streams are written by the clock: `python -m tests.bench.paced PORT`.

Each event carries the moment at which it was written (CLOCK_MONOTONIC, which processes of one
machine share), so that a client can tell how long it took. Streams start in different phases: a
tick each millisecond writes those whose turn it is.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import cast

import httptools
import uvloop

from tests.bench import calls

PERIOD_MS = 20  # 50 events a second
EVENTS = 250
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
_BEFORE, _AFTER = calls.event("TIME").split(b"TIME")


class Stream(asyncio.Protocol):
    """A connection that is sent one stream for each request."""

    turns: tuple[set[Stream], ...] = tuple(set() for _ in range(PERIOD_MS))
    started = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance
        self.parser = httptools.HttpRequestParser(self)
        self.left = 0
        self.turn: set[Stream] = set()

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_message_complete(self) -> None:
        self.transport.write(_HEAD)
        self.left = EVENTS
        Stream.started += 1
        self.turn = self.turns[Stream.started * 7 % PERIOD_MS]
        self.turn.add(self)

    def write_event(self, chunk: bytes) -> None:
        self.left -= 1
        if self.left == 0:
            self.turn.discard(self)
            chunk += _chunk(calls.ending()) + b"0\r\n\r\n"
        self.transport.write(chunk)

    def connection_lost(self, error: Exception | None) -> None:
        self.turn.discard(self)


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


async def _serve(port: int) -> None:
    loop = asyncio.get_running_loop()
    await loop.create_server(Stream, "127.0.0.1", port, backlog=4096)
    began = loop.time()
    for tick in range(sys.maxsize):
        chunk = _chunk(b"%b%d%b" % (_BEFORE, time.monotonic_ns(), _AFTER))
        for stream in list(Stream.turns[tick % PERIOD_MS]):
            stream.write_event(chunk)
        await asyncio.sleep(max(0.0, began + (tick + 1) / 1000 - loop.time()))


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
