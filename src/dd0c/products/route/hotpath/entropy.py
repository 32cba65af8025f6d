"""Random bytes of the system, drawn ahead: a system call costs more than the id made of it."""

from __future__ import annotations

import os

from dd0c.base.ids import RANDOM_DIGITS

DRAWN_BYTES = 4096
_DIGITS = RANDOM_DIGITS * 8  # what becomes of each byte


class Entropy:
    """Bytes nobody can guess; each is given out once, as bytes or as a digit of base 32."""

    __slots__ = ("_at", "_digits", "_drawn")

    def __init__(self) -> None:
        self._drawn = self._digits = b""
        self._at = 0

    def take(self, digits: int, size: int) -> tuple[bytes, bytes]:
        """So many fresh digits, and so many bytes."""
        start = self._at
        middle = start + digits
        end = middle + size
        if end > len(self._drawn):
            self._drawn, start, middle, end = os.urandom(DRAWN_BYTES), 0, digits, digits + size
            self._digits = self._drawn.translate(_DIGITS)
        self._at = end
        return self._digits[start:middle], self._drawn[middle:end]
