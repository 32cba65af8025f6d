"""Steps with the verdicts on their commands: read a text, judge what it says to type. No I/O.

The tables of the scanner are of shell commands as bash reads them. What another program reads
(PowerShell, a database's prompt) is judged too, but nothing it says makes that harmless.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from dd0c.base.errors import TooLarge
from dd0c.products.run.models import Format, Parsed, Step
from dd0c.scan.models import Finding, Risk, Span, Verdict

SOURCE_BYTES_MAX = 1_048_576
COMMANDS_MAX = 1_000
CHARACTERS_MAX = 100_000
"""Of all commands: a word takes a tenth of a millisecond to judge."""
BATCH = 50
"""Commands that are judged at once: the first steps are shown while others are judged."""

SHELL = "shell"
OTHER_LANGUAGE = "unread-code"


class JudgedStep(msgspec.Struct, frozen=True):
    """A step, and the verdicts on its commands in their order."""

    step: Step
    verdicts: tuple[Verdict, ...] = ()

    @property
    def risk(self) -> Risk | None:
        """Of the worst command; None: it has none."""
        return max((verdict.risk for verdict in self.verdicts), default=None)


def read(source: str, format: Format | None) -> Parsed:
    """What a text says to do; without a format it is told from the text. TooLarge."""
    from dd0c.products.run.parsing import reading  # its libraries are for those who read

    parsed = reading.parse(source, format)
    require_bounds([command.text for step in parsed.steps for command in step.commands])
    return parsed


def require_bounds(texts: Sequence[str]) -> None:
    """TooLarge unless these can be judged while somebody waits."""
    characters = sum(map(len, texts))
    for what, found, most in (
        ("commands", len(texts), COMMANDS_MAX),
        ("characters of commands", characters, CHARACTERS_MAX),
    ):
        if found > most:
            raise TooLarge(
                f"this has {found:,} {what}, and {most:,} are judged at once",
                hint="divide it",
            )


def judge(steps: Sequence[Step]) -> list[JudgedStep]:
    """The steps with their verdicts, all commands judged in one call."""
    from dd0c.scan import verdicts

    found = iter(verdicts.judge([command.text for step in steps for command in step.commands]))
    return [
        JudgedStep(step, tuple(_of_language(step.tool, next(found)) for _ in step.commands))
        for step in steps
    ]


def batches(steps: Sequence[Step]) -> Iterator[list[Step]]:
    """The steps in order, so many at a time that a batch has about BATCH commands."""
    batch: list[Step] = []
    commands = 0
    for step in steps:
        batch.append(step)
        commands += len(step.commands)
        if commands >= BATCH or len(batch) >= BATCH:
            yield batch
            batch, commands = [], 0
    if batch:
        yield batch


def _of_language(tool: str | None, verdict: Verdict) -> Verdict:
    """The verdict, at least dangerous where it is no shell that reads the command."""
    if tool in (None, SHELL) or verdict.risk >= Risk.DANGEROUS:
        return verdict
    why = Finding(
        Risk.DANGEROUS,
        OTHER_LANGUAGE,
        Span(0, len(verdict.text)),
        f"this is read by {tool}, whose commands are not known here",
    )
    return msgspec.structs.replace(verdict, risk=Risk.DANGEROUS, findings=(why, *verdict.findings))
