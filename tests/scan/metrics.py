"""What the verdict makes of the corpus of commands, in figures: for tests and docs/reference."""

from __future__ import annotations

import tomllib
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from dd0c.scan.models import Risk, Verdict
from dd0c.scan.verdicts import judge
from tests.corpus.commands import collection
from tests.corpus.commands.collection import Attack, Benign

KNOWN_GAPS = Path(__file__).with_name("known_gaps.toml")


@dataclass(frozen=True, slots=True)
class Metrics:
    """Figures over the whole corpus."""

    attacks: int
    below_dangerous: int
    classes: dict[str, tuple[int, int]]
    """Of each class of evasion: attacks, and those below `dangerous`."""
    benign: int
    blocked: int
    effects: dict[str, dict[Risk, int]]
    """Of what benign commands do (reads, changes, destroys): how many got each class."""

    @property
    def safe_reads(self) -> float:
        """The share of commands that only read which is rated `safe`."""
        reads = self.effects["reads"]
        return reads[Risk.SAFE] / sum(reads.values())


@dataclass(frozen=True, slots=True)
class Gap:
    """A command that is rated lower than it deserves, and why we know and leave it."""

    name: str
    command: str
    rated: str
    why: str


@cache
def attacks() -> tuple[tuple[Attack, Verdict], ...]:
    """Every attack with its verdict."""
    known = collection.attacks()
    texts = [collection.render(one.template, collection.DESTRUCTIVE) for one in known]
    return tuple(zip(known, judge(texts), strict=True))


@cache
def benign() -> tuple[tuple[Benign, Verdict], ...]:
    """Every benign command with its verdict."""
    known = collection.benign()
    return tuple(zip(known, judge([one.command for one in known]), strict=True))


def metrics() -> Metrics:
    """The figures."""
    low = [one.evasion for one, verdict in attacks() if verdict.risk < Risk.DANGEROUS]
    missed = Counter(low)
    all_ = Counter(one.evasion for one, _ in attacks())
    rated = Counter((one.effect, verdict.risk) for one, verdict in benign())
    return Metrics(
        attacks=all_.total(),
        below_dangerous=len(low),
        classes={name: (count, missed[name]) for name, count in sorted(all_.items())},
        benign=len(benign()),
        blocked=sum(verdict.risk is Risk.BLOCKED for _, verdict in benign()),
        effects={e: {risk: rated[e, risk] for risk in Risk} for e in collection.EFFECTS},
    )


def known_gaps() -> list[Gap]:
    """The catalogue."""
    rows = tomllib.loads(KNOWN_GAPS.read_text(encoding="utf-8"))["gap"]
    return [Gap(name, **row) for name, row in rows.items()]
