"""What a page is made of, whichever format it is written in."""

from __future__ import annotations

from dataclasses import dataclass

from dd0c.products.run.parsing.passages import Passage
from dd0c.scan.models import Span

PARAGRAPH_MAX = 20_000
"""Characters of a paragraph that are read; nobody writes a longer one."""


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading; level 1 is the highest."""

    level: int
    words: Passage


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Sentences. A newline in them is no more than a blank."""

    words: Passage

    @property
    def span(self) -> Span:
        """Where it stands."""
        return self.words.span


@dataclass(frozen=True, slots=True)
class Code:
    """A block that is shown as it is; `span` has its fences too."""

    text: Passage
    language: str | None
    span: Span


@dataclass(frozen=True, slots=True)
class Listing:
    """A list; each item is a page in small."""

    items: tuple[tuple[Block, ...], ...]
    ordered: bool
    span: Span


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells; the first row names the columns."""

    rows: tuple[tuple[Passage, ...], ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Quote:
    """Set apart: a note, a warning, somebody's words."""

    blocks: tuple[Block, ...]
    span: Span


Block = Heading | Paragraph | Code | Listing | Table | Quote
