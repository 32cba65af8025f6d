"""What somebody has to fill in before a command can run."""

from __future__ import annotations

import re
from collections.abc import Collection

_ANGLE = re.compile(r"<(?![<(&=\s-])[A-Za-z_$][^<>\n|;&]{0,100}(?<![\s-])>")


def masked(line: str) -> str:
    """The line with `<placeholders>` made words of the same length, as a reader reads them."""
    return _ANGLE.sub(lambda found: "x" * len(found[0]), line)


def find_placeholders(text: str, known: Collection[str] = ()) -> list[str]:
    """What is to be filled in, as spelled, in order, each once."""
    return list(dict.fromkeys(_ANGLE.findall(text)))
