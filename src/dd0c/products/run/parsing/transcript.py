"""A block of code as what was typed and what was shown, line by line.

`read_block` is given what stands between two fences and says in order: commands (complete, as the
shell reads them, without prompt and backslash-newline), pasted output, comments, queries for other
programs, and data. No fence is believed. Where prompts are, what has none is output; where none
are, a line has to look like a command, and more so the less the fence says.

What must stay true: a command's text is made of the source's characters by taking away only
prompts, indentation and backslash-newlines, unless it is `inferred` (a break without a backslash,
or with blanks behind it, became one blank). What is commented out is a comment. Nothing here
raises, and time is linear: a command that never ends is given up a few times, then for good.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum

import msgspec

from dd0c.products.run.parsing import languages, placeholders, prompts, sessions
from dd0c.products.run.parsing.lexing import Reading
from dd0c.products.run.parsing.prompts import Mark

_LINES_MAX = 2000  # lines of one command
_FOREIGN_LINES_MAX = 100  # the same where no shell reads it
_GIVEN_UP_MAX = 5  # commands without an end in one block; then no line is joined any more


class EntryKind(StrEnum):
    """What a part of a block is."""

    COMMAND = "command"
    OUTPUT = "output"
    COMMENT = "comment"
    QUERY = "query"
    OTHER = "other"


class Entry(msgspec.Struct, frozen=True):
    """A part of a block; `start` and `end` count from the offset that the block was given."""

    kind: EntryKind
    text: str
    """What is typed or shown; of a comment the words behind its mark."""
    line: int
    last_line: int
    start: int
    end: int
    language: str
    """What reads a command or query (shell, powershell, sql, promql …), or what data is."""
    inferred: bool = False
    interactive: bool = False
    flaws: tuple[str, ...] = ()
    """Why it may not run as it stands: smart-quotes, non-breaking-space, unfinished."""


class Transcript(msgspec.Struct, frozen=True):
    """A block's parts in order; `language` is that of the first command or query, or of data."""

    entries: tuple[Entry, ...]
    language: str | None


class _Line(msgspec.Struct, frozen=True):
    number: int
    start: int
    """Where its text begins, indentation and line number of the block left out."""
    text: str


def read_block(text: str, *, language: str | None, first_line: int, offset: int) -> Transcript:
    """What a block says, in order. `text` has its own newlines; `language` is the fence's word."""
    lines = _trim(_lines(text, first_line, offset))
    if not lines:
        return Transcript((), None)
    claimed = languages.of_fence(language)
    marks = prompts.find([line.text for line in lines])
    reader = _Reader(lines, marks, claimed)
    entries = reader.read()
    spoken = [e.language for e in entries if e.kind in (EntryKind.COMMAND, EntryKind.QUERY)]
    shown = [e.language for e in entries if e.kind is not EntryKind.COMMENT]
    return Transcript(tuple(entries), next(iter(spoken or shown), None))


def _lines(text: str, first_line: int, offset: int) -> list[_Line]:
    found, at = [], offset
    for number, raw in enumerate(text.split("\n"), first_line):
        found.append(_Line(number, at, raw.removesuffix("\r")))
        at += len(raw) + 1
    if found[0].text.startswith("\ufeff"):
        found[0] = _cut(found[0], 1)
    return found


def _cut(line: _Line, count: int) -> _Line:
    return _Line(line.number, line.start + count, line.text[count:])


_BUTTON = re.compile(r"\s*(?:Copy|Copied!?|Copy code|Copy to clipboard|Copy snippet)\s*$")


def _trim(lines: list[_Line]) -> list[_Line]:
    """The lines without the block's indentation, pasted line numbers and the words of buttons."""
    first, last = 0, len(lines)
    while first < last and _is_button(lines, first):
        first += 1
    while last > first and (
        _BUTTON.match(lines[last - 1].text) or not lines[last - 1].text.strip()
    ):
        last -= 1
    lines = lines[first:last]
    indents = [len(m[0]) for x in lines if x.text.strip() and (m := re.match(r"[ \t]*", x.text))]
    indent = min(indents, default=0)
    lines = [_cut(line, min(indent, len(line.text))) for line in lines]
    ends = prompts.numbers([line.text for line in lines])
    return [_cut(line, end) for line, end in zip(lines, ends, strict=True)]


def _is_button(lines: Sequence[_Line], at: int) -> bool:
    text = lines[at].text
    follows = at + 1 < len(lines) and bool(_BUTTON.match(lines[at + 1].text))
    return (
        not text.strip()
        or bool(_BUTTON.match(text))
        or (follows and languages.of_fence(text) is not None)
    )


