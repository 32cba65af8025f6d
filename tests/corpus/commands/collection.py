"""The corpus of commands: what stands in its files, as frozen values.

Attacks are templates: `{PAYLOAD}` is where an attacker's command stands. The same template is
rendered twice: with a marker (`MARKER`, for the truth: bash really runs it in a jail) and with
something destructive (`DESTRUCTIVE`, for the verdict, never run). Both have three plain words, so
that a template that works for one works for the other; a form that needs the payload encoded,
split or reversed names a filter, as in `{PAYLOAD:base64}`.

Benign commands are whole, each with the tool and with what it does.
"""

from __future__ import annotations

import base64
import codecs
import gzip
import hashlib
import json
import re
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
MARKER = "touch -a /t/ran"
DESTRUCTIVE = "rm -rf /srv/data"
HOWS = ("script", "terminal", "next_login")
EFFECTS = ("reads", "changes", "destroys")
OUTCOMES = ("runs", "hides", "runs+hides")

_LEAD = re.compile(r"^(?:\w+=\S*\s+|sudo\s+(?:-u\s+\S+\s+)?)+(?=\S)")
_PROGRAM = re.compile(r"[\w./-]+")
_KEYWORDS = frozenset({"for", "while", "until", "if", "case"})
_PLACE = re.compile(r"\{PAYLOAD(?::([a-z0-9_]+))?\}")


@dataclass(frozen=True, slots=True)
class Attack:
    """One form in which a command is smuggled in."""

    id: str
    """`class/name`, unique."""
    evasion: str
    """The class: the file it stands in."""
    template: str
    note: str
    """What bash (or the tool) does that makes it run."""
    how: str
    """`script`: bash -c. `terminal`: typed at a prompt. `next_login`: runs at a later login."""
    hides: bool
    """Whether the text shown to a person differs from the text that is run."""
    remote: bool
    """Whether the payload comes from elsewhere, so that no place for it is in the template."""


@dataclass(frozen=True, slots=True)
class Benign:
    """One command that people run."""

    topic: str
    """The table it stands in: the tool, or the first of its kin."""
    tool: str
    """The program that it is about, or `shell` where it is a construct of the shell."""
    effect: str
    """`reads`, `changes` or `destroys`, at its worst."""
    command: str


@dataclass(frozen=True, slots=True)
class Truth:
    """What bash did with one template and the marker."""

    id: str
    outcome: str
    stubs: tuple[str, ...]
    """Stand-ins that took part: the truth is as good as they are."""
    programs: tuple[str, ...]
    """Words of the command that are programs of the machine where it ran: what it may need."""
    rendered: str
    """SHA-256 of what was run, so that a changed template has no stale truth."""


def _words(payload: str) -> list[str]:
    return payload.split(" ")


def _python_list(payload: str) -> str:
    return ",".join(f"'{word}'" for word in _words(payload))


def _gzip(payload: str) -> str:
    return base64.b64encode(gzip.compress(payload.encode() + b"\n", mtime=0)).decode()


def _middle(text: str) -> int:
    return len(text) // 2


