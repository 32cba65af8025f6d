"""Random bytes of the system, drawn ahead: a system call costs more than the id made of it."""

from __future__ import annotations

import os

DRAWN_BYTES = 4096


class Entropy:
    """Bytes nobody can guess; each is given out once."""

    __slots__ = ("_at", "_drawn")

    def __init__(self) -> None:
        self._drawn = b""
        self._at = 0

    def take(self, size: int) -> bytes:
        """So many fresh bytes."""
        start = self._at
        end = start + size
        if end > len(self._drawn):
            self._drawn, start, end = os.urandom(DRAWN_BYTES), 0, size
        self._at = end
        return self._drawn[start:end]
