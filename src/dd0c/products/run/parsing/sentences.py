"""Sentences: where they end, and what each asks of its reader.

Nothing here knows of blocks or steps. A sentence is tried against the vocabulary from its first
word: what only leads ("Then, please") is passed over, a condition or a purpose ("If …,", "To …,")
is passed over up to the clause behind it, and what then stands there decides. That makes an order
of "If the pod is gone, restart it" and none of "A pod that is gone will restart".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

from dd0c.products.run.parsing import vocabulary
from dd0c.products.run.parsing.passages import LINE_BREAK, Passage
from dd0c.products.run.parsing.vocabulary import Vocabulary

_END = re.compile(
    r"(?P<stop>[.!?]+[\"'”’)]*)(?=\s|$)"
    rf"|(?P<hard>{LINE_BREAK})"
    r"|(?P<glued>(?<=[a-z`)])\.(?=[A-Z][a-z]+ ))"
)
_ABBREVIATION = re.compile(
    r"(?:^|[\s(])(?:e\.g|i\.e|etc|vs|cf|approx|resp|incl|no|fig|sec|\w)\.$", re.IGNORECASE
)
_ENDED = re.compile(r"\s+[A-Z`\"“]")
_COMMA = re.compile(r"[,;:]\s+|\)\s+|\s+[-–—]+>?\s+|\bthen\s+|\.\.\.\s+", re.IGNORECASE)
_CLAUSE_AND = re.compile(r",?\s+(?:and then|then|and)\s+(?:then\s+)?", re.IGNORECASE)
_PURPOSE = re.compile(r"(?:how )?to\s+(?P<verb>\w*)", re.IGNORECASE)
_LOOKS = re.compile(r"(?:look|watch|search|scan|keep an eye|pay)\b", re.IGNORECASE)
_FOLLOWS = re.compile(r"\b(?:follow (?:the|this|these)|refer to)\b", re.IGNORECASE)
_LABEL = re.compile(r"[^:.?!]{1,60}:\s+")


class Mood(Enum):
    """What a sentence asks for."""

    ORDER = auto()
    OFFER = auto()
    """Something that the reader can do: an order when nothing better stands beside it."""
    PURPOSE = auto()
    """"To see the logs:", "How to …": an order when a command or a list follows."""
    CONDITION = auto()
    """"If you suspect throttling:": holds for what follows."""
    QUESTION = auto()
    UNDO = auto()
    FORBIDDEN = auto()
    STATEMENT = auto()


@dataclass(slots=True)
class Sentence:
    """One sentence as it was read."""

    words: Passage
    text: str
    """Its words with each run of blanks as one."""
    mood: Mood
    clause: str
    """From the word on that gives the order."""
    verb: str
    judges: bool
    """Says what is seen, when it is good or when it is bad."""
    leads: bool
    """Begins with words that set it off from the sentence before it ("Then", "If …")."""

    @property
    def asks(self) -> bool:
        """Whether it is an order, at least when something to do it with follows."""
        return self.mood in (Mood.ORDER, Mood.OFFER)

    @property
    def chooses(self) -> bool:
        """Whether it offers ways of which one is taken."""
        v = vocabulary.load()
        if v.no_choice.search(self.text):
            return False
        return bool(v.choice.search(self.text)) or (
            self.mood is Mood.ORDER and bool(v.ways.match(self.clause))
        )

    @property
    def waits(self) -> bool:
        """Whether its order is to wait."""
        return bool(self.clause) and bool(vocabulary.load().wait.match(self.clause))


LENGTH_MAX = 2_000
"""Characters of a sentence that are looked at; what is longer is none, and read up to here."""


def split(passage: Passage) -> Iterator[Sentence]:
    """The sentences of a paragraph."""
    for words in _parts(passage):
        stripped = words.stripped()
        if stripped.text:
            yield read(stripped.part(0, LENGTH_MAX))


def _parts(passage: Passage) -> Iterator[Passage]:
    text, begin = passage.text, 0
    codes = iter([*passage.codes, None])
    code = next(codes)
    for found in _END.finditer(text):
        while code and code.end <= found.start():
            code = next(codes)
        if code and code.start <= found.start() and found.end() <= code.end:
            continue
        if found["stop"] == "." and _ABBREVIATION.search(
            text[max(begin, found.start() - 8) : found.end()]
        ):
            continue
        trails_off = len(found["stop"] or "") > 1 and set(found["stop"]) == {"."}
        if trails_off and not _ENDED.match(text, found.end()):
            continue
        if not text[begin : found.start()].strip(" \n0123456789"):
            continue  # "1." is a number
        yield passage.part(begin, found.end())
        begin = found.end()
    yield passage.part(begin, len(text))


def read(words: Passage) -> Sentence:
    """What one sentence asks for."""
    v = vocabulary.load()
    text = " ".join(words.text.split())
    shape = _without_code(words)
    mood, at, verb = _mood(v, shape)
    clause = shape[at:] if verb else ""
    led = v.lead.match(shape) or v.condition.match(shape)
    judges = bool(v.expectation.search(shape))
    if mood is Mood.ORDER and judges:
        judges = _LOOKS.match(clause) is not None and v.expectation.match(clause) is not None
    if mood is Mood.STATEMENT and re.match(r"if\b", shape, re.IGNORECASE):
        judges = judges or bool(re.search(r",\s|\bthen\b", shape))
    return Sentence(words, text, mood, clause, verb, judges, bool(led))


def _without_code(words: Passage) -> str:
    """The text with what stands in code made one word: nothing in there is grammar."""
    pieces, done = [], 0
    for mark in words.codes:
        pieces += [words.text[done : mark.start], "`", "x" * max(mark.end - mark.start - 2, 1), "`"]
        done = mark.end
    return " ".join("".join([*pieces, words.text[done:]]).split())


def _mood(v: Vocabulary, text: str) -> tuple[Mood, int, str]:
    if v.template.match(text) or v.label.match(text):
        return Mood.STATEMENT, 0, ""
    if v.undo.match(text):
        return Mood.UNDO, 0, ""
    position = _past_leads(v, text, 0)
    if v.forbidden.match(text) or v.forbidden.match(text, position):
        return Mood.FORBIDDEN, 0, ""
    if v.no_order.match(text, position) or v.reads_more.search(text):
        return Mood.STATEMENT, 0, ""
    if found := _order_at(v, text, position):
        return found
    conditional = v.condition.match(text, position) is not None
    purpose = _PURPOSE.match(text, position)
    for begin in _clauses_behind(v, text, position, conditional or purpose is not None):
        if found := _order_at(v, text, _past_leads(v, text, begin)):
            return found
    if text.rstrip("\"')").endswith("?"):
        return Mood.QUESTION, position, ""
    if purpose:
        return Mood.PURPOSE, position, purpose["verb"].lower()
    if conditional and text.endswith(":"):
        return Mood.CONDITION, position, ""
    return Mood.STATEMENT, 0, ""


def _clauses_behind(v: Vocabulary, text: str, position: int, conditional: bool) -> Iterator[int]:
    """Where the clause may begin that a condition, a purpose or a label stands before."""
    if conditional or v.circumstance.match(text, position):
        yield from (comma.end() for comma in _COMMA.finditer(text, position))
    elif label := _LABEL.match(text, position):
        yield label.end()
    if conditional and (found := v.duty.search(text, position) or v.offer.search(text, position)):
        yield found.start()
    elif conditional and (follows := _FOLLOWS.search(text, position)):
        yield follows.start()


def _past_leads(v: Vocabulary, text: str, position: int) -> int:
    while found := v.lead.match(text, position):
        position = found.end()
    return position


def _order_at(v: Vocabulary, text: str, position: int) -> tuple[Mood, int, str] | None:
    """The order that begins here, with the place of its verb."""
    if v.no_order.match(text, position):
        return None
    if found := v.order.match(text, position):
        return Mood.ORDER, position, found["verb"].lower()
    if found := v.duty.match(text, position) or v.advice.match(text, position):
        if v.perception.match(text, found.start("verb")):
            return None
        return Mood.ORDER, found.start("verb"), found["verb"].lower()
    if found := v.offer.match(text, position):
        sees = v.perception.match(text, found.start("verb")) and not found["able"]
        if sees or v.insight.match(text, found.start("verb")):
            return None
        return Mood.OFFER, found.start("verb"), found["verb"].lower()
    if (found := v.gerund.match(text, position)) and re.search(r"\bby\s$", text[:position]):
        return Mood.ORDER, position, found["verb"].lower()
    return None


def clauses(sentence: Sentence) -> list[Passage]:
    """The orders that one sentence strings together ("stop it, then see how …"), in order.

    Strung by "and" only where another order follows; one passage when there is but one order.
    """
    v = vocabulary.load()
    words = sentence.words
    cuts = [0]
    inside = [(m.start, m.end) for m in words.marks]
    for found in _CLAUSE_AND.finditer(words.text):
        if any(start <= found.start() < end for start, end in inside):
            continue
        if v.order.match(words.text, found.end()) or v.wait.match(words.text[found.end() :]):
            cuts += [found.start(), found.end()]
    cuts.append(len(words.text))
    return [words.part(a, b).stripped() for a, b in zip(cuts[::2], cuts[1::2], strict=True)]
