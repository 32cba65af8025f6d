"""Reading the words behind a command word: what is an option, its value, an operand.

A program reads its words after the shell has expanded them; here they are read before. So besides
what is said, a reading holds what is not: words that the tool's table does not know, and words
whose value may turn out to be an option (`$x`, `*`, `$(…)`), or to be several words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from dd0c.scan.models import Risk, Span
from dd0c.scan.plain import EVERY, HARMLESS, LEFT_BEHIND, prints_plain_words
from dd0c.scan.syntax import Expansion, Glob, Literal, Part, Place, Substitution, Word
from dd0c.scan.tables import Command, Option

FLAG = Option("none", None, Risk.SAFE, None, frozenset(), "", None, {}, 0, None, None, False)
_NUMBER = re.compile(r"-\d+")


def takes_all(kind: str | None) -> bool:
    """Whether a value or operand of this kind is all words that are left."""
    return kind is not None and (kind == "command" or kind.endswith("…"))


class Doubt(IntEnum):
    """How far a word that is not said may surprise."""

    NONE = 0
    UNSET = 1
    """A variable that the text does not set: whoever runs it knows what it holds."""
    ANY = 2
    """The text itself, a program's output or names of files decide."""


@dataclass(frozen=True, slots=True)
class Given:
    """An option as it was given."""

    name: str
    option: Option
    span: Span
    value: Word | None = None
    rest: tuple[Word, ...] = ()
    """All words behind it, where its kind takes them."""


@dataclass(frozen=True, slots=True)
class Unsaid:
    """A word that may turn out to be an option, or several words."""

    span: Span
    doubt: Doubt
    option: bool
    """Whether options can stand here."""
    splits: bool
    operands: int
    """How many operands stand before it."""


@dataclass(slots=True)
class Reading:
    """What was read at one level of a command."""

    given: list[Given] = field(default_factory=list)
    operands: list[Word] = field(default_factory=list)
    unknown: list[tuple[str, Word]] = field(default_factory=list)
    abbreviated: list[tuple[str, Span]] = field(default_factory=list)
    unsaid: list[Unsaid] = field(default_factory=list)
    rest: tuple[Word, ...] = ()
    """From the word on that names a sub-command."""
    closed: bool = False
    """Whether what follows are operands whatever they look like."""
    dashed: int | None = None
    """How many operands stand before `--`, where it stands."""


def doubt(word: Word, place: Place, *, leading: bool = False) -> Doubt:
    """How far a word may turn out to be an option, or several words.

    `leading`: it begins like an option already, so each of its parts decides which.
    """
    worst = Doubt.NONE
    leads = True
    for part in word.parts:
        if isinstance(part, Literal):
            leads = leads and part.text in ("", "-", "--")
            continue
        worst = max(worst, _part_doubt(part, leads or leading, place))
        leads = False
    return worst


def _part_doubt(part: Part, leads: bool, place: Place) -> Doubt:
    match part:
        case Glob():
            return Doubt.ANY if leads else Doubt.NONE
        case Substitution():
            if part.process or prints_plain_words(part) or (part.quoted and not leads):
                return Doubt.NONE
            return Doubt.ANY
        case Expansion():
            return _value_doubt(part, leads, place)
        case _:
            return Doubt.NONE


def _value_doubt(part: Expansion, leads: bool, place: Place) -> Doubt:
    if part.quoted and not leads:
        return Doubt.NONE
    if part.edited or part.name in LEFT_BEHIND:
        return Doubt.ANY
    if part.name is None or HARMLESS.fullmatch(part.name) or part.name in place.plain:
        return Doubt.NONE
    if part.name in place.assigned or EVERY in place.assigned:
        return Doubt.ANY
    return Doubt.UNSET if leads else Doubt.NONE


def after(word: Word, count: int) -> Word:
    """The word without its first characters, which are literal."""
    parts: list[Part] = []
    for part in word.parts:
        if not count or not isinstance(part, Literal):
            parts.append(part)
            continue
        dropped = min(count, len(part.text))
        count -= dropped
        if rest := part.text[dropped:]:
            plain = part.span.end - part.span.start == len(part.text)
            start = part.span.start + dropped if plain else part.span.start
            parts.append(Literal(rest, Span(start, part.span.end), part.quoted))
    if not parts:
        parts.append(Literal("", Span(word.span.end, word.span.end)))
    return Word(tuple(parts), Span(parts[0].span.start, word.span.end))


def read(words: Sequence[Word], command: Command, place: Place) -> Reading:
    """The words of one level; where the command has sub-commands, up to the word that names one."""
    reading = Reading()
    match command.style:
        case "none":
            reading.closed = True
        case "keys":
            _read_keys(words, command.options, reading)
            return reading
        case "bsd" if words and not words[0].lead.startswith("-"):
            words = [*_read_bundle_word(words, command.options, reading)]
    stops = command.style in ("posix", "go") or bool(command.commands)
    left = list(reversed(words))
    while left:
        word = left.pop()
        if not reading.closed and word.text == "--":
            reading.closed = True
            reading.dashed = len(reading.operands)
            if (option := command.options.get("--")) is not None:
                reading.given.append(Given("--", option, word.span))
        elif not reading.closed and _is_option(word, command.options):
            _read_option(word, left, command, reading, place)
        else:
            if command.commands:
                reading.rest = (word, *reversed(left))
                return reading
            _note_unsaid(word, reading, place, option=not reading.closed)
            reading.operands.append(word)
            late = command.style == "late" and _begins_last(reading, command)
            reading.closed = reading.closed or stops or late
    return reading


