"""Which names a tree sets and defines, wherever in it that happens.

Asked before the tree is walked, since a loop or a function may use a name before it is set.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from dd0c.scan.plain import EVERY, is_plain, is_plain_braces, prints_plain
from dd0c.scan.shfmt import Node
from dd0c.scan.syntax import Word

NAME = re.compile(r"[A-Za-z_]\w*")
SKIPPED = frozenset({"Pos", "End", "OpPos", "Position", "ValuePos", "ValueEnd", "Left", "Right"})
_SETTERS = frozenset(
    {"read", "mapfile", "readarray", "getopts", "printf", "unset", "declare", "typeset", "local"}
    | {
        "export",
        "readonly",
        "wait",
        "set",
        "shift",
        "let",
        "coproc",
        "select",
        "eval",
        "trap",
        "source",
        ".",
    }
)
_EVALUATE = frozenset({"eval", "trap", "source", "."})
_POSITIONAL = frozenset("@*123456789")
_BY_THEMSELVES = frozenset({"REPLY", "MAPFILE", "OPTARG", "BASH_REMATCH", "COPROC"})


def collect(
    node: Any, names: set[str], functions: set[str], values: dict[str, frozenset[str] | None]
) -> None:
    """Names that are set, and names that are defined, anywhere in a tree; `values` has the plain
    words that a name is set to, or None where it is set to anything else."""
    if isinstance(node, list):
        for value in node:
            collect(value, names, functions, values)
        return
    if not isinstance(node, dict):
        return
    kind = node.get("Type")
    name = node.get("Name")
    if kind == "FuncDecl":
        functions.add(str(name["Value"]) if name else "")
        names |= _POSITIONAL
        values.update(dict.fromkeys(_POSITIONAL))
    elif name is not None and "Value" in name:
        target = str(name["Value"])
        names.add(target)
        more = _plain_values(node)
        known = values.get(target, frozenset())
        values[target] = None if known is None or more is None else known | more
    elif kind == "ParamExp" and (node.get("Exp") or {}).get("Op") in ("=", ":="):
        names.add(str((node.get("Param") or {}).get("Value", "")))
        values[str((node.get("Param") or {}).get("Value", ""))] = None
    elif kind in ("BinaryArithm", "UnaryArithm"):
        counter = lone_literal(node["X"])
        if counter and NAME.fullmatch(counter):
            names.add(counter)
            values[counter] = None
    elif kind == "CallExpr" and node.get("Args"):
        _collect_set(node["Args"], names, functions, values)
    elif kind == "DeclClause" and any("Name" not in one for one in node.get("Args") or []):
        for one in node["Args"]:  # a quoted word sets what it says
            text = said(one.get("Value") or {}) or EVERY
            if not text.startswith("-"):
                names.add(text.partition("=")[0])
                values[text.partition("=")[0]] = None
    for key, value in node.items():
        if key not in SKIPPED:
            collect(value, names, functions, values)


def _plain_values(node: Node) -> frozenset[str] | None:
    """The plain words that an assignment, or the list of a loop, gives; None where it may give
    anything else."""
    if node.get("Type") == "WordIter":
        found = [_plain_value(item) for item in node.get("Items") or [{}]]
    elif "Type" in node or node.keys() & {"Append", "Array", "Index"}:
        return None
    else:
        found = [_plain_value(node["Value"])] if "Value" in node else []
    said_all = [one for one in found if one is not None]
    return frozenset(said_all) if len(said_all) == len(found) else None


def _plain_value(word: Node) -> str | None:
    parts = word.get("Parts") or []
    if len(parts) == 1 and parts[0].get("Type") == "DblQuoted":
        parts = parts[0].get("Parts") or []
    if len(parts) == 1 and parts[0].get("Type") == "CmdSubst":
        statements = parts[0].get("Stmts") or []
        call = statements[0].get("Cmd") or {} if len(statements) == 1 else {}
        prints = call.get("Type") == "CallExpr" and prints_plain(
            [said(one) for one in call.get("Args") or []]
        )
        return "" if prints else None
    text = said(word)
    return text if is_plain(text) or is_plain_braces(lone_literal(word)) else None


def _directory(word: Node) -> str | None:
    """Where `cd` goes: a path, `$name`, or `$(`; None for an option."""
    text = said(word)
    if text is not None:
        return None if text.startswith("-") else text
    parts = word.get("Parts") or []
    if len(parts) == 1 and parts[0].get("Type") == "DblQuoted":
        parts = parts[0].get("Parts") or []
    first = parts[0] if parts else {}
    if len(parts) == 1 and first.get("Type") == "ParamExp" and not first.keys() & {"Exp", "Repl"}:
        return f"${(first.get('Param') or {}).get('Value', '')}"
    return "$(" if any(part.get("Type") == "CmdSubst" for part in parts) else None


def _collect_set(
    words: Sequence[Node],
    names: set[str],
    functions: set[str],
    values: dict[str, frozenset[str] | None],
) -> None:
    spoken = [said(word) for word in words]
    while spoken and (spoken[0] in ("builtin", "command") or (spoken[0] or "").startswith("-")):
        spoken = spoken[1:]
    command = spoken[0] if spoken else None
    if command == "alias":
        for word in words[1:]:
            head = (word.get("Parts") or [{}])[0]
            functions.add(str(head.get("Value", "")).partition("=")[0])
    elif command in ("cd", "pushd"):
        names.add("PWD")
        known = values.get("PWD", frozenset())
        gone = [_directory(word) for word in words[1:]]
        values["PWD"] = None if known is None else known | {one for one in gone if one}
    elif command in _SETTERS:
        found = set(_BY_THEMSELVES)
        if command in ("set", "shift"):
            found |= _POSITIONAL
        if command in _EVALUATE and len(spoken) > 1:
            found.add(EVERY)
        found |= {w.partition("=")[0].partition("[")[0] for w in spoken[1:] if w}
        names |= found
        values.update(dict.fromkeys(found))


def set_by(words: Sequence[Word]) -> Iterator[tuple[str, Word | None]]:
    """Variables that a builtin sets, to what is not said."""
    name = words[0].text
    if name not in _SETTERS or name in ("set", "shift", "unset", "export", "readonly", "wait"):
        return
    for word in words[1:]:
        text = word.text
        if text and (found := NAME.match(text)) and "=" not in text:
            yield found[0], None


_COUNTERS = {"wc": None, "seq": None, "nproc": None, "grep": "c", "date": "+%s", "pgrep": "c"}


def is_number(node: Node) -> bool:
    """Whether a substitution is one pipe that ends in a command that prints numbers only."""
    statements = node.get("Stmts") or []
    if len(statements) != 1:
        return False
    command = statements[0].get("Cmd") or {}
    if command.get("Type") == "BinaryCmd" and command["Op"] == "|":
        command = command["Y"].get("Cmd") or {}
        piped = True
    else:
        piped = bool(statements[0].get("Redirs"))
    if command.get("Type") != "CallExpr" or command.get("Assigns"):
        return False
    words = [lone_literal(word) for word in command.get("Args") or []]
    if not words or words[0] not in _COUNTERS:
        return False
    if words[0] == "wc":
        return piped and all(w is not None and w.startswith("-") for w in words[1:])
    needs = _COUNTERS[words[0]]
    if words[0] == "date":
        return words[1:] == [needs]
    if needs is None:
        return True
    options = [w for w in words[1:] if w is not None and re.fullmatch(r"-[a-zA-Z]+", w)]
    return any(needs in option for option in options) and (piped or len(words) <= 4)


def said(word: Node) -> str | None:
    """What a word of the parser's tree says, quotes removed; None where it does not say all."""
    text = ""
    for part in word.get("Parts") or []:
        match part.get("Type"):
            case "Lit":
                text += re.sub(r"\\(.)", r"\1", str(part.get("Value", "")), flags=re.DOTALL)
            case "SglQuoted" if not part.get("Dollar"):
                text += str(part.get("Value", ""))
            case "DblQuoted" if (inner := said(part)) is not None:
                text += inner
            case _:
                return None
    return text


def lone_literal(node: Node) -> str | None:
    parts = node.get("Parts") or []
    if len(parts) == 1 and parts[0].get("Type") == "Lit":
        return str(parts[0].get("Value", ""))
    return None
