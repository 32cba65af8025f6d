"""The admin port: `/livez`, `/readyz` and `/metrics` of the whole gateway, on loopback only.

Three fixed answers to GET need no web framework, whose memory every gateway would pay for.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from dd0c.base.errors import SetupError

HOST = "127.0.0.1"
HEAD_BYTES_MAX = 8192
REQUEST_MAX_S = 5.0
CONNECTIONS_MAX = 64

_STATUS = {200: "OK", 404: "Not Found", 405: "Method Not Allowed", 503: "Service Unavailable"}


@dataclass(frozen=True, slots=True)
class Report:
    """What the port tells: whether all workers serve, the facts behind that, and the numbers."""

    ready: bool
    facts: Mapping[str, Any]
    counters: Mapping[str, float]
    gauges: Mapping[str, float]


def open_door(port: int) -> socket.socket:
    """The listening socket; port 0 picks a free one. SetupError when it is taken."""
    try:
        return socket.create_server((HOST, port))
    except OSError as error:
        raise SetupError(
            f"the admin port {port} on {HOST} cannot be listened on: {error.strerror}",
            hint="stop what uses it, or choose another with DD0C_GATEWAY_ADMIN_PORT",
        ) from None


async def listen(door: socket.socket, report: Callable[[], Report]) -> asyncio.Server:
    """Serve."""
    answer = _Door(report).answer
    return await asyncio.start_server(answer, sock=door, limit=HEAD_BYTES_MAX)


class _Door:
    def __init__(self, report: Callable[[], Report]):
        self._report = report
        self._free = CONNECTIONS_MAX

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._free -= 1
        try:
            if self._free >= 0:
                async with asyncio.timeout(REQUEST_MAX_S):
                    head = await reader.readuntil(b"\r\n\r\n")
                    writer.write(self._respond(head))
                    await writer.drain()
        except (TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):
            pass  # whoever it is gets no answer, and nothing of ours changed
        finally:
            self._free += 1
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def _respond(self, head: bytes) -> bytes:
        method, _, rest = head.partition(b" ")
        path = rest.partition(b" ")[0].partition(b"?")[0]
        if method != b"GET":
            return _response(405, "text/plain", "only GET\n")
        report = self._report()
        if path == b"/livez":
            return _response(200, "text/plain", "alive\n")
        if path == b"/readyz":
            body = json.dumps({"ready": report.ready, **report.facts}) + "\n"
            return _response(200 if report.ready else 503, "application/json", body)
        if path == b"/metrics":
            text = _exposition("counter", report.counters) + _exposition("gauge", report.gauges)
            return _response(200, "text/plain; version=0.0.4", text)
        return _response(404, "text/plain", "try /readyz, /livez or /metrics\n")


def _exposition(kind: str, samples: Mapping[str, float]) -> str:
    """Prometheus text: families in order, each with its type; names carry their labels already."""
    lines: list[str] = []
    family = ""
    for name in sorted(samples, key=lambda n: (n.partition("{")[0], n)):
        if name.partition("{")[0] != family:
            family = name.partition("{")[0]
            lines.append(f"# TYPE {family} {kind}")
        lines.append(f"{name} {samples[name]:.15g}")
    return "".join(f"{line}\n" for line in lines)


def _response(status: int, kind: str, text: str) -> bytes:
    body = text.encode()
    head = (
        f"HTTP/1.1 {status} {_STATUS[status]}\r\nContent-Type: {kind}\r\n"
        f"Content-Length: {len(body)}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
