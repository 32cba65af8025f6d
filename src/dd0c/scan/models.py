"""What a verdict is made of. Positions are offsets in characters of the text as it was given."""

from __future__ import annotations

from enum import IntEnum, StrEnum

import msgspec


class Risk(IntEnum):
    """The classes of N-10, from harmless to never; the numbers are exit statuses of `classify`."""

    SAFE = 0
    CAUTION = 10
    DANGEROUS = 20
    BLOCKED = 30

    @property
    def label(self) -> str:
        """The word for it."""
        return self.name.lower()


class Effect(StrEnum):
    """What a command does to the world."""

    READS = "reads"
    WRITES = "writes"
    DELETES = "deletes"
    NETWORK = "network"
    PRIVILEGE = "privilege"
    SECRETS = "secrets"


class Span(msgspec.Struct, frozen=True, order=True, array_like=True):
    """A part of the text, from `start` up to, not including, `end`."""

    start: int
    end: int

    def shifted(self, by: int) -> Span:
        """The same part where the text begins `by` characters later."""
        return Span(self.start + by, self.end + by)


class Finding(msgspec.Struct, frozen=True, order=True):
    """One reason for a verdict: a rule of the catalogue, and where in the text it applies."""

    risk: Risk
    rule: str
    span: Span
    reason: str
    """A sentence for the person who decides."""


class Verdict(msgspec.Struct, frozen=True):
    """The judgement of one text: its worst finding, all findings, and what it does."""

    text: str
    risk: Risk
    findings: tuple[Finding, ...]
    """The worst first, then in the order of the text; empty when safe and nothing is to be said."""
    effects: frozenset[Effect]
    pack: str
    """Version of the tables and rules it was judged by."""


class Understood(msgspec.Struct, frozen=True):
    """A command that was found in a text: a line of the tree that explains a verdict."""

    path: tuple[tuple[int, int, int], ...]
    """Its place among those that run it: sorted by it, a command comes before what it runs."""
    span: Span
    words: tuple[str, ...]
    """After the removal of quotes; `$name`, `$(…)` and patterns are as nobody knows them."""
