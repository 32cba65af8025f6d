"""The admin port of a part: `/livez`, `/readyz` and `/metrics`, on loopback only.

Numbers name providers and models, which are nobody's business but the installation's: who wants
them from another machine puts an agent or a proxy beside. Three fixed answers to GET need no web
framework, whose memory every part would pay for.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from dd0c.base import redact, sockets, telemetry
from dd0c.base.errors import SetupError
from dd0c.base.telemetry import Metric

log = logging.getLogger(__name__)

HOST = "127.0.0.1"
HEAD_BYTES_MAX = 8192
REQUEST_MAX_S = 5.0
CONNECTIONS_MAX = 64

_STATUS = {200: "OK", 404: "Not Found", 405: "Method Not Allowed", 503: "Service Unavailable"}


@dataclass(frozen=True, slots=True)
class Report:
    """What the port tells: whether the part serves, the facts behind that, and the numbers."""

    ready: bool
    facts: Mapping[str, Any]
    samples: Mapping[str, float]


def open_door(port: int, setting: str, *, patience_s: float = 0.0) -> socket.socket:
    """The listening socket; port 0 picks a free one. SetupError, which names the setting, when it
    stays taken for so long: by the process before us, perhaps, that finishes what it does."""

    def waiting() -> None:
        log.warning("the admin port %d is taken, waiting for it up to %.0f s", port, patience_s)

    try:
        return sockets.listen(HOST, port, patience_s=patience_s, waiting=waiting)
    except OSError as error:
        raise SetupError(
            f"the admin port {port} on {HOST} cannot be listened on: {error.strerror}",
            hint=f"stop what uses it, or choose another with {setting}",
        ) from None


async def listen(
    door: socket.socket, catalogue: Iterable[Metric], report: Callable[[], Report]
) -> asyncio.Server:
    """Serve; of the samples those are shown that the catalogue declares."""
    answer = _Door(tuple(catalogue), report).answer
    return await asyncio.start_server(answer, sock=door, limit=HEAD_BYTES_MAX)


class _Door:
    def __init__(self, catalogue: tuple[Metric, ...], report: Callable[[], Report]):
        self._catalogue = catalogue
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
        if path == b"/livez":
            return _response(200, "text/plain", "alive\n")
        report = self._report()
        if path == b"/readyz":
            body = redact.scrub(json.dumps({"ready": report.ready, **report.facts})) + "\n"
            return _response(200 if report.ready else 503, "application/json", body)
        if path == b"/metrics":
            text = telemetry.exposition(self._catalogue, report.samples)
            return _response(200, telemetry.CONTENT_TYPE, text)
        return _response(404, "text/plain", "try /readyz, /livez or /metrics\n")


def _response(status: int, kind: str, text: str) -> bytes:
    body = text.encode()
    head = (
        f"HTTP/1.1 {status} {_STATUS[status]}\r\nContent-Type: {kind}\r\n"
        f"Content-Length: {len(body)}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
