"""Values that hold no surprise: no option, no blank, no pattern, no path of somebody's choice."""

from __future__ import annotations

import re
from collections.abc import Sequence

EVERY = "*"
"""Among names that a text sets: text is evaluated, so that any may be."""
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
