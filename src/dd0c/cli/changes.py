"""What became of the steps of a runbook between two texts of it, on a terminal and as Markdown.

The Markdown is for comments on changes, which everybody may propose: what a runbook says stands in
code, whose fence is longer than any in it, so that it can neither close it nor call for anybody.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from dd0c.cli import output, steps, verdicts
from dd0c.cli.verdicts import paint
from dd0c.products.run import diff, lineage
from dd0c.products.run.diff import Change
from dd0c.products.run.judging import JudgedStep
from dd0c.scan.models import Risk

REASONS_SHOWN = 3
LINES_SHOWN = 40
NO_RISK = "no command"


@dataclass(frozen=True, slots=True)
class Changed:
    """A step in both texts, with its place in each; None: it is not in that one."""

    change: Change
    before: tuple[int, JudgedStep] | None
    after: tuple[int, JudgedStep] | None
    fields: tuple[str, ...]

    @property
    def risks(self) -> tuple[Risk | None, Risk | None]:
        """Before and after."""
        was, now = self.before, self.after
        return was and was[1].risk, now and now[1].risk

    @property
    def title(self) -> str:
        """Of the step as it is now, or was."""
        side = self.after or self.before
        return "" if side is None else side[1].step.title


def compare(before: Sequence[JudgedStep], after: Sequence[JudgedStep]) -> list[Changed]:
    """All that is not the same, in the order of the new text."""
    olds = lineage.follow((), before)
    news = lineage.follow(olds, after)
    return [
        Changed(
            one.change,
            None if one.before is None else (one.before + 1, before[one.before]),
            None if one.after is None else (one.after + 1, after[one.after]),
            one.fields,
        )
        for one in diff.compare(olds, news)
        if one.change is not Change.SAME
    ]


def as_json(one: Changed) -> dict[str, Any]:
    """The change for programs, with the whole step on either side."""
    sides = {"before": one.before, "after": one.after}
    return {
        "change": one.change,
        "fields": one.fields,
        **{name: side and steps.as_json(*side) for name, side in sides.items()},
    }


def draw(one: Changed) -> Iterator[str]:
    """The change on a terminal."""
    was, now = one.risks
    risk = _label(now) if was == now else f"{_label(was)} → {_label(now)}"
    tint = verdicts.TINTS[max(was or Risk.SAFE, now or Risk.SAFE)]
    title = verdicts.clipped(one.title)
    yield f"{paint(f'{one.change:<8}', bold=True)} {title}  {paint(risk, fg=tint)}"
    for sign, text in _lines(one):
        yield f"  {paint(f'{sign} {text}', fg='red' if sign == '-' else 'green')}"
    for reason in _reasons(one):
        yield f"    {reason}"


def markdown(name: str, found: Sequence[Changed]) -> Iterator[str]:
    """The changes of risk as Markdown, the gravest first; nothing where there is none."""
    risky = [one for one in found if _differ(*one.risks)]
    if not risky:
        return
    yield f"### {_code(name)}"
    for one in sorted(risky, key=lambda one: -(one.risks[1] or Risk.SAFE)):
        was, now = one.risks
        yield ""
        yield f"**{_label(was)} → {_label(now)}** ({one.change}{_place(one)}): {_code(one.title)}"
        lines = [f"{sign} {text}" for sign, text in _lines(one)]
        if lines:
            fence = _fence("\n".join(lines), 3)
            yield ""
            yield from (f"{fence}diff", *lines, fence)
        for reason in _reasons(one):
            yield f"- {_code(reason)}"
    if others := len(found) - len(risky):
        yield ""
        yield f"{others} more step{'s' * (others > 1)} changed without a change of risk."


def _lines(one: Changed) -> Iterator[tuple[str, str]]:
    """The commands that went and came."""
    was, now = (
        [] if side is None else [command.text for command in side[1].step.commands]
        for side in (one.before, one.after)
    )
    for sign, mine, others in (("-", was, now), ("+", now, was)):
        texts = [line for text in mine if text not in others for line in text.split("\n")]
        for text in texts[:LINES_SHOWN]:
            yield sign, verdicts.clipped(text)
        if len(texts) > LINES_SHOWN:
            yield sign, f"… ({len(texts) - LINES_SHOWN} lines more)"


def _reasons(one: Changed) -> list[str]:
    """Why it is what it is now; nothing where it fell."""
    was, now = one.risks
    if one.after is None or (now or Risk.SAFE) <= (was or Risk.SAFE):
        return []
    findings = [each for verdict in one.after[1].verdicts for each in verdict.findings]
    told = [
        f"{each.rule}: {output.visible(each.reason)}" for each in sorted(findings, reverse=True)
    ]
    return list(dict.fromkeys(told))[:REASONS_SHOWN]


def _differ(was: Risk | None, now: Risk | None) -> bool:
    """Whether a reviewer wants to know: nobody minds another step that only reads."""
    return was != now and max(was or Risk.SAFE, now or Risk.SAFE) > Risk.SAFE


def _place(one: Changed) -> str:
    return "" if one.after is None else f", line {one.after[1].step.lines[0]}"


def _label(risk: Risk | None) -> str:
    return NO_RISK if risk is None else risk.label


def _fence(text: str, least: int) -> str:
    return "`" * max([least, *(len(run) + 1 for run in re.findall("`+", text))])


def _code(text: str) -> str:
    shown = verdicts.clipped(text)
    fence = _fence(shown, 1)
    return f"{fence} {shown} {fence}"
