"""Steps and verdicts as the API, and what pages say to programs, shows them."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from dd0c.products.run.judging import JudgedStep
from dd0c.products.run.models import Command, StepKind
from dd0c.scan.models import Effect, Risk, Verdict

RiskName = Literal["safe", "caution", "dangerous", "blocked"]


class FindingShown(BaseModel):
    """One reason for a verdict."""

    risk: RiskName
    rule: str = Field(description="Of the catalogue of rules.")
    span: tuple[int, int] = Field(description="Which characters of the command it is about.")
    reason: str


class VerdictShown(BaseModel):
    """What a command may do to the world, at worst."""

    text: str
    risk: RiskName
    findings: list[FindingShown] = Field(description="The worst first.")
    effects: list[Effect]
    pack: str = Field(description="Version of the tables and rules it was judged by.")


class CommandShown(BaseModel):
    """A command of a step."""

    text: str
    line: int = Field(description="Of the source, where it begins.")
    span: tuple[int, int] = Field(description="Characters of the source, prompts included.")
    inferred: bool = Field(description="The source does not delimit it: it never runs by itself.")
    verdict: VerdictShown


class VariableShown(BaseModel):
    """A variable that the step's commands use."""

    name: str
    step: int | None = Field(description="Position of the step that sets it; null: to be filled.")


class StepShown(BaseModel):
    """One thing to do. What is null the runbook does not say."""

    position: int = Field(description="Counted from 1.")
    kind: StepKind
    section: list[str] = Field(description="The headings above it.")
    lines: tuple[int, int]
    span: tuple[int, int] = Field(description="Characters of the source.")
    title: str
    tool: str | None = Field(description="What reads its commands or its query; null: a person.")
    risk: RiskName | None = Field(description="Of its worst command; null: it has none.")
    commands: list[CommandShown]
    query: str | None
    placeholders: list[str] = Field(description="To be filled before it can run.")
    variables: list[VariableShown]
    interactive: bool
    expected: str | None
    timeout_s: int | None
    rollback: str | None = Field(description="How to undo it; null: none known.")
    references: list[str]


NAMES: dict[Risk, RiskName] = {
    Risk.SAFE: "safe",
    Risk.CAUTION: "caution",
    Risk.DANGEROUS: "dangerous",
    Risk.BLOCKED: "blocked",
}


def risk_name(risk: int | None) -> RiskName | None:
    """The class as the API writes it."""
    return None if risk is None else NAMES[Risk(risk)]


def show_verdict(verdict: Verdict) -> VerdictShown:
    """A verdict."""
    return VerdictShown(
        text=verdict.text,
        risk=NAMES[verdict.risk],
        findings=[
            FindingShown(
                risk=NAMES[found.risk],
                rule=found.rule,
                span=(found.span.start, found.span.end),
                reason=found.reason,
            )
            for found in verdict.findings
        ],
        effects=sorted(verdict.effects),
        pack=verdict.pack,
    )


def show_step(position: int, judged: JudgedStep) -> StepShown:
    """A step with its verdicts."""
    step = judged.step
    return StepShown(
        position=position,
        kind=step.kind,
        section=list(step.section),
        lines=step.lines,
        span=(step.span.start, step.span.end),
        title=step.title,
        tool=step.tool,
        risk=risk_name(judged.risk),
        commands=[
            _show_command(command, verdict)
            for command, verdict in zip(step.commands, judged.verdicts, strict=True)
        ],
        query=step.query,
        placeholders=list(step.placeholders),
        variables=[
            VariableShown(name=used.name, step=None if used.step is None else used.step + 1)
            for used in step.variables
        ],
        interactive=step.interactive,
        expected=step.expected,
        timeout_s=step.timeout_s,
        rollback=step.rollback,
        references=list(step.references),
    )


def _show_command(command: Command, verdict: Verdict) -> CommandShown:
    return CommandShown(
        text=command.text,
        line=command.line,
        span=(command.span.start, command.span.end),
        inferred=command.inferred,
        verdict=show_verdict(verdict),
    )
