"""Price files, TOML or JSON, as the API takes them: numbers become text as they are written.

What a price may hold is decided by the server; here a file is only read, so that no number passes
through a float, and its errors are told by where they are in the file.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from dd0c.base.errors import InvalidInput

BYTES_MAX = 1_000_000
_BEGINS = re.compile(r"^[ \t]*\[\[[ \t]*prices[ \t]*\]\]", re.MULTILINE)
_PLACE = re.compile(r"body\.prices\.(\d+)")


@dataclass(frozen=True, slots=True)
class PriceFile:
    """The prices of a file, and the lines on which they begin where it is TOML."""

    path: Path
    prices: list[Any]
    lines: tuple[int, ...]

    def place(self, message: str) -> str:
        """The server's message, with places in its request told as places in the file."""
        return _PLACE.sub(lambda match: self._name(int(match[1])), message)

    def _name(self, index: int) -> str:
        line = f", line {self.lines[index]}" if index < len(self.lines) else ""
        return f"{self.path}{line}, prices.{index}"


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
    made = [_price(path, n, one, found.get("unit")) for n, one in enumerate(prices)]
    begins = (text.count("\n", 0, match.start()) + 1 for match in _BEGINS.finditer(text))
    return PriceFile(path, made, () if path.suffix.lower() == ".json" else tuple(begins))


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


def _price(path: Path, index: int, one: Any, unit: Any) -> Any:
    if not isinstance(one, Mapping):
        raise InvalidInput(f"{path}, prices.{index}: must have `provider`, `model` and `tiers`")
    if unit is None and "unit" not in one:
        raise InvalidInput(
            f"{path}: unit: must be said, for the file or for prices.{index}",
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