FILTERS: dict[str, Callable[[str], str]] = {
    "base64": lambda p: base64.b64encode(p.encode()).decode(),
    "base32": lambda p: base64.b32encode(p.encode()).decode(),
    "gzip": _gzip,
    "hex": lambda p: p.encode().hex(),
    "xhex": lambda p: "".join(f"\\x{byte:02x}" for byte in p.encode()),
    "octal": lambda p: "".join(f"\\{byte:03o}" for byte in p.encode()),
    "octal0": lambda p: "".join(f"\\0{byte:03o}" for byte in p.encode()),
    "u4": lambda p: "".join(f"\\u{byte:04x}" for byte in p.encode()),
    "decimal": lambda p: " ".join(str(byte) for byte in p.encode()),
    "decimal_commas": lambda p: ",".join(str(byte) for byte in p.encode()),
    "url": lambda p: "".join(f"%{byte:02x}" for byte in p.encode()),
    "entities": lambda p: "".join(f"&#{byte};" for byte in p.encode()),
    "reversed": lambda p: p[::-1],
    "rot13": lambda p: codecs.encode(p, "rot13"),
    "upper": str.upper,
    "spread": ".".join,
    "ifs": lambda p: p.replace(" ", "${IFS}"),
    "ifs9": lambda p: p.replace(" ", "$IFS$9"),
    "tabs": lambda p: p.replace(" ", "\t"),
    "commas": lambda p: p.replace(" ", ","),
    "underscores": lambda p: p.replace(" ", "_"),
    "slashless": lambda p: p.replace("/", "${HOME:0:1}"),
    "escaped_spaces": lambda p: p.replace(" ", "\\ "),
    "x20": lambda p: p.replace(" ", "\\x20"),
    "plus": lambda p: p.replace(" ", "+"),
    "word": lambda p: _words(p)[0],
    "word_first": lambda p: p[0],
    "word_rest": lambda p: _words(p)[0][1:],
    "word_hex": lambda p: "".join(f"\\x{byte:02x}" for byte in _words(p)[0].encode()),
    "word_octal": lambda p: "".join(f"\\{byte:03o}" for byte in _words(p)[0].encode()),
    "word_upper": lambda p: _words(p)[0].upper(),
    "word_reversed": lambda p: _words(p)[0][::-1],
    "word_backslashes": lambda p: "".join(f"\\{c}" for c in _words(p)[0]),
    "word_quotes": lambda p: "''".join(_words(p)[0]),
    "word_double_quotes": lambda p: '""'.join(_words(p)[0]),
    "word_unset": lambda p: "${z}".join(_words(p)[0]),
    "word_at": lambda p: "$@".join(_words(p)[0]),
    "word_commas": lambda p: ",".join(_words(p)[0]),
    "word_bracket": lambda p: f"[{p[0]}]{_words(p)[0][1:]}",
    "word_question": lambda p: f"{_words(p)[0][:-1]}[{_words(p)[0][-1]}]",
    "options": lambda p: _words(p)[1],
    "path": lambda p: _words(p)[2],
    "rest": lambda p: " ".join(_words(p)[1:]),
    "rest_commas": lambda p: ",".join(_words(p)[1:]),
    "list": _python_list,
    "list_double": lambda p: _python_list(p).replace("'", '"'),
    "list_spaces": lambda p: _python_list(p).replace(",", " "),
    "half1": lambda p: p[: _middle(p)],
    "half2": lambda p: p[_middle(p) :],
    "fullwidth": lambda p: "".join(chr(ord(c) + 0xFEE0) if c.isalpha() else c for c in p),
}
"""How a payload is spelled where a form needs it otherwise than plain."""


def render(template: str, payload: str) -> str:
    """The template as a command, with the payload in its places.

    Raises:
        KeyError: the template names a filter that there is not.
    """
    return _PLACE.sub(lambda m: FILTERS[m[1]](payload) if m[1] else payload, template)


def places(template: str) -> int:
    """How many places for a payload the template has."""
    return len(_PLACE.findall(template))


def fingerprint(attack: Attack) -> str:
    """What the truth of this attack was made from: the rendered command and the way it was run."""
    return hashlib.sha256(f"{attack.how}\n{render(attack.template, MARKER)}".encode()).hexdigest()


def _attacks_of(path: Path) -> Iterator[Attack]:
    data: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    for name, entry in data["attack"].items():
        unknown = set(entry) - {"template", "note", "how", "hides", "remote"}
        if unknown:
            raise ValueError(f"{path.name}: {name}: unknown keys {sorted(unknown)}")
        yield Attack(
            id=f"{path.stem}/{name}",
            evasion=path.stem,
            template=entry["template"],
            note=entry["note"],
            how=entry.get("how", data.get("how", "script")),
            hides=entry.get("hides", data.get("hides", False)),
            remote=entry.get("remote", False),
        )


def attacks() -> list[Attack]:
    """All attack templates, by file and in the order of the file."""
    return [a for path in sorted((HERE / "attacks").glob("*.toml")) for a in _attacks_of(path)]


def _tool_of(command: str) -> str:
    first = _LEAD.sub("", command).split()[0]
    return first if _PROGRAM.fullmatch(first) and first not in _KEYWORDS else "shell"


def benign() -> list[Benign]:
    """All benign commands, by file, topic and effect."""
    return [
        Benign(topic, _tool_of(command), effect, command)
        for path in sorted((HERE / "benign").glob("*.toml"))
        for topic, effects in tomllib.loads(path.read_text(encoding="utf-8")).items()
        for effect, commands in effects.items()
        for command in commands
    ]


def truths() -> dict[str, Truth]:
    """What was found by running, by id of the attack."""
    lines = (HERE / "truth.jsonl").read_text(encoding="utf-8").splitlines()[1:]
    found = [json.loads(line) for line in lines]
    return {
        row["id"]: Truth(
            row["id"],
            row["outcome"],
            tuple(row["stubs"]),
            tuple(row["programs"]),
            row["rendered"],
        )
        for row in found
    }
