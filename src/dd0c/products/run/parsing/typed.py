"""What of a block or a sentence is typed, each with its place in the source.

`transcript` and `inline` know languages and prompts; here their places become places of the source,
and here a command that is not in the source is thrown away. That should not happen, and is checked
all the same: everything behind this trusts that no command was invented.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from dd0c.products.run.parsing import languages, sessions, transcript
from dd0c.products.run.parsing.blocks import Code
from dd0c.products.run.parsing.passages import Passage, Source
from dd0c.products.run.parsing.placeholders import find_placeholders
from dd0c.products.run.parsing.transcript import EntryKind
from dd0c.scan.models import Span

SHELLS = frozenset(("shell", "powershell", "cmd"))
DATA = frozenset(("yaml", "json", "toml", "ini", "xml", "hcl", "properties", "diff", "dockerfile"))
_AFTER_LABEL = re.compile(r"(?::|\b[Rr]un|\b[Ee]xecute)\s+(?=\S)")
_PROMPT = re.compile(
    r"^\s*(?:->|\.\.\.|>+|\$|#|%|PS[^>\n]*>|[^\s@]+@[^\s]+[$#%])[ \t]?", re.MULTILINE
)
_NUMBER = re.compile(r"^\s*\d+\s", re.MULTILINE)
_JOINT = re.compile(r"[ \t]*\\[ \t]*\n\s*|\s+")


@dataclass(frozen=True, slots=True)
class Entry:
    """Something typed (`tool` reads it), or shown (`tool` is None)."""

    text: str
    span: Span
    line: int
    tool: str | None = None
    inferred: bool = False
    interactive: bool = False
    reads: bool = False
    """A query that only reads."""
    data: bool = False
    """A manifest or settings: neither typed nor printed."""


def of_block(code: Code, source: Source) -> list[Entry]:
    """What a block says, in order; comments left out."""
    read = transcript.read_block(code.text.text, language=code.language, first_line=0, offset=0)
    entries = []
    for part in read.entries:
        if part.kind is EntryKind.COMMENT:
            continue
        typed = part.kind in (EntryKind.COMMAND, EntryKind.QUERY)
        within = Span(part.start, part.end)
        if typed and not stands_there(part.text, code.text.text[part.start : part.end]):
            continue
        span = code.text.span_of(within)
        entries.append(
            Entry(
                part.text,
                span,
                source.line(span.start),
                part.language if typed else None,
                part.inferred,
                part.interactive,
                part.kind is EntryKind.QUERY and languages.reads_only(part.text, part.language),
                part.kind is EntryKind.OTHER or (not typed and part.language in DATA),
            )
        )
    return entries


def stands_there(text: str, written: str) -> bool:
    """Whether a text is what is written there but for prompts, joints and runs of blanks.

    >>> stands_there("ls -l", "ls \\\\\\n  -l"), stands_there("ls -la", "ls -l")
    (True, False)
    """
    wanted = _JOINT.sub("", text)
    return any(
        _JOINT.sub("", seen) == wanted
        for seen in (written, _PROMPT.sub("", written), _NUMBER.sub("", written))
    )


def of_sentence(words: Passage, source: Source) -> list[Entry]:
    """What a sentence itself says to type: inline code, or words behind a colon without marks."""
    entries = []
    for mark in words.codes:
        text = words.text[mark.start : mark.end]
        if " " in text and languages.sure(text):
            entries.append(_of_words(words, Span(mark.start, mark.end), source))
    if entries or words.codes:
        return entries
    for found in _AFTER_LABEL.finditer(words.text):
        text = words.text[found.end() :].rstrip(".")
        if languages.sure(text):
            return [
                _of_words(words, Span(found.end(), found.end() + len(text)), source, inferred=True)
            ]
    return []


def _of_words(words: Passage, part: Span, source: Source, *, inferred: bool = False) -> Entry:
    text = words.text[part.start : part.end]
    span = words.span_of(part)
    return Entry(text, span, source.line(span.start), "shell", inferred, sessions.opens(text))


def placeholders(entries: Sequence[Entry], shown: Sequence[Entry]) -> tuple[str, ...]:
    """What has to be filled in before these can run, in order, each once."""
    found = [name for entry in entries for name in find_placeholders(entry.text)]
    return tuple(dict.fromkeys(found))
