"""What the simulated model says: pieces of one token each, bounded, stopped and counted."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import msgspec

from dd0c.sim import prose, schemas, tokens, tools
from dd0c.sim.faults import Faults
from dd0c.sim.http import Refusal, encode
from dd0c.sim.schemas import Schema
from dd0c.sim.tools import Call, Tool

KEY_TEXT: Final = "You asked with the key {key}, and here is the answer. "
EFFORTS: Final = {  # how hard to think -> reasoning tokens, which OpenAI counts in steps of 64
    "none": 0,
    "minimal": 0,
    "low": 64,
    "medium": 192,
    "high": 512,
    "xhigh": 1024,
}


class Wish(msgspec.Struct, frozen=True):
    """What is wanted of the model, whichever dialect it was said in."""

    seed: bytes
    limit: int | None = None
    stops: tuple[str, ...] = ()
    calls: tuple[Tool, ...] = ()
    schema: Schema | None = None  # the answer is to be JSON of this kind
    reasoning: int = 0


class Reply(msgspec.Struct, frozen=True):
    """A text in the pieces it is streamed in, or calls. `tokens` are those that can be seen;
    `stopped_by` is the stop sequence that ended it."""

    pieces: tuple[str, ...]
    tokens: int
    cut_short: bool = False
    stopped_by: str | None = None
    calls: tuple[Call, ...] = ()
    reasoning: int = 0

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join(self.pieces)


def seed(model: str, conversation: list[tuple[str, str]]) -> bytes:
    """What the text follows from: the model and who said what."""
    return encode([model, conversation])


def say(wish: Wish, faults: Faults, key: str) -> Reply:
    """The reply to a wish: at most `limit` tokens, ended before any of its stop sequences."""
    reasoning = wish.reasoning if faults.reasoning is None else faults.reasoning
    limit = wish.limit
    if limit is not None and faults.reasoning is None:
        reasoning = min(reasoning, limit)  # thinking is paid from the same purse
        limit -= reasoning
    try:
        if wish.calls and faults.tokens is None and faults.events is None:
            return _call(wish, limit, reasoning)
        pieces = _compose(wish, faults)
    except schemas.Unsatisfied as error:
        raise Refusal(400, f"Invalid schema: {error}", code="invalid_json_schema") from None
    if faults.echo_key == "text":
        pieces = tokens.split(KEY_TEXT.format(key=key)) + pieces
    cut_short = limit is not None and limit < len(pieces)
    pieces = pieces[:limit]
    text = "".join(pieces) if wish.stops else ""
    ends = ((text.find(stop), stop) for stop in wish.stops if stop in text)
    end, stopped_by = min(ends, default=(0, None))
    if stopped_by is not None:
        pieces, cut_short = tokens.split(text[:end]), False
    count = len(pieces)
    if faults.events is not None:
        pieces = _regroup(pieces, faults.events)
    return Reply(pieces, count, cut_short, stopped_by, reasoning=reasoning)


def _compose(wish: Wish, faults: Faults) -> tuple[str, ...]:
    length = faults.events if faults.tokens is None else faults.tokens
    if wish.schema is not None and length is None:
        return tokens.split(encode(schemas.make(wish.schema)).decode())
    return prose.compose(wish.seed, length)


def _call(wish: Wish, limit: int | None, reasoning: int) -> Reply:
    """Calls, the last one broken off where the limit is reached."""
    made: list[Call] = []
    used, cut_short = 0, False
    for number, tool in enumerate(wish.calls):
        call = tools.call(tool, wish.seed, number)
        overhead = tokens.count(tool.name)
        left = None if limit is None else limit - used - overhead
        if left is not None and left < len(call.pieces):
            cut_short = True
            call = msgspec.structs.replace(call, pieces=call.pieces[: max(0, left)])
        made.append(call)
        used += overhead + len(call.pieces)
        if cut_short:
            used = limit or 0
            break
    return Reply((), used, cut_short, calls=tuple(made), reasoning=reasoning)


def _regroup(pieces: tuple[str, ...], events: int) -> tuple[str, ...]:
    edges = [len(pieces) * n // events for n in range(events + 1)] if events else []
    return tuple("".join(pieces[a:b]) for a, b in pairwise(edges))
