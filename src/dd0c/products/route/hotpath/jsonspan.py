"""Where the values of a JSON object lie, so that one can be replaced and no other byte.

The answer has to be exact: a prompt may contain `"model":"x"` anywhere, and a body with two `model`
keys would show one model to our allow-list and another one to the provider. A scanner in Python
costs milliseconds on a 400 kB prompt, so msgspec walks the bytes: decoded as `dict[str, Raw]` it
checks the whole syntax and gives each top-level value as the bytes it was written in, but without
its place, and of two equal keys only the last. We then walk the top level ourselves, which is a
handful of keys, and step over each value by its length.

Why a duplicate cannot slip through: the walk is in step as long as key and value at our place are
what msgspec reported next. Without duplicates that always holds, as it keeps the order. With one,
either a key is missing at its second place, or a value differs at its first; both are refused.
Keys are compared as decoded text: `mod\\u0065l` is `model`. And since some providers' parsers
ignore case, a key that only looks like one of ours (`Model`) is refused too.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

import msgspec

WANTED = frozenset(("model", "stream", "stream_options"))

_NEXT = re.compile(rb'[ \t\n\r]*[{,][ \t\n\r]*"((?:[^"\\]|\\.)*)"[ \t\n\r]*:[ \t\n\r]*', re.DOTALL)
_SPACE = b" \t\n\r"
_BLANK = ord(" ")
WRITTEN_MAX, WRITTEN_BYTES_MAX = 500, 64  # keys that are remembered
NAMED_MAX = 500  # characters of all keys of a body that are remembered together
_WRITTEN: dict[str, bytes] = {}
_objects: msgspec.json.Decoder[dict[str, msgspec.Raw]] = msgspec.json.Decoder(
    dict[str, msgspec.Raw]
)
_text: msgspec.json.Decoder[str] = msgspec.json.Decoder(str)


class Malformed(ValueError):
    """Not a JSON object that everybody reads the same way; the text says why, for the caller."""


class Splice(NamedTuple):
    """Put `text` in place of the bytes from `start` to `end`."""

    start: int
    end: int
    text: bytes


def values(body: bytes) -> dict[str, bytes]:
    """Each top-level value by key, in order, as it is written; raises Malformed.

    Where a body is as short as its keys and values can be written, nothing else is in it: no key
    twice, none in disguise. That is how SDKs write; all others are walked.
    """
    found = {key: bytes(raw) for key, raw in _decode(body).items()}
    named = sum(map(len, found))
    length = 1 + named + sum(map(len, found.values())) + 4 * len(found)
    if length == len(body) and named <= NAMED_MAX and _is_well_named(tuple(found)):
        return found
    return {key: body[start:end] for key, (start, end) in spans(body).items()}


@lru_cache(1000)
def _is_well_named(keys: tuple[str, ...]) -> bool:
    return not any(key not in WANTED and key.lower() in WANTED for key in keys)


def spans(body: bytes) -> dict[str, tuple[int, int]]:
    """Start and end of each top-level value by key, in order; raises Malformed."""
    found: dict[str, tuple[int, int]] = {}
    at = 0  # at a bracket or comma, perhaps with space before it
    for key, raw in _decode(body).items():
        written, value = _WRITTEN.get(key) or _write(key), bytes(raw)
        start = at + 2 if body[at + 1] == _BLANK else at + 1  # as SDKs write it, or json.dumps
        if body.startswith(written, start):
            start += len(written)
            if body[start] == _BLANK:
                start += 1
        else:
            start = _after_key(body, at, key)
        if not body.startswith(value, start):
            start = _after_key(body, at, key)
            if not body.startswith(value, start):
                raise Malformed("a key is given twice")
        at = start + len(value)
        found[key] = (start, at)
    if found and body[at:] != b"}" and body[at:].strip(_SPACE) != b"}":
        raise Malformed("a key is given twice")
    return found


def _write(key: str) -> bytes:
    """A key as it mostly stands in a body; remembered."""
    if key not in WANTED and key.lower() in WANTED:
        raise Malformed(f"write the key {key!r} as {key.lower()!r}")
    written = b'"%b":' % key.encode()
    if len(_WRITTEN) < WRITTEN_MAX and len(written) <= WRITTEN_BYTES_MAX:
        _WRITTEN[key] = written
    return written


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


def _after_key(body: bytes, at: int, key: str) -> int:
    match = _NEXT.match(body, at)
    if match is None or _text.decode(b'"%b"' % match[1]) != key:
        raise Malformed("a key is given twice")
    return match.end()


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
