"""What a line or a block is written in, whatever its fence says.

Fences lie: PromQL stands in `sh`, logs in `bash`, commands in `text`. So a fence is a hint and the
lines decide, by signs that are data. Two questions are asked here:

- `sure`/`likely`: is this line a command? Sure is what begins with a program that we know and reads
  on as a command; likely is what has a command's shape. Names that are words of prose as well
  ("find", "test", "make") prove nothing alone. Nothing is a command that looks like output.
- `detect`: what else is this block? Each language has signs; the one whose signs most lines bear,
  and at least half of them, is it.

Every pattern is tried at one place of a line and has no nested repetition: time is linear.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache, lru_cache
from importlib import resources

from dd0c.products.run.parsing import signs

LINE_MAX = 4000  # characters of a line that are looked at
_LINES_MAX = 400  # lines of a block that are looked at to tell its language

QUERIES = frozenset(("sql", "promql", "logql", "esql", "kusto", "insights", "splunk", "lucene"))
"""Languages whose text is asked of another program than a shell."""
TYPED = QUERIES | {"redis", "mongo", "http", "cmd"}
"""Languages whose lines are typed at another prompt than a shell's."""

_OUTPUT = ("log", "table", "text", "json", "xml")
"""What is no command, whatever stands around it."""

_FUNCTION_WORDS = re.compile(
    r"(?<![\w/.$-])(?i:the|a|an|to|is|are|was|of|and|or|that|this|these|your|you|if|it|its|"
    r"be|from|with|on|"
    r"in|for|any|all|not|when|will|should|can|has|have|by|as|which|sure|into)(?![\w/.=-])"
)
_QUOTED = re.compile(r"'[^']*'|\"(?:[^\"\\]|\\.)*\"")
_EVIDENCE = re.compile(
    r"(?:^|\s)--?\w|[|<>$*~`=\\&;]|(?:^|\s)[.~]?/|\S/\S|'|\"|\w\.\w|\w:\w|\s-(?:\s|$)"
)
_ENDS_AS_PROSE = re.compile(r"[a-z)]{2}[.:?!]$|,$")
_WRAPPERS = re.compile(
    r"(?:(?:sudo|doas)(?: -(?:[nEHikbPS]+|[ugh] ?\S+))*|time|nohup|exec|command|watch|env|"
    r"then|do|else|!"
    r"|nice|ionice)\s+(?=[A-Za-z_./~$<\"'{(])"
)
_REDIRECTED = re.compile(r"(?:<|\d?>>?)\s?[\w./~$-]+\s+(?=[a-z])")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*\+?=")
_VALUE = re.compile(
    r"(?:\\.|'[^']*'|\"(?:[^\"\\]|\\.)*\"|\$\([^()]*(?:\([^()]*\)[^()]*)*\)|[^\s'\"\\])*"
)
_COMPOUND = re.compile(
    r"(?:for \w+ in\b|for \(\(|while (?:\[|!|true\b|read\b|:|sleep|\w+ -)"
    r"|until \S|if (?:\[|!|\w+ )|case .{1,80} in\b|select \w+ in\b"
    r"|function [\w-]+ ?(?:\(\))? ?(?:\{|$)|[\w-]+ ?\(\) ?\{"
    r"|\[\[? .* \]\]?|\(\(|\( ?\w[^)]*(?:;|&&|\|)|\{ |\. [./~]|(?:done|fi|esac)\b(?:\s*[|<>&;]|$)"
    r"|service [\w.@-]+ (?:status|re(?:start|load)|start|stop)$|make (?!sure)[a-z][\w-]*$"
    r"|set [-+][a-zA-Z]|: >|>\s?/\S+$)"
)
_PATH = re.compile(r"(?:s?bin|scripts?)/[\w.-]+$|(?:\.{1,2}|~|\$\{?\w+\}?)?/[\w.$@{}+/-]*$")
_PROGRAM_PATH = re.compile(
    r"\./|s?bin/|scripts?/|~?/(?:\S*/)?s?bin/|\S*\.(?:sh|py|pl|rb|bash)$|\$\{?\w+\}?/"
)
_FUNCTION_HEAD = re.compile(r"[\w-]+ ?\(\)$")
_FILLED_NAME = re.compile(r"<[\w -]+>|\$\{?\w+\}?|\$\(")
_NAME = re.compile(r"[A-Za-z_][\w.+@-]*$")


