"""How the steps of a runbook look on a terminal, and as JSON.

Titles, commands and all else of a runbook is somebody else's text: what of it does not print is
written out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from dd0c.cli import output, verdicts
from dd0c.cli.verdicts import paint
from dd0c.products.run.judging import JudgedStep
from dd0c.products.run.models import Command, Parsed, StepKind
from dd0c.scan.models import Risk, Verdict

INDENT = " " * 4
KIND_WIDTH = max(len(kind) for kind in StepKind)
LINES_SHOWN = 4


def as_json(position: int, judged: JudgedStep) -> dict[str, Any]:
    """The step as the API shows it."""
    step = judged.step
    commands = zip(step.commands, judged.verdicts, strict=True)
    return {
        "position": position,
        **msgspec.to_builtins(step),
        "risk": None if judged.risk is None else judged.risk.label,
        "commands": [
            msgspec.to_builtins(command) | {"verdict": verdicts.as_json(verdict)}
            for command, verdict in commands
        ],
        "variables": [
            {"name": one.name, "step": None if one.step is None else one.step + 1}
            for one in step.variables
        ],
    }


def draw(position: int, judged: JudgedStep, filled: Risk | None) -> Iterator[str]:
    """What to do, with what each command may do and why. `filled`: the risk with a plain word in
    place of each placeholder."""
    step = judged.step
    first, last = step.lines
    where = f"line {first}" if first == last else f"lines {first}-{last}"
    number = paint(f"{position:>3}", bold=True)
    title = paint(verdicts.clipped(step.title), bold=True)
    yield f"{number} {step.kind:<{KIND_WIDTH}} {title}  {paint(where, dim=True)}"
    for command, verdict in zip(step.commands, judged.verdicts, strict=True):
        yield from _command(command, verdict)
    for name, text in _facts(judged, filled):
        yield f"{INDENT}{paint(f'{name}:', dim=True)} {text}"


def _command(command: Command, verdict: Verdict) -> Iterator[str]:
    first, *rest = verdict.text.split("\n")
    yield f"{INDENT}{verdicts.word(verdict.risk)}  {verdicts.clipped(first)}"
    for line in rest:
        yield f"{INDENT}{verdicts.INDENT}{verdicts.clipped(line)}"
    for reason in verdicts.reasons(verdict):
        yield f"{INDENT}{reason}"
    if command.inferred:
        yield f"{INDENT}{verdicts.INDENT}{paint('inferred: read it in the source first', dim=True)}"


def _facts(judged: JudgedStep, filled: Risk | None) -> Iterator[tuple[str, str]]:
    step = judged.step
    if step.query is not None:
        yield step.tool or "query", _several(step.query)
    if step.placeholders:
        yield "fill", ", ".join(map(output.visible, step.placeholders))
        if filled is not None and filled != judged.risk:
            yield "once filled", f"{paint(filled.label, fg=verdicts.TINTS[filled])} at least"
    if step.interactive:
        yield "terminal", "it opens a session or a screen: somebody must sit before it"
    if step.expected is not None:
        yield "expected", _several(step.expected)
    if step.timeout_s is not None:
        yield "wait", f"{step.timeout_s} s"
    if step.rollback is not None:
        yield "rollback", verdicts.clipped(step.rollback)
    elif judged.risk is not None and judged.risk > Risk.SAFE:
        yield "rollback", "none known"
    for target in step.references:
        yield "see", verdicts.clipped(target)


def _several(text: str) -> str:
    """The first lines of a text."""
    lines = text.strip("\n").split("\n")
    shown = [verdicts.clipped(line) for line in lines[:LINES_SHOWN]]
    if more := len(lines) - len(shown):
        shown.append(f"… ({more} more)")
    return "".join(f"\n{INDENT}  {line}" for line in shown) if len(shown) > 1 else shown[0]


def remarks(parsed: Parsed) -> Iterator[str]:
    """What whoever wrote the runbook should know."""
    for one in parsed.remarks:
        where = "" if one.line is None else f"line {one.line}: "
        yield f"{paint('note:', fg='cyan')} {where}{output.visible(one.text)}"


def summary(counts: Mapping[Risk | None, int]) -> str:
    """How many steps there are, by their risk."""
    found = [f"{counts[risk]} {risk.label}" for risk in Risk if counts.get(risk)]
    if by_hand := counts.get(None):
        found.append(f"{by_hand} without a command")
    total = sum(counts.values())
    return f"{total} step{'s' * (total != 1)}: {', '.join(found)}"
