"""Open and close records of one worker become attempts. No I/O: records in, attempts out.

A worker writes *open* before it sends and *close* before the last byte of the answer, so an open
without its close is an attempt in flight, or a lost one once the worker is dead.

A restart reads again from `low`, the oldest place whose opens are not all closed. What was closed
before `shipped` is in the ledger, and who counts has heard of it: it is passed over. After that, a
close without an open is an `orphan`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from dd0c.products.route.models import AttemptClosed, AttemptOpened, SpoolRecord


class Position(NamedTuple):
    """A place in the files of one worker: the number of the file and the byte in it."""

    sequence: int
    offset: int


START = Position(0, 0)


class Pair(NamedTuple):
    """An attempt, and the process that made it. `closed` None: that died first."""

    opened: AttemptOpened
    closed: AttemptClosed | None
    pid: int


class Paired(NamedTuple):
    """Attempts that are complete, and close records that nothing was opened for."""

    attempts: list[Pair]
    orphans: list[AttemptClosed]


class Pairing:
    """The attempts of one worker that are open. `shipped`: what is before it was shipped before."""

    def __init__(self, pid: int, shipped: Position = START):
        self._pid = pid
        self._shipped = shipped
        self._open: dict[tuple[bytes, int], tuple[AttemptOpened, Position]] = {}

    def __len__(self) -> int:
        return len(self._open)

    def add(self, records: Iterable[SpoolRecord], at: Position) -> Paired:
        """Take in records that begin at or after `at`, in the order they were written."""
        found = Paired([], [])
        for record in records:
            key = (record.request_id, record.attempt)
            if isinstance(record, AttemptOpened):  # again, if more was reserved for it
                _, first = self._open.get(key, (record, at))
                self._open[key] = (record, first)
                continue
            opened = self._open.pop(key, None)
            if at < self._shipped:
                continue
            if opened is None:
                found.orphans.append(record)
            else:
                found.attempts.append(Pair(opened[0], record, self._pid))
        return found

    def end(self) -> list[Pair]:
        """The worker is dead and all it wrote was taken in: what is still open is lost."""
        lost = [Pair(opened, None, self._pid) for opened, _ in self._open.values()]
        self._open.clear()
        return lost

    def low(self, position: Position) -> Position:
        """Where a restart must begin to read, when everything before `position` was taken in."""
        return next((at for _, at in self._open.values()), position)  # the first is the oldest
