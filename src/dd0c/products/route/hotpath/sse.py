"""Server-sent events as bytes: where they end and what they carry. No I/O.

`Events.feed` takes chunks with arbitrary borders and gives back the longest run of *whole* events,
byte for byte; the rest waits. Forwarding whole events only means that we can always speak next: a
comment, an error event, or a whole event left out, never in the middle of somebody's line.

An event longer than `EVENT_BYTES_MAX` is let through in pieces: it is passed on but not understood.
"""

from __future__ import annotations

import re
from typing import NamedTuple

EVENT_BYTES_MAX = 1024 * 1024

_DATA, _BETWEEN = b"data: ", b"\n\ndata: "
_BORDER = re.compile(rb"(?>\r\n|\n|\r)(?:\r\n|\n|\r)")  # atomic: CR LF is one end, not two
_LINE = re.compile(rb"\r\n|\n|\r")
_ID = re.compile(rb"(?:^|[\r\n])id:")


class Event(NamedTuple):
    """One event: its bytes with the closing blank line, its name and its data."""

    raw: bytes
    name: bytes
    data: bytes


class Events:
    """Finds the borders of events in a stream of chunks."""

    __slots__ = ("_pending", "_tail", "overlong")

    def __init__(self) -> None:
        self._pending = b""
        self._tail = b""  # of an overlong event: a border may lie across two chunks
        self.overlong = False

    @property
    def in_event(self) -> bool:
        """Whether bytes of an unfinished event were already given out."""
        return self.overlong

    def feed(self, chunk: bytes) -> bytes:
        """The whole events that are complete with this chunk, as one run of bytes."""
        if self.overlong:
            return self._feed_overlong(chunk)
        data = self._pending + chunk if self._pending else chunk
        end = last_border(data)
        if end == len(data):
            self._pending = b""
            return data
        self._pending = data[end:]
        if len(self._pending) <= EVENT_BYTES_MAX:
            return data[:end]
        self.overlong, self._tail, self._pending = True, data[-3:], b""
        return data

    def rest(self) -> bytes:
        """What is left at the end of the stream; an event that was never closed."""
        rest, self._pending = self._pending, b""
        return rest

    def _feed_overlong(self, chunk: bytes) -> bytes:
        joined = self._tail + chunk
        match = _BORDER.search(joined)
        if match is None or match.end() <= len(self._tail):
            self._tail = joined[-3:]
            return chunk
        end = match.end() - len(self._tail)
        self.overlong, self._tail = False, b""
        return chunk[:end] + self.feed(chunk[end:])


def last_border(data: bytes) -> int:
    """The index after the last blank line, 0 when there is none."""
    if data.endswith(b"\n\n"):
        return len(data)
    if b"\r" not in data:
        return data.rfind(b"\n\n") + 2 if b"\n\n" in data else 0
    end = 0
    for match in _BORDER.finditer(data):
        end = match.end()
    return end


def end_of_event(run: bytes, at: int) -> int:
    """The index after the event that begins at `at`."""
    if b"\r" not in run:
        end = run.find(b"\n\n", at)
        return end + 2 if end >= 0 else len(run)
    match = _BORDER.search(run, at)
    return match.end() if match is not None else len(run)


def split(run: bytes) -> list[bytes]:
    """Whole events apart, each with its closing blank line; joined they are the run again."""
    if b"\r" not in run:
        return [part + b"\n\n" for part in run.split(b"\n\n")[:-1]]
    events, at = [], 0
    for match in _BORDER.finditer(run):
        events.append(run[at : match.end()])
        at = match.end()
    return events


def read(raw: bytes) -> Event:
    """Name and data of one event as the specification of server-sent events reads them."""
    name, data = b"", []
    for line in _LINE.split(raw):
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            data.append(value)
        elif field == b"event":
            name = value
    return Event(raw, name, b"\n".join(data))


def documents(run: bytes) -> list[bytes]:
    """The data of those of whole events that carry a JSON object."""
    if run.startswith(_DATA) and b"\r" not in run:
        found = run[len(_DATA) : -2].split(_BETWEEN)
        if run.count(b"\n") == 2 * len(found):  # as nearly all are written: nothing else in them
            return [data for data in found if data.startswith(b"{")]
    return [data for raw in split(run) if (data := _document(raw))]


def _document(raw: bytes) -> bytes:
    at = raw.find(b"data")
    data = raw[at + 6 : -2]
    plain = raw.startswith(b"data: {", at) and (at == 0 or raw[at - 1] in b"\r\n")
    if not plain or b"\n" in data or b"\r" in data:
        data = read(raw).data
    return data if data.startswith(b"{") else b""


def comment(text: bytes, event: bytes) -> bytes:
    """A comment to stand before an event, which no client takes for an event.

    OpenAI's SDK remembers the last `id:` and then takes a blank line after a comment for the end of
    an event without data, which it cannot read. So where ids are used the comment has no blank line
    of its own, and is part of the event that follows; else it has, for clients that only look at
    how a block of lines begins.
    """
    return b": %b\n" % text if _ID.search(event) else b": %b\n\n" % text
