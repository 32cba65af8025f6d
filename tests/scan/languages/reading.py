"""What a reader makes of a text, in one word: for tables of texts and risks."""

from __future__ import annotations

from dd0c.scan import languages
from dd0c.scan.languages.facts import Command, Fact, File, Found
from dd0c.scan.models import Risk, Span
from dd0c.scan.syntax import Literal, Word


def facts(language: str, text: str, dialect: str | None = None) -> list[Found]:
    """All facts of a text."""
    reader = languages.find_reader(language)
    assert reader is not None
    return list(reader.read(text, dialect or language))


def risk(language: str, text: str, dialect: str | None = None) -> Risk:
    """The worst that a text says of itself, before its commands and files are judged."""
    found = facts(language, text, dialect)
    return max((one.risk for one in found if isinstance(one, Fact)), default=Risk.SAFE)


def commands(language: str, text: str, dialect: str | None = None) -> list[str]:
    """The shell texts in it."""
    return [one.text for one in facts(language, text, dialect) if isinstance(one, Command)]


def files(language: str, text: str, dialect: str | None = None) -> list[tuple[str, bool]]:
    """The files that it opens, and whether it writes them."""
    found = facts(language, text, dialect)
    return [(one.path, one.writes) for one in found if isinstance(one, File)]


def quoted(text: str) -> Word:
    """A word in single quotes, at the beginning of a line."""
    return Word((Literal(text, Span(0, len(text) + 2), quoted=True),), Span(0, len(text) + 2))
