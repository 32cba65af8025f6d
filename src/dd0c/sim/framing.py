"""How events become the bytes of a body: chunked or not, compressed or not, oddly or not."""

from __future__ import annotations

import zlib
from typing import Final

from dd0c.sim.faults import Faults

GZIP_WBITS: Final = 31
LAST_CHUNK: Final = b"0\r\n\r\n"
ODD_LAST_CHUNK: Final = b"000;last\r\nx-sim-trailer: over\r\nx-sim-trailer: and out\r\n\r\n"


class Framing:
    """The framing of one answer; compression has a state, so each answer has its own."""

    def __init__(self, faults: Faults, *, chunks: bool, compress: bool) -> None:
        self._chunks = chunks
        self._odd = faults.odd_chunks
        self._compressor = zlib.compressobj(wbits=GZIP_WBITS) if compress else None

    def frame(self, event: bytes) -> bytes:
        """An event as it goes over the wire, at once readable."""
        if self._compressor is not None:
            event = self._compressor.compress(event)
            event += self._compressor.flush(zlib.Z_SYNC_FLUSH)
        return self._chunk(event)

    def end(self) -> bytes:
        """What ends the body."""
        rest = self._chunk(self._compressor.flush()) if self._compressor is not None else b""
        if not self._chunks:
            return rest
        return rest + (ODD_LAST_CHUNK if self._odd else LAST_CHUNK)

    def _chunk(self, data: bytes) -> bytes:
        if not self._chunks or not data:
            return data
        if not self._odd:
            return b"%x\r\n%b\r\n" % (len(data), data)
        size = len(data)
        first = max(1, size - 1)  # the border falls amid the line ends of an event
        parts = b'%08X;odd="a;b"\r\n%b\r\n' % (first, data[:first])
        if first < size:
            parts += b"%X;x\r\n%b\r\n" % (size - first, data[first:])
        return parts
