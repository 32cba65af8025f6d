"""The parent's end of one worker's socketpair: frames of 4 bytes length and msgpack.

Nothing here waits. What a worker does not take stays in the buffer of its link; the fleet replaces
a worker that has not been heard of for a while, and the buffer goes with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

import msgspec

from dd0c.products.route.hotpath.snapshot import FromWorker, ToWorker

LENGTH_BYTES = 4
MESSAGE_BYTES_MAX = 1024 * 1024  # of a worker; what the parent sends it may be larger

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[FromWorker] = msgspec.msgpack.Decoder(FromWorker)


def encode(message: ToWorker) -> bytes:
    """One frame; encoded once, sent to many."""
    frame = bytearray(LENGTH_BYTES)
    _encoder.encode_into(message, frame, LENGTH_BYTES)
    frame[:LENGTH_BYTES] = (len(frame) - LENGTH_BYTES).to_bytes(LENGTH_BYTES, "big")
    return bytes(frame)


class Link(asyncio.Protocol):
    """Calls `on_message` for each message; `closed` is done when the worker's end is."""

    def __init__(self, on_message: Callable[[FromWorker], None]):
        self._on_message = on_message
        self._received = bytearray()
        self._transport: asyncio.Transport | None = None
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def send(self, frame: bytes) -> None:
        """Queue a frame; a closed link swallows it, as its worker is being replaced."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(frame)

    def cut(self) -> None:
        """Close at once, dropping what is queued."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one by shape only

    def data_received(self, data: bytes) -> None:
        self._received += data
        start = 0
        while len(self._received) - start >= LENGTH_BYTES:
            body = start + LENGTH_BYTES
            size = int.from_bytes(self._received[start:body], "big")
            if size > MESSAGE_BYTES_MAX:
                self.cut()
                return
            if len(self._received) < body + size:
                break
            try:
                message = _decoder.decode(self._received[body : body + size])
            except msgspec.DecodeError:
                self.cut()
                return
            start = body + size
            self._on_message(message)
        del self._received[:start]

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.closed.done():
            self.closed.set_result(None)
