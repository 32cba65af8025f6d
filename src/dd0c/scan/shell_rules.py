"""What the shell itself does with a text, as named rules; what its tools do is in the tables.

Each function looks at one thing that bash does besides running a named program: making a command
word out of a value, reading text as an expression, replacing a command by a function. Where the
meaning hangs on a value that nobody sees, the answer is `dangerous`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from dd0c.scan import tables
from dd0c.scan.judgement import NOTHING, Judgement, Text, found
from dd0c.scan.models import Effect, Finding, Risk, Span
from dd0c.scan.reading import Evaluated, Function, Reading, Use
from dd0c.scan.shell_rules_variables import is_dangerous, is_numeric, judge_assignment
from dd0c.scan.syntax import Feed, Glob, Invocation, Literal, Substitution, Word

_SPECIAL = frozenset("#?$!-") | {
    "SECONDS",
    "RANDOM",
    "LINENO",
    "UID",
    "EUID",
    "PPID",
    "COLUMNS",
    "LINES",
}
_NAME = re.compile(r"[A-Za-z_]\w*")
_FUNCTION = re.compile(r"[A-Za-z_][\w-]*")
_SUM = re.compile(r"[\w\s+*/%<>=!&|^~?:(),.-]*")


def judge_reading(reading: Reading) -> Iterator[Finding]:
    """What a whole text does besides its commands."""
    numeric = frozenset(reading.numeric)
    for one in reading.evaluated:
        yield from _evaluated(one, reading.values, numeric)
    for use in reading.uses:
        yield _used(use)
    yield from _defined(reading.functions)
    for assignment in reading.assignments:
        yield from judge_assignment(assignment, given=False).findings


def _evaluated(
    one: Evaluated, values: Mapping[str, Sequence[Word | None]], numeric: frozenset[object]
) -> Iterator[Finding]:
    """Arithmetic: a variable's value is an expression again, and a subscript in it is expanded."""
    names = set(one.names)
    for text in one.texts:
        if not _SUM.fullmatch(text):
            told = f"{text!r} is evaluated: a substitution in a subscript of it would run"
            yield Finding(Risk.DANGEROUS, "arithmetic-evaluation", one.span, told)
        names.update(_NAME.findall(text))
    if one.unsaid:
        told = "the output of a command is evaluated as an expression, which may run commands"
        yield Finding(Risk.DANGEROUS, "arithmetic-evaluation", one.span, told)
    for name in sorted(names - _SPECIAL):
        if name not in values:
            told = f"the value of {name} is evaluated as an expression, and is not known"
            yield Finding(Risk.CAUTION, "arithmetic-evaluation", one.span, told)
        elif not all(is_numeric(value, numeric) for value in values[name]):
            told = f"{name} is evaluated as an expression, and may hold more than a number"
            yield Finding(Risk.DANGEROUS, "arithmetic-evaluation", one.span, told)


def _used(use: Use) -> Finding:
    if use.kind == "prompt":
        told = "the value is expanded as a prompt: what it says in $(…) runs"
        return Finding(Risk.DANGEROUS, "prompt-expansion", use.span, told)
    if use.kind == "fork":
        told = "it starts one process after another, until there are no more"
        return Finding(Risk.BLOCKED, "fork-bomb", use.span, told)
    if use.kind == "history":
        told = "typed at a terminal, this becomes an earlier command or a part of one"
        return Finding(Risk.DANGEROUS, "history-expansion", use.span, told)
    told = "which variable is read hangs on the value of another, and a subscript in it runs"
    return Finding(Risk.DANGEROUS, "indirect-expansion", use.span, told)


