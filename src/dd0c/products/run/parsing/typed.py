"""What of a block or a sentence is typed, each with its place in the source.

`transcript` and `inline` know languages and prompts; here their places become places of the source,
and here a command that is not in the source is thrown away. That should not happen, and is checked
all the same: everything behind this trusts that no command was invented.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from html import unescape

from dd0c.products.run.parsing import inline, languages, sessions, transcript, vocabulary
from dd0c.products.run.parsing.blocks import Code
from dd0c.products.run.parsing.passages import Passage, Source
from dd0c.products.run.parsing.transcript import EntryKind
from dd0c.scan.models import Span

BLOCK_MAX = 64_000
BLOCK_LINES_MAX = 1_000
SHELLS = frozenset(("shell", "powershell", "cmd"))
DATA = frozenset(("yaml", "json", "toml", "ini", "xml", "hcl", "properties", "diff", "dockerfile"))
_BARE = re.compile(r"\s*(?:sudo )?([a-z][\w./-]*) .*[^\s.:?!,]\s*$")
_FLAWS = {
    "smart-quotes": "typographic quotes or dashes: a shell does not know them",
    "non-breaking-space": "a blank here is none to a shell",
    "unfinished": "the command has no end: a quote or bracket is not closed",
}
_METRICS = re.compile(r"(?i)\b(?:metrics?|promql|prometheus quer(?:y|ies))\b")
_METRIC = re.compile(
    r"[a-z][a-z0-9]*(?:[_:][a-z0-9_:]+)+(?:\{[^{}]*\})?"
    r"|[a-z][a-z0-9_:]*(?:\{[^{}]*\})? *(?:[=!]=|[<>]=?) *[\d.]+"
)
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
    """What a block says, in order; comments left out. A very long block is a log."""
    if len(code.text.text) > BLOCK_MAX or code.text.text.count("\n") > BLOCK_LINES_MAX:
        return [Entry(code.text.text[:BLOCK_MAX], code.text.span, source.line(code.span.start))]
    read = transcript.read_block(code.text.text, language=code.language, first_line=0, offset=0)
    entries = []
    for part in read.entries:
        if part.kind is EntryKind.COMMENT:
            continue
        typed = part.kind in (EntryKind.COMMAND, EntryKind.QUERY)
        within = Span(part.start, part.end)
        span = code.text.span_of(within)
        line = source.line(span.start)
        if typed and not stands_there(part.text, code.text.text[part.start : part.end]):
            source.remark(line, "a command could not be told from its surroundings: left out")
            continue
        for flaw in part.flaws:
            source.remark(line, _FLAWS.get(flaw, flaw))
        entries.append(
            Entry(
                part.text,
                span,
                line,
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


def of_sentence(words: Passage, source: Source, lead: str = "") -> list[Entry]:
    """What a sentence itself says to type: inline code, or words behind a colon without marks.

    Names in it are metrics when it speaks of metrics, or the `lead` of the list it stands in does.
    """
    entries = []
    text = words.text
    metrics = _METRICS.search(f"{lead} {text}") is not None
    for mark in words.codes:
        code = text[mark.start : mark.end]
        if inline.inline_command(code, text[: mark.start], text[mark.end :]):
            entries.append(_of_words(words, Span(mark.start, mark.end), source))
        elif language := _query(code, metrics=metrics):
            entry = _of_words(words, Span(mark.start, mark.end), source)
            reads = languages.reads_only(code, language)
            entries.append(replace(entry, tool=language, interactive=False, reads=reads))
    if not words.codes:
        found = inline.bare_command(text)
        if found is None and is_bare_command(text):
            found = (0, len(text))
        if found:
            entry = _of_words(words, Span(*found), source, inferred=True)
            if _is_as_written(entry, source):
                entries.append(entry)
    return entries


def _is_as_written(entry: Entry, source: Source) -> bool:
    """Whether no mark of emphasis was taken out of a command that stands between words."""
    written = source.text[entry.span.start : entry.span.end]
    return entry.text in (" ".join(written.split()), " ".join(unescape(written).split()))


def is_bare_command(line: str) -> bool:
    """Whether a line of prose, or all of a sentence, is nothing but a command."""
    found = _BARE.match(line)
    if not found or not languages.is_program(found[1]) or not languages.sure(line):
        return False
    within = inline.bare_command(line)
    sentence = within is not None and within[0] > found.start(1)
    return not sentence and not vocabulary.load().order.match(line.strip())


def _query(code: str, *, metrics: bool) -> str | None:
    """The language of inline code that another program reads; a metric's name is PromQL."""
    language = languages.detect([code])
    if language in languages.QUERIES and " " in code:
        return language
    return "promql" if metrics and _METRIC.fullmatch(code) else None


def _of_words(words: Passage, part: Span, source: Source, *, inferred: bool = False) -> Entry:
    span = words.span_of(part)
    text = " ".join(words.text[part.start : part.end].split())
    text = re.sub(r"^(?:\$|%|>) ", "", text)
    return Entry(text, span, source.line(span.start), "shell", inferred, sessions.opens(text))
