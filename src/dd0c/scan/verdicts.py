"""The verdict on commands: what all faces call.

A text is looked at on its surface, parsed twice, walked, and each of its commands is judged. What a
command runs in turn (a wrapper's command, the text of `sh -c`) is judged the same way in the next
round; all texts of a round, of all verdicts, go to the parser together. The rounds and all that a
verdict may look at are bounded, and what goes beyond is `blocked`.

The verdict is the worst finding. Nothing is ever taken back: no rule makes a text safer.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from dd0c.scan import shell_rules, shfmt, surface, tools, treesitter, walk
from dd0c.scan.judgement import Judgement, Text
from dd0c.scan.models import Effect, Finding, Risk, Span, Understood, Verdict
from dd0c.scan.packs import version
from dd0c.scan.paths import judge_read, judge_write
from dd0c.scan.reading import Reading
from dd0c.scan.shfmt import Parsed, Refused
from dd0c.scan.surface import Joined
from dd0c.scan.syntax import (
    Expansion,
    Feed,
    Invocation,
    Place,
    Redirection,
    Substitution,
    Word,
)
from dd0c.scan.tree import Unknown

Path: TypeAlias = tuple[tuple[int, int, int], ...]

ROUNDS_MAX = 8
TEXTS_MAX = 500
"""Texts within one text, of all rounds."""
INVOCATIONS_MAX = 10_000
FINDINGS_MAX = 100


@dataclass(slots=True)
class _Case:
    """One text that was asked about, and what has been found."""

    text: str
    findings: set[Finding] = field(default_factory=set)
    effects: set[Effect] = field(default_factory=set)
    texts: int = 0
    invocations: int = 0
    understood: list[Understood] = field(default_factory=list)
    secrets: set[Span] = field(default_factory=set)
    """Commands that read what is secret."""
    takers: set[Span] = field(default_factory=set)
    """Commands that speak to the network, and are given what other commands print."""

    def over(self, reason: str) -> None:
        """It is more than anybody will look at."""
        whole = Span(0, len(self.text))
        self.findings.add(Finding(Risk.BLOCKED, "over-limit", whole, reason))

    def verdict(self) -> Verdict:
        """Worst first, then in the order of the text."""
        for taker in self.takers if self.secrets else ():
            if self.secrets - {taker}:
                told = "what another command reads that is secret may leave the machine by this"
                self.findings.add(Finding(Risk.DANGEROUS, "sends-secrets", taker, told))
        ordered = sorted(self.findings, key=lambda f: (-f.risk, f.span, f.rule, f.reason))
        risk = ordered[0].risk if ordered else Risk.SAFE
        kept = tuple(ordered[:FINDINGS_MAX])
        return Verdict(self.text, risk, kept, frozenset(self.effects), version())


@dataclass(slots=True)
class _Job:
    """One text to be parsed and judged, and where it stands."""

    case: _Case
    text: str
    holder: Span | None
    """The place of a text whose characters are not those of the source; findings get it."""
    base: int = 0
    outer: Place = Place()
    joined: Joined = Joined("")
    path: Path = ()
    """Of the command that runs this text."""

    def source(self, at: int) -> int:
        """Where a character of the joined text stands in the text that was asked about."""
        return self.holder.start if self.holder else self.base + self.joined.source(at)

    def note(self, judged: Judgement | Finding) -> None:
        """Keep what was found."""
        findings = (judged,) if isinstance(judged, Finding) else judged.findings
        if isinstance(judged, Judgement):
            self.case.effects |= judged.effects
        for one in findings:
            self.case.findings.add(self._placed(one))

    def _placed(self, one: Finding) -> Finding:
        """The finding in the text: what was made of several words may stand crosswise."""
        where = self.holder or one.span
        size = len(self.case.text)
        start = min(where.start, where.end, size)
        span = Span(start, min(max(start, where.end), size))
        return one if span == one.span else Finding(one.risk, one.rule, span, one.reason)

    def enter(self, invocation: Invocation, above: Path) -> Path:
        """Note a command that was understood; its place."""
        span = self.holder or invocation.span
        path = (*above, (span.start, -span.end, self.case.invocations))
        words = tuple(_spelled(word) for word in invocation.words)
        self.case.understood.append(Understood(path, span, words))
        return path


def _spelled(word: Word) -> str:
    return "".join(
        ("<(…)" if part.process else "$(…)")
        if isinstance(part, Substitution)
        else f"${part.name or '((…))'}"
        if isinstance(part, Expansion)
        else part.text
        for part in word.parts
    )


def judge(texts: Sequence[str]) -> tuple[Verdict, ...]:
    """A verdict on each text."""
    return tuple(verdict for verdict, _ in explain(texts))


def explain(texts: Sequence[str]) -> list[tuple[Verdict, list[Understood]]]:
    """A verdict on each text, and the commands that were found in it, as a tree in order."""
    cases = [_Case(text) for text in texts]
    jobs = [_Job(case, case.text, None) for case in cases]
    for _ in range(ROUNDS_MAX):
        if not jobs:
            break
        jobs = _round(jobs)
    for job in jobs:
        job.case.over(f"commands within commands, more than {ROUNDS_MAX} deep")
    return [(case.verdict(), sorted(case.understood, key=lambda one: one.path)) for case in cases]


def _round(jobs: Sequence[_Job]) -> list[_Job]:
    """Judge the texts of one level; the texts that are in them are the next."""
    sources: list[bytes] = []
    ready: list[_Job] = []
    for job in jobs:
        job.joined, findings = surface.inspect(job.text)
        for one in findings:
            job.note(Finding(one.risk, one.rule, one.span.shifted(job.base), one.reason))
        if any(one.rule == "over-limit" for one in findings):
            continue
        ready.append(job)
        sources.append(_encoded(job.joined.text))
        if job.joined.cuts:
            sources.append(_encoded(job.text))
    trees = iter(shfmt.parse(sources))
    made: list[_Job] = []
    for job in ready:
        tree = next(trees)
        other = next(trees) if job.joined.cuts else None
        made += _judge_job(job, tree, other)
    return made


def _encoded(text: str) -> bytes:
    return text.encode(errors="surrogatepass")


def _judge_job(job: _Job, tree: Parsed | Refused, as_given: Parsed | Refused | None) -> list[_Job]:
    whole = Span(job.source(0), job.source(len(job.joined.text)))
    if isinstance(tree, Refused):
        job.note(_refusal(tree, whole))
        return []
    try:
        reading = walk.read(tree, job.joined.text, job.source, job.outer)
        made = _judge_reading(job, reading)
        _compare(job, reading, as_given)
    except Unknown as error:
        job.note(shell_rules.unknown(str(error), whole.start))
        return []
    except RecursionError:
        job.case.over("it is nested too deep")
        return []
    return made


def _refusal(tree: Refused, whole: Span) -> Finding:
    if tree.kind == "syntax":
        told = f"this is no shell text: {tree.reason}"
        return Finding(Risk.DANGEROUS, "parse-error", whole, told)
    if tree.kind == "absent":
        return Finding(Risk.DANGEROUS, "no-parser", whole, tree.reason)
    return Finding(Risk.BLOCKED, "over-limit", whole, tree.reason)


def _compare(job: _Job, reading: Reading, as_given: Parsed | Refused | None) -> None:
    """Two parsers, and the text with its lines joined and as it was given, must see the same."""
    seen = treesitter.look(job.joined.text)
    for span in seen.doubts:
        job.note(_disagreement(job, span, "the second parser cannot read this"))
    for span in seen.commands ^ reading.commands:
        job.note(_disagreement(job, span, "only one of two parsers takes this for a command"))
    if job.joined.text == job.text:
        return
    joined = {job.joined.source(span.start) for span in reading.commands}
    doubtful = {span.start for span in treesitter.look(job.text).commands} ^ joined
    if isinstance(as_given, Refused):
        job.note(_refusal(as_given, Span(job.source(0), job.source(len(job.joined.text)))))
    elif as_given is not None:
        raw = walk.read(as_given, job.text, lambda at: at, job.outer)
        doubtful |= {span.start for span in raw.commands} ^ joined
    for start in doubtful:
        at = job.holder.start if job.holder else job.base + start
        told = "whether this is a command hangs on how lines are continued"
        job.note(Finding(Risk.DANGEROUS, "parser-disagreement", Span(at, at), told))


def _disagreement(job: _Job, span: Span, reason: str) -> Finding:
    where = Span(job.source(span.start), job.source(span.end))
    return Finding(Risk.DANGEROUS, "parser-disagreement", where, reason)


def _judge_reading(job: _Job, reading: Reading) -> list[_Job]:
    for one in shell_rules.judge_reading(reading):
        job.note(one)
    for redirection in reading.redirections:
        job.note(_judge_redirection(redirection, reading.place))
    made = [_inner(job, text, job.outer) for text in reading.texts]
    pending = deque((invocation, job.path) for invocation in reading.invocations)
    while pending:
        job.case.invocations += 1
        if job.case.invocations > INVOCATIONS_MAX:
            job.case.over(f"more than {INVOCATIONS_MAX} commands")
            return []
        invocation, above = pending.popleft()
        path = job.enter(invocation, above)
        all_judged = _judge_invocation(invocation, reading)
        _note_secrets(job, invocation, all_judged)
        for judged in all_judged:
            job.note(judged)
            pending.extend((inner, path) for inner in judged.invocations)
            for text in judged.texts:
                job.case.texts += 1
                if job.case.texts > TEXTS_MAX:
                    job.case.over(f"more than {TEXTS_MAX} texts within the text")
                    return []
                made.append(_inner(job, text, invocation.place, path))
    return made


def _note_secrets(job: _Job, invocation: Invocation, judged: Sequence[Judgement]) -> None:
    """What one command reads that is secret, and another takes that speaks to the network."""
    effects = frozenset(effect for one in judged for effect in one.effects)
    span = job.holder or invocation.span
    if Effect.SECRETS in effects:
        job.case.secrets.add(span)
    if Effect.NETWORK in effects and (
        invocation.place.feed is Feed.PIPE
        or any(isinstance(part, Substitution) for w in invocation.words for part in w.parts)
    ):
        job.case.takers.add(span)


def _inner(job: _Job, text: Text, place: Place, path: Path = ()) -> _Job:
    holder = job.holder or (None if text.exact else text.span)
    if place.stdin_text is not None and place.stdin_text.text == text.text:
        place = replace(place, feed=Feed.PIPE, stdin_text=None)
    return _Job(job.case, text.text, holder, text.span.start, place, path=path)


def _judge_invocation(invocation: Invocation, reading: Reading) -> list[Judgement]:
    name = invocation.words[0]
    judged = [
        shell_rules.judge_word(name),
        shell_rules.judge_shell_part(invocation, reading),
        shell_rules.judge_source(invocation),
        *(_judge_redirection(one, invocation.place) for one in invocation.redirections),
    ]
    if name.text is not None and name.text not in invocation.place.functions:
        judged.append(tools.judge(invocation))
    return judged


_WRITES = frozenset({">", ">>", ">|", "<>", "&>", "&>>", ">&"})


def _judge_redirection(one: Redirection, place: Place) -> Judgement:
    if one.operator not in _WRITES | {"<", "<&"}:
        return Judgement()
    text = one.target.text
    if one.operator in (">&", "<&"):
        if (text is not None and text.rstrip("-").isdigit()) or text == "-":
            return Judgement()
        if one.operator == "<&":
            return Judgement()
    judge_file = judge_read if one.operator == "<" else judge_write
    return judge_file(one.target, place)
