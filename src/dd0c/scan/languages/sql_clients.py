"""What clients of databases read that is no SQL: psql's `\\x`, sqlite's `.x`, mysql's words.

They are taken out of the text before SQL is read, each with its place; blanks stand for them, so
that places stay true. A backslash outside of quotes begins a command of psql or mysql wherever it
stands; a dot at the beginning of a line one of sqlite, which takes abbreviations; some words at the
beginning of a line or a statement are mysql's and cqlsh's.

Names are known as harmless, as changing, or not at all; the latter are dangerous.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from dd0c.scan.languages.facts import (
    Fact,
    File,
    Found,
    caution,
    dangerous,
    feeds,
    named,
    starts,
    starts_unknown,
)
from dd0c.scan.models import Effect


class Line(NamedTuple):
    """A command of a client: its name, what follows it on the line, and where that stands."""

    name: str
    rest: str
    start: int
    at: int
    """Where `rest` begins."""

    @property
    def end(self) -> int:
        return self.at + len(self.rest)


_QUOTES = {
    "mysql": r"""'(?:[^'\\]|\\[\s\S])*'|"(?:[^"\\]|\\[\s\S])*"|`[^`]*`|--(?=\s|$)[^\n]*|\#[^\n]*""",
    "sqlite": r"""'[^']*'|"[^"]*"|`[^`]*`|\[[^\]]*\]|--[^\n]*""",
}
_QUOTED = r"""'[^']*'|"[^"]*"|--[^\n]*"""
_DOLLAR = re.compile(r"\$(?:[A-Za-z_]\w*)?\$")
_COMMENT = r"|/\*(?:[^*]|\*(?!/))*\*/"
_BACKSLASH = re.compile(r"\\([A-Za-z_]+[+S]*|[\s\S]?)")
_COPY = re.compile(r"\\copy\b", re.IGNORECASE)
_REST = re.compile(r"[^\n]*")
_WORDS = {
    "sqlite": re.compile(r"[ \t]*\.([A-Za-z]+)"),
    "mysql": re.compile(
        r"[ \t]*(system|source|pager|tee|edit|delimiter|connect|notee|nopager|status|help|charset|"
        r"prompt|rehash|warnings|nowarning|quit|exit|clear|ego|go|print)\b(?=[ \t;\n]|$)",
        re.IGNORECASE,
    ),
    "cql": re.compile(r"[ \t]*(source|capture|login|copy)\b", re.IGNORECASE),
}

_PSQL_READS = re.compile(
    r"d[a-zA-Z]*[+S]*|l[+]?|list|z[S]?|dp|conninfo|timing|x|a|t|T|C|f|pset|H|q|h|help|echo|qecho|"
    r"warn|encoding|errverbose|s[fv][+]?|crosstabview|gx|g|gdesc|if|elif|else|endif|unset|p|print|"
    r"r|reset|watch|set|cd|copyright|\?|;|:|\\\\"
)
_MYSQL_READS = named(
    "g G c s w W h ? q p n t # C x notee nopager status help charset rehash warnings nowarning "
    "quit exit clear ego go print"
)
_SQLITE_READS = named(
    "tables schema indexes indices databases dbinfo stats mode headers header width nullvalue "
    "separator timer timeout print show help quit exit explain eqp dump fullschema lint limits "
    "limit version vfslist vfsinfo vfsname bail echo changes prompt scanstats sha3sum progress "
    "expert dbtotxt recover selftest"
)
_SQLITE_ALL = _SQLITE_READS | named(
    "archive auth backup binary cd check clone connection crlf crnl dbconfig excel filectrl "
    "import imposter intck iotrace load log nonce once open output parameter read restore save "
    "session shell system testcase testctrl trace unmodule www"
)
_SQLITE_WRITES = frozenset({"backup", "save", "output", "once", "clone", "log", "trace"})


def split(text: str, dialect: str) -> tuple[str, list[Line]] | None:
    """The SQL, with blanks for the client's commands, and these; None if a quote is not closed."""
    quoted = re.compile(_QUOTES.get(dialect, _QUOTED) + _COMMENT)
    words = _WORDS.get(dialect)
    kept: list[str] = []
    lines: list[Line] = []
    at, begins = 0, True
    while at < len(text):
        line = None
        if begins and words and (found := words.match(text, at)):
            line = _line(text, found, at)
        elif dialect in ("sql", "postgres") and (found := _COPY.match(text, at)):
            kept.append(" COPY")  # What the client copies is said as the server's COPY says it.
            at = found.end()
            continue
        elif text[at] == "\\" and dialect in ("sql", "postgres", "mysql"):
            found = _BACKSLASH.match(text, at)
            line = _line(text, found, at) if found else None
            if line:
                line = _mysql(line, text) if dialect == "mysql" else _psql(line)
        if line:
            lines.append(line)
            kept.append(";" + " " * (line.end - at - 1))
            at, begins = line.end, True
            continue
        end = _skip(text, at, quoted, dialect)
        if end is None:
            return None
        kept.append(text[at:end])
        begins = text[at] in ";\n" or (begins and text[at] in " \t")
        at = end
    return "".join(kept), lines


def _line(text: str, found: re.Match[str], start: int) -> Line:
    rest = _REST.match(text, found.end())
    return Line(found[1], rest[0] if rest else "", start, found.end())


def _mysql(line: Line, text: str) -> Line:
    """mysql's backslash commands are one letter; those that take nothing end there."""
    letter = text[line.start + 1 : line.start + 2]
    at = line.start + 1 + len(letter)
    rest = _REST.match(text, at)
    takes = letter in "!.PTudRre"
    return Line(letter, rest[0] if rest and takes else "", line.start, at)


