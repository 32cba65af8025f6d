"""What is known of a shell text after parsing: words, their parts, invocations, where they stand.

The two parsers speak of different trees; this is the one that everything behind them reads. A part
keeps what it is *before* expansion, because that is all that can be known without running it. Spans
are of the text that was judged first, also for parts of a text within a text where that is possible
(`sh -c '…'`), else of the word that held it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from dd0c.scan.models import Span


@dataclass(frozen=True, slots=True)
class Literal:
    """Characters that stand for themselves, after the removal of quotes."""

    text: str
    span: Span
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class Glob:
    """An unquoted pattern (`*`, `?`, `[…]`, `@(…)`) or brace expression: names not said."""

    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class Expansion:
    """`$name`, `${…}`, `$((…))`, `~user`: a value that is not said."""

    name: str | None
    """Of the variable; None for arithmetic."""
    span: Span
    quoted: bool
    """Whether it stays one word whatever its value."""
    edited: bool = False
    """Whether the text itself may say the value, or a part of it: `${x:-y}`, `${x/a/b}`."""


@dataclass(frozen=True, slots=True)
class Substitution:
    """`$(…)`, backticks, `<(…)`, `>(…)`: another script's output, or a path to it."""

    script: Script
    span: Span
    quoted: bool
    process: bool = False
    """Whether it is a path that the script writes or reads (`<(…)`, `>(…)`)."""


Part: TypeAlias = Literal | Glob | Expansion | Substitution


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a command; its parts in order."""

    parts: tuple[Part, ...]
    span: Span

    @property
    def text(self) -> str | None:
        """Its value, if all of it is said; None otherwise."""
        if all(isinstance(part, Literal) for part in self.parts):
            return "".join(part.text for part in self.parts if isinstance(part, Literal))
        return None

    @property
    def lead(self) -> str:
        """The characters it is known to begin with."""
        known = ""
        for part in self.parts:
            if not isinstance(part, Literal):
                break
            known += part.text
        return known

    @property
    def splits(self) -> bool:
        """Whether it may become several words, or none."""
        return any(
            isinstance(part, Glob)
            or (isinstance(part, Expansion | Substitution) and not part.quoted)
            for part in self.parts
        )


@dataclass(frozen=True, slots=True)
class Assignment:
    """`name=value` before a command, or alone, or of a declaring builtin."""

    name: str
    value: Word | None
    span: Span
    appends: bool = False


@dataclass(frozen=True, slots=True)
class Redirection:
    """`2> file`, `<<< word`, a here-document."""

    operator: str
    """As written: `>`, `>>`, `>|`, `<`, `<>`, `&>`, `&>>`, `>&`, `<&`, `<<`, `<<-`, `<<<`."""
    fd: int | None
    target: Word
    """The file, the number, the string of `<<<`; of a here-document its delimiter."""
    span: Span
    body: Word | None = None
    """Of a here-document."""


class Feed(Enum):
    """What a command finds on its standard input."""

    NOTHING = "nothing"
    TEXT = "text"
    """A here-document, a here-string, or what `echo` or `printf` says: `stdin_text` has it."""
    PIPE = "pipe"
    """The output of other commands."""
    FILE = "file"


@dataclass(frozen=True, slots=True)
class Place:
    """Where an invocation stands."""

    feed: Feed = Feed.NOTHING
    stdin_text: Word | None = None
    assigned: frozenset[str] = frozenset()
    """Variables that the text itself sets before or around it (also by read, for, printf -v)."""
    plain: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Those of `assigned` that the text sets to plain words only, with these words; one is empty
    where a program prints it."""
    functions: frozenset[str] = frozenset()
    """Names that the text defines as functions or aliases."""
    sources: tuple[Invocation, ...] = ()
    """Commands before it in its pipe: what it reads comes from them."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """One simple command: its words, what it is given, and where it stands."""

    words: tuple[Word, ...]
    """At least one; the first is the command word."""
    span: Span
    assignments: tuple[Assignment, ...] = ()
    redirections: tuple[Redirection, ...] = ()
    place: Place = field(default_factory=Place)


@dataclass(frozen=True, slots=True)
class Script:
    """A text that was parsed: every invocation in it, in order, whatever it stands in."""

    invocations: tuple[Invocation, ...] = ()
    assignments: tuple[Assignment, ...] = ()
    """That stand alone, without a command."""


Words: TypeAlias = Sequence[Word]