@cache
def _programs() -> tuple[frozenset[str], frozenset[str]]:
    """Names of programs, and those among them that are words of prose as well."""
    text = resources.files(__package__).joinpath("programs.txt").read_text(encoding="utf-8")
    lines = "\n".join(line for line in text.split("\n") if not line.startswith("#"))
    plain, _, english = lines.partition("english:")
    words = frozenset(english.split())
    return frozenset(plain.split()) | words, words


@cache
def _signs() -> dict[str, re.Pattern[str]]:
    return {name: re.compile("|".join(parts)) for name, parts in signs.OF_LANGUAGES.items()}


@cache
def _families() -> dict[str, str]:
    return {name: family for family, names in signs.FENCES.items() for name in names.split()}


def of_fence(info: str | None) -> str | None:
    """What a fence claims: a key of the table above; None when it claims nothing we know."""
    words = (info or "").strip().strip("{}.").lower().split()
    return _families().get(words[0].rstrip(",:{").lstrip(".")) if words else None


def is_program(name: str) -> bool:
    """Whether people know a program of that name."""
    return name in _programs()[0] or bool(re.fullmatch(r"(?:mkfs|fsck|kafka-[\w-]+)\.\w+", name))


def prose(line: str) -> bool:
    """Whether a line reads as a sentence: no shell's signs outside quotes, and words of grammar."""
    bare = _QUOTED.sub("q", line[:LINE_MAX]).strip()
    words = bare.split()
    if len(words) < 2 or _EVIDENCE.search(bare.rstrip(".:?!,")):
        return bool(len(words) > 4 and len(_FUNCTION_WORDS.findall(bare)) >= 3) and not re.search(
            r"(?:^|\s)--?[a-zA-Z]|\$|[|<>]", bare
        )
    grammar = len(_FUNCTION_WORDS.findall(bare))
    return grammar > 1 or bool((grammar or len(words) > 3) and _ENDS_AS_PROSE.search(bare))


def outputs(line: str) -> bool:
    """Whether a line looks like what a program prints."""
    line = line[:LINE_MAX]
    return any(_signs()[name].search(line) for name in _OUTPUT)


def _begin(line: str) -> tuple[str, str, bool]:
    """The word that names the program, what follows it, and whether variables are set before it."""
    rest, assigned = line[:LINE_MAX].strip(), False
    for _ in range(12):
        if wrapper := _WRAPPERS.match(rest):
            rest = rest[wrapper.end() :].lstrip()
            continue
        if redirected := _REDIRECTED.match(rest):
            rest = rest[redirected.end() :]
            continue
        setting = _ASSIGNMENT.match(rest)
        if not setting:
            break
        value = _VALUE.match(rest, setting.end())
        assigned, rest = True, rest[value.end() if value else setting.end() :].lstrip()
    word, _, tail = rest.partition(" ")
    return word.rstrip(";").removeprefix("\\"), tail.strip(), assigned


def sure(line: str) -> bool:
    """Whether a line begins a command, wherever it stands."""
    return _sure(line[:LINE_MAX])


@lru_cache(maxsize=512)
def _sure(line: str) -> bool:
    word, tail, assigned = _begin(line)
    compound = bool(_COMPOUND.match(line.strip()))
    if not (compound or assigned or is_program(word) or _PATH.match(word)) or prose(line):
        return False
    if compound:
        return True
    if _table_like(line) or (not _EVIDENCE.search(line) and outputs(line)):
        return False
    if assigned and (not word or word.startswith("#")):
        return bool(re.match(r"\s*[A-Z_][A-Z0-9_]*=|[^=]*=\"?\$\(", line))
    if word in _programs()[1]:
        return bool(_EVIDENCE.search(tail) or re.match(r"\d", tail)) and not tail.startswith("=")
    if is_program(word):
        return not tail.startswith(("= ", ": ", "=> ")) and not _log_like(line)
    runs = bool(_PATH.match(word) and _PROGRAM_PATH.match(word)) and not word.endswith(":")
    return runs and bool(tail or not word.startswith("/"))


