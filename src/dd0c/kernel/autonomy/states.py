"""What a panic is, what begins and ends it, and what several channels say together. No I/O."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class Mode(StrEnum):
    """How far an organisation lets products act by themselves."""

    AUDIT = "audit"
    STRICT = "strict"


class Panic(StrEnum):
    """What is left while a panic is on: requests as they came, or none."""

    PASSTHROUGH = "passthrough"
    HALT = "halt"


class Event(StrEnum):
    """What somebody asks for."""

    PASSTHROUGH = "passthrough"
    HALT = "halt"
    END = "end"


class Effect(StrEnum):
    """What comes of it. `begin` makes a new epoch: what was approved before it stays dead."""

    BEGIN = "begin"
    END = "end"
    NOTHING = "nothing"
    REFUSE = "refuse"


class Channel(StrEnum):
    """How the word reaches a process."""

    DATABASE = "database"
    CACHE = "cache"
    FILE = "file"


State = Panic | None

_PASSTHROUGH, _HALT = Panic.PASSTHROUGH, Panic.HALT

TABLE: dict[tuple[State, Event], tuple[State, Effect]] = {
    (None, Event.PASSTHROUGH): (_PASSTHROUGH, Effect.BEGIN),
    (None, Event.HALT): (_HALT, Effect.BEGIN),
    (None, Event.END): (None, Effect.NOTHING),
    (_PASSTHROUGH, Event.PASSTHROUGH): (_PASSTHROUGH, Effect.NOTHING),
    (_PASSTHROUGH, Event.HALT): (_HALT, Effect.BEGIN),
    (_PASSTHROUGH, Event.END): (None, Effect.END),
    (_HALT, Event.PASSTHROUGH): (_HALT, Effect.REFUSE),  # who presses the brake loosens nothing
    (_HALT, Event.HALT): (_HALT, Effect.NOTHING),
    (_HALT, Event.END): (None, Effect.END),
}

STRICTNESS: tuple[State, ...] = (None, _PASSTHROUGH, _HALT)


def strictest(words: Iterable[State]) -> State:
    """What holds when these are said at once."""
    return max(words, key=STRICTNESS.index, default=None)
