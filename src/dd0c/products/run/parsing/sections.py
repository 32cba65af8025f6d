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
from dd0c.products.run.parsing import sentences, typed, vocabulary
from dd0c.products.run.parsing.blocks import (
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


class Section:
    """What stands between two headings."""

    def __init__(self, source: Source, path: Sequence[Passage], paragraphs: int = 0) -> None:
        self.source = source
        self.path = tuple(" ".join(heading.text.split()) for heading in path)
        self.heading = path[-1] if path else None
        self.drafts: list[Draft] = []
        self.current: Draft | None = None
        self.paragraph = paragraphs
        self.question: Passage | None = None
        self.condition: Sentence | None = None
        v = vocabulary.load()
        self.explains = any(v.explaining.fullmatch(name) for name in self.path[-1:])

    def read(self, blocks: Sequence[Block]) -> list[Draft]:
        """The drafts of these blocks, leads left out."""
        self._blocks(blocks)
        return without_leads(self.drafts)

    def _blocks(self, blocks: Sequence[Block]) -> None:
        for index, block in enumerate(blocks):
            following = blocks[index + 1] if index + 1 < len(blocks) else None
            match block:
                case Paragraph():
                    self._paragraph(block, following)
                case Code():
                    self._code(block)
                case Listing():
                    before = blocks[index - 1] if index else None
                    self._listing(block, before if isinstance(before, Paragraph) else None)
                case Table():
                    self._table(block)
                case Quote():
                    self._quote(block)
                case Heading():
                    pass

    # sentences

    def _paragraph(self, block: Paragraph, following: Block | None) -> None:
        self.paragraph += 1
        self.question = None
        found = list(sentences.split(block.words))
        if self.current and found and _only_links(block.words):
            self.current.links += block.words.links
            self.current.reach(block.span.end)
            return
        for index, sentence in enumerate(found):
            last = index == len(found) - 1
            self._sentence(sentence, following if last else None, first=index == 0)

    def _sentence(self, sentence: Sentence, following: Block | None, *, first: bool) -> None:
        shown = self._entries(following) if isinstance(following, Code) else []
        introduces = any(entry.tool for entry in shown)
        if sentence.mood is Mood.UNDO and self.current:
            self._undo(sentence, shown)
        elif sentence.mood is Mood.FORBIDDEN:
            self.question = None
        elif self.current and sentence.judges and self._is_about_current(sentence, introduces):
            self._expect(sentence, shown)
        elif sentence.asks and self._counts(sentence, first=first, introduces=introduces):
            self._order(sentence)
        elif sentence.mood is Mood.CONDITION and isinstance(following, Listing):
            self.condition, self.current = sentence, None
        elif introduces and not vocabulary.load().label.match(sentence.text):
            self._open(sentence)
        elif sentence.mood is Mood.QUESTION:
            self.question = sentence.words
        elif inferred := self._typed_in(sentence):
            self._open(sentence).entries += inferred

    def _is_about_current(self, sentence: Sentence, introduces: bool) -> bool:
        assert self.current is not None
        if introduces and not self.current.typed:
            return False
        if sentence.mood in (Mood.ORDER, Mood.PURPOSE) and not self.current.typed:
            return False
        return not introduces

    def _counts(self, sentence: Sentence, *, first: bool, introduces: bool) -> bool:
        """Whether an order is one for whoever reads this: not dropped in passing."""
        if introduces or not self.explains:
            return True
        return first and sentence.mood is Mood.ORDER

    def _order(self, sentence: Sentence) -> None:
        current = self.current
        inline = self._typed_in(sentence)
        alone = sentence.leads or sentence.chooses or sentence.waits or inline or self.question
        same = current is not None and current.paragraph == self.paragraph
        if sentence.mood is Mood.OFFER and not inline and not sentence.chooses:
            alone = False
        if current and same and not alone and not current.typed and current.kind is None:
            current.add(sentence)
            return
        clauses = sentences.clauses(sentence)
        v = vocabulary.load()
        if (
            len(clauses) == 2
            and v.wait.match(clauses[1].text)
            and not sentence.waits
            and not inline
        ):
            for clause in clauses:
                self._open(sentences.read(clause))
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

    def _expect(self, sentence: Sentence, shown: Sequence[Entry]) -> None:
        assert self.current is not None
        self.current.add(sentence)
        lead = vocabulary.load().output_lead.search(sentence.text.rstrip(" :."))
        if not (lead and shown):
            self.current.expected.append((sentence.words.span.start, sentence.words.text))
            self.current.judged = True

    def _undo(self, sentence: Sentence, shown: Sequence[Entry]) -> None:
        assert self.current is not None
        commands = [e.text for e in (self._typed_in(sentence) or shown) if e.tool]
        if commands:
            self.current.rollback = "\n".join(commands)
            self.current.reach(sentence.words.span.end)

    def _typed_in(self, sentence: Sentence) -> list[Entry]:
        return typed.of_sentence(sentence.words, self.source)

    # blocks

    def _entries(self, block: Code) -> list[Entry]:
        return typed.of_block(block, self.source)

    def _code(self, block: Code) -> None:
        entries = self._entries(block)
        if not entries:
            return
        if self.current and self.current.rollback and block.span.start <= self.current.end + 2:
            self.current.reach(block.span.end)
            return
        if self.current is None and any(entry.tool for entry in entries) and self._heading_asks():
            self._open_by_heading(block)
        if self.current is None:
            return
        self.current.reach(block.span.end)
        if any(entry.tool for entry in entries):
            self.current.entries += entries
        else:
            self._output(block, entries)

    def _output(self, block: Code, entries: Sequence[Entry]) -> None:
        assert self.current is not None
        if (
            block.language in ("yaml", "yml", "json", "toml", "ini", "xml")
            and not self.current.typed
        ):
            self.current.detailed = True
        else:
            self.current.expected += [(entry.span.start, entry.text) for entry in entries]

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
        if any(isinstance(b, Code) and any(e.tool for e in self._entries(b)) for b in block.blocks):
            self._blocks(block.blocks)

    def _table(self, block: Table) -> None:
        """Rows are steps where a column says that it holds actions; else nothing."""
        v = vocabulary.load()
        if not block.rows or self.explains:
            return
        columns = [n for n, cell in enumerate(block.rows[0]) if v.table_action.match(cell.text)]
        for row in block.rows[1:] if columns else ():
            cells = [row[n] for n in columns if n < len(row) and row[n].text.strip()]
            self.paragraph += 1
            self.current = None
            for cell in cells:
                for sentence in sentences.split(cell):
                    inline = self._typed_in(sentence)
                    if self.current and inline:
                        self.current.entries += inline
                        self.current.reach(sentence.words.span.end)
                    elif sentence.asks or inline:
                        self._order(sentence)
        self.current = None if columns else self.current

    # lists

    def _listing(self, block: Listing, before: Paragraph | None) -> None:
        parent = self.current if self.current and self.current.paragraph == self.paragraph else None
        lead = _last(before)
        has_commands = any(self._has_commands(item) for item in block.items)
        if parent is None or before is None or lead is None:
            self._items(block)
        elif parent.typed and not has_commands:
            self._judge_items(block)
        elif parent.kind is StepKind.DECISION or lead.chooses:
            parent.kind = StepKind.DECISION
            self._items(block)
        elif has_commands or vocabulary.load().announcement.search(lead.text.rstrip(" :.")):
            self._lead_items(block, parent, lead)
        else:
            parent.detailed = True
            parent.reach(block.span.end)

    def _lead_items(self, block: Listing, parent: Draft, lead: Sentence) -> None:
        """Items that are steps below an order: with a condition it is a decision, else a lead."""
        if vocabulary.load().condition.match(lead.text) and len(block.items) > 1:
            parent.kind = StepKind.DECISION
        elif parent.sentence is lead or (parent.sentence and parent.sentence.text == lead.text):
            self.drafts.remove(parent)
        self._items(block)

    def _items(self, block: Listing) -> None:
        lead, self.condition = self.condition, None
        count = len(self.drafts)
        for item in block.items:
            self.current = None
            self._blocks(item)
        if lead is not None:
            self._settle_condition(lead, count)

    def _settle_condition(self, lead: Sentence, count: int) -> None:
        if len(self.drafts) - count > 1:
            span = lead.words.span
            draft = Draft(self.path, lead.words, span.start, span.end, lead, self.paragraph)
            draft.kind = StepKind.DECISION
            self.drafts.insert(count, draft)
        elif len(self.drafts) - count == 1:
            self.drafts[count].start = lead.words.span.start

    def _judge_items(self, block: Listing) -> None:
        """Details of what is seen: those that judge are expected of the current step."""
        assert self.current is not None
        for item in block.items:
            for part in item:
                if isinstance(part, Paragraph):
                    for sentence in sentences.split(part.words):
                        if sentence.judges:
                            self._expect(sentence, ())
        self.current.reach(block.span.end)

    def _has_commands(self, item: Sequence[Block]) -> bool:
        for part in item:
            if isinstance(part, Code) and any(entry.tool for entry in self._entries(part)):
                return True
            if isinstance(part, Listing) and any(self._has_commands(i) for i in part.items):
                return True
            if isinstance(part, Paragraph):
                if any(s.asks and self._typed_in(s) for s in sentences.split(part.words)):
                    return True
        return False


def _last(paragraph: Paragraph | None) -> Sentence | None:
    found = list(sentences.split(paragraph.words)) if paragraph else []
    return found[-1] if found else None


def _only_links(words: Passage) -> bool:
    rest = words.text
    for mark in reversed([m for m in words.marks if m.target]):
        rest = rest[: mark.start] + rest[mark.end :]
    return bool(words.links) and not re.sub(r"\W|\band\b|\bor\b", "", rest)


def read(source: Source, blocks: Sequence[Block]) -> Iterator[list[Draft]]:
    """The drafts of a page, a section at a time."""
    path: list[tuple[int, Passage]] = []
    gathered: list[Block] = []
    for block in [*blocks, None]:
        if block is not None and not isinstance(block, Heading):
            gathered.append(block)
            continue
        if gathered:
            yield Section(source, [words for _, words in path]).read(gathered)
            gathered = []
        if block is not None:
            path = [entry for entry in path if entry[0] < block.level]
            path.append((block.level, block.words))
