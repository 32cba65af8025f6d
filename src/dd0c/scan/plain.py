"""Values that hold no surprise: no option, no blank, no pattern, no path of somebody's choice."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from dd0c.scan.syntax import Expansion, Literal, Place, Substitution, Word

EVERY = "*"
"""Among names that a text sets: text is evaluated, so that any may be."""
HARMLESS = re.compile(r"[?#$!0]|~.*|HOME|LINENO|RANDOM|SECONDS|UID|EUID|PPID|EPOCHSECONDS")
"""Variables that are numbers or absolute paths: never an option."""
LEFT_BEHIND = frozenset({"_", "BASH_REMATCH", "REPLY", "MAPFILE", "OPTARG", "COPROC", "OLDPWD"})
"""Variables that commands set by themselves, to what the text says."""
VARIANTS_MAX = 64
_WORD = re.compile(r"[\w./:@%+=,][\w./:@%+=,-]*")
_BRACES = re.compile(r"(?:[\w./:@][\w./:@-]*)?\{[\w.,]+\}[\w./:@-]*")
_FORMAT = re.compile(r"\+(?!-|%z|%:z)(?:%[A-Za-mo-su-z]|[\w.:/-])+")
_PRINTERS = frozenset({"hostname", "whoami", "nproc", "uname", "id", "mktemp", "seq"})
"""Programs that print plain words, whatever plain words they are given."""


def is_plain(text: str | None) -> bool:
    """Whether a value that is said is one plain word."""
    return text is not None and _WORD.fullmatch(text) is not None


def is_plain_braces(text: str | None) -> bool:
    """Whether unquoted text stands for plain words only (`web{1..3}`)."""
    return text is not None and _BRACES.fullmatch(text) is not None


def prints_plain(words: Sequence[str | None]) -> bool:
    """Whether this command prints nothing but plain words."""
    if not words or None in words:
        return False
    name, *given = [word or "" for word in words]
    if name == "date":
        return bool(given) and all(one == "-u" or _FORMAT.fullmatch(one) for one in given)
    options = [one for one in given if one.startswith("-")]
    plain = all(re.fullmatch(r"-[a-zA-Z]+", one) for one in options)
    return name in _PRINTERS and plain and all(is_plain(o) for o in given if o not in options)


def variants(word: Word, place: Place) -> list[Word] | None:
    """What the word may be with the plain values that the text gives its variables; None where
    those are too many."""
    made = [word]
    for number, part in enumerate(word.parts):
        if not isinstance(part, Expansion) or part.edited or part.name is None:
            continue
        if (said := place.plain.get(part.name)) is None:
            continue
        values = [Literal(one, part.span, quoted=True) for one in sorted(said)]
        if len(made) * len(values) > VARIANTS_MAX:
            return None
        made = [
            replace(one, parts=(*one.parts[:number], value, *one.parts[number + 1 :]))
            for one in made
            for value in values
        ]
    return made


def directories(place: Place) -> list[str] | None:
    """Where the text goes before it names a file; None where it decides that by a command."""
    found: list[str] = []
    for one in sorted(place.plain.get("PWD", ())):
        name = one.removeprefix("$")
        if name == one:
            found.append(one)
        elif name in place.plain:
            found += sorted(place.plain[name])
        elif name == "(" or _is_set(name, place):
            return None
    rooted = [one for one in found if one.startswith(("/", "~"))]
    joined = [f"{a}/{b}" for a in rooted for b in found if b not in rooted]
    return [*found, *joined] if len(joined) <= VARIANTS_MAX else None


def is_decided(word: Word, place: Place) -> bool:
    """Whether the text says, elsewhere or by a command, what is not said in the word."""
    return any(
        (isinstance(part, Substitution) and not part.process and not prints_plain_words(part))
        or (
            isinstance(part, Expansion)
            and (part.edited or part.name in LEFT_BEHIND or _is_set(part.name, place))
        )
        for part in word.parts
    )


def prints_plain_words(part: Substitution) -> bool:
    """Whether a substitution becomes plain words."""
    calls = part.script.invocations
    return len(calls) == 1 and prints_plain([word.text for word in calls[0].words])


def _is_set(name: str | None, place: Place) -> bool:
    if name is None or name in place.plain or HARMLESS.fullmatch(name):
        return False
    return name in place.assigned or EVERY in place.assigned
