"""What of a stream has reached its caller (R-13): whole events in the bytes its TCP acknowledged.

Written is not delivered: a socket takes a few hundred kilobytes that nobody may ever read. The
kernel counts what the peer has acknowledged since the connection began, and still tells it when the
connection is gone. So each run of events is kept with the place in the connection where it ends;
heads, chunk sizes, comments of ours and earlier answers need no thought, they only lie in between.

Nothing is read out of the events while they pass. Only when an answer ends before its time, or when
`RAW_BYTES_MAX` of it are kept, is the text taken out (`texts`) and the rest forgotten. `Room`
bounds the text that all streams of a worker keep; a stream that finds none is not counted.

Acknowledged is what the next hop has: behind a proxy that ends TLS this is the proxy.
"""

from __future__ import annotations

import socket
import struct
import sys
from typing import NamedTuple

from dd0c.products.route.hotpath import sse, texts
from dd0c.products.route.hotpath.texts import Strands

RAW_BYTES_MAX = 64 * 1024
TEXT_SIZE_MAX = 64 * 1024 * 1024  # characters, of all streams of a worker together
NEVER = sys.maxsize  # the end of what was not sent
TCP_CLOSE, TCP_CLOSE_WAIT = 7, 8  # tcpi_state in linux/tcp.h

ACK_DELAY_MS = 50  # a peer may wait so long before it acknowledges

_INFO = struct.Struct("=B x B 21x I 16x I 8x I 8x I 48x Q 16x I")  # tcp_info in linux/tcp.h


class Standing(NamedTuple):
    """How a connection stands, as its kernel sees it."""

    state: int
    repeats: int  # of what the peer has not acknowledged
    unacked: int  # packets
    sent_ms: int  # ago
    heard_ms: int  # ago
    round_trip_us: int
    acked: int  # bytes, since the connection began
    unsent: int  # bytes that wait until the peer takes some more

    @property
    def overdue(self) -> bool:
        """Whether the peer should have acknowledged something by now."""
        patience_ms = ACK_DELAY_MS + 2 * self.round_trip_us // 1000
        late = self.sent_ms > patience_ms and self.heard_ms > patience_ms
        return self.unacked > 0 and (self.repeats > 0 or late)


def standing(sock: socket.socket) -> Standing:
    """Ask the kernel; also good for a connection that is gone and not yet closed."""
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO.size)
    return Standing._make(_INFO.unpack(info))


class Room:
    """How much more text may be kept in this worker."""

    __slots__ = ("left",)

    def __init__(self, size: int = TEXT_SIZE_MAX):
        self.left = size


class Text(NamedTuple):
    """The text of an answer, as far as it came; its first `delivered` characters reached the
    caller."""

    received: str
    delivered: int


class Delivery:
    """The events of one answer, from when they are sent until it is known what became of them."""

    __slots__ = (
        "_bytes",
        "_endpoint",
        "_into",
        "_lost",
        "_pending",
        "_rest",
        "_room",
        "_sent",
        "_strands",
        "_took",
    )

    def __init__(self, endpoint: str, room: Room):
        self._endpoint = endpoint
        self._room = room
        self._took = 0  # of the room
        self._lost = False  # there was not enough, or an event was too long
        self._sent: list[tuple[int, bytes]] = []  # where each run ends in the connection
        self._bytes = 0  # of them, since they were last looked through
        self._rest = b""  # an event that has not ended
        self._strands: Strands = {}  # what was delivered
        self._pending: Strands = {}  # what was not, and will not be
        self._into = self._strands

    def add(self, run: bytes, end: int) -> bool:
        """Note a run of whole events, or a part of a long one, that ends at this byte of the
        connection. Whether so much is kept that `condense` is due."""
        self._sent.append((end, run))
        self._bytes += len(run)
        return self._bytes > RAW_BYTES_MAX

    def condense(self, acked: int = NEVER) -> None:
        """Keep the text only of what was acknowledged; after `abandon`, of all."""
        taken: list[bytes] = [self._rest]
        left: list[tuple[int, bytes]] = []
        for end, run in self._sent:
            start = end - len(run)
            if end <= acked:
                taken.append(run)
            elif start < acked and not left:
                taken.append(run[: acked - start])
                left.append((end, run[acked - start :]))
            else:
                left.append((end, run))
        self._sent, self._bytes = left, 0
        self._rest = self._take(b"".join(taken))

    def abandon(self, acked: int) -> None:
        """The caller has left: nothing beyond this byte reaches it."""
        self.condense(acked)
        self._into = self._pending
        self.condense()

    def text(self) -> Text | None:
        """The text so far, all of it delivered unless the caller was given up; None when not all of
        it could be kept."""
        self.condense()
        if self._lost:
            return None
        delivered = _join(self._strands)
        return Text(delivered + _join(self._pending), len(delivered))

    def size(self) -> int:
        """Characters of text so far."""
        self.condense()
        return self._took

    def forget(self) -> None:
        """Give the room back."""
        self._sent = []
        self._strands.clear()
        self._pending.clear()
        self._room.left += self._took
        self._took = 0

    def _take(self, data: bytes) -> bytes:
        """Sort the text of whole events into strands; what is left is the beginning of one."""
        whole = data[: sse.last_border(data)]
        found: Strands = {}
        texts.gather(self._endpoint, sse.documents(whole), found)
        size = 0
        for strand, parts in found.items():
            joined = "".join(parts)
            self._into.setdefault(strand, []).append(joined)
            size += len(joined)
        self._took += size
        self._room.left -= size
        if self._room.left < 0:
            self._lost = True
            self.forget()
        rest = data[len(whole) :]
        if len(rest) > sse.EVENT_BYTES_MAX:
            self._lost, rest = True, b""
        return rest


def of_whole(endpoint: str, body: bytes) -> Text | None:
    """The text of an answer that is given whole; None when it cannot be read."""
    found = texts.of_whole(endpoint, body)
    if found is None:
        return None
    joined = _join(found)
    return Text(joined, len(joined))


def _join(strands: Strands) -> str:
    return "".join("".join(parts) for parts in strands.values())
