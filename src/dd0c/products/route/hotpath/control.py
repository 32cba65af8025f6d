"""The worker's end of the socketpair to its parent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

import msgspec

from dd0c.products.route.hotpath import frames, snapshot
from dd0c.products.route.hotpath.frames import Frames
from dd0c.products.route.hotpath.snapshot import FromWorker, ToWorker

_decoder: msgspec.msgpack.Decoder[ToWorker] = msgspec.msgpack.Decoder(
    ToWorker, dec_hook=snapshot.conceal
)


class Control(asyncio.Protocol):
    """Calls `on_message` for each message of the parent, `on_end` when the parent is gone.

    A message that cannot be read raises: a worker that has missed a change of keys must not go on,
    so the exception closes the connection, which is the parent's death to us.
    """

    def __init__(self, on_message: Callable[[ToWorker], None], on_end: Callable[[], None]):
        self._on_message = on_message
        self._on_end = on_end
        self._frames = Frames()
        self._transport: asyncio.Transport | None = None

    def tell(self, message: FromWorker) -> None:
        """Send a message."""
        if self._transport is None or self._transport.is_closing():
            return
        self._transport.write(frames.encode(message))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are no subclass of it

    def data_received(self, data: bytes) -> None:
        for payload in self._frames.feed(data):
            self._on_message(_decoder.decode(payload))

    def connection_lost(self, exc: Exception | None) -> None:
        self._on_end()
