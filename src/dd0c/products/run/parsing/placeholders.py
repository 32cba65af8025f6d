"""What somebody has to fill in before a command, a query or a manifest can be used.

Authors write `<name>`, `{name}`, `[name]`, `NAME`, `$NAME`, `your-name`, `...`; shells write
redirections, brace expansion, globs, jsonpath and templates with the same characters. Each manner
is a pattern, and each has what speaks against it: the quotes that it stands in, the characters
beside it, the program that reads it. In doubt it is one: a command that waits for a value in vain
costs a click, one that runs with `NODE_NAME` in it may cost more.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from enum import Enum

_TEXT_MAX = 20_000  # characters of a command that are looked at

_ANGLE = re.compile(
    r"(?<![<\w])<(?:[A-Za-z_](?:[^<>\n|;&]|\w\|(?=\w)){0,100}(?<![\s=-])|[\w$./:@*-]{1,60})>(?![>&(])"
    r"|(?<=\w)<[A-Za-z_][\w -]{0,60}(?<![\s-])>|[«‹][^«»‹›\n]{1,60}[»›]"
)
_CURLY = re.compile(
    r"\{\{ ?(?!end\b|else\b|range\b|with\b|if\b|json\b)[A-Za-z_][\w.-]{0,60} ?\}\}"
    r"|(?<![$#@%{\w=\\])\{[A-Za-z_][\w -]{0,60}\}(?!\})|"
    r"(?<=[/=\w])(?<![$@%])\{[A-Za-z_][\w-]{1,60}\}"
)
_SQUARE = re.compile(
    r"(?:(?<=\s)|^)\[-{0,2}[A-Za-z][\w= -]{1,60}(?<! )\](?=\s|$)|\[your[^\]\n]{1,40}\]"
)
_VALUE = re.compile(r"(?<![\w./:-])[\w][\w.-]*\w(?![\w/:-])")
_WORD = re.compile(r"[^\s'\"|;&()]+")
_CAPITALS = re.compile(r"(?<![\w$%{.-])[A-Z][A-Z0-9]+(?:[_-][A-Z0-9]+)*(?![\w%}-]|=|:\.|\()")
_CAPITAL_NOUN = re.compile(
    r"(?:NAME|NAMESPACE|NODE|POD|HOST|IP|PORT|ID|UUID|TOKEN|PASSWORD|PASS|USER|CLUSTER|"
    r"REGION|BUCKET|"
    r"FILE|PATH|DIR|VERSION|LEVEL|VALUE|KEY|SECRET|URL|DOMAIN|ADDRESS|SERVICE|DEPLOYMENT|CONTAINER|"
    r"IMAGE|TAG|PROJECT|ZONE|INSTANCE|DATABASE|DB|TABLE|SLOT|PID|DEVICE|DISK|VOLUME|DATE|"
    r"NUMBER|SIZE|"
    r"EMAIL|ACCOUNT|ENVIRONMENT|XX|HERE)S?$"
)
_CAPITALS_MEANT = frozenset((  # capital words that are values themselves
    "ALL", "DELETE", "GET", "HEAD", "HTTP_PROXY", "HTTPS_PROXY", "LC_ALL", "NO_PROXY", "OPTIONS",
    "UTF-8", "X-FORWARDED-FOR", "UUID", "CPU", "IO_ERROR", "CRASH_LOOP", "PARTUUID", "IPV4", "IPV6",
))  # fmt: skip
_THINGS = (
    r"app|application|pod|namespace|ns|project|cluster|image|service|svc|server|host|hostname|node|"
    r"bucket|db|database|user|username|secret|deployment|container|domain|vm|registry|"
    r"resource|release|"
    r"job|file|table|password|key|token|instance|volume|pvc|env|environment|region|account|"
    r"topic|queue"
)
_INVENTED = re.compile(
    r"(?<![\w.$-])(?:"
    rf"(?:your|my|some)[-_.][\w.-]*\w|(?:my|your)(?:{_THINGS})\d?|(?:{_THINGS})[-_](?:name|id|ip)"
    r"|foo(?:bar)?|changeme|x{3,}|X{3,}|y{3,}"
    r"|[xX]{1,3}(?:\.[xX]{1,3}){3}|\d{1,3}(?:\.(?:\d{1,3}|[xX]{1,3})){0,2}(?:\.[xX]{1,3}){1,3}"
    r"|1\.2\.3\.4|(?:192\.0\.2|198\.51\.100|203\.0\.113)\.\d{1,3}"
    r")(?![\w-]|=|\.\w)|(?<![\w.-])(?:[\w-]{1,40}\.){0,4}example\.(?:com|org|net)(?![\w.-]*\w)"
)
_VARIABLE = re.compile(
    r"\$[A-Z][A-Z0-9_]*(?:-[A-Z0-9_]+)+"
    r"|\$(?:\{(?P<braced>[A-Za-z_]\w*)(?P<more>[^}\n]{0,80})\}|(?P<bare>[A-Za-z_]\w*))"
)
_DEFAULTED = re.compile(r"\$\{(\w+)(?:\[[^\]\n]*\])?:?[-=+]")
"""A variable that may be unset: its command says what then."""
_ENVIRONMENT = frozenset((
    "BASH", "BASHPID", "BASH_SOURCE", "BASH_VERSION", "COLUMNS", "DISPLAY", "EDITOR", "EUID",
    "FUNCNAME", "HOME", "HOSTNAME", "HOSTTYPE", "IFS", "LANG", "LINENO", "LINES", "LOGNAME",
    "OLDPWD",
    "OPTARG", "OPTIND", "OSTYPE", "PATH", "PIPESTATUS", "PPID", "PWD", "RANDOM", "REPLY", "SECONDS",
    "SHELL", "SHLVL", "SSH_AUTH_SOCK", "SSH_CONNECTION", "TERM", "TMPDIR", "UID", "USER",
))  # fmt: skip
_SET = re.compile(
    r"(?:^|[\s;&|({`])(?:(?:export|local|readonly|declare|typeset)(?: -\w+)* )?([A-Za-z_]\w*)\+?="
    r"|\bfor ([A-Za-z_]\w*)\b|\bread (?:-\w+ )*([A-Za-z_][\w ]*)|\bprintf -v ([A-Za-z_]\w*)"
    r"|\b(?:mapfile|readarray) (?:-\w+ )*([A-Za-z_]\w*)"
)
_READS_PATTERNS = re.compile(r"(?:^|[|;&(]|\s)(?:[efz]?grep|rg|ack|awk|sed|zgrep)\s")
_SQL = re.compile(r"(?i)\b(?:select|update|insert|alter|create|drop|delete|grant|truncate)\b\s")
_COLUMNS = re.compile(r"(?:\s-[oO]|--(?:output|format|sort|columns|sort-by|fields))[ =]$")


class _Quotes(Enum):
    """What a character stands in."""

    NONE = ""
    SINGLE = "'"
    DOUBLE = '"'
    COMMENT = "#"


def masked(line: str) -> str:
    """The line with `<placeholders>` made words of the same length, as a reader reads them."""
    return _ANGLE.sub(lambda found: "x" * len(found[0]), line) if "<" in line else line


def assigned(text: str) -> set[str]:
    """Names of the variables that a command sets."""
    names = (name for found in _SET.finditer(text[:_TEXT_MAX]) for name in found.groups() if name)
    return {name for group in names for name in group.split()}


def find_placeholders(
    text: str, known: Collection[str] = (), *, language: str | None = "shell", shown: str = ""
) -> list[str]:
    """What is to be filled in, as spelled, in order, each once.

    `known` are variables that were set before; those that the text itself sets need no value.
    `shown` is the output that was pasted above: what is only known from there (a number, a pod's
    name) was another's value.
    """
    text = text[:_TEXT_MAX]
    shell = language in ("shell", None)
    quotes = _quotes(text) if shell else [_Quotes.NONE] * len(text)
    found = dict(_of_brackets(text, quotes, shell=shell))
    if shell:
        found |= {at: word for at, word in _of_variables(text, quotes, known) if at not in found}
    words = (
        *_of_words(text, quotes, language),
        *_of_ellipsis(text, quotes),
        *_of_output(text, shown),
    )
    for at, word in words:
        if not any(start <= at < start + len(other) for start, other in found.items()):
            found[at] = word
    return list(dict.fromkeys(word for _, word in sorted(found.items())))


def _quotes(text: str) -> list[_Quotes]:
    """For each character what it stands in; a quoted here-document counts as single quotes."""
    state, states, at = _Quotes.NONE, [], 0
    document = re.search(r"<<-?[ \t]*(['\"]?)[\w-]+", text)
    body = text.find("\n", document.end()) if document else -1
    head = text if body < 0 else text[:body]
    shape = masked(head)
    while at < len(head):
        char = shape[at]
        before = shape[at - 1] if at else " "
        if state is _Quotes.NONE and char == "#" and before in " \t\n":
            end = shape.find("\n", at)
            end = len(head) if end < 0 else end
            states += [_Quotes.COMMENT] * (end - at)
            at = end
            continue
        if char == "\\" and state is not _Quotes.SINGLE:
            states += [state] * 2
            at += 2
            continue
        if state is _Quotes.NONE and char in "'\"":
            state = _Quotes(char)
        elif char == state.value:
            state = _Quotes.NONE
        states.append(state)
        at += 1
    inside = _Quotes.SINGLE if document and document[1] else _Quotes.DOUBLE
    return (states + [inside] * len(text))[: len(text)]


def _of_brackets(text: str, quotes: list[_Quotes], *, shell: bool) -> Iterator[tuple[int, str]]:
    for found in _ANGLE.finditer(text):
        if quotes[found.start()] is not _Quotes.COMMENT:
            yield found.start(), found[0]
    for found in _CURLY.finditer(text):
        word = found[0].strip("{} ")
        program = quotes[found.start()] is _Quotes.SINGLE and word in ("print", "exit", "next")
        if shell and not program and not (" " in word and quotes[found.start()] is _Quotes.SINGLE):
            yield found.start(), found[0]
    for found in _SQUARE.finditer(text):
        if shell and quotes[found.start()] is _Quotes.NONE:
            yield found.start(), found[0]


def _of_variables(
    text: str, quotes: list[_Quotes], known: Collection[str]
) -> Iterator[tuple[int, str]]:
    mine = assigned(text) | {found[1] for found in _DEFAULTED.finditer(text)}
    for found in _VARIABLE.finditer(text):
        name = found["braced"] or found["bare"]
        escaped = found.start() and text[found.start() - 1] == "\\"
        if quotes[found.start()] in (_Quotes.SINGLE, _Quotes.COMMENT) or escaped:
            continue
        if name is None:  # $POD-NAME: no shell reads it, a person does
            name = found[0][1:].partition("-")[0]
        if not (name in known or name in mine or name in _ENVIRONMENT):
            yield found.start(), found[0]


def _of_words(text: str, quotes: list[_Quotes], language: str | None) -> Iterator[tuple[int, str]]:
    sql = language == "sql" or bool(_SQL.search(text))
    bare = "".join(c if q is _Quotes.NONE else "q" for c, q in zip(text, quotes, strict=True))
    patterns = [found.end() for found in _READS_PATTERNS.finditer(bare)]
    for found in _CAPITALS.finditer(text):
        word, at = found[0], found.start()
        compound = "_" in word or "-" in word
        noun = bool(_CAPITAL_NOUN.search(word))
        if quotes[at] is _Quotes.COMMENT or word in _CAPITALS_MEANT or not (noun or compound):
            continue
        if (sql and not compound) or _is_pattern(bare, at, patterns):
            continue
        if _is_listed(text, found) or _COLUMNS.search(text[max(0, at - 30) : at]):
            continue
        yield at, word
    for found in _INVENTED.finditer(text):
        if quotes[found.start()] is not _Quotes.COMMENT:
            yield found.start(), found[0]


def _is_pattern(text: str, at: int, patterns: list[int]) -> bool:
    """Whether the word is what a program looks for in text, not what it is told."""
    begun = max((end for end in patterns if end <= at), default=None)
    return begun is not None and not re.search(r"[|;&\n]", text[begun:at])


def _is_listed(text: str, found: re.Match[str]) -> bool:
    """Whether it is one of a list of columns or flags, or ends a here-document."""
    before, after = text[: found.start()][-3:], text[found.end() :][:1]
    line = text.rfind("\n", 0, found.start()) + 1
    alone = line > 0 and text[line:].split("\n", 1)[0].strip() == found[0]
    return before.endswith((",", "<<", "<<-", "<< ", "<<'", '<<"')) or after == "," or alone


def _of_ellipsis(text: str, quotes: list[_Quotes]) -> Iterator[tuple[int, str]]:
    for found in _WORD.finditer(text):
        word, at = found[0], found.start()
        if "..." not in word and "…" not in word:
            continue
        if quotes[at] is _Quotes.COMMENT or re.search(r"\./\.\.\.|\w\.\.\.\w|\{\S*\.\.\.?\S", word):
            continue
        quoted = quotes[at] is not _Quotes.NONE
        alone = text[at - 1 : at] in ("'", '"') and text[found.end() :][:1] in ("'", '"')
        if not quoted or alone or ("…" in word and len(word) > 1):
            yield at, word


def _of_output(text: str, shown: str) -> Iterator[tuple[int, str]]:
    """Values with a digit that stand in pasted output."""
    there = set(_VALUE.findall(shown[:_TEXT_MAX])) if shown else ()
    for found in _VALUE.finditer(text) if there else ():
        if found[0] in there and any(char.isdigit() for char in found[0]):
            yield found.start(), found[0]
