"""sed's scripts: proven to print and nothing else, or named for what they run and write.

Every command of GNU sed is known here; one that is not makes the script unreadable, because the
letter after it would be read as something it is not. Where versions differ the reading that sees
more commands is taken: a label ends at the first blank or semicolon, and a delimiter inside
brackets (`s/[/]/x/`) is read both ways. Fragments of several `-e` are read one by one; what only
makes sense joined is unreadable alone."""

from __future__ import annotations

import re
from collections.abc import Iterator

from dd0c.scan.languages.facts import (
    Command,
    Facts,
    File,
    Found,
    starts,
    starts_unknown,
    unreadable,
)

_PLAIN = frozenset("=dDFgGhHnNpPxz{}")
_NUMBERED = re.compile(r"[ \t]*\d*")
_LABEL = re.compile(r"[ \t]*[^\s;}]*")
_LINE = re.compile(r"[ \t]*([^\n]*)")
_ADDRESS = re.compile(r"\d+(?:~\d+)?|\$|[+~]\d+")
_TEXT = re.compile(r"[ \t]*(?:\\[ \t]*\n?)?(?:[^\\\n]|\\[\s\S]|\\$)*")
_FLAGS = re.compile(r"[gpiImM0-9]*")
_BLANK = re.compile(r"[\s;]*")
_SPACES = re.compile(r"[ \t]*")
_CLASS = re.compile(r"\[([.:=])[\s\S]*?\1\]")


class _Lost(Exception):
    """The script does not go on as sed's scripts do."""


class _Script:
    """A script and how far it was read."""

    def __init__(self, text: str, brackets: bool) -> None:
        self.text = text
        self.at = 0
        self.brackets = brackets
        self.ambiguous = False

    def take(self, pattern: re.Pattern[str]) -> re.Match[str]:
        found = pattern.match(self.text, self.at)
        if found is None:
            raise _Lost
        self.at = found.end()
        return found

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def until(self, delimiter: str, regex: bool) -> None:
        """To behind the next delimiter that stands for itself."""
        while (char := self.peek()) != delimiter:
            if not char or (char == "\n" and delimiter != "\n"):
                raise _Lost
            if char == "\\":
                self.at += 2
            elif char == "[" and regex and self.brackets:
                self._bracket(delimiter)
            else:
                self.at += 1
        self.at += 1

    def _bracket(self, delimiter: str) -> None:
        start = self.at
        self.at += 1
        if self.peek() == "^":
            self.at += 1
        if self.peek() == "]":
            self.at += 1
        while (char := self.peek()) != "]":
            if not char:
                raise _Lost
            found = _CLASS.match(self.text, self.at)
            self.at = found.end() if found else self.at + 1
        self.at += 1
        inside = self.text[start : self.at]
        self.ambiguous |= delimiter in inside or "\\" in inside

    def address(self) -> bool:
        """One address, if one stands here."""
        if self.peek() in ("/", "\\"):
            if self.peek() == "\\":
                self.at += 1
            delimiter = self.peek()
            self.at += 1
            self.until(delimiter, regex=True)
            while self.peek() and self.peek() in "IM":
                self.at += 1
            return True
        found = _ADDRESS.match(self.text, self.at)
        if found:
            self.at = found.end()
        return found is not None

    def addresses(self) -> None:
        if self.address():
            self.take(_SPACES)
            if self.peek() == ",":
                self.at += 1
                self.take(_SPACES)
                if not self.address():
                    raise _Lost
        self.take(_SPACES)
        while self.peek() == "!":
            self.at += 1
            self.take(_SPACES)


def read(text: str, dialect: str | None) -> Facts:
    """All that a script does besides printing."""
    script = _Script(text, brackets=True)
    try:
        yield from _commands(script)
    except _Lost:
        yield unreadable("a script of sed", script.at, len(text))
        return
    if script.ambiguous:
        try:
            yield from list(_commands(_Script(text, brackets=False)))
        except _Lost:
            return  # A version that reads it so refuses it as a whole, and runs nothing.


def _commands(script: _Script) -> Iterator[Found]:
    while True:
        script.take(_BLANK)
        if not script.peek():
            return
        if script.peek() == "#":
            script.take(_LINE)
            continue
        script.addresses()
        start = script.at
        name = script.peek()
        script.at += 1
        yield from _command(script, name, start)


def _command(script: _Script, name: str, start: int) -> Iterator[Found]:
    if name in _PLAIN:
        return
    if not name:
        raise _Lost
    if name in "qQlL":
        script.take(_NUMBERED)
    elif name in ":btTv":
        script.take(_LABEL)
    elif name in "aic":
        script.take(_TEXT)
    elif name in "rRwW":
        found = script.take(_LINE)
        yield File(found[1], found.start(1), found.end(1), writes=name in "wW")
    elif name == "e":
        yield from _run(script, start)
    elif name == "s":
        yield from _substitute(script, start)
    elif name == "y":
        delimiter = _delimiter(script)
        script.until(delimiter, regex=False)
        script.until(delimiter, regex=False)
    else:
        raise _Lost


def _run(script: _Script, start: int) -> Iterator[Found]:
    found = script.take(_LINE)
    if found[1].strip():
        yield from starts(found[1], found.start(1), found.end(1))
    else:
        yield starts_unknown(start, found.end())


def _delimiter(script: _Script) -> str:
    delimiter = script.peek()
    if not delimiter or delimiter in "\n\\":
        raise _Lost
    script.at += 1
    return delimiter


def _substitute(script: _Script, start: int) -> Iterator[Found]:
    delimiter = _delimiter(script)
    script.until(delimiter, regex=True)
    replacement = script.at
    script.until(delimiter, regex=False)
    end = script.at - 1
    while True:
        script.take(_FLAGS)
        if script.peek() == "w":
            script.at += 1
            found = script.take(_LINE)
            yield File(found[1], found.start(1), found.end(1), writes=True)
            return
        if script.peek() != "e":
            break
        script.at += 1
        yield starts_unknown(start, script.at)
        yield Command(script.text[replacement:end], replacement, end)
    after = script.take(_SPACES).end()
    if script.text[after : after + 1] not in ("", ";", "\n", "}", "#"):
        raise _Lost
