"""What a runbook is read into. Spans count characters of the source from 0, lines count from 1."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from dd0c.scan.models import Span


class Format(StrEnum):
    """How a runbook is written."""

    MARKDOWN = "markdown"
    HTML = "html"
    TEXT = "text"


class StepKind(StrEnum):
    """What a step asks of its reader."""

    COMMAND = "command"
    CHECK = "check"
    WAIT = "wait"
    DECISION = "decision"
    MANUAL = "manual"
    CALL = "call"


class Command(msgspec.Struct, frozen=True):
    """One complete command as the shell reads it: no prompt, no backslash-newline."""

    line: int
    """Where it begins."""
    span: Span
    """Where it stands in the source, prompts and breaks within it included."""
    text: str
    inferred: bool = False
    """The source does not delimit it: shown, never run by itself."""


class Variable(msgspec.Struct, frozen=True):
    """A variable that a step's commands use, and where its value comes from."""

    name: str
    step: int | None = None
    """The step, counted from 0, whose command sets it; absent: the reader fills it."""


class Step(msgspec.Struct, frozen=True):
    """One thing that a runbook tells its reader to do. What is absent the runbook does not say."""

    kind: StepKind
    section: tuple[str, ...]
    """The headings above it, from the first level down, without markup."""
    lines: tuple[int, int]
    """The first and the last that it was made from."""
    span: Span
    title: str
    """Words of the source."""
    tool: str | None = None
    """What reads the commands or the query (shell, powershell, promql, sql …); absent: a person."""
    commands: tuple[Command, ...] = ()
    query: str | None = None
    """What is typed where the tool is no shell."""
    placeholders: tuple[str, ...] = ()
    """What must be filled before it can run, as spelled, each once."""
    interactive: bool = False
    """Opens a session, or needs a terminal."""
    expected: str | None = None
    timeout_s: int | None = None
    rollback: str | None = None
    """How the runbook says to undo it; absent: none known."""
    references: tuple[str, ...] = ()
    """Targets of its links, as written."""
    variables: tuple[Variable, ...] = ()


class Remark(msgspec.Struct, frozen=True):
    """Something that whoever wrote the runbook should know about how it was read."""

    line: int | None
    text: str


class Parsed(msgspec.Struct, frozen=True):
    """A runbook as it was read."""

    format: Format
    steps: tuple[Step, ...]
    remarks: tuple[Remark, ...] = ()