def _defined(functions: Sequence[Function]) -> Iterator[Finding]:
    circling = _circling(functions)
    forks = any(function.forks for function in functions if function.name in circling)
    for function in functions:
        if function.name in circling and forks:
            told = f"{function.name} starts itself again and again, until there are no processes"
            yield Finding(Risk.BLOCKED, "fork-bomb", function.span, told)
        if not _FUNCTION.fullmatch(function.name) or tables.find(function.name):
            told = f"{function.name or 'this'} is made to mean something other than it says"
            yield Finding(Risk.DANGEROUS, "shadowed-command", function.span, told)


def _circling(functions: Sequence[Function]) -> set[str]:
    """Functions that come back to themselves: what is left when those that call none are gone."""
    calls: dict[str, set[str]] = {one.name: set() for one in functions}
    for one in functions:
        calls[one.name] |= {call.words[0].text or "" for call in one.calls} & calls.keys()
    while ended := [name for name, called in calls.items() if not called]:
        for name in ended:
            del calls[name]
        for called in calls.values():
            called.difference_update(ended)
    return set(calls)


def judge_word(word: Word) -> Judgement:
    """A command word: one that is not said is any command."""
    if word.text is not None:
        return NOTHING
    if any(isinstance(part, Glob) for part in word.parts):
        told = "which program this is hangs on the names of files, or on braces"
        return found(Risk.DANGEROUS, "glob-command", word.span, told)
    told = "which program this is is only known when it runs"
    return found(Risk.DANGEROUS, "dynamic-command", word.span, told)


def judge_shell_part(invocation: Invocation, reading: Reading) -> Judgement:
    """What an invocation does by way of the shell: what it sets, and what it evaluates."""
    told = NOTHING
    name = invocation.words[0].text or ""
    given = name not in ("declare", "typeset", "local", "readonly") or _is_exported(invocation)
    for assignment in invocation.assignments:
        told += judge_assignment(assignment, given=given)
    rule = _BUILTINS.get(name)
    return told + rule(invocation, reading) if rule else told


def _is_exported(invocation: Invocation) -> bool:
    return any("x" in word.lead for word in invocation.words[1:] if word.lead.startswith("-"))


def _declares(invocation: Invocation, reading: Reading) -> Judgement:
    """`declare -i n=…` evaluates, `-n` makes another name, `"$x"` sets who knows what."""
    told = NOTHING
    letters = "".join(w.lead[1:] for w in invocation.words[1:] if w.lead.startswith(("-", "+")))
    if "i" in letters:
        message = "an integer variable evaluates what it is set to, now and later"
        told += found(Risk.DANGEROUS, "arithmetic-evaluation", invocation.span, message)
    if "n" in letters and invocation.words[0].text != "export":
        message = "another name for a variable: what is set through it is not seen"
        told += found(Risk.DANGEROUS, "variable-by-name", invocation.span, message)
    if set(letters) & {"a", "A"} and any(_is_variable(a.value) for a in invocation.assignments):
        message = "a value that is not said is read as the words of an array"
        told += found(Risk.DANGEROUS, "variable-by-name", invocation.span, message)
    assigned = {a.span for a in invocation.assignments}
    for word in invocation.words[1:]:
        whole = word.text
        if whole is None and not any(s.start <= word.span.start <= s.end for s in assigned):
            message = "which variable is set, and to what, is not said"
            told += found(Risk.DANGEROUS, "variable-by-name", word.span, message)
        elif whole is not None and ("$(" in whole or "`" in whole):
            message = "a quoted value is read again, and what it says in $(…) may run"
            told += found(Risk.DANGEROUS, "variable-by-name", word.span, message)
        elif whole and "=" in whole and is_dangerous(whole.partition("=")[0].partition("[")[0]):
            message = f"{whole.partition('=')[0]} decides what other commands run"
            told += found(Risk.DANGEROUS, "poisoned-environment", word.span, message)
    return told


def _is_variable(value: Word | None) -> bool:
    return value is not None and bool(value.parts) and not isinstance(value.parts[0], Literal)


