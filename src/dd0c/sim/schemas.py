"""A small valid instance of a JSON schema: what a model with structured outputs would answer.

It covers what providers accept in strict mode: types, enum, const, anyOf, $ref with recursion,
bounds of numbers, strings and arrays, formats. What it cannot satisfy it refuses by name: an answer
that does not validate would teach a caller's code the wrong lesson.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final

Schema = dict[str, Any]
DEPTH_MAX: Final = 24
STEPS_MAX: Final = 20_000  # values tried for one instance: recursion may branch at every depth
TEXT_MAX: Final = 10_000  # characters that a schema may demand
DEPTH_OF_CHOICE: Final = 3  # from here on the last alternative is taken: it tends to be null
REFUSED: Final = ("not", "if", "dependentSchemas", "dependentRequired", "propertyNames", "contains")
FORMATS: Final = {
    "date-time": "2026-01-01T09:00:00Z",
    "date": "2026-01-01",
    "time": "09:00:00Z",
    "duration": "PT1H",
    "email": "simulated@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uuid": "00000000-0000-4000-8000-00000000000%x",
    "uri": "https://example.com/",
}
MALFORMED: Final = (
    *(TypeError, AttributeError, LookupError, ValueError, ArithmeticError, re.error),
)  # what a schema of the wrong shape leads to
SAMPLES: Final = (
    "a A ab abc ABC Abc AB simulated Simulated A1 a1 AB12 x_1 a-b AB-1234 USD en-GB en_GB "
    "0 1 12 123 1234 12345 123456 12345-6789 12:30 1.0 1.25 1.2.3 $1.00 +15550100 555-0100 "
    "#a1b2c3 @simulated /simulated simulated.txt"
)


class Unsatisfied(Exception):
    """No instance can be made here; the message names the part of the schema."""


def make(schema: Schema, name: str = "answer") -> Any:
    """A valid instance of a schema; Unsatisfied when it asks for more than this module knows."""
    try:
        return _make(schema, _Place(schema, name))
    except MALFORMED as error:
        raise Unsatisfied(f"{name}: the schema is malformed: {error}") from None


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in the schema we are: the root for references, a name for texts, a number for items
    that must differ, and the steps taken so far, one sequence for all places."""

    root: Schema
    name: str
    number: int = 0
    depth: int = 0
    steps: Iterator[int] = field(default_factory=count)

    def inside(self, name: str, number: int = 0) -> _Place:
        if self.depth > DEPTH_MAX or next(self.steps) > STEPS_MAX:
            raise Unsatisfied(f"{name}: the schema has no end")
        return _Place(self.root, name, number, self.depth + 1, self.steps)


def _make(schema: Any, place: _Place) -> Any:
    if schema is True or schema == {}:
        return f"simulated {place.name}"
    if not isinstance(schema, dict):
        raise Unsatisfied(f"{place.name}: {schema!r} allows nothing")
    for word in REFUSED:
        if word in schema:
            raise Unsatisfied(f"{place.name}: the simulator knows no `{word}`")
    if "$ref" in schema:
        rest = {key: value for key, value in schema.items() if key != "$ref"}
        return _make(_resolved(schema["$ref"], place) | rest, place.inside(place.name))
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][place.number % len(schema["enum"])]
    for word in ("anyOf", "oneOf"):
        if word in schema:
            return _choose(schema, word, place)
    if "allOf" in schema:
        return _make(_merged(schema, place), place.inside(place.name))
    if schema.get("examples"):
        return schema["examples"][place.number % len(schema["examples"])]
    return _MAKERS[_type(schema, place)](schema, place)


def _resolved(reference: str, place: _Place) -> Schema:
    found: Any = place.root
    if not reference.startswith("#"):
        raise Unsatisfied(f"{place.name}: {reference} is not in this schema")
    for step in filter(None, reference[1:].split("/")):
        found = found.get(step.replace("~1", "/").replace("~0", "~")) if found else None
    if not isinstance(found, dict):
        raise Unsatisfied(f"{place.name}: {reference} is not in this schema")
    return found


def _choose(schema: Schema, word: str, place: _Place) -> Any:
    """The first alternative that can be made; deep down the last one, so that recursion ends."""
    rest = {key: value for key, value in schema.items() if key != word}
    branches = schema[word] if place.depth < DEPTH_OF_CHOICE else reversed(schema[word])
    problem = Unsatisfied(f"{place.name}: {word} is empty")
    for branch in branches:
        try:
            return _make(_joined(rest, branch, place), place.inside(place.name))
        except Unsatisfied as error:
            problem = error
    raise problem


