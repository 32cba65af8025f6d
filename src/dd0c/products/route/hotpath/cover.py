"""How much of a stream is paid for, when nobody said how long it may become (R-16). No I/O.

A token of text is at least one byte of it, so a stream that has brought n bytes of text has not
cost more than n output tokens. Reasoning that is never shown is the exception: only usage tells it.

To read every event costs more than all else that is done to it. So events are kept unread while
they are paid for even if all of their bytes were text, or all but the seams: what stands from the
end of one event's text to the beginning of the next one's is the same all along a stream. Only
where that does not suffice they are read.
"""

from __future__ import annotations

from dd0c.products.route.hotpath import sse, texts
from dd0c.products.route.hotpath.texts import Strands

UNREAD_BYTES_MAX = 64 * 1024
TRIED_FOR_SEAM = 6  # events: the first tells a role, another the beginning of a call


class Cover:
    """Text of `came` bytes has passed, besides that of unread events; `paid` output tokens are,
    `wanted` with the next event."""

    __slots__ = (
        "_border",
        "_bytes",
        "_endpoint",
        "_most",
        "_seam",
        "_unread",
        "came",
        "paid",
        "wanted",
    )

    def __init__(self, endpoint: str):
        self._endpoint = endpoint
        self._unread: list[bytes] = []
        self._bytes = 0  # of them
        self._most = 0  # that may be text
        self._seam = b""
        self._border = 0  # of two events, in the seam
        self.paid = 0
        self.came = 0
        self.wanted = 0

    def take(self, run: bytes, *, whole: bool) -> int:
        """How many bytes of a run of events are paid for and pass. A piece of one passes, or not;
        its text counts as it is."""
        if whole and self._passes_unread(run):
            return len(run)
        self._read()
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

    def _passes_unread(self, run: bytes) -> bool:
        """Whether a run is paid for whatever it says; then it is kept."""
        most = self._most + (self._most_of(run) if self._seam else len(run))
        if self.came + most > self.paid:
            if self._seam:
                return False
            run = b"".join((*self._unread, run))
            self._seam = self._find_seam(run)
            most = self._most_of(run) if self._seam else len(run)
            if self.came + most > self.paid:
                return False
            self._unread, self._bytes = [], 0
        self._unread.append(run)
        self._bytes += len(run)
        self._most = most
        if self._bytes > UNREAD_BYTES_MAX:
            self._read()
        return True

    def _read(self) -> None:
        """Count what was kept."""
        if self._unread:
            self.came += self._size(b"".join(self._unread))
            self._unread, self._bytes, self._most = [], 0, 0

    def _most_of(self, run: bytes) -> int:
        """How much of a run may be text: what lies between its seams, and what the events say that
        do not look like the others. A line ends in each seam, which no text within JSON does."""
        seam, border = self._seam, self._border
        last = run.rfind(seam)
        if last >= 0:
            rest = last + border
            between = last - (run.count(seam) - 1) * len(seam)
            return between + self._most_of(run[rest:])
        if run.endswith(seam[:border]) and run.startswith(seam[border:]):
            return len(run) - len(seam)
        return self._size(run)

    def _find_seam(self, run: bytes) -> bytes:
        """From the end of one text to the beginning of the next; empty where that is not clear."""
        at, before = 0, b""
        for _ in range(TRIED_FOR_SEAM):
            end = sse.end_of_event(run, at)
            event, at = run[at:end], end
            opening, text, closing = event.partition(b'"%b"' % self._text(event))
            if not text[2:] or text in closing:
                before = b""
            elif before.endswith(b"\n\n"):
                self._border = len(before)
                return before + opening
            else:
                before = closing
        return b""

    def _text(self, event: bytes) -> bytes:
        """What an event says, if that is one text."""
        found: Strands = {}
        texts.gather(self._endpoint, sse.documents(event), found)
        parts = [text for strand in found.values() for text in strand]
        return parts[0].encode() if len(parts) == 1 else b""

    def _size(self, run: bytes) -> int:
        found: Strands = {}
        texts.gather(self._endpoint, sse.documents(run), found)
        return sum(len(text.encode()) for parts in found.values() for text in parts)
