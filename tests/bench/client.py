"""One keep-alive connection that sends prepared requests and tells when each answer is whole.

Cheap enough to measure with: bytes are prepared once, the parser is C, nothing is decoded. A lost
connection is made again by whoever owns it; what was under way is an error.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import httptools

CONNECT_S = 5.0


@dataclass(frozen=True, slots=True)
class Target:
    """Whom to call and with what: plain values, as they come over standard input."""

    name: str
    host: str
    port: int
    head: bytes
    body: bytes

    @classmethod
    def read(cls, raw: dict[str, Any]) -> Target:
        return cls(
            raw["name"], raw["host"], raw["port"], raw["head"].encode(), raw["body"].encode()
        )


class Connection(asyncio.Protocol):
    """Calls `done(self, ok)` once per request."""

    def __init__(self, done: Callable[[Connection, bool], None]):
        self._done = done
        self._transport: asyncio.Transport | None = None
        self.busy = False
        self.sent_ns = 0
        self.data_ns = 0

    @property
    def alive(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance
        self._parser = httptools.HttpResponseParser(self)

    def send(self, request: bytes) -> None:
        assert self._transport is not None
        self.busy = True
        self.sent_ns = time.monotonic_ns()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        self.data_ns = time.monotonic_ns()
        self.busy = False
        self._done(self, self._parser.get_status_code() == 200)

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        if self.busy:
            self.busy = False
            self.data_ns = time.monotonic_ns()
            self._done(self, False)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


async def connect(connection: Connection, target: Target) -> Connection:
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(CONNECT_S):
        await loop.create_connection(lambda: connection, target.host, target.port)
    return connection


def own_cpu_share(began_ns: int, cpu_began_ns: int) -> float:
    """How much of one processor this process used since then."""
    return (time.process_time_ns() - cpu_began_ns) / max(1, time.monotonic_ns() - began_ns)


def read_task() -> dict[str, Any]:
    """What to do, as JSON on standard input."""
    task: dict[str, Any] = json.load(sys.stdin)
    return task
