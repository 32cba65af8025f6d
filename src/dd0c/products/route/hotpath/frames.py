"""Messages on the socketpair between a gateway's parent and a worker: 4 bytes of length, then
msgpack. No I/O."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from dd0c.products.route.hotpath import snapshot
from dd0c.products.route.hotpath.snapshot import FromWorker, ToWorker

LENGTH_BYTES = 4

_encoder = msgspec.msgpack.Encoder(enc_hook=snapshot.reveal)


def encode(message: ToWorker | FromWorker) -> bytes:
    """One frame; encoded once, it may be sent to many."""
    frame = bytearray(LENGTH_BYTES)
    _encoder.encode_into(message, frame, LENGTH_BYTES)
    frame[:LENGTH_BYTES] = (len(frame) - LENGTH_BYTES).to_bytes(LENGTH_BYTES, "big")
    return bytes(frame)


class Frames:
    """Takes bytes as they come and gives whole messages, still packed."""

    def __init__(self, bytes_max: int | None = None, received: bytes = b""):
        self._bytes_max = bytes_max
        self._received = bytearray(received)

    @property
    def rest(self) -> bytes:
        """The beginning of a message that is not complete."""
        return bytes(self._received)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The messages that are complete with this data; DecodeError for one over the bound."""
        self._received += data
        start = 0
        while len(self._received) - start >= LENGTH_BYTES:
            body = start + LENGTH_BYTES
            size = int.from_bytes(self._received[start:body], "big")
            if self._bytes_max is not None and size > self._bytes_max:
                raise msgspec.DecodeError(f"a message of {size} bytes")
            if body + size > len(self._received):
                break
            yield bytes(self._received[body : body + size])
            start = body + size
        del self._received[:start]
