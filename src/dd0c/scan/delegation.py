"""What a value or an operand says by its kind: a path, code, or a command of its own.

Commands and shell texts are handed back, not judged: whoever walks the text bounds the depth.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from dd0c.scan import languages, paths
from dd0c.scan.judgement import NOTHING, Judgement, Text, found
from dd0c.scan.models import Effect, Risk, Span
from dd0c.scan.options import Doubt, after, doubt
from dd0c.scan.syntax import Assignment, Expansion, Feed, Invocation, Literal, Part, Word
from dd0c.scan.tables import LANGUAGES

INPUT = "standard input"
"""The name of what xargs reads, as if it were a variable that the text sets."""
_OPTION_WITHIN = re.compile(r"(?:^|\s)-")
_FORM = re.compile(r"(?:[^=@<]*=)?[@<]")
"""Before the name of a file in a field of a form."""
_ASSIGNED = re.compile(r"([A-Za-z_]\w*)=")


@dataclass(frozen=True, slots=True)
class Context:
    """What is known around a value."""

    tool: str
    invocation: Invocation
    dialect: str | None = None
    assignments: tuple[Assignment, ...] = ()
    """Of env, for the command behind them."""
    adds_input: bool = False
    """Whether words of standard input are added to the command."""
    marker: str | None = None
    """In whose place they come; None: at the end."""


def judge(kind: str, words: Sequence[Word], context: Context) -> Judgement:
    """What words of a kind do; several only for those kinds that take all."""
    word = words[0]
    match kind:
        case "reads" | "writes" | "overwrites" | "deletes":
            place = context.invocation.place
            return NOTHING if word.text == "-" else paths.judge(kind, word, place)
        case "command" if word.text in ("-c", "--command") and len(words) == 2:
            return _text(words[1:], context)  # flock's
        case "command":
            return Judgement(invocations=(_command(words, context),))
        case "shell" | "shell…":
            return _text(words, context)
        case "program":
            reason = f"{context.tool} runs a program: {_shown(word)}"
            return found(Risk.DANGEROUS, "runs-program", word.span, reason)
        case "config":
            reason = f"{context.tool} takes settings from {_shown(word)}; they can name programs"
            return found(Risk.DANGEROUS, "runs-config", word.span, reason)
        case "settings":
            return _settings(word, context)
        case "parameters":
            return _parameter(word, context)
        case "sends":
            form = _FORM.match(word.lead)
            return _sent(after(word, form.end()) if form else word)
        case "url":
            return _url(word)
        case _ if kind in LANGUAGES:
            span = Span(word.span.start, words[-1].span.end)
            return languages.read_all(kind.rstrip("…"), words, span, context.dialect)
        case _:
            return NOTHING


def assignment(word: Word) -> Assignment | None:
    """The word as NAME=value, if it is one."""
    if not (match := _ASSIGNED.match(word.lead)):
        return None
    return Assignment(match[1], after(word, match.end()), word.span)


def judge_input(kind: str, invocation: Invocation, context: Context) -> Judgement:
    """What a tool does that takes its standard input for code."""
    place = invocation.place
    if place.feed is Feed.NOTHING:
        reason = f"{context.tool} runs what will be typed"
        return found(Risk.CAUTION, "interactive", invocation.span, reason)
    if place.feed is Feed.TEXT and place.stdin_text is not None:
        return judge("shell" if kind == "script" else kind, (place.stdin_text,), context)
    reason = f"{context.tool} runs what another command or a file says"
    return found(Risk.DANGEROUS, "runs-input", invocation.span, reason)


def _command(words: Sequence[Word], context: Context) -> Invocation:
    span = Span(words[0].span.start, words[-1].span.end)
    outer = context.invocation.place
    given = frozenset(one.name for one in context.assignments)
    place = replace(
        outer,
        functions=frozenset(),  # programs, not functions
        assigned=outer.assigned | given,
        plain={name: said for name, said in outer.plain.items() if name not in given},
    )
    if context.adds_input:
        said = Expansion(INPUT, context.invocation.words[0].span, quoted=context.marker is not None)
        words = _with_input(words, said, context.marker)
        place = replace(
            place, feed=Feed.NOTHING, stdin_text=None, assigned=place.assigned | {INPUT}
        )
    return Invocation(tuple(words), span, context.assignments, (), place)


def _with_input(words: Sequence[Word], said: Expansion, marker: str | None) -> list[Word]:
    if marker is None:
        return [*words, Word((said,), said.span)]
    return [_replaced(word, said, marker) for word in words]


def _replaced(word: Word, said: Expansion, marker: str) -> Word:
    parts: list[Part] = []
    for part in word.parts:
        if not isinstance(part, Literal) or marker not in part.text:
            parts.append(part)
            continue
        for number, piece in enumerate(part.text.split(marker)):
            if number:
                parts.append(said)
            if piece:
                parts.append(Literal(piece, part.span, part.quoted))
    return Word(tuple(parts), word.span)


def _text(words: Sequence[Word], context: Context) -> Judgement:
    texts = [word.text for word in words]
    said = [text for text in texts if text is not None]
    span = Span(words[0].span.start, words[-1].span.end)
    if len(said) < len(texts):
        reason = f"{context.tool} runs a text that is not said here"
        return found(Risk.DANGEROUS, "runs-unsaid", span, reason)
    inner = _exact(words[0]) if len(words) == 1 else None
    return Judgement(texts=(Text(" ".join(said), inner or span, inner is not None),))


def _exact(word: Word) -> Span | None:
    """Where the characters of a word stand one by one in the source."""
    if len(word.parts) != 1 or not isinstance(part := word.parts[0], Literal):
        return None
    over = part.span.end - part.span.start - len(part.text)
    if over == 0:
        return part.span
    if over == 2 and part.quoted:  # quotes around it, and nothing escaped within
        return Span(part.span.start + 1, part.span.end - 1)
    return None


def _settings(word: Word, context: Context) -> Judgement:
    """A file that can name programs: as good as what it takes to have written it."""
    if paths.guarded(word):
        return Judgement(effects=frozenset({Effect.READS}))
    named = [part for part in word.parts if not isinstance(part, Literal)]
    known = context.invocation.place.assigned
    unset = named and all(isinstance(one, Expansion) and one.name not in known for one in named)
    risk = Risk.CAUTION if unset else Risk.DANGEROUS
    reason = f"{context.tool} takes settings from {_shown(word)}; they can name programs"
    return found(risk, "runs-config", word.span, reason)


def _parameter(word: Word, context: Context) -> Judgement:
    far = doubt(word, context.invocation.place)
    if _OPTION_WITHIN.search(word.lead) or far is Doubt.ANY:
        reason = "what the shell text takes as its parameter may be an option"
        return found(Risk.DANGEROUS, "option-unsaid", word.span, reason)
    if far:
        reason = "what the shell text takes as its parameter is not said here"
        return found(Risk.CAUTION, "option-unsaid", word.span, reason)
    written = paths.judge("writes", word, context.invocation.place)
    bad = any(finding.risk >= Risk.DANGEROUS for finding in written.findings)
    return written if bad else NOTHING


def _url(word: Word) -> Judgement:
    if word.lead.startswith("@"):
        return _sent(after(word, 1))
    for lead in ("file://localhost", "file://"):
        if word.lead.lower().startswith(lead):
            return paths.judge("reads", after(word, len(lead)))
    return Judgement(effects=frozenset({Effect.NETWORK}))


def _sent(path: Word) -> Judgement:
    """A file whose content goes to another host."""
    read = NOTHING if path.text == "-" else paths.judge("reads", path)
    if Effect.SECRETS in read.effects:
        reason = f"{_shown(path)} holds secrets, and is sent to another host"
        read += found(Risk.DANGEROUS, "sends-secrets", path.span, reason)
    return read


def _shown(word: Word) -> str:
    return word.text if word.text is not None else "not said here"
