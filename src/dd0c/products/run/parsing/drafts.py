"""A step while its parts are still being found, and what of a page is only a lead to another step."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from dd0c.products.run.models import StepKind
from dd0c.products.run.parsing import vocabulary
from dd0c.products.run.parsing.passages import Passage
from dd0c.products.run.parsing.sentences import Sentence
from dd0c.products.run.parsing.typed import Entry

_COMMON = frozenset(
    "the a an of to and or is are in on for with that this it if any all be by from as at".split()
)


@dataclass(slots=True)
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


def without_leads(drafts: Sequence[Draft]) -> list[Draft]:
    """The drafts of a section but for those whose order the next one gives in full."""
    kept: list[Draft] = []
    following: Draft | None = None
    for draft in reversed(drafts):
        if following is None or not _leads_to(draft, following, first=draft is drafts[0]):
            kept.append(draft)
            following = draft
    return kept[::-1]


def _leads_to(draft: Draft, following: Draft, *, first: bool) -> bool:
    sentence = draft.sentence
    if draft.typed or draft.kind or draft.detailed or sentence is None or draft.links:
        return False
    v = vocabulary.load()
    if v.announcement.search(sentence.text.rstrip(" :.")) and not sentence.chooses:
        return True
    if sentence.text.endswith(":"):
        return True
    if not following.typed or following.sentence is None:
        return False
    if first and sentence.verb in v.vague and following.paragraph == draft.paragraph + 1:
        return True
    return sentence.verb == following.sentence.verb and _overlap(sentence, following.sentence)


def _overlap(one: Sentence, other: Sentence) -> bool:
    first, second = (set(re.findall(r"\w+", s.text.lower())) - _COMMON for s in (one, other))
    return len(first & second) >= 0.6 * min(len(first), len(second))
