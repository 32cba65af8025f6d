"""Blocks into drafts of steps: the rules by which a page is read as its author meant it.

A section at a time, because a lead is known by what follows it and nothing reaches over a heading.
Within a section one draft is *current*: what is pasted, judged or linked behind an order belongs to
that order. Which sentences are orders is for `sentences` to say, what is typed for `typed`; here
stands only what follows from where things stand.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from dd0c.products.run.models import StepKind
from dd0c.products.run.parsing import listings, sentences, typed, vocabulary
from dd0c.products.run.parsing.blocks import (
    PARAGRAPH_MAX,
    Block,
    Code,
    Heading,
    Listing,
    Paragraph,
    Quote,
    Table,
)
from dd0c.products.run.parsing.drafts import Draft, without_leads
from dd0c.products.run.parsing.passages import Passage, Source, joined
from dd0c.products.run.parsing.sentences import Mood, Sentence
from dd0c.products.run.parsing.typed import Entry

_POINTS = re.compile(r":$|\b(?:following|below|these|this)\b", re.IGNORECASE)


class Section:
    """What stands between two headings."""

    def __init__(self, source: Source, path: Sequence[Passage]) -> None:
        self.source = source
        self.path = tuple(" ".join(heading.text.split()) for heading in path)
        self.heading = path[-1] if path else None
        self.drafts: list[Draft] = []
        self.current: Draft | None = None
        self.paragraph = 0
        self.question: Passage | None = None
        self.condition: Sentence | None = None
        self.intro: Sentence | None = None
        self._entries: dict[int, list[Entry]] = {}  # of blocks by id: lists are looked at twice
        self._sentences: dict[int, list[Sentence]] = {}
        self.noted = False
        self.forbids = False
        """What the next block shows is not to be done."""
        self.in_item = False
        v = vocabulary.load()
        self.explains = any(v.explaining.fullmatch(name) for name in self.path[-1:])

    def read(self, blocks: Sequence[Block], *, has_parts: bool) -> list[Draft]:
        """The drafts of these blocks, leads left out; has_parts: sections stand below this one."""
        self.read_blocks(blocks)
        return without_leads(self.drafts, goes_on=has_parts)

    def read_blocks(self, blocks: Sequence[Block]) -> None:
        """Blocks that stand one behind the other: of the section, of an item."""
        for index, block in enumerate(blocks):
            following = blocks[index + 1] if index + 1 < len(blocks) else None
            if self.forbids and isinstance(block, Code | Listing | Table):
                continue
            match block:
                case Paragraph():
                    self._paragraph(block, following)
                case Code():
                    self._code(block)
                case Listing():
                    before = blocks[index - 1] if index else None
                    lead = before if isinstance(before, Paragraph) else None
                    listings.read(self, block, lead, following)
                case Table():
                    self._table(block)
                case Quote():
                    self._quote(block)
                case Heading():
                    pass

    # sentences

    def _paragraph(self, block: Paragraph, following: Block | None) -> None:
        self.paragraph += 1
        self.question = self.intro = None
        self.forbids = False
        found = self.sentences_of(block)
        if self.current and found and _only_links(block.words):
            self.current.links += block.words.links
            self.current.reach(block.span.end)
            return
        self.noted = False
        for index, sentence in enumerate(found):
            last = index == len(found) - 1
            self._sentence(sentence, following if last else None, first=index == 0)
        if self.current and self.in_item and self.current.paragraph == self.paragraph:
            self.current.reach(block.span.end)

    def _sentence(self, sentence: Sentence, following: Block | None, *, first: bool) -> None:
        shown = self.entries_of(following) if isinstance(following, Code) else []
        introduces = any(entry.tool for entry in shown)
        note = bool(vocabulary.load().label.match(sentence.text))
        self.noted |= note
        self.intro = None if note else sentence
        if sentence.mood is Mood.FORBIDDEN:
            self.question = self.intro = None
            self.forbids = following is not None and _POINTS.search(sentence.text) is not None
        elif self.current and self._belongs(sentence, shown, introduces=introduces):
            return
        elif sentence.asks and self._counts(sentence, first=first, introduces=introduces):
            self._order(sentence, introduces=introduces)
        elif self._asks_to_choose(sentence) and isinstance(following, Listing):
            self._open(sentence).kind = StepKind.DECISION
        elif sentence.mood is Mood.CONDITION and isinstance(following, Listing):
            self.condition = sentence
        elif introduces and not note:
            self._open(sentence).judged = sentence.judges
        elif sentence.mood is Mood.QUESTION:
            self.question = sentence.words
        elif told := self._typed_without_order(sentence):
            self._open(sentence).entries += told

    def _typed_without_order(self, sentence: Sentence) -> list[Entry]:
        """Commands of a sentence without a verb: what it begins with, or has behind a colon.

        Any other sentence that names a command tells a tale ("the daemon runs `curl …`").
        """
        found = [entry for entry in self.typed_in(sentence) if entry.tool in typed.SHELLS]
        begins = sentence.words.text[: next((m.start for m in sentence.words.codes), 0)]
        leads = vocabulary.load().lead.fullmatch(begins) or begins.rstrip().endswith(":")
        return found if not begins or leads else []

    def _asks_to_choose(self, sentence: Sentence) -> bool:
        return not self.explains and (sentence.chooses or sentence.mood is Mood.QUESTION)

    def _belongs(self, sentence: Sentence, shown: Sequence[Entry], *, introduces: bool) -> bool:
        """Whether the sentence says something about the current step, which then has it."""
        current = self.current
        assert current is not None
        v = vocabulary.load()
        same = current.paragraph == self.paragraph
        asks = sentence.asks or sentence.mood is Mood.PURPOSE
        if sentence.mood is Mood.UNDO:
            self._undo(sentence, shown)
        elif self.noted and not introduces:
            if current.typed and not self.typed_in(sentence):
                current.add(sentence)
        elif current.typed and sentence.waits and current.sentence and current.sentence.waits:
            self.expect(sentence, shown)
        elif current.kind is StepKind.DECISION and same and self._offers_more(sentence):
            current.add(sentence)
        elif introduces and not current.typed and self._introduces_for_current(sentence):
            current.add(sentence)
            if sentence.judges:
                self.expect(sentence, shown)
        elif sentence.judges and not introduces and (current.typed or not asks):
            self.expect(sentence, shown)
        elif same and not asks and v.lasts.search(sentence.text) and v.time.search(sentence.text):
            current.add(sentence)
        else:
            return False
        return True

    def _introduces_for_current(self, sentence: Sentence) -> bool:
        """Whether it only says with what the order above it is done."""
        assert self.current is not None
        below = self.paragraph - self.current.paragraph
        own = sentence.mood is Mood.PURPOSE or sentence.judges
        return not sentence.asks and (below == 0 or (below == 1 and not own))

    def _offers_more(self, sentence: Sentence) -> bool:
        """Another way of the choice that the current step is."""
        return sentence.mood is Mood.OFFER or bool(re.match(r"or\b", sentence.text, re.IGNORECASE))

    def _counts(self, sentence: Sentence, *, first: bool, introduces: bool) -> bool:
        """Whether an order is one for whoever reads this: not dropped in passing."""
        if introduces or not self.explains:
            return True
        return first and sentence.mood is Mood.ORDER and not self.in_item

    def _order(self, sentence: Sentence, *, introduces: bool = False) -> None:
        current = self.current
        inline = self.typed_in(sentence)
        v = vocabulary.load()
        alone = bool(sentence.chooses or inline or self.question)
        if not alone and sentence.mood is Mood.OFFER:
            alone = v.condition.match(sentence.text) is not None
        elif not alone:
            alone = sentence.leads or sentence.waits or introduces
        same = current is not None and current.paragraph == self.paragraph
        if current and same and not alone and not current.typed and current.kind is None:
            current.add(sentence)
            return
        clauses = sentences.clauses(sentence)
        if len(clauses) == 2 and v.wait.match(clauses[1].text) and not sentence.waits:
            for clause in clauses:
                part = sentences.read(clause)
                self._open(part).entries += self.typed_in(part)
            return
        draft = self._open(sentence)
        draft.entries += inline
        if sentence.chooses and not inline:
            draft.kind = StepKind.DECISION

    def _open(self, sentence: Sentence) -> Draft:
        span = sentence.words.span
        title = sentence.words
        start = span.start
        if self.question is not None:
            start = self.question.span.start
            run = sentence.verb in ("run", "use", "execute", "issue", "type")
            title = self.question if run else joined([self.question, title])
            self.question = None
        draft = Draft(self.path, title, start, span.end, sentence, self.paragraph)
        draft.add(sentence)
        self.drafts.append(draft)
        self.current = draft
        return draft

    def expect(self, sentence: Sentence, shown: Sequence[Entry]) -> None:
        """A sentence that judges what the current step shows; `shown` is what it leads to."""
        assert self.current is not None
        if sentence.text not in self.current.said:
            self.current.add(sentence)
        lead = vocabulary.load().output_lead.search(sentence.text.rstrip(" :."))
        if not (lead and shown):
            self.current.expected.append((sentence.words.span.start, sentence.words.text))
            self.current.judged = True

    def _undo(self, sentence: Sentence, shown: Sequence[Entry]) -> None:
        assert self.current is not None
        commands = [e.text for e in (self.typed_in(sentence) or shown) if e.tool]
        if commands:
            self.current.rollback = "\n".join(commands)
            self.current.reach(sentence.words.span.end)

    def typed_in(self, sentence: Sentence) -> list[Entry]:
        """What a sentence itself says to type."""
        return typed.of_sentence(sentence.words, self.source)

    # blocks

    def entries_of(self, block: Code) -> list[Entry]:
        """What a block says, told once."""
        if id(block) not in self._entries:
            self._entries[id(block)] = typed.of_block(block, self.source)
        return self._entries[id(block)]

    def sentences_of(self, block: Paragraph) -> list[Sentence]:
        """The sentences of a paragraph, told once."""
        if id(block) not in self._sentences:
            words = block.words.part(0, PARAGRAPH_MAX)
            self._sentences[id(block)] = list(sentences.split(words))
        return self._sentences[id(block)]

    def _code(self, block: Code) -> None:
        entries = self.entries_of(block)
        if not entries:
            return
        if self.current and self.current.rollback and block.span.start <= self.current.end + 2:
            self.current.reach(block.span.end)
            return
        if self.current is None and any(entry.tool for entry in entries):
            if self.intro is not None:
                self._open(self.intro)
            elif self._heading_asks():
                self._open_by_heading(block)
        if self.current is None:
            return
        if all(entry.data for entry in entries) and self.current.paragraph != self.paragraph:
            return
        self.current.reach(block.span.end)
        if any(entry.tool for entry in entries):
            self.current.entries += entries
        else:
            self._output(entries)

    def _output(self, entries: Sequence[Entry]) -> None:
        assert self.current is not None
        if not all(entry.data for entry in entries):
            self.current.expected += [(entry.span.start, entry.text) for entry in entries]
        elif not self.current.typed:
            self.current.detailed = True

    def _heading_asks(self) -> bool:
        if self.heading is None or self.explains:
            return False
        v = vocabulary.load()
        name = self.path[-1]
        return bool(
            v.acting.search(name) or v.gerund.match(name) or sentences.read(self.heading).asks
        )

    def _open_by_heading(self, block: Code) -> None:
        assert self.heading is not None
        draft = Draft(self.path, self.heading, block.span.start, block.span.end)
        draft.paragraph = self.paragraph
        self.drafts.append(draft)
        self.current = draft

    def _quote(self, block: Quote) -> None:
        """A note: read only for what it says to type."""
        if any(
            isinstance(b, Code) and any(e.tool for e in self.entries_of(b)) for b in block.blocks
        ):
            self.read_blocks(block.blocks)

    def _table(self, block: Table) -> None:
        """Rows are steps where a column says that it holds actions; else nothing."""
        v = vocabulary.load()
        if not block.rows or self.explains:
            return
        columns = [n for n, cell in enumerate(block.rows[0]) if v.table_action.match(cell.text)]
        for row in block.rows[1:] if columns else ():
            self.paragraph += 1
            self.current = None
            for cell in (row[n] for n in columns if n < len(row)):
                for sentence in sentences.split(cell):
                    self._sentence_of_cell(sentence)
        self.current = None if columns else self.current

    def _sentence_of_cell(self, sentence: Sentence) -> None:
        inline = self.typed_in(sentence)
        if self.current and inline:
            self.current.entries += inline
            self.current.reach(sentence.words.span.end)
        elif sentence.asks or inline:
            self._order(sentence)


def _only_links(words: Passage) -> bool:
    if not words.links or len(words.text) > PARAGRAPH_MAX:
        return False
    pieces, done = [], 0
    for mark in words.marks:
        if mark.target:
            pieces.append(words.text[done : mark.start])
            done = mark.end
    rest = "".join([*pieces, words.text[done:]])
    return not re.sub(r"\W|\band\b|\bor\b", "", rest)


def read(source: Source, blocks: Sequence[Block]) -> Iterator[list[Draft]]:
    """The drafts of a page, a section at a time."""
    path: list[tuple[int, Passage]] = []
    gathered: list[Block] = []
    for block in [*blocks, None]:
        if block is not None and not isinstance(block, Heading):
            gathered.append(block)
            continue
        if gathered:
            section = Section(source, [words for _, words in path])
            below = block is not None and len(path) > 1 and block.level > path[-1][0]
            yield section.read(gathered, has_parts=below)
            gathered = []
        if block is not None:
            path = [entry for entry in path if entry[0] < block.level]
            path.append((block.level, block.words))
