"""Where the values of a JSON object lie, so that one can be replaced and no other byte.

The answer has to be exact: a prompt may contain `"model":"x"` anywhere, and a body with two `model`
keys would show one model to our allow-list and another one to the provider. A scanner in Python
costs milliseconds on a 400 kB prompt, so msgspec walks the bytes: decoded as `dict[str, Raw]` it
checks the whole syntax and gives each top-level value as the bytes it was written in, but without
its place, and of two equal keys only the last. We then walk the top level ourselves, which is a
handful of keys, and step over each value by its length.

Why a duplicate cannot slip through: the walk is in step as long as the bytes at our place are the
value that msgspec reported for that key. Without duplicates that always holds. With one, either the
same key comes up twice while in step, or the bytes differ; both are refused. Keys are compared as
decoded text without case: `mod\\u0065l` is `model`, and some providers' parsers accept `Model`.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import msgspec

KEYS_MAX = 1000  # top-level keys; real requests have fewer than 50

_KEY = re.compile(rb'[ \t\n\r]*("(?:[^"\\]|\\.)*")[ \t\n\r]*:[ \t\n\r]*', re.DOTALL)
_END = re.compile(rb"[ \t\n\r]*([,}])")
_objects: msgspec.json.Decoder[dict[str, msgspec.Raw]] = msgspec.json.Decoder(
    dict[str, msgspec.Raw]
)
_text: msgspec.json.Decoder[str] = msgspec.json.Decoder(str)


class Malformed(ValueError):
    """Not a JSON object that everybody reads the same way; the text says why, for the caller."""


class Span(NamedTuple):
    """The half-open range of bytes of a value."""

    start: int
    end: int


class Splice(NamedTuple):
    """Put `text` in place of the bytes from `start` to `end`."""

    start: int
    end: int
    text: bytes


def spans(body: bytes) -> dict[str, Span]:
    """The span of each top-level value by key, in order; raises Malformed."""
    values = _decode(body)
    found: dict[str, Span] = {}
    if not values:
        return found
    if len(values) > KEYS_MAX:
        raise Malformed(f"the object has more than {KEYS_MAX} keys")
    seen: set[str] = set()
    at = body.index(b"{") + 1
    while True:
        match = _KEY.match(body, at)
        if match is None:
            raise Malformed("a key is given twice")
        key = _text.decode(match[1])
        start = match.end()
        value = bytes(values[key])
        end = start + len(value)
        closing = _END.match(body, end)
        folded = key.lower()
        if folded in seen or closing is None or not body.startswith(value, start):
            raise Malformed(f"the key {key[:60]!r} is given twice")
        seen.add(folded)
        found[key] = Span(start, end)
        if closing[1] == b"}":
            return found
        at = closing.end()


def splice(body: bytes, changes: list[Splice]) -> list[bytes | memoryview]:
    """The body with the changes made, as pieces in order; nothing large is copied."""
    if not changes:
        return [body]
    view = memoryview(body)
    pieces: list[bytes | memoryview] = []
    at = 0
    for change in sorted(changes):
        pieces += [view[at : change.start], change.text]
        at = change.end
    pieces.append(view[at:])
    return pieces


def _decode(body: bytes) -> dict[str, msgspec.Raw]:
    try:
        if not body.isascii():
            str(body, "utf-8")  # msgspec does not look inside the strings that it skips
        return _objects.decode(body)
    except UnicodeDecodeError as error:
        raise Malformed(f"the body is not UTF-8 (byte {error.start})") from None
    except RecursionError:
        raise Malformed("the body is nested too deeply") from None
    except msgspec.ValidationError:
        raise Malformed("the body must be a JSON object") from None
    except msgspec.DecodeError as error:
        raise Malformed(f"the body is not JSON: {error}") from None
