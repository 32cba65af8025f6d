"""Counts that this worker has asked its parent for (R-14): a worker holds no vocabularies.

An attempt that has to be counted is booked when the answer has come, or without it after `WAIT_S`.
What waits is bounded in number and in bytes; beyond that attempts are booked without.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from dd0c.products.route.hotpath.delivery import Text
from dd0c.products.route.hotpath.snapshot import (
    COUNT_BYTES_MAX,
    Counted,
    CountWanted,
    FromWorker,
)
from dd0c.products.route.models import Usage

WAIT_S = 2.0
WAITING_MAX = 1000
WAITING_BYTES_MAX = 64 * 1024 * 1024
SAMPLE_EVERY_S = 1.0

Then = Callable[[Counted | None], None]


class Counts:
    """What is being counted for attempts of this worker."""

    def __init__(self, tell: Callable[[FromWorker], None], now: Callable[[], float]):
        self._tell = tell
        self._now = now
        self._last_id = 0
        self._waiting: dict[int, tuple[float, int, Then]] = {}  # in the order of their deadlines
        self._bytes = 0
        self._next_sample = 0.0

    def __len__(self) -> int:
        return len(self._waiting)

    def next_id(self) -> int:
        """The number of the next question."""
        self._last_id += 1
        return self._last_id

    def ask(self, wanted: CountWanted, then: Then) -> bool:
        """Have it counted; `then` gets the answer, or None. False: too much is waiting already."""
        size = len(wanted.received) + len(wanted.body or b"")
        if size > COUNT_BYTES_MAX:  # the parent would take us for broken
            return False
        if len(self._waiting) >= WAITING_MAX or self._bytes + size > WAITING_BYTES_MAX:
            return False
        self._bytes += size
        self._waiting[wanted.id] = self._now() + WAIT_S, size, then
        self._tell(wanted)
        return True

    def heard(self, counted: Counted) -> None:
        """The parent has counted."""
        self._end(counted.id, counted)

    def sweep(self, now: float) -> None:
        """Let those go on without who have waited long enough."""
        while self._waiting:
            first, (deadline, _, _) = next(iter(self._waiting.items()))
            if deadline > now:
                return
            self._end(first, None)

    def give_up(self) -> None:
        """Let all go on without."""
        for one in list(self._waiting):
            self._end(one, None)

    def is_sample_due(self) -> bool:
        """Whether the next `sample_due` will say so."""
        return self._now() >= self._next_sample

    def sample_due(self) -> bool:
        """Whether it is time to send a whole answer with its true usage, to learn from."""
        now = self._now()
        if now < self._next_sample:
            return False
        self._next_sample = now + SAMPLE_EVERY_S
        return True

    def learn(self, wanted: CountWanted, text: Text | None, used: Usage) -> None:
        """Show such an answer to who counts for us; nothing comes back."""
        shown = text.received.encode() if text else b""
        if 0 < len(shown) <= COUNT_BYTES_MAX:
            self._tell(msgspec.structs.replace(wanted, received=shown, actual=used))

    def _end(self, number: int, counted: Counted | None) -> None:
        found = self._waiting.pop(number, None)
        if found is not None:
            _, size, then = found
            self._bytes -= size
            then(counted)
