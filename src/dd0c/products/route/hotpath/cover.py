"""How much of a stream is paid for, when nobody said how long it may become (R-16). No I/O.

A token of text is at least one byte of it, so a stream that has brought n bytes of text has not
cost more than n output tokens. Reasoning that is never shown is the exception: only usage tells it.
Every event of such a stream is read; those with a bound of their own are spared that.
"""

from __future__ import annotations

from dd0c.products.route.hotpath import sse, texts
from dd0c.products.route.hotpath.texts import Strands


class Cover:
    """`paid` output tokens are; text of `came` bytes has come."""

    __slots__ = ("_endpoint", "came", "paid")

    def __init__(self, endpoint: str):
        self._endpoint = endpoint
        self.paid = 0
        self.came = 0

    def take(self, run: bytes, *, whole: bool) -> bool:
        """A run of events has come; whether it is paid for. A piece of one counts as it is."""
        if not whole:
            self.came += len(run)
        elif run:
            found: Strands = {}
            events = map(sse.read, sse.split(run))
            documents = [event.data for event in events if event.data.startswith(b"{")]
            texts.gather(self._endpoint, documents, found)
            self.came += sum(len(text.encode()) for parts in found.values() for text in parts)
        return self.came <= self.paid
