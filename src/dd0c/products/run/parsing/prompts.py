"""Which lines of a block begin with a prompt, and whose prompt it is.

Some prompts are sure wherever they stand (`$ `, `user@host:~$ `, `PS C:\\>`, `mysql>`). `#`, `%`,
`>` and a bare host's name are not: `#` begins comments, and **what an author has commented out is
never a command**. So the block decides: an unsure mark is a prompt when a command follows it in
every line that bears it and no bare command stands beside; where a sentence follows `#` somewhere,
it marks comments, unless a session was opened before (`oc debug`, `sudo -i`), whose prompt it is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from dd0c.products.run.parsing import languages, sessions
from dd0c.products.run.parsing.lexing import Reading


class Mark(NamedTuple):
    """A line's prompt: how many characters it takes, and the language of what reads the line."""

    end: int
    language: str


_B = r"(?:[ \t\u00a0]+|$)"  # what stands behind a prompt
_SURE = (
    ("powershell", r"(?:\[[\w.-]+\]: ?)?PS(?: [^>\n]{0,200})?>[ \t\u00a0]*"),
    ("cmd", r"[A-Z]:\\[^>\n]{0,200}>[ \t]*"),
    ("shell", rf"(?:\([\w./-]+\) ?)?\[[\w.-]+@[^\]\n]{{1,120}}\] ?[$#%>]{_B}"),
    ("shell", rf"(?:\([\w./-]+\) ?)?[\w.-]+@[\w.-]+(?:[: ] ?[~/.][^\s$#%>]*|:)? ?[$#%>]{_B}"),
    ("shell", rf"(?:sh|bash|ash|dash|zsh|ksh|rbash|root)(?:-\d+(?:\.\d+)*)?[$#]{_B}"),
    ("shell", rf"(?:\([\w./-]+\) ?)?\${_B}"),
    ("shell", rf"\([\w./-]+\) ?[#%]{_B}"),
    ("shell", rf"(?:~|/)[\w./~-]* ?[$#]{_B}"),
    ("shell", rf"[❯»▶λ]{_B}"),
    ("shell", rf"(?:\[[^\]\n]{{1,60}}\]|⎈ [^$#\n]{{1,40}}) ?[$#%]{_B}|\$>{_B}"),
    ("shell", r"➜ {1,2}\S+ (?:git:\([^)\n]*\) )?(?:✗ )?"),
    ("python", rf">>>{_B}"),
    ("python", r"In \[\d+\]: ?"),
    ("sql", r"(?:mysql|MariaDB|sqlite|SQL|ksql|hive|presto|trino|clickhouse)(?: \[[^\]\n]*\])?> ?"),
    ("sql", r"cqlsh(?::\w+)?> ?"),
    ("sql", r"[\w-]{1,60}(?:=|-|\()?=[#>] ?|\S+ :\) "),
    ("redis", r"(?:[\w.-]+:\d+(?:\[\d+\])?(?:\(TX\))?|redis|valkey|sentinel)> ?"),
    (
        "mongo",
        r"(?:[\w-]+(?: \[direct: \w+\])?(?::PRIMARY|:SECONDARY)|\S+ \[\w+: \w+\] \w+|mongos|"
        r"test)> ?",
    ),
    ("ruby", r"\[ ?[\w-]+ ?\] [\w-]+> ?"),
    ("other", r"\[zk: [^\]\n]+\] ?|\((?:gdb|lldb|Pdb)\) |irb\([^)\n]*\)[^>\n]{0,20}> ?"),
    (
        "other",
        rf"(?:sftp|ftp|telnet|lftp|ceph|crash|virsh|rbd|nsqadmin|kafka|kubectl|etcd|hbase|"
        rf"consul)>{_B}",
    ),
)
_CONTINUED = {
    "sql": re.compile(r"\s*(?:->|['\"`/]\*?>|[\w-]+[-('\"*][#>]|\.\.\.>?)(?:[ \t]|$)"),
    "python": re.compile(r"(?:\.\.\.|\s+\.\.\.:)(?:[ \t]|$)"),
    "powershell": re.compile(r">>(?:[ \t]|$)"),
}
_HINT = re.compile(r"\s*(?:[^$#%>❯»▶λ➜)\]]{0,200}[$#%>❯»▶λ➜)\]])")
"""What no prompt is without."""
_UNSURE = re.compile(rf"(?:[#%>]|[a-z][\w.-]{{2,40}}[#$]){_B}")
SECONDARY = re.compile(r"> ?")
"""With which a shell asks for more."""
_NUMBERED = re.compile(r"[ \t]*(\d+)(?:[ \t]*[|:]|[.)]?[ \t])[ \t]*")
_BULLET = re.compile(r"[ \t]*[-*•][ \t]+")


