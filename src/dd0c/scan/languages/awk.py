"""awk's programs: proven to compute and print, or named for what they start, read and write.

awk cannot be told from its words alone: `/` divides or opens a regular expression, `>` compares or
redirects, a `|` starts a command. So the program is cut into tokens as awk's own lexer does it, and
then passed over once, statement by statement. Where two awks would cut differently (a `/` behind
the head of an `if`) the program is not read; a slash inside brackets is read both ways.

Only a lone string is a command or a file that is said. What is joined, computed, or spelled with
escapes that awks know differently is not, and may be anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from dd0c.scan.languages.facts import (
    Facts,
    File,
    Found,
    caution,
    dangerous,
    feeds,
    named,
    starts,
    starts_unknown,
    unreadable,
)
from dd0c.scan.models import Effect

_TOKEN = re.compile(
    r"""(?P<skip>[ \t\r]+|\\\r?\n|\#[^\n]*)
    |(?P<line>\n)
    |(?P<string>"(?:[^"\\\n]|\\[\s\S])*")
    |(?P<number>0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*(?:::[A-Za-z_][A-Za-z0-9_]*)?)
    |(?P<sign>\*\*=?|\+\+|--|\|&|\|\||&&|>>|[-+*%^<>=!]=|!~|[-+*%^<>=!~|&?:,;@$(){}\[\]])""",
    re.VERBOSE,
)
_KEYWORDS = named(
    "BEGIN END BEGINFILE ENDFILE function func if else while for do break continue next nextfile "
    "exit return delete in getline print printf switch case default"
)
_BUILTINS = named(
    "atan2 cos exp int log rand sin sqrt srand gsub index length match split sub sprintf substr "
    "tolower toupper close fflush gensub asort asorti patsplit strtonum mktime strftime systime "
    "and compl lshift or rshift xor isarray typeof mkbool bindtextdomain dcgettext dcngettext"
)
_BEFORE_REGEX = named("print printf return else do case in exit delete")
_HEADS = frozenset({"if", "while", "for", "switch"})
_PAIRS = {")": "(", "]": "[", "}": "{"}
_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "n": "\n", "t": "\t"}


class _Token(NamedTuple):
    kind: str
    text: str
    start: int
    end: int


_NOTHING = _Token("line", "\n", 0, 0)


class _Lost(Exception):
    """The program does not go on as awk's programs do."""


def read(text: str, dialect: str | None) -> Facts:
    """All that a program does besides computing and printing."""
    try:
        tokens, ambiguous = _cut(text, brackets=True)
        yield from _pass(tokens)
    except _Lost:
        yield unreadable("a program of awk", 0, len(text))
        return
    if ambiguous:
        try:
            yield from list(_pass(_cut(text, brackets=False)[0]))
        except _Lost:
            return  # An awk that cuts it so refuses it as a whole, and runs nothing.


def _cut(text: str, brackets: bool) -> tuple[list[_Token], bool]:
    """The tokens, and whether a bracket held a slash; braces and brackets must be in pairs."""
    tokens: list[_Token] = []
    opened: list[tuple[str, bool]] = []  # What was opened, and whether it is the head of an `if`.
    ambiguous = False
    at = 0
    closed_head = False
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            if text[at] != "/" or closed_head:
                raise _Lost
            if _ends_operand(tokens):
                at += 2 if text.startswith("/=", at) else 1
                tokens.append(_Token("sign", "/", at - 1, at))
                continue
            end, doubtful = _regex_end(text, at, brackets)
            ambiguous |= doubtful
            tokens.append(_Token("regex", text[at:end], at, end))
            at = end
            continue
        at = found.end()
        kind = str(found.lastgroup)
        if kind == "skip":
            continue
        closed_head = False
        if found[0] in ("(", "[", "{"):
            opened.append((found[0], bool(tokens) and tokens[-1].text in _HEADS))
        elif found[0] in _PAIRS:
            if not opened or opened[-1][0] != _PAIRS[found[0]]:
                raise _Lost
            closed_head = opened.pop()[1]
        tokens.append(_Token(kind, found[0], found.start(), at))
    if opened:
        raise _Lost
    return tokens, ambiguous


def _ends_operand(tokens: list[_Token]) -> bool:
    """Whether a slash behind these divides."""
    if not tokens:
        return False
    last = tokens[-1]
    if last.text in ("++", "--"):
        return _ends_operand(tokens[:-1][-1:])
    if last.kind == "name":
        return last.text not in _BEFORE_REGEX
    return last.kind in ("string", "number", "regex") or last.text in (")", "]", "$")


def _regex_end(text: str, start: int, brackets: bool) -> tuple[int, bool]:
    at, inside, doubtful = start + 1, False, False
    while at < len(text):
        char = text[at]
        if char == "\n":
            break
        if char == "\\":
            at += 2
            continue
        if char == "/":
            if not inside:
                return at + 1, doubtful
            doubtful = True
        elif char == "[" and brackets and not inside:
            inside = True
            at += 2 if text[at + 1 : at + 2] == "^" else 1
            at += 1 if text[at : at + 1] == "]" else 0
            continue
        elif char == "]":
            inside = False
        at += 1
    raise _Lost


