"""What the simulator remembers: counters, and the last requests as they came in."""

from __future__ import annotations

import base64
import hashlib
import time
from collections import deque
from typing import Any, Final

import msgspec

from dd0c.sim.http import Request

KEPT: Final = 1000
BODY_BYTES_MAX: Final = 64 * 1024  # of a larger body only length and hash are remembered
BODIES_BYTES_MAX: Final = 4 * 1024 * 1024  # all remembered bodies together; the oldest go first


class Record(msgspec.Struct):
    """One request and what became of it. Times are Unix microseconds."""

    request: Request  # without its body, which is held here or not at all
    body: bytes | None
    body_bytes: int
    body_sha256: str | None  # only of a body that was never held
    started_us: int
    model: str | None = None
    streamed: bool = False
    status: int | None = None  # None: no answer was begun
    events_sent: int = 0
    bytes_sent: int = 0
    aborted: bool = False  # the client went away before the end
    ended_us: int | None = None  # None: under way

    def summary(self) -> dict[str, Any]:
        """The record without what was received."""
        return {
            "id": self.request.id,
            "method": self.request.method,
            "path": self.request.path,
            "model": self.model,
            "streamed": self.streamed,
            "status": self.status,
            "events_sent": self.events_sent,
            "bytes_sent": self.bytes_sent,
            "aborted": self.aborted,
            "started_us": self.started_us,
            "ended_us": self.ended_us,
        }

    def received(self) -> dict[str, Any]:
        """What came in, byte for byte; the body is null when it was too large or is too old."""
        lines = self.request.headers
        body = self.body
        return {
            "target": self.request.target,
            "headers": [[name.decode("latin-1"), value.decode("latin-1")] for name, value in lines],
            "body_bytes": self.body_bytes,
            "body_sha256": self.body_sha256 if body is None else hashlib.sha256(body).hexdigest(),
            "body_base64": None if body is None else base64.b64encode(body).decode(),
        }


class Records:
    """Counters since the start or the last reset, and the last thousand requests."""

    def __init__(self) -> None:
        self.requests = 0
        self.aborted = 0
        self.in_flight = 0
        self._recent: deque[Record] = deque(maxlen=KEPT)
        self._holding: deque[Record] = deque()  # those of _recent whose body is held
        self._held_bytes = 0

    def reset(self) -> None:
        """Forgets counters and requests; those under way still count as in flight."""
        self.requests = self.aborted = self._held_bytes = 0
        self._recent.clear()
        self._holding.clear()

    def open(self, request: Request, body: bytes) -> Record:
        """A request has come in."""
        size = len(body)
        hold = size <= BODY_BYTES_MAX
        record = Record(
            request,
            body if hold else None,
            size,
            None if hold else hashlib.sha256(body).hexdigest(),
            time.time_ns() // 1000,
        )
        self.requests += 1
        self.in_flight += 1
        self._recent.append(record)
        if hold:
            self._hold(record)
        return record

    def _hold(self, record: Record) -> None:
        self._holding.append(record)
        self._held_bytes += record.body_bytes
        while self._held_bytes > BODIES_BYTES_MAX or len(self._holding) > KEPT:
            oldest = self._holding.popleft()
            self._held_bytes -= oldest.body_bytes
            oldest.body = None

    def close(self, record: Record, *, aborted: bool = False) -> None:
        """The exchange is over."""
        record.ended_us = time.time_ns() // 1000
        record.aborted = aborted
        self.in_flight -= 1
        self.aborted += aborted

    def list_recent(self) -> list[Record]:
        """The requests remembered, oldest first."""
        return list(self._recent)

    def find(self, request_id: str) -> Record | None:
        """The remembered request with that id."""
        return next((r for r in self._recent if r.request.id == request_id), None)