def _merged(schema: Schema, place: _Place) -> Schema:
    merged = {key: value for key, value in schema.items() if key != "allOf"}
    for part in schema["allOf"]:
        merged = _joined(merged, part, place)
    return merged


def _joined(left: Schema, right: Schema, place: _Place) -> Schema:
    if not isinstance(right, dict):
        raise Unsatisfied(f"{place.name}: {right!r} allows nothing")
    if "$ref" in right:
        right = _resolved(right["$ref"], place) | {k: v for k, v in right.items() if k != "$ref"}
    joined = left | right
    if "properties" in left and "properties" in right:
        joined["properties"] = left["properties"] | right["properties"]
    if "required" in left and "required" in right:
        joined["required"] = [*left["required"], *right["required"]]
    return joined


def _type(schema: Schema, place: _Place) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = kind[0] if place.depth < DEPTH_OF_CHOICE else kind[-1]
    if kind is None:
        hints = (("properties", "object"), ("items", "array"), ("minimum", "number"))
        kind = next((kind for word, kind in hints if word in schema), "string")
    if kind not in _MAKERS:
        raise Unsatisfied(f"{place.name}: there is no type {kind!r}")
    return str(kind)


def _object(schema: Schema, place: _Place) -> Schema:
    known = schema.get("properties", {})
    names = list(dict.fromkeys(schema.get("required", [])))
    names += [n for n in known if n not in names][
        : max(0, schema.get("minProperties", 0) - len(names))
    ]
    if not all(isinstance(name, str) for name in names):
        raise Unsatisfied(f"{place.name}: names in `required` are texts")
    return {n: _make(known.get(n, {}), place.inside(n, place.number)) for n in names}


def _array(schema: Schema, place: _Place) -> list[Any]:
    first = schema.get("prefixItems", [])
    size = max(schema.get("minItems", 0), min(1, schema.get("maxItems", 1)), len(first))
    rest = schema.get("items", {})
    return [
        _make(first[n] if n < len(first) else rest, place.inside(place.name, n))
        for n in range(size)
    ]


def _string(schema: Schema, place: _Place) -> str:
    least, most = schema.get("minLength", 0), schema.get("maxLength", math.inf)
    if least > min(most, TEXT_MAX):
        raise Unsatisfied(f"{place.name}: no text is that long")
    if "pattern" in schema:
        for text in (*FORMATS.values(), *SAMPLES.split(), "simulated text"):
            if re.search(schema["pattern"], text) and least <= len(text) <= most:
                return text
        message = f"{place.name}: no text for the pattern {schema['pattern']!r} is known"
        raise Unsatisfied(f"{message}: give the schema `examples`")
    if "format" in schema:
        text = FORMATS.get(schema["format"], f"simulated {place.name}")
        return text.replace("%x", f"{place.number % 16:x}")
    text = f"simulated {place.name}" + (f" {place.number}" if place.number else "")
    text = text.ljust(least, ".")
    return text if len(text) <= most else text[len(text) - int(most) :]


def _number(schema: Schema, place: _Place) -> int | float:
    whole = schema.get("type") == "integer" or "integer" in str(schema.get("type"))
    low, high = schema.get("minimum", -math.inf), schema.get("maximum", math.inf)
    over, under = (
        schema.get("exclusiveMinimum", -math.inf),
        schema.get("exclusiveMaximum", math.inf),
    )
    step = schema.get("multipleOf", 1)
    start = max(low, over)
    if start == -math.inf:
        start = min(0, high, under)
    for extra in (place.number, 0):
        value = math.ceil(start / step) * step + extra * step
        for candidate in (value, value + step, value - step):
            if low <= candidate <= high and over < candidate < under:
                return int(candidate) if whole else candidate
    if not whole and "multipleOf" not in schema and max(low, over) < min(high, under):
        return float((max(low, over) + min(high, under)) / 2)
    raise Unsatisfied(f"{place.name}: no number is within the bounds")


_MAKERS: Final[dict[str, Callable[[Schema, _Place], Any]]] = {
    "object": _object,
    "array": _array,
    "string": _string,
    "integer": _number,
    "number": _number,
    "boolean": lambda _schema, _place: True,
    "null": lambda _schema, _place: None,
}