def likely(line: str) -> bool:
    """Whether a line has the shape of a command of a program that we do not know."""
    if sure(line):
        return True
    word, tail, assigned = _begin(line)
    if not word or _FUNCTION_HEAD.match(line):
        return assigned or bool(word)
    if assigned and re.match(r"\s*[a-z]", line):
        return False
    named = _NAME.match(word) or _PATH.match(word) or _FILLED_NAME.match(word)
    if not named or prose(line) or outputs(line) or line.isupper():
        return False
    if word in _programs()[1] and not tail:
        return True
    return not tail.startswith(("=", ":", "|-")) and not re.match(r"[A-Z][a-z]+$", word)


def shaped(line: str) -> bool:
    """Whether it is likely, and has options or other signs of a shell behind its first word."""
    tail = _begin(line)[1]
    return likely(line) and bool(re.search(r"(?:^|\s)--?[A-Za-z]|[|$]|\s>\s|(?:^|\s)\.?/\w", tail))


def _table_like(line: str) -> bool:
    """Whether a line has columns: three of them, two blanks apart, none of them an option."""
    bare = re.sub(r"\s#.*", "", _QUOTED.sub("q", line[:LINE_MAX]))
    return bool(re.match(r"\s*[^\s|;]+(?: {2,}|\t+)[^\s|;&<>-]\S*(?: {2,}|\t+)[^\s|;&<>\\-]", bare))


def _log_like(line: str) -> bool:
    return bool(_signs()["log"].match(line[:LINE_MAX]))


def detect(lines: Sequence[str]) -> str | None:
    """The language, other than a shell's, whose signs at least half of the lines bear."""
    seen = [line[:LINE_MAX] for line in lines if line.strip()][:_LINES_MAX]
    said = [line for line in seen if not re.match(r"\s*(?:#|//)", line)] or seen
    if said and _signs()["http"].search(said[0]):
        return "http"  # what follows is the body of the request
    best, share = None, 0.0
    for name, pattern in _signs().items():
        found = sum(bool(pattern.search(line)) for line in said) / max(len(said), 1)
        if found > share:
            best, share = name, found
    return best if share >= 0.5 else None


_READS = {
    "sql": r"\s*(?i:select|show|explain|describe|desc|with|\\[dlxz]|table|values)\b",
    "redis": r"\s*(?i:get|mget|hget|hgetall|info|config get|keys|scan|client list|ttl|type|llen|"
    r"lrange|slowlog get|memory|dbsize|exists|ping|cluster (?:info|nodes)|role|smembers|zrange|"
    r"latency)\b",
    "mongo": r"\s*(?:rs\.(?:status|conf)|db\.(?:\w+\.)?(?:find|stats|count|currentOp|serverStatus)|"
    r"show|"
    r"sh\.status)\b",
    "http": r"\s*(?:GET|HEAD)\b",
}
_WRITES_SQL = re.compile(r"(?i)\b(?:insert|update|delete|drop|alter|truncate|grant|create|into)\b")


def reads_only(text: str, language: str | None) -> bool:
    """Whether a query only shows something, by its first word: for a step's kind, no verdict."""
    if language in ("promql", "logql", "esql", "kusto", "insights", "splunk", "lucene"):
        return True
    if language not in _READS or not re.match(_READS[language], text):
        return False
    bare = _QUOTED.sub("q", text[:LINE_MAX])
    changes = r"(?i)pg_(?:terminate|cancel|drop|reload|switch|promote)\w*\("
    return language != "sql" or not (_WRITES_SQL.search(bare) or re.search(changes, bare))
