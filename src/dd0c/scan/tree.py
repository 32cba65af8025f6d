"""Words of shfmt's tree as words of ours: quotes removed, escapes resolved, the unsaid kept apart.

A literal part spans the characters between its quotes, so that where text and span have the same
length the one is the other. `~` and `~user` become an expansion named `~…`, which is one word and
begins with a slash. Every node is held to the shape that is pinned here: a key that a newer grammar
adds may mean that a command stands where nobody looks, and is an error (`Unknown`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Protocol

from dd0c.scan.models import Span
from dd0c.scan.names import said
from dd0c.scan.plain import is_plain
from dd0c.scan.shfmt import Node
from dd0c.scan.syntax import Expansion, Glob, Literal, Part, Script, Substitution, Word

_NODE = {"Type", "Pos", "End"}
_STATEMENTS = {"Stmts", "Last"}
SHAPES: dict[str, frozenset[str]] = {
    name: frozenset(_NODE | keys)
    for name, keys in {
        "Stmt": {"Cmd", "Position", "Semicolon", "Redirs", "Background", "Negated", "Comments"},
        "Redirect": {"Op", "OpPos", "Word", "Hdoc", "N"},
        "Assign": {"Name", "Value", "Append", "Array", "Index", "Naked"},
        "ArrayExpr": {"Lparen", "Rparen", "Elems", "Last"},
        "ArrayElem": {"Index", "Value", "Comments"},
        "CaseItem": {"Op", "OpPos", "Patterns", "Stmts", "Last", "Comments"},
        "Slice": {"Offset", "Length"},
        "Replace": {"Orig", "With", "All", "Anchor"},
        "Expansion": {"Op", "Word"},
        "CallExpr": {"Args", "Assigns"},
        "Subshell": {"Lparen", "Rparen"} | _STATEMENTS,
        "Block": {"Lbrace", "Rbrace"} | _STATEMENTS,
        "IfClause": {"Position", "ThenPos", "FiPos", "Cond", "CondLast", "Then", "ThenLast"}
        | {"Else", "Last"},
        "WhileClause": {
            "WhilePos",
            "DoPos",
            "DonePos",
            "Until",
            "Cond",
            "CondLast",
            "Do",
            "DoLast",
        },
        "ForClause": {"ForPos", "DoPos", "DonePos", "Select", "Braces", "Loop", "Do", "DoLast"},
        "WordIter": {"Name", "InPos", "Items"},
        "CStyleLoop": {"Lparen", "Rparen", "Init", "Cond", "Post"},
        "CaseClause": {"Case", "In", "Esac", "Braces", "Word", "Items", "Last"},
        "BinaryCmd": {"OpPos", "Op", "X", "Y"},
        "FuncDecl": {"Position", "RsrvWord", "Parens", "Name", "Body"},
        "ArithmCmd": {"Left", "Right", "Unsigned", "X"},
        "TestClause": {"Left", "Right", "X"},
        "DeclClause": {"Variant", "Args"},
        "LetClause": {"Let", "Exprs"},
        "TimeClause": {"Time", "PosixFormat", "Stmt"},
        "CoprocClause": {"Coproc", "Name", "Stmt"},
        "BinaryArithm": {"OpPos", "Op", "X", "Y"},
        "UnaryArithm": {"OpPos", "Op", "Post", "X"},
        "ParenArithm": {"Lparen", "Rparen", "X"},
        "BinaryTest": {"OpPos", "Op", "X", "Y"},
        "UnaryTest": {"OpPos", "Op", "X"},
        "ParenTest": {"Lparen", "Rparen", "X"},
        "Word": {"Parts"},
        "Lit": {"ValuePos", "ValueEnd", "Value"},
        "SglQuoted": {"Left", "Right", "Dollar", "Value"},
        "DblQuoted": {"Left", "Right", "Dollar", "Parts"},
        "ParamExp": {"Dollar", "Rbrace", "Short", "Excl", "Length", "Param", "Index", "Slice"}
        | {"Repl", "Names", "Exp"},
        "CmdSubst": {"Left", "Right", "Backquotes"} | _STATEMENTS,
        "ProcSubst": {"OpPos", "Rparen", "Op"} | _STATEMENTS,
        "ArithmExp": {"Left", "Right", "Bracket", "Unsigned", "X"},
        "ExtGlob": {"OpPos", "Op", "Pattern"},
    }.items()
}


class Unknown(Exception):
    """A node, or a part of one, that is not in the table of shapes."""

    def __init__(self, name: str, node: Node) -> None:
        super().__init__(f"the parser found a {name} of a shape that is not known")
        self.at = int(node.get("Pos", {}).get("Offset", 0))


def check(node: Node, name: str | None = None) -> str:
    """The kind of the node, if it is known and has no more to it than is known."""
    kind = name or str(node.get("Type"))
    shape = SHAPES.get(kind)
    if shape is None or not node.keys() <= shape:
        raise Unknown(kind, node)
    return kind


class Inner(Protocol):
    """Who walks what stands inside a word."""

    def script(self, node: Node) -> Script:
        """The statements of a substitution."""

    def parameter(self, node: Node, span: Span) -> None:
        """`${…}` with all that stands in it."""

    def arithmetic(self, node: Node, span: Span) -> None:
        """An expression."""

    def pattern(self, node: Node, span: Span) -> None:
        """Of an extended glob, which the parser leaves as text."""

    def history(self, span: Span) -> None:
        """A word with a `!` that a shell at a terminal replaces by an earlier command."""


class Words:
    """Makes words of nodes; positions go through `place` to those of the text that was judged."""

    def __init__(self, place: Callable[[int], int], inner: Inner) -> None:
        self._place = place
        self._inner = inner

    def span(self, node: Node) -> Span:
        """Where a node stands."""
        return Span(self._place(node["Pos"]["Offset"]), self._place(node["End"]["Offset"]))

    def word(self, node: Node, *, quoted: bool = False) -> Word:
        """A word; `quoted`: it stands within double quotes or a here-document."""
        check(node, "Word")
        parts: list[Part] = []
        for part in node.get("Parts") or []:
            parts += self._part(part, quoted, first=not parts)
        texts = [part.get("Value", "") for part in node.get("Parts") or []]
        if any(before == "!" and behind == "$" for before, behind in pairwise(texts)):
            self._inner.history(self.span(node))
        if not quoted:
            parts = _braced(parts)
        return Word(tuple(parts), self.span(node))

    def _part(self, node: Node, quoted: bool, first: bool) -> Iterator[Part]:
        kind = check(node)
        span = self.span(node)
        if kind == "Lit":
            value = str(node.get("Value", ""))
            if "!" in value and _HISTORY.search(value):
                self._inner.history(span)
            yield from (_quoted_text(value, span) if quoted else _text(value, span, first))
        elif kind == "SglQuoted":
            text = node.get("Value", "")
            if quoted and re.search(r"\$[({]|`", text):
                raise Unknown("quote within double quotes", node)
            if node.get("Dollar"):
                yield Literal(ansi_c(text), Span(span.start + 2, span.end - 1), quoted=True)
            else:
                yield Literal(text, Span(span.start + 1, span.end - 1), quoted=True)
        elif kind == "DblQuoted":
            if not node.get("Parts"):
                yield Literal("", Span(span.start + 1, span.end - 1), quoted=True)
            for part in node.get("Parts") or []:
                yield from self._part(part, quoted=True, first=False)
        elif kind == "ParamExp":
            self._inner.parameter(node, span)
            yield Expansion(_name(node), span, quoted and not _many(node), _is_edited(node))
        elif kind == "ArithmExp":
            self._inner.arithmetic(node["X"], span)
            yield Expansion(None, span, quoted)
        elif kind in ("CmdSubst", "ProcSubst"):
            process = kind == "ProcSubst"
            yield Substitution(self._inner.script(node), span, quoted or process, process)
        elif kind == "ExtGlob":
            self._inner.pattern(node, span)
            yield Glob(node["Op"] + node.get("Pattern", {}).get("Value", "") + ")", span)
        else:
            raise Unknown(kind, node)


def _name(node: Node) -> str | None:
    if node.get("Length"):
        return "#"  # a number, as that of the parameters is
    param = node.get("Param")
    return None if param is None else str(param.get("Value", ""))


def _is_edited(node: Node) -> bool:
    """Whether the text says what the value may become (`${x:-word}`, `${x/a/word}`)."""
    expansion = node.get("Exp") or {}
    if str(expansion.get("Op", "")).lstrip(":") in ("-", "+", "="):
        return not _is_name(expansion.get("Word") or {})
    return "Repl" in node and not _is_name((node["Repl"] or {}).get("With") or {})


def _is_name(word: Node) -> bool:
    text = said(word)
    return text is not None and is_plain(text) and "/" not in text


def _many(node: Node) -> bool:
    """Whether it is several words, or none, even within quotes."""
    parts = (node.get("Index") or {}).get("Parts") or []
    every = len(parts) == 1 and parts[0].get("Value") == "@"
    return _name(node) == "@" or every or "Names" in node


_HISTORY = re.compile(r"(?<![$\[{\\])!(?=[\w!$?^*#%:{-])")
_TILDE = re.compile(r"~[^/]*")
_SPECIAL = re.compile(r"\\(.)|([*?])|(\[(?:[!^]?\]?[^\]]*)\])", re.DOTALL)


def _text(text: str, span: Span, first: bool) -> Iterator[Part]:
    """Unquoted text: escapes, globs, and a tilde where the word begins."""
    at = 0
    if first and (tilde := _TILDE.match(text)):
        at = tilde.end()
        yield Expansion(tilde[0], Span(span.start, span.start + at), quoted=True)
    known = ""
    begun = at
    exact = span.end - span.start == len(text)
    for found in _SPECIAL.finditer(text, at):
        known += text[at : found.start()]
        at = found.end()
        if found[1] is not None:
            known += found[1]
            continue
        if known:
            yield Literal(known, _within(span, begun, found.start(), exact))
            known = ""
        yield Glob(found[0], _within(span, found.start(), at, exact))
        begun = at
    known += text[at:]
    if known or not text:
        yield Literal(known, _within(span, begun, len(text), exact))


def _within(span: Span, start: int, end: int, exact: bool) -> Span:
    return Span(span.start + start, span.start + end) if exact else span


_ESCAPED = re.compile(r'\\([\\"$`])')


def _quoted_text(text: str, span: Span) -> Iterator[Part]:
    yield Literal(_ESCAPED.sub(r"\1", text), span, quoted=True)


_BRACES = re.compile(r"\{[^{}]*(?:,|\.\.)")


def _braced(parts: Sequence[Part]) -> list[Part]:
    """With `{a,b}` and `{1..3}`, wherever its pieces stand, as a glob: words that are not said."""
    plain = "".join(
        part.text
        if isinstance(part, Literal | Glob) and not getattr(part, "quoted", False)
        else "_"
        for part in parts
    )
    if "{" not in plain or "}" not in plain or not _BRACES.search(plain):
        return list(parts)
    made: list[Part] = []
    begun = False
    for part in parts:
        if not isinstance(part, Literal) or part.quoted:
            made.append(part)
            continue
        cut = 0 if begun else part.text.find("{")
        if cut < 0:
            made.append(part)
            continue
        begun = True
        if cut:
            made.append(replace(part, text=part.text[:cut]))
        made.append(Glob(part.text[cut:], part.span))
    return made


_ANSI_C = re.compile(
    r"\\(?:([abeEfnrtv\\'\"?])|([0-7]{1,3})|x([0-9A-Fa-f]{1,2})|u([0-9A-Fa-f]{1,4})"
    r"|U([0-9A-Fa-f]{1,8})|c(.))",
    re.DOTALL,
)
_LETTERS = {
    "a": "\a",
    "b": "\b",
    "e": "\x1b",
    "E": "\x1b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
    "\\": "\\",
    "'": "'",
    '"': '"',
    "?": "?",
}


def ansi_c(text: str) -> str:
    """What `$'…'` stands for; it ends where it would hold a NUL."""

    def resolve(found: re.Match[str]) -> str:
        letter, octal, hexed, four, eight, control = found.groups()
        if letter:
            return _LETTERS[letter]
        if control:
            return chr(ord(control.upper()) & 0x1F)
        if octal or hexed:
            return chr(int(octal, 8) & 0xFF if octal else int(hexed, 16))
        code = int(four or eight, 16)
        return chr(code) if code <= 0x10FFFF and not 0xD800 <= code <= 0xDFFF else "\ufffd"

    return _ANSI_C.sub(resolve, text).partition("\0")[0]
