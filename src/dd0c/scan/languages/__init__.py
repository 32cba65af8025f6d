"""Code in words of a command, by language: which module reads it.

A reader is a module here with a pure `read(text, dialect)` that yields facts (see `facts`); what
they mean at the place where the text stands is decided once, below. One that reads all words of a
tool (a style: find) has `read_words(invocation) -> Judgement`; one that reads several (redis, in
`redis…`) joins them. A reader imports what it needs in the function, as some parsers are heavy.

A program that is not said whole is dangerous, whatever its language; only jq's, which can neither
run nor write, is read around what is not said. What has no reader is dangerous.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import Protocol, cast

from dd0c.scan import paths
from dd0c.scan.judgement import NOTHING, Judgement, Text, found
from dd0c.scan.languages.facts import CHARS_MAX, FACTS_MAX, Command, Facts, File, Found
from dd0c.scan.models import Finding, Risk, Span
from dd0c.scan.syntax import Invocation, Literal, Word
from dd0c.scan.tables import HARMLESS

MODULES: dict[str, str] = {
    "awk": "awk",
    "dc": "escapes",
    "ed": "escapes",
    "find": "find",
    "gdb": "escapes",
    "jq": "jq",
    "mongo": "mongo",
    "python": "python",
    "redis": "redis",
    "sed": "sed",
    "socat": "connections",
    "sql": "sql",
    "ssh": "connections",
    "vim": "escapes",
    "vtysh": "escapes",
}
"""Language -> module of this package."""


class Reader(Protocol):
    def read(self, text: str, dialect: str | None) -> Facts: ...

    def read_words(self, invocation: Invocation) -> Judgement: ...


def find_reader(language: str) -> Reader | None:
    """The module that reads a language, if one does."""
    module = MODULES.get(language)
    return cast(Reader, import_module(f"{__name__}.{module}")) if module else None


def read(language: str, word: Word, span: Span, dialect: str | None) -> Judgement:
    """What code in a word does; `dialect` None is the language's own."""
    reader = find_reader(language)
    text = word.text
    if text is None and language in HARMLESS:
        text = "".join(part.text for part in word.parts if isinstance(part, Literal))
    if reader is None or text is None or len(text) > CHARS_MAX:
        return _unread(language, span)
    return _placed(reader.read(text, dialect or language), word, span)


def read_all(language: str, words: Sequence[Word], span: Span, dialect: str | None) -> Judgement:
    """What code does whose words are given apart: they are joined as their tool joins them."""
    if not words:
        return NOTHING
    blank = Literal(" ", Span(span.end, span.end), quoted=True)
    parts = tuple(part for word in words for part in (*word.parts, blank))
    return read(language, Word(parts[:-1], span), span, dialect)


def read_words(language: str, invocation: Invocation) -> Judgement:
    """What all words of a tool say together."""
    reader = find_reader(language)
    return reader.read_words(invocation) if reader else _unread(language, invocation.span)


def _unread(language: str, span: Span) -> Judgement:
    return found(
        Risk.DANGEROUS, "unread-code", span, f"runs code that is not understood ({language})"
    )


def _placed(facts: Iterable[Found], word: Word, span: Span) -> Judgement:
    judgement = NOTHING
    for number, fact in enumerate(facts):
        if number == FACTS_MAX:
            return judgement + _unread("too much at once", span)
        where, exact = _place(word, span, fact.start, fact.end)
        if isinstance(fact, Command):
            exact = exact and len(fact.text) == where.end - where.start
            judgement += Judgement(texts=(Text(fact.text, where, exact),))
        elif isinstance(fact, File):
            judge = paths.judge_write if fact.writes else paths.judge_read
            judgement += judge(Word((Literal(fact.path, where, quoted=True),), where))
        else:
            finding = Finding(fact.risk, fact.rule, where, fact.reason)
            judgement += Judgement((finding,) if fact.risk else (), fact.effects)
    return judgement


def _place(word: Word, span: Span, start: int, end: int) -> tuple[Span, bool]:
    """Where a part of the word's text stands in the source, and whether it stands there verbatim.

    A literal says its place, not its quotes: it is verbatim where both are of one length, or where
    a pair of quotes is all that is between them.
    """
    at = 0
    for part in word.parts:
        if not isinstance(part, Literal):
            continue
        if at <= start and end <= at + len(part.text):
            more = part.span.end - part.span.start - len(part.text)
            if more == 0 or (more == 2 and part.quoted):
                source = part.span.start + more // 2 - at
                return Span(source + start, source + end), True
            return part.span, False
        at += len(part.text)
    return span, False
