"""What a command finds on its standard input, and what a pipe is known to say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dd0c.scan.models import Span
from dd0c.scan.shfmt import Node
from dd0c.scan.syntax import Feed, Invocation, Literal, Part, Redirection, Substitution, Word


@dataclass(frozen=True, slots=True)
class Input:
    """What commands find on their standard input here."""

    feed: Feed = Feed.NOTHING
    text: Word | None = None
    sources: tuple[Invocation, ...] = ()


def redirected(given: Input, redirections: Sequence[Redirection]) -> Input:
    for redirection in redirections:
        if redirection.fd not in (None, 0):
            continue
        if redirection.operator in ("<<", "<<-"):
            given = Input(Feed.TEXT, redirection.body, given.sources)
        elif redirection.operator == "<<<":
            given = Input(Feed.TEXT, redirection.target, given.sources)
        elif redirection.operator in ("<", "<>", "<&"):
            piped = any(isinstance(p, Substitution) for p in redirection.target.parts)
            given = Input(Feed.PIPE if piped else Feed.FILE, None, given.sources)
    return given


def said(before: Sequence[Invocation], node: Node) -> Word | None:
    """What the left side of a pipe writes, where it is one `echo` or `printf` of plain words."""
    if len(before) != 1 or (node.get("Cmd") or {}).get("Type") != "CallExpr":
        return None
    (only,) = before
    if only.redirections or only.assignments or node.get("Negated"):
        return None
    name, *words = only.words
    if name.text == "echo" and words and not any(w.splits or w.lead.startswith("-") for w in words):
        return _echoed(words)
    if name.text == "printf" and len(words) == 2 and words[0].text in ("%s", "%s\\n"):
        return words[1]
    if name.text == "printf" and len(words) == 1 and (text := words[0].text) is not None:
        plain = text.replace("\\n", "\n")
        if "\\" not in plain and "%" not in plain and not plain.startswith("-"):
            return Word((Literal(plain, words[0].span, quoted=True),), words[0].span)
    return None


def _echoed(words: Sequence[Word]) -> Word | None:
    parts: list[Part] = []
    for word in words:
        if any(isinstance(p, Literal) and "\\" in p.text for p in word.parts):
            return None
        parts += [Literal(" ", Span(word.span.start, word.span.start))] if parts else []
        parts += word.parts
    return Word(tuple(parts), Span(words[0].span.start, words[-1].span.end))
