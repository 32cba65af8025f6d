"""Price files, TOML or JSON, as the API takes them: numbers become text as they are written.

What a price may hold is decided by the server; here a file is only read, so that no number passes
through a float, and its errors are told by where they are in the file.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

from dd0c.base.errors import InvalidInput

BYTES_MAX = 1_000_000
_BEGINS = re.compile(r"^[ \t]*\[\[[ \t]*prices[ \t]*\]\]", re.MULTILINE)
_LIST = re.compile(r'"prices"\s*:\s*\[')
_BETWEEN = re.compile(r"[\s,]*")
_PLACE = re.compile(r"body\.prices\.(\d+)(?:\.(\w+))?")


@dataclass(frozen=True, slots=True)
class Source:
    """The text of a file, and where in it each price begins and ends; not where TOML has them in
    one line."""

    path: Path
    text: str
    spans: tuple[tuple[int, int], ...]

    def name(self, index: int, field: str | None = None) -> str:
        """Where a price stands, or its field; that of tiers is where they begin."""
        return f"{self.path}{self._line(index, field)}, prices.{index}"

    def _line(self, index: int, field: str | None) -> str:
        if index >= len(self.spans):
            return ""
        at, end = self.spans[index]
        written = rf"""(?:^|[{{,])\s*(["']?){field}\1\s*[=:]"""
        if field and (found := re.compile(written, re.MULTILINE).search(self.text, at, end)):
            at = found.end()
        return f", line {self.text.count(chr(10), 0, at) + 1}"


@dataclass(frozen=True, slots=True)
class PriceFile:
    """The prices of a file."""

    source: Source
    prices: list[Any]

    def place(self, message: str) -> str:
        """The server's message, with places in its request told as places in the file."""
        return _PLACE.sub(self._name, message)

    def _name(self, match: re.Match[str]) -> str:
        field = match[2] or ""
        return self.source.name(int(match[1]), field) + (field and f".{field}")


def read(path: Path) -> PriceFile:
    """The file at `path`; InvalidInput says what is wrong with it, and on which line."""
    if path.stat().st_size > BYTES_MAX:
        raise InvalidInput(f"{path} is larger than {BYTES_MAX:,} bytes")
    try:
        text = path.read_text()
        found = _parse(text, is_json=path.suffix.lower() == ".json")
    except (ValueError, RecursionError) as error:  # of TOML, JSON and UTF-8 alike
        raise InvalidInput(f"{path}: {error}", hint="it must be TOML, or .json for JSON") from None
    if not isinstance(found, dict):
        raise InvalidInput(f"{path}: must be an object with `unit` and `prices`")
    if unknown := found.keys() - {"unit", "prices"}:
        raise InvalidInput(f"{path}: {min(unknown)}: only `unit` and `prices` stand at the top")
    prices = found.get("prices")
    if not isinstance(prices, list):
        raise InvalidInput(f"{path}: prices: must be a list", hint="see the example in --help")
    spans = _of_json(text) if path.suffix.lower() == ".json" else _of_toml(text)
    source = Source(path, text, tuple(spans))
    made = [_price(source, n, one, found.get("unit")) for n, one in enumerate(prices)]
    return PriceFile(source, made)


def _of_toml(text: str) -> Iterator[tuple[int, int]]:
    begins = [match.start() for match in _BEGINS.finditer(text)]
    return pairwise([*begins, len(text)])


def _of_json(text: str) -> Iterator[tuple[int, int]]:
    found, decoder = _LIST.search(text), json.JSONDecoder()
    at = _skip(text, found.end()) if found else len(text)
    while at < len(text) and text[at] != "]":
        _, end = decoder.raw_decode(text, at)
        yield at, end
        at = _skip(text, end)


def _skip(text: str, at: int) -> int:
    between = _BETWEEN.match(text, at)
    return between.end() if between else at


def _parse(text: str, *, is_json: bool) -> Any:
    if not is_json:
        return tomllib.loads(text, parse_float=Decimal)
    return json.loads(
        text, parse_float=Decimal, parse_constant=str, object_pairs_hook=_without_twins
    )


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(n for n in names if names.count(n) > 1)!r} is there twice")
    return made


def _price(source: Source, index: int, one: Any, unit: Any) -> Any:
    if not isinstance(one, Mapping):
        raise InvalidInput(f"{source.name(index)}: must have `provider`, `model` and `tiers`")
    if unit is None and "unit" not in one:
        raise InvalidInput(
            f"{source.name(index)}.unit: must be said, here or for the file",
            hint='unit = "usd_per_million_tokens", for example',
        )
    made = {"unit": unit} | {name: _text(value) for name, value in one.items()}
    if isinstance(tiers := one.get("tiers"), list):
        made["tiers"] = [_tier(tier) for tier in tiers]
    return made


def _tier(tier: Any) -> Any:
    if not isinstance(tier, Mapping):
        return tier
    return {
        name: value if name == "above" else _text(str(value) if _is_int(value) else value)
        for name, value in tier.items()
    }


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _text(value: Any) -> Any:
    """A number as decimal text without an exponent, a moment as the API takes it."""
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).isoformat()
    if isinstance(value, date):
        return f"{value.isoformat()}T00:00:00+00:00"
    return value