class _Statement:
    """What is known of the statement that is passed over."""

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.prints = False
        self.gets = False


def _pass(tokens: list[_Token]) -> Iterator[Found]:
    defined = {b.text for a, b in pairwise(tokens) if a.text in _DEFINE}
    depth = 0
    statement = _Statement(0)
    for index, token in enumerate(tokens):
        before = tokens[index - 1] if index else _NOTHING
        if token.text in ("(", "["):
            depth += 1
        elif token.text in (")", "]"):
            depth -= 1
        elif token.text in (";", "{", "}") or (token.kind == "line" and _may_end(before)):
            statement = _Statement(depth)
        elif token.text in ("print", "printf"):
            statement = _Statement(depth)
            statement.prints = True
        elif token.text == "getline":
            statement.gets = True
        elif token.kind == "sign":
            if not (statement.prints and depth == statement.depth) and token.text in (">", ">>"):
                continue
            if token.text == "<" and not statement.gets:
                continue
            yield from _opens(tokens, index)
        elif token.kind == "name":
            yield from _names(tokens, index, defined)


_DEFINE = frozenset({"function", "func"})


def _may_end(before: _Token) -> bool:
    """Whether a line may end a statement here: not behind an operator."""
    return before.kind != "sign" or before.text in (")", "]", "}", "{", ";", "++", "--")


def _opens(tokens: list[_Token], index: int) -> Iterator[Found]:
    """What a redirection or a pipe opens."""
    token = tokens[index]
    if token.text == "@":
        yield dangerous(
            "loads-code", "Code is loaded, or called by a name.", token.start, token.end
        )
    elif token.text in ("|", "|&"):
        after = tokens[index + 1].text if index + 1 < len(tokens) else ""
        said = _lone_before(tokens, index) if after == "getline" else _lone_after(tokens, index)
        yield from _started(said, token, printed=after != "getline")
    elif token.text in (">", ">>", "<"):
        writes = token.text != "<"
        said = _lone_after(tokens, index)
        path = _said(said)
        if said is None or path is None:
            if writes:
                why = "The program writes to files that are not said here."
                yield dangerous("writes-unknown-file", why, token.start, token.end, Effect.WRITES)
            else:
                why = "The program reads files that are not said here."
                yield caution("reads-unknown-file", why, token.start, token.end, Effect.READS)
        elif path.startswith("/inet"):
            why = "The program opens a connection."
            yield dangerous("opens-connection", why, said.start, said.end, Effect.NETWORK)
        else:
            yield File(path, said.start + 1, said.end - 1, writes)


def _names(tokens: list[_Token], index: int, defined: set[str]) -> Iterator[Found]:
    token = tokens[index]
    called = index + 1 < len(tokens) and tokens[index + 1].text == "("
    if token.text == "system":
        lone = called and index + 3 < len(tokens) and tokens[index + 3].text == ")"
        yield from _started(tokens[index + 2] if lone else None, token)
    elif token.text in ("ARGV", "ARGC"):
        why = "The program may change which files are read."
        yield caution("reads-unknown-file", why, token.start, token.end, Effect.READS)
    elif called and token.text not in _BUILTINS | _KEYWORDS | defined:
        adjacent = tokens[index + 1].start == token.end
        if adjacent:
            why = f"{token.text} is no function of awk that is known here."
            yield dangerous("program-unreadable", why, token.start, token.end)


def _started(said: _Token | None, at: _Token, *, printed: bool = False) -> Facts:
    command = _said(said)
    if said is None or command is None:
        yield starts_unknown(at.start, at.end)
    else:
        run = feeds if printed else starts
        yield from run(command, said.start + 1, said.end - 1)


def _lone_before(tokens: list[_Token], index: int) -> _Token | None:
    """The one string that a pipe into getline reads from."""
    if not index:
        return None
    earlier = tokens[index - 2] if index > 1 else _NOTHING
    alone = earlier.kind == "line" or earlier.text in ("(", "{", "}", ";", "!", "&&", "||")
    return tokens[index - 1] if alone else None


def _lone_after(tokens: list[_Token], index: int) -> _Token | None:
    """The one string that an output or an input is directed to."""
    rest = tokens[index + 1 : index + 3]
    if not rest or (
        len(rest) > 1 and rest[1].kind != "line" and rest[1].text not in (";", "}", ")")
    ):
        return None
    return rest[0]


def _said(token: _Token | None) -> str | None:
    """What a string says, if every awk reads it alike."""
    if token is None or token.kind != "string":
        return None
    parts = re.split(r"\\([\s\S])", token.text[1:-1])
    for index in range(1, len(parts), 2):
        if parts[index] not in _ESCAPES:
            return None
        parts[index] = _ESCAPES[parts[index]]
    return "".join(parts)
