"""A secret that cannot be printed by accident.

`Secret` masks itself in repr, str, format, JSON (it is no JSON type) and traceback, and refuses to
be pickled. The value leaves only through `reveal()`, which is easy to find and to review.
"""

from __future__ import annotations

import hmac
from typing import NoReturn, final

MASK = "[secret]"


@final
class Secret:
    """One secret text, shown as a mask everywhere but in `reveal()`."""

    __slots__ = ("_value",)

    def __init__(self, value: str):
        self._value = value

    def reveal(self) -> str:
        """The secret itself. Call it where the value leaves the process, nowhere else."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret({MASK})"

    def __str__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __len__(self) -> int:
        return len(self._value)

    def __bool__(self) -> bool:
        return bool(self._value)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is never pickled: pass it by an inherited descriptor")
