"""Code in words of a command, by language: which module reads it.

A reader is a module here with `read(word: Word, span: Span, dialect: str | None) -> Judgement`; one
that reads all words of a tool (a style: find, test) has `read_words(invocation) -> Judgement`.
It imports what it needs in the function, as some parsers are heavy. A word whose `text` is None is
the reader's to judge too. What has no reader is dangerous.
"""

from __future__ import annotations

from importlib import import_module
from typing import Protocol, cast

from dd0c.scan.judgement import Judgement, found
from dd0c.scan.models import Risk, Span
from dd0c.scan.syntax import Invocation, Word

MODULES: dict[str, str] = {}
"""Language -> module of this package."""


class _Reader(Protocol):
    def read(self, word: Word, span: Span, dialect: str | None) -> Judgement: ...

    def read_words(self, invocation: Invocation) -> Judgement: ...


def _reader(language: str) -> _Reader | None:
    module = MODULES.get(language)
    return cast(_Reader, import_module(f"{__name__}.{module}")) if module else None


def read(language: str, word: Word, span: Span, dialect: str | None) -> Judgement:
    """What code in a word does."""
    reader = _reader(language)
    return reader.read(word, span, dialect) if reader else _unread(language, span)


def read_words(language: str, invocation: Invocation) -> Judgement:
    """What all words of a tool say together."""
    reader = _reader(language)
    return reader.read_words(invocation) if reader else _unread(language, invocation.span)


def _unread(language: str, span: Span) -> Judgement:
    return found(
        Risk.DANGEROUS, "unread-code", span, f"runs code that is not understood ({language})"
    )
