"""Which tools the simulated model calls, and with what arguments.

It calls a tool when it may, unless the last word is a tool's result: then it answers in text. So an
agent's loop makes one call and ends, the same way each time. `x-sim-fault: calls=2` makes more.
"""

from __future__ import annotations

import hashlib
from itertools import cycle, islice
from typing import Literal

import msgspec

from dd0c.sim import schemas, tokens
from dd0c.sim.http import encode
from dd0c.sim.schemas import Schema


class Tool(msgspec.Struct, frozen=True):
    """A function the caller offers."""

    name: str
    schema: Schema


class Choice(msgspec.Struct, frozen=True):
    """What the caller wants: `name` with mode "required" is that tool and no other."""

    mode: Literal["auto", "none", "required"] = "auto"
    name: str | None = None
    parallel: bool = True


class Call(msgspec.Struct, frozen=True):
    """One call, its arguments as JSON in the pieces they are streamed in."""

    key: str  # what ids are made of
    name: str
    pieces: tuple[str, ...]

    @property
    def arguments(self) -> str:
        """The whole JSON text."""
        return "".join(self.pieces)


def select(
    tools: list[Tool], choice: Choice, *, answered: bool, asked: int | None = None
) -> list[Tool]:
    """The tools to call now, in order; `answered` says that a result was just given."""
    if not tools or choice.mode == "none" or asked == 0:
        return []
    if asked is None:
        asked = 0 if choice.mode == "auto" and answered else 1
    if not choice.parallel:
        asked = min(asked, 1)
    offered = [tool for tool in tools if choice.name in (None, tool.name)]
    return list(islice(cycle(offered), asked))


def call(tool: Tool, seed: bytes, number: int) -> Call:
    """A call of a tool with valid arguments; Unsatisfied when its schema asks for too much."""
    key = hashlib.blake2b(b"%b%d" % (seed, number), digest_size=12).hexdigest()
    made = encode(schemas.make(tool.schema, tool.name)).decode()
    return Call(key, tool.name, tokens.split(made))
