"""What a list is: steps of its own, details of the step above it, or how to judge what that shows.

Told from the sentence above the list and from whether items have commands (rules 2 and 5 of the
runbooks' README): items detail an order, they are steps when something is typed for them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dd0c.products.run.models import StepKind
from dd0c.products.run.parsing import sentences, typed, vocabulary
from dd0c.products.run.parsing.blocks import Block, Code, Listing, Paragraph
from dd0c.products.run.parsing.drafts import Draft
from dd0c.products.run.parsing.sentences import Mood, Sentence
from dd0c.products.run.parsing.typed import Entry

if TYPE_CHECKING:
    from dd0c.products.run.parsing.sections import Section


def read(section: Section, block: Listing, before: Paragraph | None, after: Block | None) -> None:
    """Items are steps, or details of the step above, or how to judge what it shows."""
    parent = (
        section.current
        if section.current and section.current.paragraph == section.paragraph
        else None
    )
    lead = _last(before)
    commands = any(_has_commands(section, item) for item in block.items) or (
        isinstance(after, Code) and any(entry.tool for entry in section.entries_of(after))
    )
    condition, section.condition = section.condition, None
    if section.current and section.current.typed and condition and not commands:
        _judge_items(section, block)
    elif condition is not None:
        _conditional_items(section, block, condition)
    elif lead is not None and lead.mood is Mood.STATEMENT and _is_unfinished(lead):
        return
    elif parent is None or lead is None or not lead.text.endswith((":", "following")):
        _items(section, block)
    elif parent.typed and not commands:
        _judge_items(section, block)
    elif parent.kind is StepKind.DECISION or lead.chooses:
        parent.kind = StepKind.DECISION
        _items(section, block)
    elif commands or _only_announces(block, lead):
        _lead_items(section, block, parent, lead)
    else:
        parent.detailed = True
        parent.reach(block.span.end)
        parent.entries += _queries(section, block, lead)
        called = lead.verb in ("refer", "follow", "see", "consult", "read", "visit")
        words = [p.words for item in block.items for p in item if isinstance(p, Paragraph)]
        links = [link for passage in words for link in passage.links]
        (parent.links if called else parent.further).extend(links)


def _only_announces(block: Listing, lead: Sentence) -> bool:
    """Whether the sentence above a list says no more than that its items are to be done."""
    v = vocabulary.load()
    if v.announcement.search(lead.text.rstrip(" :.")):
        return True
    if lead.mood is not Mood.OFFER and lead.verb not in v.vague:
        return False
    firsts = [_first(item) for item in block.items]
    return all(sentence is not None and sentence.mood is Mood.ORDER for sentence in firsts)


def _queries(section: Section, block: Listing, lead: Sentence) -> list[Entry]:
    """The metrics and queries that a list names, when they are what the lead says to look at."""
    found = []
    for item in block.items:
        for part in item:
            if isinstance(part, Listing):
                found += _queries(section, part, lead)
            elif isinstance(part, Paragraph):
                found += typed.of_sentence(part.words, section.source, lead.text)
    return [entry for entry in found if entry.reads]


def _lead_items(section: Section, block: Listing, parent: Draft, lead: Sentence) -> None:
    """Items that are steps below an order: with a condition it is a decision, else a lead."""
    if re.match(r"(?:if|unless|in case)\b", lead.text, re.IGNORECASE) and len(block.items) > 1:
        parent.kind = StepKind.DECISION
    elif parent.sentence is not None and parent.sentence.text == lead.text:
        section.drafts.remove(parent)
    _items(section, block)


def _items(section: Section, block: Listing) -> None:
    outside, section.in_item = section.in_item, True
    for item in block.items:
        first = _first(item)
        judges = first is not None and first.judges and section.current and section.current.typed
        if not judges:
            section.current = None
        section.read_blocks(item)
    section.in_item = outside


def _conditional_items(section: Section, block: Listing, condition: Sentence) -> None:
    """Items under "If …:": a decision when they are several steps, else its condition."""
    count = len(section.drafts)
    _items(section, block)
    span = condition.words.span
    if len(section.drafts) - count > 1:
        draft = Draft(section.path, condition.words, span.start, span.end, condition)
        draft.paragraph, draft.kind = section.paragraph, StepKind.DECISION
        section.drafts.insert(count, draft)
    elif len(section.drafts) - count == 1:
        section.drafts[count].start = span.start


def _judge_items(section: Section, block: Listing) -> None:
    """Details of what is seen: those that judge are expected of the current step."""
    assert section.current is not None
    for item in block.items:
        for part in item:
            if isinstance(part, Paragraph):
                for sentence in section.sentences_of(part):
                    if sentence.judges:
                        section.expect(sentence, ())
                        section.current.reach(block.span.end)


def _has_commands(section: Section, item: Sequence[Block]) -> bool:
    for part in item:
        if isinstance(part, Code) and any(entry.tool for entry in section.entries_of(part)):
            return True
        if isinstance(part, Listing) and any(_has_commands(section, i) for i in part.items):
            return True
        if isinstance(part, Paragraph) and any(
            sentence.asks and section.typed_in(sentence) for sentence in section.sentences_of(part)
        ):
            return True
    return False


def _first(item: Sequence[Block]) -> Sentence | None:
    words = item[0].words if item and isinstance(item[0], Paragraph) else None
    return next(sentences.split(words), None) if words else None


def _last(paragraph: Paragraph | None) -> Sentence | None:
    found = list(sentences.split(paragraph.words)) if paragraph else []
    return found[-1] if found else None


def _is_unfinished(sentence: Sentence) -> bool:
    """Whether the items of the list behind it complete the sentence ("Going on may:")."""
    return bool(
        re.search(r"\b(?:may|can|could|might|will|are|is|when|if|that|because)\s*:$", sentence.text)
    )
