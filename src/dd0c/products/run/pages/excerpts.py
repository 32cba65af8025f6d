"""A runbook's source in parts, each beside the steps that were made of it. Pure.

Runbooks are somebody else's text: a character that is not seen, or that turns a line around, is
shown as a mark with its number, and a line without end is cut. What is typed stands out.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from dd0c.products.run.models import Step

LINE_SHOWN = 1_000  # characters of a line
ASIDE = 12  # lines that no step was made of: more are folded

Mark = Literal["", "typed", "hidden"]


@dataclass(frozen=True, slots=True)
class Piece:
    """Characters of a line: as they are, what is typed, or one that is not seen."""

    text: str
    mark: Mark = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the source."""

    number: int
    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Lines of the source, and the numbers of the steps made of them; none where nothing is to be
    done."""

    first: int
    last: int
    steps: tuple[int, ...] = ()

    @property
    def is_folded(self) -> bool:
        """Whether it is only shown to who asks."""
        return not self.steps and self.last - self.first >= ASIDE


class Source:
    """A runbook's text with its lines."""

    def __init__(self, text: str):
        self._text = text
        self._starts = [0, *(at + 1 for at, c in enumerate(text) if c == "\n")]

    @property
    def lines(self) -> int:
        """How many there are."""
        return len(self._starts) - self._text.endswith("\n")

    def text(self, first: int, last: int) -> str:
        """Those lines, without the last one's end."""
        return self._text[self._starts[first - 1] : self._end(last)]

    def replaced(self, first: int, last: int, text: str) -> str:
        """The whole text with others in place of those lines."""
        start, end = self._starts[first - 1], self._end(last)
        return self._text[:start] + text + self._text[end:]

    def show(self, first: int, last: int, typed: Sequence[tuple[int, int]]) -> Iterator[Line]:
        """Those lines as pieces; `typed`: what of them is a command."""
        for number in range(first, last + 1):
            start, end = self._starts[number - 1], self._end(number)
            shown = min(end, start + LINE_SHOWN)
            edges = {start, shown}
            for span in typed:
                edges |= {min(max(at, start), shown) for at in span}
            cuts = sorted(edges)
            parts = [
                piece
                for a, b in pairwise(cuts)
                for piece in pieces(self._text[a:b], _mark(a, typed))
            ]
            if end > shown:
                parts.append(Piece("…", "hidden", f"{end - shown:,} more characters"))
            yield Line(number, tuple(parts))

    def _end(self, line: int) -> int:
        return self._starts[line] - 1 if line < len(self._starts) else len(self._text)


def excerpts(steps: Iterable[Step], lines: int) -> Iterator[Excerpt]:
    """The whole source, in order; steps that share lines stand beside one excerpt."""
    at, held = 1, None
    for number, step in enumerate(steps):
        first, last = max(step.lines[0], at), min(step.lines[1], lines)
        if held and last < first:
            held = Excerpt(held.first, held.last, (*held.steps, number))
            continue
        if held:
            yield held
        if at < first:
            yield Excerpt(at, first - 1)
        held = Excerpt(first, last, (number,))
        at = last + 1
    if held:
        yield held
    if at <= lines:
        yield Excerpt(at, lines)


def pieces(text: str, mark: Mark = "") -> Iterator[Piece]:
    """A text of somebody else's with what is not seen made visible; lines stay lines."""
    plain = ""
    for c in text:
        if c.isprintable() or c in "\t\n":
            plain += c
            continue
        if plain:
            yield Piece(plain, mark)
            plain = ""
        yield Piece(f"U+{ord(c):04X}", "hidden", unicodedata.name(c, "control character").lower())
    if plain:
        yield Piece(plain, mark)


def _mark(at: int, typed: Sequence[tuple[int, int]]) -> Mark:
    return "typed" if any(start <= at < end for start, end in typed) else ""
