"""What a reader of a language says of a program: facts with their places, decided once.

A reader is a pure function from text to facts. It does not know where the text stood, how the shell
quoted it, or what else was found; `languages.judge` knows that and makes findings of the facts.
Shell text within a program (`system("…")`, psql's `\\!`) and names of files are handed back
unjudged, for the parts of the scan whose matter they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from dd0c.scan.models import Effect, Risk

CHARS_MAX = 20_000
"""Of one program; a longer one is not read: no person approves what does not fit on ten screens."""

FACTS_MAX = 500
"""Of one program; more is not listed."""


@dataclass(frozen=True, slots=True)
class Fact:
    """The program does this, from `start` up to `end` of its text."""

    risk: Risk
    rule: str
    reason: str
    start: int
    end: int
    effects: frozenset[Effect] = frozenset()


@dataclass(frozen=True, slots=True)
class Command:
    """Shell text that the program runs, and where it stands in the program."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class File:
    """A file that the program opens by a name it says."""

    path: str
    start: int
    end: int
    writes: bool


Found: TypeAlias = Fact | Command | File
Facts: TypeAlias = Iterator[Found]


def named(names: str) -> frozenset[str]:
    """Names that are written as one text, with blanks between them."""
    return frozenset(names.split())


def caution(rule: str, reason: str, start: int, end: int, *effects: Effect) -> Fact:
    """Something that changes the world, within bounds."""
    return Fact(Risk.CAUTION, rule, reason, start, end, frozenset(effects))


def dangerous(rule: str, reason: str, start: int, end: int, *effects: Effect) -> Fact:
    """Something that destroys, has no bounds, or cannot be known."""
    return Fact(Risk.DANGEROUS, rule, reason, start, end, frozenset(effects))


def unreadable(what: str, start: int, end: int) -> Fact:
    """The reader lost its way here: from here on the program may do anything."""
    return dangerous("program-unreadable", f"This cannot be read as {what}.", start, end)


def starts(command: str, start: int, end: int) -> Facts:
    """The program hands the shell this literal text."""
    yield caution("runs-command", "The program starts a command of its own.", start, end)
    if command.strip():
        yield Command(command, start, end)


def feeds(command: str, start: int, end: int) -> Facts:
    """The program pipes what it prints into this literal shell text."""
    yield from starts(f"cat | {command}" if command.strip() else command, start, end)


def starts_unknown(start: int, end: int) -> Fact:
    """The program hands the shell text that is put together while it runs."""
    return dangerous(
        "runs-unknown-command", "The program starts a command that is not said here.", start, end
    )
