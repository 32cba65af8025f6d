"""How much of a stream is paid for, when nobody said how long it may become (R-16). No I/O.

A token of text is at least one byte of it, so a stream that has brought n bytes of text has not
cost more than n output tokens. Reasoning that is never shown is the exception: only usage tells it.
Every event of such a stream is read; those with a bound of their own are spared that.
"""

from __future__ import annotations

from dd0c.products.route.hotpath import sse, texts
from dd0c.products.route.hotpath.texts import Strands


class Cover:
    """Text of `came` bytes has passed, `paid` output tokens are; `wanted` with the next event."""

    __slots__ = ("_endpoint", "came", "paid", "wanted")

    def __init__(self, endpoint: str):
        self._endpoint = endpoint
        self.paid = 0
        self.came = 0
        self.wanted = 0

    def take(self, run: bytes, *, whole: bool) -> int:
        """How many bytes of a run of events are paid for and pass. A piece of one passes, or not;
        its text counts as it is."""
        size = self._size(run) if whole else len(run)
        if self.came + size <= self.paid:
            self.came += size
            return len(run)
        passed = 0
        for event in sse.split(run) if whole else ():
            size = self._size(event)
            if self.came + size > self.paid:
                break
            self.came += size
            passed += len(event)
        self.wanted = self.came + size
        return passed

    def _size(self, run: bytes) -> int:
        found: Strands = {}
        texts.gather(self._endpoint, sse.documents(run), found)
        return sum(len(text.encode()) for parts in found.values() for text in parts)
