"""A draft becomes a step, or several where a session begins in its middle.

What kind a step is, what its title is and how long it takes is decided here, from what was gathered
for it; where things stand on the page no longer matters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from dd0c.products.run.models import Command, Step, StepKind, Variable
from dd0c.products.run.parsing import placeholders, sentences, vocabulary
from dd0c.products.run.parsing.drafts import Draft
from dd0c.products.run.parsing.passages import LINE_BREAK, Passage, Source
from dd0c.products.run.parsing.typed import SHELLS, Entry
from dd0c.scan.models import Span

_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|<[^<>]*>")
_SEGMENT = re.compile(r"\|\||&&|[|;\n]|\s--\s")
_USED = re.compile(r"\$\{?([A-Za-z_]\w*)")
_NUMBERS = {
    "a": 1,
    "an": 1,
    "one": 1,
    "two": 2,
    "three": 3,
    "five": 5,
    "ten": 10,
    "fifteen": 15,
    "thirty": 30,
}

TITLE_MAX = 1_000


@dataclass(slots=True)
class _Part:
    """What of a draft is typed in one place: here, in a session, at another program's prompt."""

    typed: list[Entry] = field(default_factory=list)
    shown: list[Entry] = field(default_factory=list)


class Steps:
    """Makes steps, in order; knows which variables the commands before have set."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.set: dict[str, int] = {}
        self.count = 0

    def of(self, draft: Draft) -> Iterator[Step]:
        """The steps of one draft."""
        parts = _parts(draft)
        titles = _titles(draft, len(parts))
        begins = [draft.start, *(part.typed[0].span.start for part in parts[1:])]
        ends = [*(self._end_before(begin) for begin in begins[1:]), draft.end]
        for number, part in enumerate(parts):
            extent = Span(begins[number], max(ends[number], begins[number]))
            last = number == len(parts) - 1
            step = self._step(draft, part, titles[number], extent, last=last)
            self._note_variables(step)
            yield step
            self.count += 1

    def _end_before(self, offset: int) -> int:
        """The end of the line above."""
        return max(self.source.starts[self.source.line(offset) - 1] - 1, 0)

    def _step(self, draft: Draft, part: _Part, title: str, extent: Span, *, last: bool) -> Step:
        shells = [entry for entry in part.typed if entry.tool in SHELLS]
        tool = part.typed[0].tool if part.typed else None
        lines = (
            self.source.line(extent.start),
            self.source.line(max(extent.end - 1, extent.start)),
        )
        commands = tuple(
            Command(entry.line, self.source.given(entry.span), entry.text, entry.inferred)
            for entry in shells
        )
        return Step(
            kind=_kind(draft, part, last=last),
            section=draft.section,
            lines=lines,
            span=self.source.given(extent),
            title=title,
            tool=tool,
            commands=commands,
            query=None if shells else "\n".join(e.text for e in part.typed) or None,
            placeholders=self._placeholders(part),
            interactive=any(entry.interactive for entry in part.typed),
            expected=_expected(draft, part, last=last),
            timeout_s=_timeout(draft) if last else None,
            rollback=draft.rollback if last else None,
            references=tuple(dict.fromkeys(draft.links + draft.further)) if last else (),
            variables=tuple(self._variables(commands)),
        )

    def _placeholders(self, part: _Part) -> tuple[str, ...]:
        known, found = set(self.set), []
        for entry in part.typed:
            found += placeholders.find_placeholders(entry.text, known, language=entry.tool)
            known |= placeholders.assigned(entry.text)
        return tuple(dict.fromkeys(found))

    def _variables(self, commands: Sequence[Command]) -> Iterator[Variable]:
        used = dict.fromkeys(name for c in commands for name in _USED.findall(c.text))
        own = {name for c in commands for name in placeholders.assigned(c.text)}
        for name in used:
            yield Variable(name, self.set.get(name, self.count if name in own else None))

    def _note_variables(self, step: Step) -> None:
        for command in step.commands:
            for name in placeholders.assigned(command.text):
                self.set[name] = self.count


def _parts(draft: Draft) -> list[_Part]:
    """Cut where a session is opened, and where something else reads what is typed."""
    parts = [_Part()]
    for entry in draft.entries:
        now = parts[-1]
        if not entry.tool:
            now.shown.append(entry)
            continue
        before = now.typed[-1] if now.typed else None
        if before and (
            entry.interactive
            or before.interactive
            or before.tool != entry.tool
            or (entry.tool not in SHELLS and before.reads != entry.reads)
        ):
            parts.append(_Part())
        parts[-1].typed.append(entry)
    return parts


def _titles(draft: Draft, count: int) -> list[str]:
    if count > 1 and draft.sentence is not None:
        clauses = sentences.clauses(draft.sentence)
        thens = re.split(r",?\s+then\s+", draft.sentence.text)
        if len(clauses) == count:
            return [title_of(clause) for clause in clauses]
        if len(thens) == count:
            return [_trimmed(part) for part in thens]
    return [title_of(draft.title)] * count


def title_of(words: Passage) -> str:
    """The words of a sentence without what only leads to a block."""
    return _trimmed(" ".join(words.text.replace(LINE_BREAK, " ").split()))


def _trimmed(text: str) -> str:
    v = vocabulary.load()
    label, colon, rest = text.partition(": ")
    if colon and re.match(r"(?:run|use|execute|issue)\b", rest, re.IGNORECASE):
        text = label
    kept = text = text[:TITLE_MAX]
    for tail in v.tails:
        cut = tail.sub("", kept)
        kept = cut if " " in cut else kept
    return kept


def _kind(draft: Draft, part: _Part, *, last: bool) -> StepKind:
    """The kind; the first of these rules that holds."""
    v = vocabulary.load()
    sentence = draft.sentence
    if draft.kind is not None:
        return draft.kind
    if sentence is not None and sentence.waits and last:
        return StepKind.WAIT
    if not part.typed:
        return StepKind.CALL if _calls(draft) else StepKind.MANUAL
    if part.typed[0].tool not in SHELLS:
        return StepKind.CHECK if all(e.reads for e in part.typed) else StepKind.MANUAL
    if any(entry.interactive for entry in part.typed) and not last:
        return StepKind.COMMAND
    if _changes(sentence.clause if sentence else draft.title.text, part):
        return StepKind.COMMAND
    asks = draft.title.text if sentence is None else sentence.text
    if (draft.judged and last) or v.question.search(asks):
        return StepKind.CHECK
    return StepKind.COMMAND


def _changes(clause: str, part: _Part) -> bool:
    v = vocabulary.load()
    if v.change.match(clause):
        return True
    typed = (_QUOTED.sub("x", entry.text) for entry in part.typed)
    return any(_acts(segment) for text in typed for segment in _SEGMENT.split(text))


def _acts(segment: str) -> bool:
    """Whether one program is told to change something: by its name or by its first words."""
    v = vocabulary.load()
    words = [word for word in segment.split() if not word.startswith("-") and "=" not in word][:4]
    for word in words:
        if v.reading_command.fullmatch(word):
            return False
        if v.changing_command.fullmatch(word):
            return True
    return False


def _calls(draft: Draft) -> bool:
    """Whether its links lead to pages that are to be followed."""
    v = vocabulary.load()
    sentence = draft.sentence
    if sentence is None or not draft.links:
        return False
    pages = [link for link in draft.links if not re.search(r"\.(?:svg|png|jpe?g|gif)$", link)]
    if not pages:
        return False
    follows = re.search(
        r"\b(?:follow|following|refer to|according to|described|consult|see)\b",
        sentence.text,
        re.IGNORECASE,
    )
    local = any(
        re.search(r"(?:\.md|\.html?|\.adoc)(?:#.*)?$", link) and "://" not in link for link in pages
    )
    return bool(
        follows
        or (local and v.follow.match(sentence.clause))
        or (v.follow.match(sentence.clause) and v.page.search(sentence.clause))
    )


def _expected(draft: Draft, part: _Part, *, last: bool) -> str | None:
    found = [(entry.span.start, entry.text) for entry in part.shown]
    if last:
        found += draft.expected
    text = "\n".join(text.replace(LINE_BREAK, "\n") for _, text in sorted(found))
    return text or None


def _timeout(draft: Draft) -> int | None:
    v = vocabulary.load()
    for said in draft.said:
        waits = draft.sentence is not None and draft.sentence.waits
        found = v.time.search(said)
        if (
            found
            and (waits or v.lasts.search(said[: found.start()][-40:]))
            and (waits or re.search(r"\btakes?\b|\bwait", said, re.IGNORECASE))
        ):
            count = found["upper"] or found["count"].lower()
            return (_NUMBERS.get(count) or int(count)) * v.seconds[found["unit"].lower()]
    return None
