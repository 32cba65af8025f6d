"""A step while its parts are still being found, and what is only a lead to another step."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from dd0c.products.run.models import StepKind
from dd0c.products.run.parsing import vocabulary
from dd0c.products.run.parsing.passages import Passage
from dd0c.products.run.parsing.sentences import Mood, Sentence
from dd0c.products.run.parsing.typed import Entry

_COMMON = frozenset(
    [
        "the",
        "a",
        "an",
        "of",
        "to",
        "and",
        "or",
        "is",
        "are",
        "in",
        "on",
        "for",
        "with",
        "that",
        "this",
        "it",
        "if",
        "any",
        "all",
        "be",
        "by",
        "from",
        "as",
        "at",
    ]
)


@dataclass(slots=True, eq=False)
class Draft:
    """A step in the making."""

    section: tuple[str, ...]
    title: Passage
    start: int
    end: int
    sentence: Sentence | None = None
    paragraph: int = 0
    """Which paragraph, counted over the page, its sentence stands in."""
    kind: StepKind | None = None
    """Set where only the whole (a list, a clause) tells."""
    entries: list[Entry] = field(default_factory=list)
    expected: list[tuple[int, str]] = field(default_factory=list)
    judged: bool = False
    """A sentence says when what is seen is good or bad."""
    links: list[str] = field(default_factory=list)
    further: list[str] = field(default_factory=list)
    """Links of its details: they make no call of it."""
    said: list[str] = field(default_factory=list)
    """All its sentences, for times to wait."""
    rollback: str | None = None
    detailed: bool = False
    """A list or a manifest belongs to it."""

    def reach(self, end: int) -> None:
        """It goes on at least to here."""
        self.end = max(self.end, end)

    def add(self, sentence: Sentence) -> None:
        """A sentence that belongs to it."""
        self.reach(sentence.words.span.end)
        self.links += [link for link in sentence.words.links if link not in self.links]
        self.said.append(sentence.text)

    @property
    def typed(self) -> list[Entry]:
        """What of it is typed somewhere."""
        return [entry for entry in self.entries if entry.tool]


def without_leads(drafts: Sequence[Draft], *, goes_on: bool) -> list[Draft]:
    """The drafts of a section but for those whose order another gives in full.

    goes_on: sections stand below this one, which give the procedure that it only names.
    """
    kept: list[Draft] = []
    for draft in reversed(drafts):
        if not _leads_on(draft, kept[::-1], first=draft is drafts[0], goes_on=goes_on):
            kept.append(draft)
    return kept[::-1]


def _leads_on(draft: Draft, following: Sequence[Draft], *, first: bool, goes_on: bool) -> bool:
    sentence = draft.sentence
    if draft.typed or draft.kind or draft.detailed or sentence is None or draft.links:
        return False
    v = vocabulary.load()
    announces = v.announcement.search(sentence.text.rstrip(" :.")) and not sentence.chooses
    if not following:
        return goes_on and (bool(announces) or sentence.mood is Mood.OFFER)
    if announces or sentence.text.endswith(":"):
        return True
    after = following[0]
    if (
        first
        and sentence.verb in v.vague
        and after.typed
        and after.paragraph == draft.paragraph + 1
    ):
        return True
    return any(_gives_in_full(sentence, later) for later in following[:2])


def _gives_in_full(sentence: Sentence, later: Draft) -> bool:
    if not later.typed or later.sentence is None or later.sentence.verb != sentence.verb:
        return False
    first, second = (_stems(s.text) for s in (sentence, later.sentence))
    return len(first & second) >= 0.5 * min(len(first), len(second))


def _stems(text: str) -> set[str]:
    return {word.removesuffix("s") for word in re.findall(r"\w+", text.lower())} - _COMMON