def _psql(line: Line) -> Line:
    """The next backslash begins another command of psql, unless all of the line is this one's."""
    whole = line.name == "!" or line.rest.lstrip().startswith("|")
    if line.name in ("\\", ";", ":"):
        return line._replace(rest="")
    return line if whole else line._replace(rest=line.rest.split("\\")[0])


def _skip(text: str, at: int, quoted: re.Pattern[str], dialect: str) -> int | None:
    """To behind what is quoted here, or one character on."""
    found = quoted.match(text, at)
    if found:
        return found.end()
    if text[at] in "'\"" or text.startswith("/*", at):
        return None
    if text[at] == "$" and dialect in ("sql", "postgres") and (mark := _DOLLAR.match(text, at)):
        closed = text.find(mark[0], mark.end())
        return None if closed < 0 else closed + len(mark[0])
    return at + 1


def judge(line: Line, dialect: str) -> Iterator[Found]:
    """What a command of a client does."""
    if dialect == "sqlite":
        yield from _judge_sqlite(line)
    elif dialect == "mysql":
        yield from _judge_mysql(line)
    elif dialect == "cql":
        yield from _judge_cql(line)
    else:
        yield from _judge_psql(line)


def _unknown(line: Line) -> Fact:
    why = "This command of the client is not known to only show."
    return dangerous("client-command", why, line.start, line.end)


def _trimmed(line: Line) -> tuple[str, int, int]:
    """What follows the name, without blanks and one pair of quotes around it."""
    text, at, end = _bare(line)
    if len(text) > 1 and text[0] in "'\"" and text[-1] == text[0]:
        return text[1:-1], at + 1, at + len(text) - 1
    return text, at, end


def _bare(line: Line) -> tuple[str, int, int]:
    """What follows the name, without blanks, and where it stands."""
    text = line.rest.strip(" \t;\r")
    at = line.at + len(line.rest) - len(line.rest.lstrip(" \t;\r"))
    return text, at, at + len(text)


def _to_file_or_command(line: Line) -> Iterator[Found]:
    text, start, end = _trimmed(line)
    if text.startswith("|"):
        yield from feeds(text[1:], start + 1, end)
    elif text:
        yield caution("writes-file", "The client writes a file.", start, end, Effect.WRITES)
        yield File(text, start, end, writes=True)


def _judge_psql(line: Line) -> Iterator[Found]:
    name = line.name.rstrip("+S") if line.name[:1] != "S" else line.name
    if name == "!":
        yield from starts(*_bare(line))
        return
    if "`" in line.rest:
        for found in re.finditer(r"`([^`]*)`?", line.rest):
            yield from starts(found[1], line.at + found.start(1), line.at + found.end(1))
    if name in ("o", "out", "g", "gx", "w", "write", "s"):
        yield from _to_file_or_command(line)
    elif name in ("c", "connect", "password", "prompt", "gset"):
        yield caution("client-command", "The client changes its session.", line.start, line.end)
    elif not _PSQL_READS.fullmatch(line.name):
        yield _unknown(line)


def _judge_mysql(line: Line) -> Iterator[Found]:
    name = line.name if len(line.name) == 1 else line.name.lower()
    if name in ("P", "pager") and line.rest.strip(" \t;"):
        yield from feeds(*_bare(line))
    elif name in ("!", "system"):
        yield from starts(*_bare(line))
    elif name in ("T", "tee"):
        yield from _to_file_or_command(line)
    elif name in ("u", "r", "R", "connect", "prompt"):
        yield caution("client-command", "The client changes its session.", line.start, line.end)
    elif name not in _MYSQL_READS | {"P", "pager"}:
        yield _unknown(line)


def _judge_cql(line: Line) -> Iterator[Found]:
    name = line.name.lower()
    if name == "capture" and line.rest.strip(" ;").lower() not in ("", "off"):
        yield from _to_file_or_command(line)
    elif name == "copy":
        found = re.search(r"\b(to|from)\s+'([^']*)'", line.rest, re.IGNORECASE)
        if found is None:
            yield _unknown(line)
            return
        start, end = line.at + found.start(2), line.at + found.end(2)
        yield File(found[2], start, end, writes=found[1].lower() == "to")
        yield caution("changes-data", "Copies rows.", line.start, line.end, Effect.WRITES)
    elif name != "capture":
        yield _unknown(line)


def _judge_sqlite(line: Line) -> Iterator[Found]:
    name = line.name.lower()
    if name in _SQLITE_ALL:
        meant = {name}
    else:
        meant = {known for known in _SQLITE_ALL if known.startswith(name)}
    if meant & {"shell", "system"}:
        yield from starts(*_bare(line))
        if len(meant) == 1 or meant <= {"shell", "system"}:
            return
    if "|" in line.rest and not meant <= _SQLITE_READS:
        at = line.rest.index("|") + 1
        command = line.rest[at:].split('"')[0].split("'")[0]
        yield starts_unknown(line.start, line.end)
        yield from starts(command, line.at + at, line.at + at + len(command))
    elif meant and meant <= _SQLITE_WRITES:
        words = line.rest.split()
        path = words[-1].strip("'\"") if words else ""
        if path:
            at = line.at + line.rest.rindex(path)
            yield caution("writes-file", "The client writes a file.", at, at + len(path))
            yield File(path, at, at + len(path), writes=True)
    elif meant & {"shell", "system"} or not meant or not meant <= _SQLITE_READS:
        yield _unknown(line)