_OPTION = re.compile(
    r"\s*(?![-dlbcps]?[rwxsStT-]{9,10}[.+@]?\s)"  # a line of `ls -l` is none
    r"(?:--?[A-Za-z][\w-]*(?=[\s=]|$)(?!.* --- )|(?:\|\|?|&&|[12]?>>?)\s*\S)"
)
_ARGUMENT = re.compile(r"\s*['\"][\[{]|\s+['\"]?\$\{?\w")
_SMART = re.compile("[\u2018\u2019\u201c\u201d\u201e\u2013\u2014\u2026]")
_COMMENT = re.compile(r"\s*(#+!?|//|::|REM\b)\s?(.*)$")
_EXPLAINED = re.compile(r"[^\n]*?\S(?=\s+(?:-{1,3}>|=>|→|⇒|←|<-{1,3})\s+\w)")
"""A command up to the arrow behind which its author says what it does."""
_FUNCTION = re.compile(r"(?m)^\s*(?:function )?([\w-]+) ?\(\)|^\s*function ([\w-]+)")


class _Reader:
    """Goes through a block once, from its first line to its last."""

    def __init__(self, lines: list[_Line], marks: list[Mark | None], claimed: str | None) -> None:
        self._lines = lines
        self._marks = marks
        self._prompted = any(marks)  # so `> ` is the shell's own where it reads on
        self._claimed = claimed
        self._entries: list[Entry] = []
        self._at = 0
        self._given_up = 0
        self._typed = False  # something was, so far
        self._functions: list[list[str]] = []  # that the block defined
        self._session: str | None = None  # the language of a session that was opened

    def read(self) -> list[Entry]:
        """All parts of the block."""
        if self._prompted:
            self._read_prompted()
            return self._entries
        data = self._data()
        if data:
            self._take_data(data)
        elif self._powershell():
            self._read_plain("powershell")
        else:
            self._read_plain("shell")
        return self._entries

    # A block with prompts: what has none is comment, continuation or output.

    def _read_prompted(self) -> None:
        while self._at < len(self._lines):
            mark, line = self._marks[self._at], self._lines[self._at]
            if mark and line.text[mark.end :].strip():
                self._take_typed(_cut(line, mark.end), mark.language)
            elif mark or not line.text.strip():
                self._at += 1
            elif (found := _COMMENT.match(line.text)) and found[1].startswith("#"):
                self._take_comment(line, found)
            elif not self._typed and languages.sure(line.text):
                self._take_shell(line)  # nothing was typed yet that could have printed it
            else:
                self._take_shown()

    def _take_typed(self, line: _Line, language: str) -> None:
        if re.match(r"#(?:\s|$)", line.text):
            self._take_comment(line, _COMMENT.match(line.text))
        elif language == "shell":
            self._take_shell(line)
        else:
            self._take_foreign(line, language)

    def _take_foreign(self, line: _Line, language: str) -> None:
        """What is typed at the prompt of another program, with the lines that it asks for."""
        taken, pieces = [line], [line.text]
        self._at += 1
        while self._at < len(self._lines) and not self._marks_other(language):
            following = self._lines[self._at]
            mark = prompts.continuation(following.text, language)
            open_end = language in ("powershell", "cmd") and _goes_on("\n".join(pieces))
            if not (mark or open_end) or len(taken) > _FOREIGN_LINES_MAX:
                break
            following = _cut(following, mark.end) if mark else following
            taken.append(following)
            pieces.append(following.text)
            self._at += 1
        command = language in ("powershell", "cmd")
        kind = EntryKind.COMMAND if command else EntryKind.QUERY
        text = "\n".join(piece.strip() for piece in pieces)
        self._add(kind, text, taken, language, interactive=command and sessions.opens(text))

    def _marks_other(self, language: str) -> bool:
        mark, line = self._marks[self._at], self._lines[self._at]
        return mark is not None and prompts.continuation(line.text, language) is None

    def _take_shown(self) -> None:
        """Pasted output up to the next prompt."""
        taken = []
        while self._at < len(self._lines) and not self._marks[self._at]:
            taken.append(self._lines[self._at])
            self._at += 1
        while taken and not taken[-1].text.strip():
            taken.pop()
        self._add_shown(taken)

    def _add_shown(self, taken: list[_Line]) -> None:
        if taken:
            text = "\n".join(line.text.rstrip() for line in taken)
            self._add(EntryKind.OUTPUT, text, taken, languages.detect(text.split("\n")) or "text")

    # A block without prompts.

    def _data(self) -> str | None:
        """The language of a block that has no command; None when it may have some."""
        texts = [line.text for line in self._lines]
        said = [text for text in texts if text.strip() and not _COMMENT.match(text)]
        if not said:
            return None
        known = sum(languages.sure(text) for text in said)
        found = languages.detect(texts)
        if self._claimed not in (None, "shell", "session", "powershell", "log"):
            lies = known * 2 >= len(said) and languages.sure(said[0]) and found != self._claimed
            return None if lies and self._claimed not in languages.TYPED else self._claimed
        asked = found in languages.QUERIES and languages.detect(said[:1]) == found
        if languages.sure(said[0]) and not asked:
            return None
        if found and (found in languages.TYPED or not self._has_bare_command(said)):
            return None if found == "powershell" else found
        if self._claimed in ("shell", "session", "powershell"):
            return None
        if known or all(languages.shaped(text) or _OPTION.match(text) for text in said):
            return None
        return self._claimed or "text"

    def _has_bare_command(self, said: Sequence[str]) -> bool:
        return any(languages.sure(text) and not text[:1].isspace() for text in said)

    def _powershell(self) -> bool:
        texts = [line.text for line in self._lines]
        return self._claimed == "powershell" or languages.detect(texts) == "powershell"

    def _take_data(self, language: str) -> None:
        """A block of one language: queries one by one, anything else in one piece."""
        if language not in languages.TYPED:
            shown = language in ("log", "table", "text")
            text = "\n".join(line.text.rstrip() for line in self._lines)
            kind = EntryKind.OUTPUT if shown else EntryKind.OTHER
            self._add(kind, text, self._lines, language)
            self._at = len(self._lines)
            return
        taken: list[_Line] = []
        for line in self._lines:
            comment = _COMMENT.match(line.text) if language != "cmd" else None
            ends = not line.text.strip() and _balanced(taken)
            if (comment and _balanced(taken)) or ends:
                self._add_query(taken, language)
                taken = []
                if comment:
                    self._add(EntryKind.COMMENT, comment[2].strip(), [line], language)
            elif line.text.strip():
                taken.append(line)
                if language == "cmd" or (language == "sql" and line.text.rstrip().endswith(";")):
                    self._add_query(taken, language)
                    taken = []
        self._add_query(taken, language)

    def _add_query(self, taken: list[_Line], language: str) -> None:
        if taken:
            kind = EntryKind.COMMAND if language == "cmd" else EntryKind.QUERY
            self._add(kind, "\n".join(line.text.rstrip() for line in taken), taken, language)

    def _read_plain(self, language: str) -> None:
        shown: list[_Line] = []
        while self._at < len(self._lines):
            line = self._lines[self._at]
            found = _COMMENT.match(line.text)
            if not line.text.strip() and not shown:
                self._at += 1
            elif found and found[1].startswith("#") and not (shown and line.text[:1].isspace()):
                self._add_shown(_pop(shown))
                self._take_comment(line, found)
            elif self._session and not shown and self._is_query(line):
                self._add_shown(_pop(shown))
                self._take_query_of_session()
            elif self._accepts(line, language, after_output=bool(shown)):
                self._add_shown(_pop(shown))
                if language == "shell":
                    self._take_shell(line)
                else:
                    self._take_foreign(line, language)
            else:
                shown.append(line)
                self._at += 1
        self._add_shown(_pop(shown))

    def _accepts(self, line: _Line, language: str, *, after_output: bool) -> bool:
        """Whether a line without a prompt begins a command here."""
        if language == "powershell":
            return not languages.prose(line.text)
        if languages.sure(line.text) or line.text.split()[:1] in self._functions:
            return not (after_output and line.text[:1].isspace())
        if after_output or languages.prose(line.text):
            return False
        if self._claimed == "shell":
            first = not any(e.kind is EntryKind.COMMAND for e in self._entries)
            words = line.text.split()
            whole = len(words) > 1 or first
            return whole and not line.text[:1].isspace() and languages.likely(line.text)
        return languages.shaped(line.text)

    def _is_query(self, line: _Line) -> bool:
        """Whether a line is typed in the session that was opened, by its look."""
        if self._session == "sql":
            return languages.detect([line.text]) == "sql"
        if line.text.startswith("> "):
            return True
        return not (languages.outputs(line.text) or languages.sure(line.text))

    def _take_query_of_session(self) -> None:
        line, language = self._lines[self._at], self._session or ""
        self._at += 1
        asked = prompts.SECONDARY.match(line.text)
        line = _cut(line, asked.end()) if asked else line
        self._add(EntryKind.QUERY, line.text.strip(), [line], language)

    # A shell's command.

    def _take_shell(self, line: _Line) -> None:
        """The command that begins in this line, with all lines that the shell reads for it."""
        first = self._at
        reading, taken = self._read_on(line)
        flaws: tuple[str, ...] = ()
        if not reading.complete:
            self._at, taken, flaws = self._give_up(first, line, taken)
            reading = Reading()
            for each in taken:
                reading.feed(each.text)
        inferred = reading.inferred
        text = reading.text
        if explained := _EXPLAINED.match(_unquoted(text)):
            text, inferred = text[: explained.end()], True
        while reading.complete and (more := self._broken_joint(text)):
            rest, lines = self._read_on(_cut(more, len(more.text) - len(more.text.lstrip())))
            text, inferred = f"{text} {rest.text}", True
            taken += lines
        if not text.strip():
            return
        self._functions += [[found[1] or found[2]] for found in _FUNCTION.finditer(text)]
        opens = sessions.opens(text)
        self._session = (opens and sessions.spoken(text)) or self._session
        language = "shell"
        self._add(
            EntryKind.COMMAND, text.strip(), taken, language,
            inferred=inferred, interactive=opens, flaws=flaws,
        )  # fmt: skip

    def _read_on(self, line: _Line) -> tuple[Reading, list[_Line]]:
        reading, taken = Reading(), [line]
        reading.feed(line.text, placeholders.masked(line.text))
        self._at += 1
        last = min(len(self._lines), self._at + _LINES_MAX)
        while not (reading.complete or reading.too_deep) and self._at < last:
            following = self._lines[self._at]
            mark = self._marks[self._at]
            if mark and not following.text.startswith(">"):
                break
            asked = prompts.SECONDARY.match(following.text) if self._prompted else None
            following = _cut(following, asked.end()) if asked else following
            taken.append(following)
            reading.feed(following.text, placeholders.masked(following.text))
            self._at += 1
        if self._at == len(self._lines) and reading.joins:
            reading.feed("")
        return reading, taken

    def _give_up(
        self, first: int, line: _Line, taken: list[_Line]
    ) -> tuple[int, list[_Line], tuple[str, ...]]:
        """Of a command without an end only its first line, or all when that was tried too often."""
        self._given_up += 1
        if self._given_up > _GIVEN_UP_MAX:
            return len(self._lines), taken, ("unfinished",)
        return first + 1, [line], ("unfinished",)

    def _broken_joint(self, text: str) -> _Line | None:
        """The next line, if it can only be the rest of this command."""
        if self._at >= len(self._lines) or self._marks[self._at]:
            return None
        following = self._lines[self._at]
        if following.text.startswith("> "):
            return None  # the prompt of what was opened
        if _OPTION.match(following.text) and not text.endswith(";"):
            return following
        if _ARGUMENT.match(following.text) and re.search(r"(?:=|\s-\w|--[\w-]+|')$", text):
            return following
        return None

    def _take_comment(self, line: _Line, found: re.Match[str] | None) -> None:
        self._at += 1
        words = found[2].strip() if found else line.text.lstrip("# \t")
        if words and not line.text.lstrip().startswith("#!"):
            self._add(EntryKind.COMMENT, words, [line], "shell")

    def _add(
        self, kind: EntryKind, text: str, taken: list[_Line], language: str,
        *, inferred: bool = False, interactive: bool = False, flaws: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        last = taken[-1]
        self._typed = self._typed or kind in (EntryKind.COMMAND, EntryKind.QUERY)
        if kind is EntryKind.COMMAND:
            flaws += ("smart-quotes",) if _SMART.search(text) else ()
            flaws += ("non-breaking-space",) if "\u00a0" in text else ()
        self._entries.append(
            Entry(
                kind, text, taken[0].number, last.number, taken[0].start,
                last.start + len(last.text.rstrip()), language,
                inferred=inferred, interactive=interactive, flaws=flaws,
            )
        )  # fmt: skip


def _pop(lines: list[_Line]) -> list[_Line]:
    """The lines, of which the list is emptied; blank ones at the end left out."""
    taken = list(lines)
    lines.clear()
    while taken and not taken[-1].text.strip():
        taken.pop()
    return taken


def _unquoted(text: str) -> str:
    """The text with what is quoted made of other characters, as long as before."""
    return re.sub(r"'[^']*'|\"[^\"]*\"", lambda found: "q" * len(found[0]), text)


def _balanced(lines: Sequence[_Line]) -> bool:
    text = "".join(line.text for line in lines)
    return all(text.count(a) == text.count(b) for a, b in ("()", "{}", "[]"))


def _goes_on(text: str) -> bool:
    """Whether PowerShell reads on: a backtick, a pipe or an open brace at the end."""
    opened = sum(text.count(a) - text.count(b) for a, b in ("()", "{}"))
    return text.rstrip(" ").endswith(("`", "|", ",")) or opened > 0
