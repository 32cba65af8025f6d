"""Canonical JSON: one text for one value, so that a hash of it means something (RFC 8785).

A subset: objects with ASCII names, lists, text, whole numbers, booleans and null. In it the sorted,
blank-free output of the standard library is what RFC 8785 prescribes: names that are ASCII sort by
code point as by UTF-16 unit, the same characters are escaped in the same way, and floats, whose
printing is the hard part, are refused. Whole numbers stay where every reader of JSON has them
exactly; greater ones (picodollars) are told as text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from dd0c.base.errors import Internal

Scalar: TypeAlias = str | int | bool | None
Value: TypeAlias = "Scalar | Sequence[Value] | Mapping[str, Value]"

WHOLE_MAX = 2**53 - 1


def encode(value: Mapping[str, Value]) -> bytes:
    """The one text of an object, in UTF-8; Internal for what has none."""
    _refuse_other(value)
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise Internal("half a surrogate pair is no text") from None


def _refuse_other(value: Value) -> None:
    match value:
        case None | str():
            return
        case int():
            if abs(value) > WHOLE_MAX:
                raise Internal(f"{value} is too great for a number in JSON: say it as text")
        case Mapping():
            for name, inner in value.items():
                if not name.isascii():
                    raise Internal(f"{name!r} is no name for a member")
                _refuse_other(inner)
        case Sequence() if not isinstance(value, bytes | bytearray):
            for inner in value:
                _refuse_other(inner)
        case _:
            raise Internal(f"a {type(value).__name__} has no canonical text")
