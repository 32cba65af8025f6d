"""Bodies: our spans of a JSON object beside `json.loads` (R-3, R-33).

Where we find spans, the body is one object with each key once, no key only looks like one of ours,
and each span is the text of exactly that key's value.
"""

from __future__ import annotations

import json
from typing import Any

from dd0c.products.route.hotpath.jsonspan import Malformed, spans
from tests.fuzz.reference import Mismatch

OURS = ("model", "stream", "stream_options")


class Refused(ValueError):
    """What `json` takes and JSON does not have."""


def check(body: bytes) -> None:
    """Raise Mismatch where our spans are not what `json` sees."""
    try:
        found: dict[str, tuple[int, int]] | None = spans(body)
    except Malformed:
        found = None
    try:
        pairs = _pairs(body)
    except (ValueError, RecursionError) as error:
        if found is not None:
            raise Mismatch(f"{found} was found in what is no JSON: {error}") from None
        return
    if pairs is None:
        if found is not None:
            raise Mismatch(f"{found} was found in what is no object")
        return
    keys = [key for key, _ in pairs]
    good = len(set(keys)) == len(keys) and all(k in OURS or k.lower() not in OURS for k in keys)
    if found is None:
        if good and _is_plain(body):
            raise Mismatch("a good object was refused")
        return
    if not good or list(found) != keys:
        raise Mismatch(f"{list(found)} were found where the keys are {keys}")
    for key, value in pairs:
        start, end = found[key]
        if body[start:end] != body[start:end].strip() or _same(body[start:end]) != _form(value):
            raise Mismatch(f"{body[start:end]!r} is not the value of {key!r}, {value!r}")


def _pairs(body: bytes) -> list[tuple[str, Any]] | None:
    """The pairs of an object; None if it is something else."""
    made: list[list[tuple[str, Any]]] = []

    def note(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made.append(pairs)
        return dict(pairs)

    found = json.loads(body.decode(), object_pairs_hook=note, parse_constant=_refuse)
    return made[-1] if isinstance(found, dict) else None


def _same(text: bytes) -> str:
    return _form(json.loads(text, parse_constant=_refuse))


def _form(value: object) -> str:
    return json.dumps(value)


def _is_plain(body: bytes) -> bool:
    """Whether nothing is in it that may be refused though it is JSON: depth, lone surrogates and
    numbers that no float holds."""
    return b"\\u" not in body and body.count(b"[") + body.count(b"{") < 100 and b"e" not in body


def _refuse(name: str) -> None:
    raise Refused(name)
