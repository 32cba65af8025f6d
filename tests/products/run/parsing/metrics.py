"""How well the parser reads, told against the steps that were written by hand (proofs 19).

Half of the runbooks, by a hash of their names, were looked at while the parser was written; the
others are held out. `python -m tests.products.run.parsing.metrics` prints both.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from dd0c.products.run import parsing
from dd0c.products.run.models import Step
from tests.corpus.runbooks import expected_steps
from tests.corpus.runbooks.expected_steps import Runbook
from tests.corpus.runbooks.source import even, words

COMPARED = (
    "title", "section", "lines", "tool", "expected", "placeholders", "interactive", "timeout_s",
    "rollback", "references",
)  # fmt: skip


@dataclass(slots=True)
class Metrics:
    """Counts over some runbooks."""

    expected: int = 0
    found: int = 0
    right: int = 0
    invented: int = 0
    steps_expected: int = 0
    steps_found: int = 0
    matched: int = 0
    kinds: Counter[tuple[str, str]] = field(default_factory=Counter)
    agreements: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    @property
    def precision(self) -> float:
        """Of the commands found, how many the runbook has."""
        return self.right / max(self.found, 1)

    @property
    def recall(self) -> float:
        """Of the commands of the runbook, how many were found."""
        return self.right / max(self.expected, 1)

    @property
    def kinds_right(self) -> float:
        """Of the steps found where one is, how many are of its kind."""
        return sum(n for (a, b), n in self.kinds.items() if a == b) / max(self.matched, 1)

    def add(self, runbook: Runbook) -> None:
        """One more runbook."""
        steps = parsing.parse(runbook.source).steps
        truth = Counter(even(c.text) for s in runbook.steps for c in s.commands)
        found = Counter(even(c.text) for s in steps for c in s.commands)
        self.expected += truth.total()
        self.found += found.total()
        self.right += (truth & found).total()
        plain = even(re.sub(r"\\[ \t]*\n", " ", runbook.source))
        for command in found - truth:
            self.faults.append(f"{runbook.name}: not expected: {command[:150]}")
            self.invented += command not in plain and command not in even(
                runbook.source.replace("\\\n", "")
            )
        self.faults += [f"{runbook.name}: not found: {c[:150]}" for c in truth - found]
        self.steps_expected += len(runbook.steps)
        self.steps_found += len(steps)
        self._compare(runbook, steps)

    def _compare(self, runbook: Runbook, steps: Iterable[Step]) -> None:
        left = list(steps)
        for wanted in runbook.steps:
            best = max(left, key=lambda step: _likeness(wanted, step), default=None)
            if best is None or not _likeness(wanted, best):
                self.faults.append(
                    f"{runbook.name}: no step {wanted.lines} {wanted.kind}: {wanted.title}"
                )
                continue
            left.remove(best)
            self.matched += 1
            self.kinds[wanted.kind, best.kind.value] += 1
            if wanted.kind != best.kind.value:
                self.faults.append(f"{runbook.name}: {wanted.lines} {wanted.kind} as {best.kind}")
            for name in COMPARED:
                ours, theirs = getattr(best, name), getattr(wanted, name)
                if isinstance(theirs or ours, str):
                    ours, theirs = words(ours or ""), words(theirs or "")
                self.agreements[name] += ours == theirs
                if ours != theirs:
                    self.faults.append(
                        f"{runbook.name}: {wanted.lines} {name} {theirs!r}: {ours!r}"
                    )
        self.faults += [f"{runbook.name}: too much: {s.lines} {s.kind}: {s.title}" for s in left]


def _likeness(wanted: expected_steps.Step, step: Step) -> float:
    """How much of the lines two steps share; commands in common count most."""
    first, last = max(wanted.lines[0], step.lines[0]), min(wanted.lines[1], step.lines[1])
    shared = max(last - first + 1, 0)
    if not shared:
        return 0.0
    union = max(wanted.lines[1], step.lines[1]) - min(wanted.lines[0], step.lines[0]) + 1
    same = {even(c.text) for c in wanted.commands} & {even(c.text) for c in step.commands}
    return shared / union + len(same) + (words(wanted.title) == words(step.title))


def is_held_out(name: str) -> bool:
    """Whether nobody was to look at it while the parser was written."""
    return hashlib.sha256(name.encode()).digest()[0] % 2 == 1


def measure(*, held_out: bool) -> Metrics:
    """The counts over one half of the runbooks."""
    metrics = Metrics()
    for name in expected_steps.list_expected():
        if is_held_out(name) is held_out:
            metrics.add(expected_steps.load(name))
    return metrics


def told(title: str, m: Metrics) -> str:
    """The figures as text."""
    rows = [
        f"{title}: commands precision {m.precision:.3f} recall {m.recall:.3f} "
        f"({m.right} of {m.expected}; found {m.found}; invented {m.invented})",
        f"  steps: {m.steps_expected} expected, {m.steps_found} found, {m.matched} matched; "
        f"kinds right {m.kinds_right:.3f}",
        "  agree: "
        + ", ".join(f"{k} {v / max(m.matched, 1):.2f}" for k, v in m.agreements.items()),
        "  kinds (expected > read): "
        + ", ".join(f"{a} > {b}: {n}" for (a, b), n in sorted(m.kinds.items()) if a != b),
    ]
    return "\n".join(rows)


if __name__ == "__main__":
    for half in (False, True):
        figures = measure(held_out=half)
        sys.stdout.write(told("held out" if half else "seen", figures) + "\n")
        if not half and "-v" in sys.argv:
            sys.stdout.write("\n".join(figures.faults) + "\n")
