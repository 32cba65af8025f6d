"""What flags.toml says of each flag. Pure, but for reading the file that comes with the program."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import date
from importlib import resources
from typing import Annotated, Literal, TypeAlias

import msgspec

from dd0c.base.errors import InvalidInput

NAME = "flags.toml"


class Declared(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A flag as it is introduced. `initial`: percent of the organisations that it is on for."""

    kind: Literal["operation", "release"]
    safe: bool
    initial: Annotated[int, msgspec.Meta(ge=0, le=100)]
    introduced: date
    destructive: bool
    owner: Annotated[str, msgspec.Meta(min_length=1)]
    why: Annotated[str, msgspec.Meta(min_length=1)]


Flagfile: TypeAlias = Mapping[str, Declared]


def load() -> Flagfile:
    """The flags of this program."""
    return parse(resources.files("dd0c").joinpath(NAME).read_text(encoding="utf-8"))


def parse(text: str) -> Flagfile:
    """The flags of a text; InvalidInput says what is wrong with it."""
    try:
        return msgspec.convert(tomllib.loads(text), dict[str, Declared])
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise InvalidInput(f"{NAME}: {error}") from None
