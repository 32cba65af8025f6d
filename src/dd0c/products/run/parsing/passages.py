"""Text that knows where it came from.

Markup, indentation and entities are taken away before anything is read, yet every step must say
which characters of the source it was made from. So each character of a passage carries its place in
the source, and cutting a passage cuts the places with it; no reader does arithmetic on columns.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import accumulate

from dd0c.products.run.models import Remark
from dd0c.scan.models import Span

LINE_BREAK = "\u2028"  # a break that the author made; a newline is where the source's line ended


@dataclass(frozen=True, slots=True)
class Mark:
    """A part of a passage that is a link, code, or both neither words: from start up to end."""

    start: int
    end: int
    target: str | None
    """Where a link leads; None for code."""


@dataclass(frozen=True, slots=True)
class Passage:
    """Words, the place of each character in the source, and the marks in order."""

    text: str
    at: array[int]
    marks: tuple[Mark, ...] = ()

    def part(self, start: int, end: int) -> Passage:
        """The words from start up to end, with the marks that lie within."""
        marks = self.marks
        if marks:
            first = bisect_left(marks, start, key=lambda mark: mark.start)
            last = bisect_left(marks, end, key=lambda mark: mark.start)
            marks = tuple(
                Mark(mark.start - start, min(mark.end, end) - start, mark.target)
                for mark in marks[first:last]
            )
        return Passage(self.text[start:end], self.at[start:end], marks)

    def stripped(self) -> Passage:
        """Without blanks around it."""
        start = len(self.text) - len(self.text.lstrip())
        return self.part(start, max(start, len(self.text.rstrip())))

    @property
    def span(self) -> Span:
        """From its first character in the source to its last; nothing may stand for no place."""
        return Span(self.at[0], self.at[-1] + 1) if self.at else Span(0, 0)

    def span_of(self, part: Span) -> Span:
        """Where in the source a part of its text stands."""
        if not self.at:
            return Span(0, 0)
        start = min(max(part.start, 0), len(self.at) - 1)
        return Span(self.at[start], self.at[max(start, min(part.end, len(self.at)) - 1)] + 1)

    @property
    def codes(self) -> list[Mark]:
        """The parts that are marked as code."""
        return [mark for mark in self.marks if mark.target is None]

    @property
    def links(self) -> list[str]:
        """Where its links lead, in order, each once."""
        return list(dict.fromkeys(mark.target for mark in self.marks if mark.target))


@dataclass(slots=True)
class Pen:
    """Writes a passage piece by piece."""

    pieces: list[str] = field(default_factory=list)
    at: array[int] = field(default_factory=lambda: array("I"))
    marks: list[Mark] = field(default_factory=list)

    def copy(self, text: str, offset: int) -> None:
        """Text that stands in the source at the offset, character for character."""
        self.pieces.append(text)
        self.at.extend(range(offset, offset + len(text)))

    def stand_for(self, text: str, offset: int) -> None:
        """Text that something else at the offset stands for (an entity, a break)."""
        self.pieces.append(text)
        self.at.extend([offset] * len(text))

    def write(self, passage: Passage) -> None:
        """Another passage behind what is there."""
        begin = len(self.at)
        self.marks += [Mark(m.start + begin, m.end + begin, m.target) for m in passage.marks]
        self.pieces.append(passage.text)
        self.at.extend(passage.at)

    def mark(self, start: int, target: str | None) -> None:
        """What was written since `start` (a count of characters) is code or a link."""
        self.marks.append(Mark(start, len(self.at), target))

    def passage(self) -> Passage:
        """What was written."""
        marks = tuple(sorted(self.marks, key=lambda mark: mark.start))
        return Passage("".join(self.pieces), self.at, marks)


def joined(
    passages: Iterable[Passage], breaks: Callable[[str, str], bool] | None = None
) -> Passage:
    """Passages one behind the other, a line each; `breaks` says where an author ended one."""
    pen = Pen()
    for passage in passages:
        if pen.at:
            ended = breaks is not None and breaks(pen.pieces[-1], passage.text)
            pen.stand_for(LINE_BREAK if ended else "\n", pen.at[-1])
        pen.write(passage)
    return pen.passage()


class Source:
    """A runbook's text with line ends as `\\n`, and the way back to the text as it was given.

    `remarks` gathers what its author should know.
    """

    def __init__(self, given: str) -> None:
        self.remarks: list[Remark] = []
        self.text = given.replace("\r\n", "\n").replace("\r", "\n")
        self.lines = self.text.split("\n")
        self.starts = [0, *accumulate(len(line) + 1 for line in self.lines)][:-1]
        self._given = self._starts_given(given) if len(given) != len(self.text) else None

    def _starts_given(self, given: str) -> list[int]:
        starts, cursor = [], 0
        for line in self.lines:
            starts.append(cursor)
            cursor += len(line)
            cursor += 2 if given.startswith("\r\n", cursor) else 1
        return starts

    def remark(self, line: int, text: str) -> None:
        """Say something about a line, once."""
        found = Remark(line, text)
        if found not in self.remarks[-20:]:
            self.remarks.append(found)

    def line(self, offset: int) -> int:
        """The line, counted from 1, that has this character."""
        return bisect_right(self.starts, offset)

    def given(self, span: Span) -> Span:
        """A span of `text` as one of the text that was given."""
        if self._given is None:
            return span
        shifts = [
            self._given[n - 1] - self.starts[n - 1] for n in map(self.line, (span.start, span.end))
        ]
        return Span(span.start + shifts[0], span.end + shifts[1])

    def row(self, number: int, start: int = 0) -> Passage:
        """A line, counted from 0, from its character `start` on."""
        offset = self.starts[number]
        line = self.lines[number]
        return Passage(line[start:], array("I", range(offset + start, offset + len(line))))
