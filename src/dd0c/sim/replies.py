"""What the simulated model says: pieces of one token each, bounded, stopped and counted."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import msgspec

from dd0c.sim import prose, tokens
from dd0c.sim.faults import Faults
from dd0c.sim.http import encode

KEY_TEXT: Final = "You asked with the key {key}, and here is the answer. "


class Reply(msgspec.Struct, frozen=True):
    """A text in the pieces it is streamed in. `stopped_by` is the stop sequence that ended it."""

    pieces: tuple[str, ...]
    tokens: int
    cut_short: bool = False
    stopped_by: str | None = None

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join(self.pieces)


def seed(model: str, conversation: list[tuple[str, str]]) -> bytes:
    """What the text follows from: the model and who said what."""
    return encode([model, conversation])


def say(seed: bytes, limit: int | None, stops: list[str], faults: Faults, key: str) -> Reply:
    """The reply to a conversation: at most `limit` tokens, ended before any of `stops`."""
    pieces = prose.compose(seed, faults.events if faults.tokens is None else faults.tokens)
    if faults.echo_key == "text":
        pieces = tokens.split(KEY_TEXT.format(key=key)) + pieces
    cut_short = limit is not None and limit < len(pieces)
    pieces = pieces[:limit]
    text = "".join(pieces) if stops else ""
    end, stopped_by = min(((text.find(s), s) for s in stops if s in text), default=(0, None))
    if stopped_by is not None:
        pieces, cut_short = tokens.split(text[:end]), False
    count = len(pieces)
    if faults.events is not None:
        pieces = _regroup(pieces, faults.events)
    return Reply(pieces, count, cut_short, stopped_by)


def _regroup(pieces: tuple[str, ...], events: int) -> tuple[str, ...]:
    edges = [len(pieces) * n // events for n in range(events + 1)] if events else []
    return tuple("".join(pieces[a:b]) for a, b in pairwise(edges))
