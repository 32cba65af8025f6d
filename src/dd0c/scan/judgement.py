"""What is said of one invocation, and what it runs: still to be judged by the walk."""

from __future__ import annotations

from dataclasses import dataclass

from dd0c.scan.models import Effect, Finding, Risk, Span
from dd0c.scan.syntax import Invocation


@dataclass(frozen=True, slots=True)
class Text:
    """Shell text inside a command, still to be parsed and judged."""

    text: str
    span: Span
    exact: bool
    """Its characters are the source's from `span.start` on, so that spans can be shifted."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """Findings and effects, and what is run inside: judged by whoever asked, within its bounds."""

    findings: tuple[Finding, ...] = ()
    effects: frozenset[Effect] = frozenset()
    invocations: tuple[Invocation, ...] = ()
    texts: tuple[Text, ...] = ()

    def __add__(self, other: Judgement) -> Judgement:
        return Judgement(
            self.findings + other.findings,
            self.effects | other.effects,
            self.invocations + other.invocations,
            self.texts + other.texts,
        )


NOTHING = Judgement()


def found(risk: Risk, rule: str, span: Span, reason: str, *effects: Effect) -> Judgement:
    """A judgement of one finding."""
    return Judgement((Finding(risk, rule, span, reason),), frozenset(effects))
