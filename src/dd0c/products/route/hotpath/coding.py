"""An answer that comes compressed although we asked for it as it is. No I/O.

What cannot be read can be neither billed nor searched for the provider's secret. So gzip and
deflate, which hosts use that do not look at what is asked for, are taken off, and the caller gets
the plain answer, which every caller takes. Any other coding is refused.

Little can hold much: what one read unfolds to is bounded.
"""

from __future__ import annotations

import zlib

KNOWN = frozenset((b"deflate", b"gzip", b"x-gzip"))
READABLE = KNOWN | {b"", b"identity"}
RUN_BYTES_MAX = 8 * 1024 * 1024

_EITHER = 32 + zlib.MAX_WBITS  # gzip or deflate, as its first bytes say


class Broken(ValueError):
    """It is not in that coding, or unfolds to too much."""


class Unfolding:
    """Takes the coding off an answer, run by run."""

    __slots__ = ("_begun", "_inflate")

    def __init__(self) -> None:
        self._begun = False
        self._inflate = zlib.decompressobj(_EITHER)

    @property
    def complete(self) -> bool:
        """Whether nothing is missing; nothing at all is complete."""
        return self._inflate.eof or not self._begun

    def feed(self, data: bytes) -> bytes:
        """The plain bytes that came with these."""
        plain = b""
        while data:
            if self._inflate.eof:  # another one may follow
                self._inflate = zlib.decompressobj(_EITHER)
            self._begun = True
            try:
                plain += self._inflate.decompress(data, RUN_BYTES_MAX)
            except zlib.error as error:
                raise Broken(str(error)) from None
            if self._inflate.unconsumed_tail or len(plain) > RUN_BYTES_MAX:
                raise Broken(f"unfolds to more than {RUN_BYTES_MAX} bytes at once")
            data = self._inflate.unused_data
        return plain