def _begins_last(reading: Reading, command: Command) -> bool:
    """Whether a word was read that stands where all words are taken."""
    count = len(reading.operands)
    return count <= len(command.operands) and takes_all(command.operands[count - 1].kind)


def _is_option(word: Word, options: Mapping[str, Option]) -> bool:
    if word.text is not None:
        return word.text in options or (word.text.startswith("-") and word.text != "-")
    return word.lead.startswith("-")


def _note_unsaid(word: Word, reading: Reading, place: Place, option: bool) -> None:
    if (far := doubt(word, place)) and (option or word.splits):
        reading.unsaid.append(
            Unsaid(word.span, far, option, word.splits, len(reading.operands)),
        )


def _read_option(
    word: Word, left: list[Word], command: Command, reading: Reading, place: Place
) -> None:
    """One word that begins with a dash, with the words that its values take from `left`."""
    text = word.text if word.text is not None else word.lead
    found = list(_find(text, command, said=word.text is not None, reading=reading, word=word))
    for name, option, at in found:
        inline = after(word, at) if at is not None else None
        value = inline
        if inline is None and option.takes == "value" and left:
            if takes_all(option.kind):
                reading.given.append(Given(name, option, word.span, rest=tuple(reversed(left))))
                left.clear()
                return
            value = left.pop()
            if value.text is None and value.splits and doubt(value, place) is Doubt.ANY:
                _note_unsaid(value, reading, place, option=True)
        reading.given.append(Given(name, option, word.span, value))
    if word.text is None and not any(at is not None for _, _, at in found):
        far = max(Doubt.UNSET, doubt(word, place, leading=True))
        reading.unsaid.append(Unsaid(word.span, far, True, word.splits, len(reading.operands)))
    elif word.text is None and word.splits and doubt(word, place) is Doubt.ANY:
        _note_unsaid(word, reading, place, option=True)


def _find(
    text: str, command: Command, *, said: bool, reading: Reading, word: Word
) -> Iterator[tuple[str, Option, int | None]]:
    """The options of a word, each with where in the word its value begins, if it is there."""
    options = command.options
    if said and text in options:
        yield text, options[text], None
        return
    if said and _NUMBER.fullmatch(text) and "-#" in options:
        yield text, options["-#"], None
        return
    name, equals, _ = text.partition("=")
    at = len(name) + 1 if equals else None
    if command.style == "go":
        name = "-" + name.lstrip("-")
        found = options.get(name) or options.get("-" + name)
        if found is None and name in ("-help", "-version"):
            found = FLAG
        found = found or command.find_option(name)
        if found is not None and (said or equals):
            yield name, found, at
        elif said:
            reading.unknown.append((name, word))
        return
    if text.startswith("--") or (equals and name in options):
        yield from _find_long(name, at, said, command, (reading, word))
        return
    yield from _find_bundle(text, said, command, (reading, word))


def _find_long(
    name: str, at: int | None, said: bool, command: Command, into: tuple[Reading, Word]
) -> Iterator[tuple[str, Option, int | None]]:
    reading, word = into
    if not said and at is None:
        return  # its name is not said to the end
    if name in command.options:
        yield name, command.options[name], at
    elif name in ("--help", "--version"):
        yield name, FLAG, None
    elif short := [one for one in command.options if one.startswith(name)]:
        reading.abbreviated.append((name, word.span))
        for one in short:
            yield one, command.options[one], at
    elif (any_other := command.find_option(name)) is not None:
        yield name, any_other, at
    else:
        reading.unknown.append((name, word))


def _find_bundle(
    text: str, said: bool, command: Command, into: tuple[Reading, Word]
) -> Iterator[tuple[str, Option, int | None]]:
    reading, word = into
    for index, letter in enumerate(text[1:], start=1):
        option = command.find_option(f"-{letter}")
        if option is None:
            reading.unknown.append((f"-{letter}", word))
            return
        last = index + 1 == len(text)
        if option.takes != "none":
            yield f"-{letter}", option, None if last and said else index + 1
            return
        yield f"-{letter}", option, None


def _read_bundle_word(
    words: Sequence[Word], options: Mapping[str, Option], reading: Reading
) -> Iterator[Word]:
    """`tar xzf a.tar`: letters first, their values behind; gives the words that are left."""
    first, *rest = words
    if first.text is None:
        reading.unsaid.append(Unsaid(first.span, Doubt.ANY, True, first.splits, 0))
    for letter in first.text or first.lead:
        option = options.get(f"-{letter}")
        if option is None:
            reading.unknown.append((letter, first))
        else:
            value = rest.pop(0) if option.takes == "value" and rest else None
            reading.given.append(Given(f"-{letter}", option, first.span, value))
    yield from rest


def _read_keys(words: Sequence[Word], options: Mapping[str, Option], reading: Reading) -> None:
    for word in words:
        name, equals, _ = word.lead.partition("=")
        if equals and name in options:
            value = after(word, len(name) + 1)
            reading.given.append(Given(name, options[name], word.span, value))
        elif word.text in ("--help", "--version"):
            reading.given.append(Given(word.text, FLAG, word.span))
        elif word.text is None and not equals:
            far = Doubt.ANY if word.splits else Doubt.UNSET
            reading.unsaid.append(Unsaid(word.span, far, True, word.splits, 0))
        else:
            reading.unknown.append((name, word))
