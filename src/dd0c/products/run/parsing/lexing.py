"""Where a shell's command ends: does the shell read on after this line?

Asked of every line of every block, so it is neither a parser nor a program that is started, but a
scanner with a stack: open quotes, substitutions, groups and compound commands, here-documents that
wait for their end, an operator or a backslash at the end of a line. It judges nothing: what a
command *is* is for `dd0c.scan`, which reads the text that is found here with two real parsers.

What must stay true: time is linear in the text (a line is scanned once, the stack is bounded), and
a command's text is the source's characters with backslash-newlines taken away, and nothing else.
The one addition is the blank that stands for a broken joint, which makes the command `inferred`.
"""

from __future__ import annotations

import re
from typing import NamedTuple

DEPTH_MAX = 100  # N-10 blocks what is deeper than 64
_WORD_MAX = 16  # characters of a word that are kept: enough to know a reserved word

_CODE = re.compile(
    r"""
    (?P<blank>[ \t]+)
  | (?P<plain>(?:[^\s\\'"`$;&|()<>\#]|\$(?![({'"]))+)
  | (?P<document><<-?(?!<)[ \t]*(?P<end>(?:[^\s\\'"`$;&|()<>]|\\.|'[^'\n]*'|"[^"\n]*")+))
  | (?P<opens>\$\(\(|\$\(|[<>]\(|\$\{|\$'|['"])
  | (?P<redirect><<<|&>>?|[<>]+[&|]?)
  | (?P<operator>&&|\|\||\|&|;;&|;;|;&|[;&|])
  | (?P<joint>\\$)
  | (?P<broken>(?<=[ \t])\\[ \t]+$)
  | (?P<escape>\\.)
  | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_QUOTED = re.compile(r"\\$|\\.|\$\(\(|\$\(|\$\{|[\"'`(){}]|[^\\$\"'`(){}]+|.", re.DOTALL)
_SINGLE = re.compile(r"[^']*")
_ANSI = re.compile(r"(?:[^'\\]|\\.)*", re.DOTALL)
_NO_ARGUMENTS = re.compile(r"\([ \t]*\)")
_OPENS = {"if": "fi", "case": "esac", "{": "}", "[[": "]]"} | dict.fromkeys(
    ("for", "while", "until", "select"), "done"
)
_LEADS = frozenset(("if", "while", "until", "{", "then", "else", "elif", "do", "!", "time"))
_CLOSES = frozenset(_OPENS.values())
_DANGLING = frozenset(("&&", "||", "|", "|&"))
_PARENTHESES = frozenset(("(", "$(", "<(", ">(", "array"))


class _Open(NamedTuple):
    """A construct that waits for its end, and the word in which it began."""

    name: str
    word: str | None = None


class _Document(NamedTuple):
    """A here-document that waits for its end."""

    end: str
    tabs_go: bool
    expands: bool


class Reading:
    """One command while its lines come in: `feed` them until it is `complete`."""

    def __init__(self) -> None:
        self.inferred = False
        """A line ended in a backslash with blanks behind it, which a shell does not join."""
        self.too_deep = False
        """It is nested deeper than anybody writes: not read further."""
        self._text: list[str] = []
        self._open: list[_Open] = []
        self._documents: list[_Document] = []
        self._word: str | None = None
        self._leading = True  # a reserved word would be one here
        self._pattern = False  # a pattern of `case` may begin here
        self._dangling = False  # an operator waits for its right side
        self._joined = False  # a backslash ended the line
        self._broken = False  # blanks stood behind that backslash
        self._text_joined = False  # the same within a here-document
        self._body_due = False  # a function has a name and no body yet
        self._name_due = False  # the word `function` was read

    @property
    def complete(self) -> bool:
        """Whether the shell would run it now instead of reading another line."""
        waits = self._open or self._documents or self._dangling or self._joined
        return not (waits or self._body_due)

    @property
    def joins(self) -> bool:
        """Whether the last line ended in a backslash."""
        return self._joined

    @property
    def text(self) -> str:
        """What was read, backslash-newlines gone as a shell takes them away."""
        return "".join(self._text).rstrip(" \t\n")

    def feed(self, line: str, shape: str | None = None) -> None:
        """Read the next line, which has no newline; `shape` is how it is to be read, if otherwise.

        A shape has the line's length: placeholders such as `<pod's name>` are words there.
        """
        shape = line if shape is None else shape
        if self._documents and not self._joined:
            self._feed_document(line)
            return
        at = 0
        if self._broken:
            at = len(line) - len(line.lstrip(" \t"))
        self._joined = self._broken = False
        while at < len(line) and not self.too_deep:
            until = self._step(shape, at)
            self._text.append(line[at:until])
            at = until
            if self._joined:
                self._join()
                return
        self._text.append(line[at:] + "\n")
        if self._in_code():
            self._end_word()
            self._leading = True

    def _join(self) -> None:
        last = self._text.pop()
        if last != "\\":  # blanks stood behind it
            self._text = ["".join(self._text).rstrip(" \t"), " "]
            self.inferred = self._broken = True
            self._end_word()

    def _feed_document(self, line: str) -> None:
        document = self._documents[0]
        joined, self._text_joined = self._text_joined, False
        if document.expands and (len(line) - len(line.rstrip("\\"))) % 2:
            self._text.append(line[:-1])
            self._text_joined = True
            return
        self._text.append(line + "\n")
        if not joined and (line.lstrip("\t") if document.tabs_go else line) == document.end:
            self._documents.pop(0)

    def _in_code(self) -> bool:
        return not self._open or self._open[-1].name not in ("'", "$'", '"', "${", "((")

    def _step(self, line: str, at: int) -> int:
        """Read one piece; where the next begins."""
        if self._in_code():
            return self._step_in_code(line, at)
        name = self._open[-1].name
        if name in ("'", "$'"):
            found = (_SINGLE if name == "'" else _ANSI).match(line, at)
            assert found  # it matches nothing, too
            if line.startswith("'", found.end()):
                self._close()
            return found.end() + 1
        return self._step_in_quotes(line, at, name)

    def _step_in_quotes(self, line: str, at: int, name: str) -> int:
        found = _QUOTED.match(line, at)
        assert found  # its last branch takes anything
        piece = found[0]
        if piece == "\\":
            self._joined = True
        elif piece == {'"': '"', "${": "}", "((": ")"}[name]:
            self._close()
        elif piece == "(" and name == "((":
            self._begin("((")
        elif piece == "`":
            self._close_or_open_backtick()
        elif piece in ("$((", "$(", "${") or (piece == '"' and name == "${"):
            self._begin(piece)
        elif piece == "'" and name == "${" and all(o.name != '"' for o in self._open):
            self._begin("'")
        return found.end()

    def _step_in_code(self, line: str, at: int) -> int:
        found = _CODE.match(line, at)
        assert found  # its last branch takes anything
        kind, piece = ("document" if found["document"] else found.lastgroup), found[0]
        if kind in ("joint", "broken"):
            self._joined = True
        elif kind == "blank":
            self._end_word()
        elif kind == "document":
            self._end_word()
            end = re.sub(r"['\"]|\\(?=.)", "", found["end"])
            self._documents.append(
                _Document(end, piece.startswith("<<-"), expands=end == found["end"])
            )
        elif kind == "redirect":
            self._end_word()
            self._dangling = False
        elif kind == "operator":
            self._end_word()
            self._dangling = piece in _DANGLING
            self._pattern = piece.startswith(";;")
            self._leading = True
        elif kind == "opens":
            self._begin(piece)
        elif kind == "other":
            return self._read_other(line, at)
        else:
            self._take(piece)
        return found.end()

    def _read_other(self, line: str, at: int) -> int:
        piece = line[at]
        if piece == "#" and self._word is None:
            return len(line)
        if piece == "(":
            return self._open_parenthesis(line, at)
        if piece == ")":
            self._end_word()
            self._leading, self._pattern = True, False
            if self._open and self._open[-1].name in _PARENTHESES:
                self._close()
        elif piece == "`":
            self._close_or_open_backtick()
        else:
            self._take(piece)
        return at + 1

    def _open_parenthesis(self, line: str, at: int) -> int:
        empty = _NO_ARGUMENTS.match(line, at)
        if empty and self._leading and not self._pattern:  # name() or name ()
            self._word, self._leading = None, True
            self._name_due, self._body_due = False, True
            return empty.end()
        if self._word is not None:
            self._begin("array")
        elif self._leading and line.startswith("((", at):
            self._begin("((")
            self._begin("((")
            return at + 2
        elif not self._pattern:
            self._begin("(")
            self._word = None
        self._pattern = False
        return at + 1

    def _close_or_open_backtick(self) -> None:
        if any(o.name == "`" for o in self._open):
            while self._open[-1].name != "`":
                self._close()
            self._close()
        else:
            self._begin("`")

    def _begin(self, name: str) -> None:
        self._dangling = self._body_due = False
        if len(self._open) >= DEPTH_MAX:
            self.too_deep = True
            return
        names = ("((", "((") if name == "$((" else (name,)
        for each in names:
            self._open.append(_Open(each, None if each == "(" else (self._word or "") + "?"))
        self._word, self._leading = None, True

    def _close(self) -> None:
        name, self._word = self._open.pop()
        if name != "(":
            self._leading = False

    def _take(self, piece: str) -> None:
        """Add to the word that is being read."""
        self._dangling = False
        word = self._word or ""
        self._word = word + piece[:_WORD_MAX] if len(word) < _WORD_MAX else word

    def _end_word(self) -> None:
        if self._word is None:
            return
        word, self._word = self._word, None
        top = self._open[-1].name if self._open else ""
        if self._name_due:
            self._name_due, self._leading, self._body_due = False, True, True
            return
        self._body_due = False
        if top == "]]" or not self._leading:
            self._pattern = top == "esac" and word == "in"
            if word == top == "]]":
                self._close()
            self._leading = self._pattern
        elif word == "function":
            self._name_due = True
        elif word in _OPENS:
            self._open.append(_Open(_OPENS[word]))
            self._leading = word in _LEADS
        elif word in _CLOSES:
            if word == top:
                self._close()
            self._leading = False
        else:
            self._leading = word in _LEADS
            self._pattern = False
