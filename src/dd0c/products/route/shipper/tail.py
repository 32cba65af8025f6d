"""Reads the spool files of one worker, in order, each record once.

A frame that does not check out costs only itself: we search the next good frame behind it and keep
the bytes between for a human. A half frame at the very end of a dead worker's last file is a write
that never finished, which nothing was sent or answered on the strength of: it is only counted.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from dd0c.products.route.hotpath import spool
from dd0c.products.route.models import SpoolRecord
from dd0c.products.route.pairing import Pairing, Position

CHUNK_BYTES = 1 << 19
FRAME_BYTES_MAX = spool.HEADER_BYTES + (1 << 24)


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes that are no record. `torn`: the last write of a worker that died in it."""

    path: Path
    offset: int
    content: bytes
    reason: str
    torn: bool = False


class Read(NamedTuple):
    """What one read gave: records that begin at `at`, or damage in their place."""

    records: Sequence[SpoolRecord]
    at: Position
    damage: Damage | None


class Places(NamedTuple):
    """What `shipped.json` keeps of one worker: where a restart begins, what is shipped by then."""

    low: Position
    shipped: Position


class Tail:
    """The files of one worker. `position` is the next byte to read; what lies before `shipped` is
    in the ledger. `ended`: the worker is dead and everything was read."""

    def __init__(self, pid: int, places: Places):
        self.pid = pid
        self.position = places.low
        self.shipped = places.shipped
        self.ended = False
        self.pairing = Pairing(pid, places.shipped)
        self.files: dict[int, Path] = {}  # by number, in order

    @property
    def places(self) -> Places:
        """What will hold when all that was read is in the ledger."""
        return Places(self.pairing.low(self.position), max(self.position, self.shipped))

    def unshipped_bytes(self) -> int:
        """Bytes of this worker that are not in the ledger yet."""
        after = {n: path for n, path in self.files.items() if n >= self.shipped.sequence}
        shipped = self.shipped.offset if self.shipped.sequence in after else 0
        return max(0, sum(path.stat().st_size for path in after.values()) - shipped)

    def read(self, *, dead: bool) -> Read | None:
        """The next records; None when there are no more, for now or (`dead`) for ever."""
        numbers = [n for n in self.files if n >= self.position.sequence]
        for number in numbers:
            if number != self.position.sequence:
                self.position = Position(number, 0)
            complete = dead or number != numbers[-1]
            found = self._read(self.files[number], complete=complete)
            if found is not None:
                return found
        return None

    def _read(self, path: Path, *, complete: bool) -> Read | None:
        at = self.position
        buffer = self._bytes(path, at.offset, self._limit(at))
        decoded = spool.decode(buffer)
        if not decoded.records and decoded.error is None and len(buffer) == CHUNK_BYTES:
            buffer = self._bytes(path, at.offset, FRAME_BYTES_MAX)
            decoded = spool.decode(buffer)
        if decoded.records:
            self.position = Position(at.sequence, at.offset + decoded.consumed)
            return Read(decoded.records, at, None)
        if not buffer:
            return None
        return self._skip(path, buffer, decoded.error, complete=complete)

    def _skip(self, path: Path, buffer: bytes, error: str | None, *, complete: bool) -> Read | None:
        """Pass over bytes that are no frame; None while more bytes may still make sense of them."""
        at = self.position
        if error is None and not complete:
            return None
        good = _next_frame(buffer)
        if good is None and not complete and len(buffer) < CHUNK_BYTES:
            return None
        skipped = buffer[: len(buffer) if good is None else good]
        torn = error is None and good is None
        self.position = Position(at.sequence, at.offset + len(skipped))
        reason = error or "a frame ends before its time"
        return Read((), at, Damage(path, at.offset, skipped, reason, torn))

    def _limit(self, at: Position) -> int:
        """Bytes to read at once: never across `shipped`, which tells old closes from orphans."""
        if at.sequence == self.shipped.sequence and at.offset < self.shipped.offset:
            return min(CHUNK_BYTES, self.shipped.offset - at.offset)
        return CHUNK_BYTES

    @staticmethod
    def _bytes(path: Path, offset: int, size: int) -> bytes:
        with path.open("rb", buffering=0) as file:
            return os.pread(file.fileno(), size, offset)


def _next_frame(buffer: bytes) -> int | None:
    """Where in the buffer, after its first byte, the next good frame begins."""
    view = memoryview(buffer)
    at = buffer.find(spool.MAGIC, 1)
    while at >= 0:
        if spool.decode(view[at:]).records:
            return at
        at = buffer.find(spool.MAGIC, at + 1)
    return None
