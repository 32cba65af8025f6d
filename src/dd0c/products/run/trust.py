"""How far a step is trusted, and what takes that away: a table, without I/O (N-20).

Trust is of a step as it stands: of its basis (`identity.py`) under the rules that judged it. An
edit ends it, of the step itself or of one that it takes a value from; an edit elsewhere leaves it
alone. Other rules leave so much that a person confirms each time. Nothing here raises it: clean
runs do.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum


class Level(IntEnum):
    """What may happen without being asked for."""

    SHOW = 0  # it is shown, and a person does it
    CONFIRM = 1  # a person confirms each step
    SAFE_ALONE = 2  # safe steps run by themselves
    CAUTION_ALONE = 3  # safe steps and those that need care do; two people for dangerous ones


class Why(StrEnum):
    """What decided the level last."""

    NEW = "new"
    EDITED = "edited"
    RESTS = "rests_on_edited"
    RULES = "other_rules"


MOST = {
    Why.NEW: Level.SHOW,
    Why.EDITED: Level.SHOW,
    Why.RESTS: Level.SHOW,
    Why.RULES: Level.CONFIRM,
}
"""What is left at most."""

SENTENCES = {
    Why.NEW: "It has never been run.",
    Why.EDITED: "It was edited, and has not been run since.",
    Why.RESTS: "It takes a value from a step that was edited, and has not been run since.",
    Why.RULES: "Its commands are judged by other rules than when it was trusted.",
}


@dataclass(frozen=True, slots=True)
class Trust:
    """How far a step is trusted, why, and as what: its basis, under this pack of rules (empty: it
    has no command that rules would judge)."""

    level: Level
    why: Why
    basis: bytes
    pack: str


def start(basis: bytes, pack: str) -> Trust:
    """Of a step that nobody has seen before."""
    return Trust(Level.SHOW, Why.NEW, basis, pack)


def carry(before: Trust, basis: bytes, pack: str, *, edited: bool) -> Trust:
    """Of the same step in another version, or under today's rules. `edited`: it says something else
    itself."""
    level, why = before.level, before.why
    for cause, happened in (
        (Why.RULES, pack != before.pack),
        (Why.RESTS, basis != before.basis),
        (Why.EDITED, edited),
    ):
        if happened and level >= MOST[cause]:
            level, why = MOST[cause], cause
    return Trust(level, why, basis, pack)
