"""What of a runbook's text the expected steps are compared with.

Deliberately not the product's reading: it knows neither Markdown nor shells, only which characters
may have been taken away (indentation, prompts, backslash-newlines, markup).
"""

from __future__ import annotations

import re

PROMPT = re.compile(
    r"^\s*(?:\$|#|%|sh-\d\.\d[$#]|[\w.-]+@[\w.-]+:\S*[$#]|(?:\[[\w.-]+\]: )?PS [^>]*>)\s+"
)
_LINK = re.compile(r"\[([^\]]*)\](?:\([^)]*\)|\[[^\]]*\])")
_INLINE = re.compile(r"`|\*+|(?<!\w)_+|_+(?!\w)")
_MARKER = re.compile(r"^\s*(?:#+|[-*>]|\d+\.)\s", re.MULTILINE)
_BROKEN_LINK = re.compile(r"\[([^\]\n]*)\n\s*([^\]\n]*)\]")


def even(text: str) -> str:
    """The text with every run of blanks and newlines as one blank."""
    return " ".join(text.split())


def words(text: str) -> str:
    """The words of a heading or a sentence: links become their text, inline markup goes."""
    return even(_INLINE.sub("", _LINK.sub(r"\1", _BROKEN_LINK.sub(r"[\1 \2]", text))))


def plain(source: str) -> str:
    """The words of a Markdown text, marks of headings, lists and quotes gone too."""
    return words(_MARKER.sub("", source))


def typed(lines: list[str], *, inferred: bool = False) -> list[str]:
    """The lines as they would be typed: no prompt, backslash-newlines gone, blanks evened.

    For an inferred command a backslash with blanks behind it counts as one without.
    """
    bare = "\n".join(PROMPT.sub("", line) for line in lines)
    if inferred:
        bare = re.sub(r"\\[ \t]+\n", "\\\n", bare)
    return [even(line) for line in bare.replace("\\\n", "").split("\n")]


def is_whole(command: str, lines: list[str], *, inferred: bool = False) -> bool:
    """Whether the command is all that is typed in the first of the lines, or in the first few.

    Inline code is whole between its backticks. Prose before an inferred command is not asked for.
    """
    parts = typed(lines, inferred=inferred)
    heads = [even(" ".join(parts[:count])) for count in range(1, len(parts) + 1)]
    if inferred:
        return any(head.endswith(command) for head in heads)
    return command in heads or f"`{command}`" in lines[0]
