"""The parent's end of one worker's socketpair.

Nothing here waits. What a worker does not take stays in the buffer of its link; the fleet replaces
a worker that has not been heard of for a while, and the buffer goes with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

import msgspec

from dd0c.products.route.hotpath.frames import Frames
from dd0c.products.route.hotpath.snapshot import COUNT_BYTES_MAX, FromWorker

MESSAGE_BYTES_MAX = COUNT_BYTES_MAX + 1024 * 1024  # of a worker; the parent's may be larger

_decoder: msgspec.msgpack.Decoder[FromWorker] = msgspec.msgpack.Decoder(FromWorker)


class Link(asyncio.Protocol):
    """Calls `on_message` for each message (None: reads none); `closed` is done when the worker's
    end is.

    `received`: the beginning of a message, if another parent had this link before.
    """

    def __init__(self, on_message: Callable[[FromWorker], None] | None, received: bytes = b""):
        self._on_message = on_message
        self._frames = Frames(MESSAGE_BYTES_MAX, received)
        self._transport: asyncio.Transport | None = None
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def send(self, frame: bytes) -> None:
        """Queue a frame; a closed link swallows it, as its worker is being replaced."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(frame)

    @property
    def open(self) -> bool:
        """Whether it has been made and has not ended."""
        return self._transport is not None and not self.closed.done()

    @property
    def descriptor(self) -> int:
        """What it goes over, for a parent that takes it over."""
        assert self._transport is not None
        found: int = self._transport.get_extra_info("socket").fileno()
        return found

    @property
    def received(self) -> bytes:
        """The beginning of a message of which the rest has not come."""
        return self._frames.rest

    @property
    def unsent(self) -> int:
        """Bytes that the worker has not taken yet."""
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    def cut(self) -> None:
        """Close at once, dropping what is queued."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one by shape only

    def data_received(self, data: bytes) -> None:
        if self._on_message is None:
            return
        try:
            for payload in self._frames.feed(data):
                self._on_message(_decoder.decode(payload))
        except msgspec.DecodeError:
            self.cut()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.closed.done():
            self.closed.set_result(None)