def _sets(invocation: Invocation, reading: Reading) -> Judgement:
    """`read`, `printf -v`, `mapfile`, `getopts`, `unset`, `wait -p`: a name may be a subscript."""
    told = NOTHING
    name = invocation.words[0].text
    words = invocation.words[1:]
    if name == "printf":
        texts = [word.text for word in words]
        at = next((n for n, t in enumerate(texts) if t is None or t.startswith("-v")), None)
        if at is None or texts[at] is None or at > 0:
            return _first_unsaid(words)
        words = words[at + 1 : at + 2] if texts[at] == "-v" else words[at : at + 1]
    for word in words:
        text = word.text
        if text is None:
            if word.lead.startswith("-") or name in ("printf", "unset", "read", "getopts"):
                message = "which variable is set is not said, and a subscript in its name runs"
                told += found(Risk.DANGEROUS, "variable-by-name", word.span, message)
        elif "[" in text and re.search(r"[$`]|\[[^\]]*[A-Za-z_]", text):
            message = "the subscript of this name is evaluated"
            told += found(Risk.DANGEROUS, "arithmetic-evaluation", word.span, message)
        elif is_dangerous(text.removeprefix("-v")):
            message = f"{text} decides what other commands run"
            told += found(Risk.DANGEROUS, "poisoned-environment", word.span, message)
    return told


def _first_unsaid(words: Sequence[Word]) -> Judgement:
    if words and words[0].text is None and words[0].lead in ("", "-"):
        message = "this may become an option that sets a variable, and a subscript in its name runs"
        return found(Risk.CAUTION, "variable-by-name", words[0].span, message)
    return NOTHING


def _tests(invocation: Invocation, reading: Reading) -> Judgement:
    """`test -v name[…]` evaluates the subscript; so may a word that could be `-v`."""
    words = invocation.words[1:]
    for before, word in pairwise(words):
        text = word.text
        if before.text in ("-v", "-R") and (text is None or "[" in text):
            message = "the subscript of this name is evaluated"
            return found(Risk.DANGEROUS, "arithmetic-evaluation", word.span, message)
    return NOTHING


def _options(invocation: Invocation, reading: Reading) -> Judgement:
    """`set -a`, `-k`, `-x` with a prompt; `shopt -s expand_aliases lastpipe`."""
    for word in invocation.words[1:]:
        text = word.text
        if text in ("--", "-", None):
            break
        letters = text[1:] if text.startswith("-") else ""
        if set(letters) & {"a", "k"} and not letters.startswith("-"):
            message = "from here on every assignment is handed to programs"
            return found(Risk.DANGEROUS, "poisoned-environment", word.span, message)
        if text in ("allexport", "keyword"):
            message = "from here on every assignment is handed to programs"
            return found(Risk.DANGEROUS, "poisoned-environment", word.span, message)
    return NOTHING


def _aliases(invocation: Invocation, reading: Reading) -> Judgement:
    """An alias is text that the shell puts in place of a word, before it parses."""
    told = NOTHING
    for word in invocation.words[1:]:
        if word.text is not None and "=" not in word.text:
            continue
        message = "an alias: later lines mean something other than they say"
        told += found(Risk.DANGEROUS, "shadowed-command", word.span, message)
        if word.text is not None:
            value = word.text.partition("=")[2]
            told += Judgement(texts=(Text(value, word.span, exact=False),))
    return told


def _replaces_input(invocation: Invocation, reading: Reading) -> Judgement:
    """`exec < file`: a shell that reads its commands from its input goes on there."""
    for redirection in invocation.redirections:
        if redirection.operator.startswith("<") and redirection.fd in (None, 0):
            message = "a shell that reads its commands from its input reads them from here on"
            return found(Risk.DANGEROUS, "runs-input", redirection.span, message)
    return NOTHING


_BUILTINS = {
    "exec": _replaces_input,
    **dict.fromkeys(("declare", "typeset", "local", "readonly", "export"), _declares),
    **dict.fromkeys(("read", "printf", "mapfile", "readarray", "getopts", "unset", "wait"), _sets),
    **dict.fromkeys(("test", "["), _tests),
    "set": _options,
    "alias": _aliases,
}