@cache
def _sure() -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple((language, re.compile(pattern)) for language, pattern in _SURE)


def find_sure(line: str) -> Mark | None:
    """The prompt that a line begins with, where no other line has to be asked."""
    if not _HINT.match(line):
        return None
    indent = len(line) - len(line.lstrip(" \t"))
    for language, pattern in _sure():
        found = pattern.match(line, indent)
        if found and found[0].rstrip().endswith(">") and "@" in found[0]:  # perhaps a firewall's
            shell = languages.sure(line[found.end() :])
            return Mark(found.end(), "shell" if shell else "other")
        if found:
            return Mark(found.end(), language)
    return None


def continuation(line: str, language: str) -> Mark | None:
    """The prompt with which a program other than a shell asks for more."""
    pattern = _CONTINUED.get(language)
    found = pattern.match(line) if pattern else None
    return Mark(found.end(), language) if found else None


def numbers(lines: Sequence[str]) -> list[int]:
    """How many characters of each line are its number or bullet in a list, or 0 everywhere."""
    bullets = [_BULLET.match(line) for line in lines]
    if all(m and languages.sure(x[m.end() :]) for m, x in zip(bullets, lines, strict=True)):
        return [m.end() for m in bullets if m]
    said = [(i, _NUMBERED.match(line)) for i, line in enumerate(lines) if line.strip()]
    if len(said) < 2 or any(not m or int(m[1][:9]) != n for n, (_, m) in enumerate(said, 1)):
        return [0] * len(lines)
    ends = [0] * len(lines)
    for i, found in said:
        ends[i] = found.end() if found else 0
    first = said[0][0]
    body = lines[first][ends[first] :]
    return ends if languages.sure(body) or find_sure(body) else [0] * len(lines)


def find(lines: Sequence[str]) -> list[Mark | None]:
    """The prompt of each line, unsure ones decided over the whole block."""
    marks = [find_sure(line) for line in lines]
    unsure = [
        None if mark else _UNSURE.match(line.lstrip(" \t"))
        for mark, line in zip(marks, lines, strict=True)
    ]
    if not any(unsure):
        return marks
    for sign in ("#", "%", ">", "host"):
        mine = [i for i, m in enumerate(unsure) if m and _sign(m[0]) == sign]
        if mine:
            _decide(lines, marks, mine, sign)
    return marks


def _sign(mark: str) -> str:
    return mark[0] if mark[0] in "#%>" else "host"


def _decide(lines: Sequence[str], marks: list[Mark | None], mine: list[int], sign: str) -> None:
    """Make prompts of the lines that bear this sign, if they are."""
    bodies = {i: lines[i].lstrip(" \t")[_mark_length(lines[i]) :] for i in mine}
    commands = {i for i in mine if _is_command(bodies[i])}
    shells = [(i, mark.end) for i, mark in enumerate(marks) if mark and mark.language == "shell"]
    opened = next((i for i, end in shells if sessions.opens(lines[i][end:])), None)
    if len(commands) < len(mine):
        if sign != "#" or opened is None:
            return
        commands = {i for i in commands if i > opened}
    if not any(marks) and _has_bare(lines, commands):
        return
    for i in commands:
        indent = len(lines[i]) - len(lines[i].lstrip(" \t"))
        marks[i] = Mark(indent + _mark_length(lines[i]), "shell")


def _mark_length(line: str) -> int:
    found = _UNSURE.match(line.lstrip(" \t"))
    return found.end() if found else 0


def _is_command(body: str) -> bool:
    return languages.sure(body) or languages.shaped(body)


def _has_bare(lines: Sequence[str], prompted: set[int]) -> bool:
    """Whether a command stands in a line of its own, without prompt and not read on from above."""
    reading: Reading | None = None
    for i, line in enumerate(lines):
        if i in prompted:
            reading = Reading()
            reading.feed(line.lstrip(" \t")[_mark_length(line) :])
        elif reading:
            reading.feed(line)
        elif languages.sure(line):
            return True
        if reading and (reading.complete or reading.too_deep):
            reading = None
    return False
