"""What can be said of a text before any parser sees it, in one pass from left to right.

Too long, too deep, hidden characters, placeholders that nobody filled in: each is `blocked`, for a
person was shown something other than what a shell would read, or nobody knows yet what it will be.
Here too a line that a backslash continues is joined with the next, since parsers differ in where
they allow that; `Joined` leads positions back to the text as it was given.

The scanner knows quotes, comments, substitutions and here-documents well enough to tell where it is
in text that people write. It need not be right about hostile text: what it decides can raise a risk
(the driver parses the text as it was given as well, and compares), never lower one.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field

from dd0c.scan.models import Finding, Risk, Span

TEXT_CHARS_MAX = 32 * 1024
LEVELS_MAX = 64


@dataclass(frozen=True, slots=True)
class Joined:
    """The text without its continuations, and the way back."""

    text: str
    cuts: tuple[int, ...] = ()
    """Places in `text` where a backslash and a line end were taken out."""

    def source(self, at: int) -> int:
        """Where a character of the joined text stood."""
        return at + 2 * bisect_right(self.cuts, at)


@dataclass(slots=True)
class _Scan:
    text: str
    cuts: list[int] = field(default_factory=list)
    plain: list[Span] = field(default_factory=list)
    """Stretches outside quotes, comments and here-documents."""
    blanks: list[int] = field(default_factory=list)
    """Backslashes at the ends of comments, where a parser goes on and a shell does not."""
    levels: int = 0


_STEP = re.compile(
    r"\\(?:.|\Z)|\$'(?:\\.|[^'\\])*(?:'|\Z)|\$\(\(|\$[({]|[<>]\(|\(\(|<<<|<<-?|[\"'`#(){}\n]",
    re.DOTALL,
)
_DELIMITER = re.compile(r"[ \t]*((?:\\.|'[^'\n]*'|\"[^\"\n]*\"|[^\s;&|<>()'\"\\])+)", re.DOTALL)
_CLOSES = {"(": ")", "{": "}", "((": ")", "$(": ")", "${": "$}", "$((": ")", "<(": ")", ">(": ")"}
_WORD_BEGINS = frozenset(" \t\n;&|()<>`")


def inspect(text: str) -> tuple[Joined, tuple[Finding, ...]]:
    """The text without continuations, and what is wrong with it on its face."""
    if len(text) > TEXT_CHARS_MAX:
        told = f"the text is longer than {TEXT_CHARS_MAX} characters"
        return Joined(""), (Finding(Risk.BLOCKED, "over-limit", Span(0, len(text)), told),)
    hidden = tuple(_hidden(text))
    scan = _scanned(text)
    if scan.levels > LEVELS_MAX:
        told = f"it is nested more than {LEVELS_MAX} deep"
        return Joined(""), (Finding(Risk.BLOCKED, "over-limit", Span(0, len(text)), told), *hidden)
    plain = text
    for at in scan.blanks:
        plain = f"{plain[:at]} {plain[at + 1 :]}"
    joined = _joined(plain, scan.cuts)
    return joined, (*hidden, *_placeholders(text, scan.plain))


def _scanned(text: str) -> _Scan:
    """One walk over the characters that mean something, with a stack of what is open."""
    scan = _Scan(text)
    open_: list[str] = []
    bodies: list[tuple[str, bool]] = []
    at = begun = 0
    while (step := _STEP.search(text, at)) is not None:
        sign, start, at = step[0], step.start(), step.end()
        top = open_[-1] if open_ else ""
        if sign[0] == "\\":
            if sign == "\\\n":
                scan.cuts.append(start)
            continue
        if top == '"' and (sign[0] in "'#(){\n<>" or sign == "}" or sign[:2] == "$'"):
            at = start + 1
            continue
        skipped = at
        if sign == '"' and top == '"':
            open_.pop()
        elif sign == '"':
            open_.append(sign)
        elif sign == "'":
            skipped = _behind(text, "'", at)
        elif sign.startswith("$'"):
            skipped = at
        elif sign == "`":
            _toggle(open_)
        elif sign == "#":
            if start == 0 or (text[start - 1] in _WORD_BEGINS and top != "$}"):
                skipped = _behind(text, "\n", at) - 1
                if text[skipped - 1] == "\\":
                    scan.blanks.append(skipped - 1)
        elif sign.startswith("<<"):
            shift = sign == "<<<" or "".join(open_[-2:]) == "))"
            named = None if shift else _DELIMITER.match(text, at)
            if named:
                at = skipped = named.end()
                bodies.append((named[1], sign == "<<-"))
        elif sign == "\n":
            skipped = _past(scan, bodies, at)
            bodies = []
        elif sign in _CLOSES:
            open_ += [_CLOSES[sign]] * (2 if sign.endswith("((") else 1)
        elif sign == top[-1:]:
            open_.pop()
        now = open_[-1] if open_ else ""
        if '"' in (top, now) or skipped > at or sign[0] in "'$":
            if top != '"':
                scan.plain.append(Span(begun, start))
            at = begun = max(at, skipped)
        scan.levels = max(scan.levels, len(open_))
    if '"' not in open_[-1:]:
        scan.plain.append(Span(min(begun, len(text)), len(text)))
    return scan


def _behind(text: str, sign: str, at: int) -> int:
    """Where the text goes on behind the next such character."""
    end = text.find(sign, at)
    return len(text) + 1 if end < 0 else end + 1


def _toggle(open_: list[str]) -> None:
    """A backtick closes what the last one opened, with all that stands open within."""
    if "`" in open_:
        while open_.pop() != "`":
            pass
    else:
        open_.append("`")


def _past(scan: _Scan, bodies: list[tuple[str, bool]], at: int) -> int:
    """Where the here-documents end; continuations within one that is expanded are noted."""
    text = scan.text
    for word, tabs in bodies:
        delimiter = re.sub(r"\\(.)|['\"]", r"\1", word)
        literal = delimiter != word
        while at < len(text):
            end = text.find("\n", at)
            end = len(text) if end < 0 else end
            line = text[at:end]
            at = end + 1
            if (line.lstrip("\t") if tabs else line) == delimiter:
                break
            if not literal and line.endswith("\\") and (len(line) - len(line.rstrip("\\"))) % 2:
                scan.cuts.append(end - 1)
    return min(at, len(text))


def _joined(text: str, cuts: list[int]) -> Joined:
    if not cuts:
        return Joined(text)
    pieces, places, begun, size = [], [], 0, 0
    for cut in cuts:
        pieces.append(text[begun:cut])
        size += cut - begun
        places.append(size)
        begun = cut + 2
    return Joined("".join([*pieces, text[begun:]]), tuple(places))


_SPACES = frozenset("\n\t ")
_BLANKS = frozenset("\u2800\u3164\u115f\u1160\uffa0\u034f")
_UNSEEN = frozenset({"Cf", "Cc", "Cs", "Co", "Cn", "Zs", "Zl", "Zp"})
_LOOK_ALIKE = (
    *("CYRILLIC", "GREEK", "FULLWIDTH", "MATHEMATICAL", "CHEROKEE", "ARMENIAN", "COPTIC", "LISU"),
    *("LATIN LETTER SMALL CAPITAL", "LATIN SMALL LETTER DOTLESS", "LATIN SMALL LETTER SCRIPT"),
    *(
        "SCRIPT ",
        "DOUBLE-STRUCK ",
        "BLACK-LETTER ",
        "MODIFIER LETTER",
        "ROMAN NUMERAL",
        "SMALL ROMAN",
    ),
    *("CIRCLED LATIN", "DESERET", "OSAGE", "WARANG", "KELVIN", "ANGSTROM", "OHM"),
)
_NOT_ASCII_WORD = re.compile(r"[\w.\-/\\'\"$]*[^\x00-\x7f]+[\w.\-/\\'\"$]*")
_PUNCTUATION = frozenset(
    "\u2024\u2215\u2044\u2223\u01c0\u2032\u2033\u2035\u2036\u02b9\u02ba\u02bc\u02c8\u2236\ua789"
)


def _hidden(text: str) -> Iterator[Finding]:
    """Characters that do not show, or show as others."""
    if text.isascii() and text.isprintable():
        return
    for at, char in enumerate(text):
        if " " <= char <= "~" or char in _SPACES:
            continue
        category = unicodedata.category(char)
        mark = category in {"Mn", "Me"} and not unicodedata.category(
            text[at - 1 : at] or "a"
        ).startswith(("L", "M", "S"))
        selector = "\ufe00" <= char <= "\ufe0f" and text[at - 1 : at].isascii()
        if category in _UNSEEN or char in _BLANKS or mark or selector:
            name = unicodedata.name(char, f"U+{ord(char):04X}").lower()
            told = f"a character that does not show: {name}"
            yield Finding(Risk.BLOCKED, "hidden-characters", Span(at, at + 1), told)
        elif char in _PUNCTUATION or _is_punctuation(char):
            told = f"{char} looks like a character that means something to the shell"
            yield Finding(Risk.BLOCKED, "look-alike", Span(at, at + 1), told)
    for word in _NOT_ASCII_WORD.finditer(text):
        alike = [c for c in word[0] if not c.isascii() and _looks_alike(c)]
        if alike and (any("a" <= c.lower() <= "z" for c in word[0]) or _is_lettering(alike[0])):
            told = f"{alike[0]} looks like a letter of ASCII and is not"
            yield Finding(Risk.BLOCKED, "look-alike", Span(word.start(), word.end()), told)


def _is_punctuation(char: str) -> bool:
    """A sign of ASCII in another width."""
    folded = unicodedata.normalize("NFKC", char)
    return len(folded) == 1 and folded.isascii() and not folded.isalnum()


def _looks_alike(char: str) -> bool:
    return char.isalpha() and unicodedata.name(char, "").startswith(_LOOK_ALIKE)


def _is_lettering(char: str) -> bool:
    """A letter of ASCII in another dress: full width, mathematical, circled."""
    folded = unicodedata.normalize("NFKC", char)
    return folded != char and folded.isascii()


_PLACEHOLDER = re.compile(
    r"<[A-Za-z](?:[\w .:/|-]*\w)?>(?!\w)"
    r"|(?<![\s<>&|;()])<[A-Za-z](?:[\w.:-]*\w)?>"
    r"|(?<![^\s(;&|=])\[[A-Za-z][A-Za-z]+(?:[-_ ]?[A-Za-z]+)+\](?![^\s;&|)])"
    r"|(?<![^\s(;&|])(?:\.\.\.|\u2026)(?![^\s;&|)])|\u2026"
    r"|[\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f]"
    r"|(?<![^\s])[\u2010-\u2015\u2212](?=[\w\u2010-\u2015-])"
)


def _placeholders(text: str, plain: list[Span]) -> Iterator[Finding]:
    for span in plain:
        for found in _PLACEHOLDER.finditer(text, span.start, span.end):
            if found[0][0] != "[" or not _is_class(found[0][1:-1]):
                yield _unfilled(found)


def _is_class(letters: str) -> bool:
    """Whether brackets hold letters to choose from, as in `[abc]`: those stand in their order."""
    return sorted(letters) == list(letters)


def _unfilled(found: re.Match[str]) -> Finding:
    told = f"{found[0]} is to be replaced before this can run"
    if not found[0][0].isascii() and found[0] != "\u2026":
        told = f"{found[0]} is typography: a shell wants plain quotes and dashes"
    return Finding(Risk.BLOCKED, "placeholder", Span(found.start(), found.end()), told)