_SHELLS = frozenset(
    {"sh", "bash", "dash", "zsh", "ksh", "ash", "mksh", "fish", "rbash", "csh", "tcsh"}
)
_LANGUAGES = frozenset({"python", "python3", "perl", "ruby", "node", "php"})
_READERS = _SHELLS | _LANGUAGES | {"eval", "source", ".", "env"}
_DECODERS: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(("base64", "base32", "basenc", "gbase64"), frozenset({"-d", "-D", "--decode"})),
    "openssl": frozenset({"-d"}),
    "xxd": frozenset({"-r"}),
    **dict.fromkeys(("rev", "tr", "uudecode"), frozenset({""})),
    "gpg": frozenset({"-d", "--decrypt", "--dearmor"}),
}
_DOWNLOADERS = frozenset(
    {
        "curl",
        "wget",
        "fetch",
        "http",
        "https",
        "xh",
        "aria2c",
        "lynx",
        "w3m",
        "nc",
        "ncat",
        "netcat",
        "socat",
    }
)


def judge_source(invocation: Invocation) -> Judgement:
    """A shell that runs what another command decoded or downloaded, by pipe or by substitution."""
    name = (invocation.words[0].text or "").rpartition("/")[2]
    inner = [*_inside(invocation.words)]
    if invocation.place.stdin_text is not None and invocation.place.feed is Feed.TEXT:
        inner += _inside((invocation.place.stdin_text,))
    for redirection in invocation.redirections:
        inner += _inside((redirection.target, *((redirection.body,) if redirection.body else ())))
    if invocation.words[0].text is None:
        inner = [*_inside(invocation.words[:1])]
    elif name not in _READERS:
        return NOTHING
    elif name not in _LANGUAGES or not _has_program(invocation):
        inner += invocation.place.sources
    if (one := next(filter(_decodes, inner), None)) is not None:
        told = f"what {one.words[0].text} decodes is run"
        return found(Risk.BLOCKED, "decode-to-shell", invocation.span, told)
    if (one := next((i for i in inner if _tool(i) in _DOWNLOADERS), None)) is not None:
        told = f"what {one.words[0].text} downloads is run"
        return found(Risk.BLOCKED, "download-to-shell", invocation.span, told, Effect.NETWORK)
    return NOTHING


def _has_program(invocation: Invocation) -> bool:
    """Whether an interpreter's program is a word of its own, so that its input is data."""
    words = [word.text or "" for word in invocation.words[1:]]
    return any(re.fullmatch(r"-[a-zA-Z]*[cemrp]", word) for word in words)


def _inside(words: Sequence[Word]) -> Iterator[Invocation]:
    for word in words:
        for part in word.parts:
            if isinstance(part, Substitution):
                yield from part.script.invocations


def _tool(invocation: Invocation) -> str:
    """The tool behind wrappers that need no table to be seen through."""
    for word in invocation.words:
        text = word.text or ""
        if text and not text.startswith("-") and "=" not in text and text not in ("sudo", "env"):
            return text.rpartition("/")[2]
    return ""


def _decodes(invocation: Invocation) -> bool:
    wanted = _DECODERS.get(_tool(invocation))
    if wanted is None:
        return False
    if "" in wanted:
        return True
    for word in invocation.words[1:]:
        text = word.lead
        if text in wanted or (len(text) > 4 and any(w.startswith(text) for w in wanted)):
            return True
        bundle = re.fullmatch(r"-[a-zA-Z]+", text)
        if bundle and any(w[1:] in text for w in wanted if len(w) == 2):
            return True
    return False


def unknown(reason: str, at: int) -> Finding:
    """A part of the text that nobody here understands."""
    return Finding(Risk.DANGEROUS, "unknown-syntax", Span(at, at), reason)
