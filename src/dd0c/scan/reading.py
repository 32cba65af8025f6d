"""Everything that a text does, collected before anything is judged."""

from __future__ import annotations

from dataclasses import dataclass, field

from dd0c.scan.judgement import Text
from dd0c.scan.models import Span
from dd0c.scan.syntax import Assignment, Invocation, Place, Redirection, Word


@dataclass(frozen=True, slots=True)
class Evaluated:
    """Something that bash reads as an expression: values in it are expressions again."""

    span: Span
    names: frozenset[str] = frozenset()
    texts: tuple[str, ...] = ()
    """Literal text that is evaluated."""
    unsaid: bool = False
    """Whether the output of a command is, and may be no number."""


@dataclass(frozen=True, slots=True)
class Use:
    """More than a value: `indirect` (`${!x}`), `prompt` (`${x@P}`), `history` (`!!`), `fork`
    (an endless loop that leaves commands behind)."""

    kind: str
    name: str | None
    span: Span


@dataclass(frozen=True, slots=True)
class Function:
    """A function that the text defines."""

    name: str
    span: Span
    calls: tuple[Invocation, ...]
    forks: bool
    """Whether something in it goes to the background or into a pipe."""


@dataclass(slots=True)
class Reading:
    """All that a text does, before anything is judged."""

    place: Place = field(default_factory=Place)
    """Of all of it: which names it sets."""
    invocations: list[Invocation] = field(default_factory=list)
    assignments: list[Assignment] = field(default_factory=list)
    """That stand alone."""
    redirections: list[Redirection] = field(default_factory=list)
    """Of compound commands, or without a command."""
    evaluated: list[Evaluated] = field(default_factory=list)
    uses: list[Use] = field(default_factory=list)
    functions: list[Function] = field(default_factory=list)
    values: dict[str, list[Word | None]] = field(default_factory=dict)
    """What each variable is set to; None where that is not said."""
    numeric: set[Span] = field(default_factory=set)
    """Substitutions whose output is a number."""
    texts: list[Text] = field(default_factory=list)
    """Texts that bash reads otherwise than the parser does: to be judged as well."""
    commands: set[Span] = field(default_factory=set)
    """Where command words stand in the text that was parsed."""
