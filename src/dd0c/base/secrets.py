"""A secret that cannot be printed by accident.

`Secret` masks itself in repr, str, format, JSON (it is no JSON type) and traceback, and refuses to
be pickled. The value leaves only through `reveal()`, which is easy to find and to review. Secrets
that are alive are remembered weakly, so that the log can blank them out wherever they occur.
"""

from __future__ import annotations

import hmac
from typing import NoReturn, final
from weakref import WeakValueDictionary

MASK = "[secret]"

_LIVING: WeakValueDictionary[int, Secret] = WeakValueDictionary()


def living() -> list[str]:
    """The texts of all secrets alive in this process, longest first; for the log's mask only."""
    held = (ref() for ref in _LIVING.valuerefs())
    return sorted({s.reveal() for s in held if s is not None}, key=len, reverse=True)


@final
class Secret:
    """One secret text, shown as a mask everywhere but in `reveal()`."""

    __slots__ = ("__weakref__", "_value")

    def __init__(self, value: str):
        self._value = value
        _LIVING[id(self)] = self

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
