"""What a relay sends to its caller: in chunks or not, counted, and noted until it has arrived."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dd0c.products.route.hotpath.delivery import NEVER, Delivery

if TYPE_CHECKING:
    from dd0c.products.route.hotpath.server import Caller

_FRAME_END = b"\r\n"


class Outlet:
    """The caller's side of one answer. `begun`: the head is out; `left`: the caller has; `size`:
    bytes of the body so far."""

    __slots__ = ("_caller", "_chunked", "begun", "left", "size")

    def __init__(self, caller: Caller):
        self._caller = caller
        self._chunked = False
        self.begun = False
        self.left = False
        self.size = 0

    def begin(self, head: bytes, *, chunked: bool) -> None:
        """Send the head, and a body that comes whole with it."""
        self.begun, self._chunked = True, chunked
        self._caller.write(head)

    def write(self, data: bytes, note: Delivery | None) -> None:
        """Send a piece of the body; of a stream, note where it ends in the connection."""
        if not data:
            return
        if self.left:
            if note is not None and note.add(data, NEVER):
                note.condense()
            return
        self.size += len(data)
        taken = self._caller.write(self.framed(data))
        if note is not None:
            end = self._caller.written - len(_FRAME_END) * self._chunked if taken else NEVER
            if note.add(data, end):
                note.condense(self._caller.acked())

    def framed(self, data: bytes) -> bytes:
        """A piece as it goes over the connection."""
        return b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data

    def end(self) -> None:
        """The body is complete."""
        if self._chunked:
            self._caller.write(b"0\r\n\r\n")
