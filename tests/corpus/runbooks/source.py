"""What of a runbook's text the expected steps are compared with.

Deliberately not the product's reading: it knows neither Markdown nor shells, only which characters may
have been taken away (indentation, prompts, backslash-newlines, markup).
"""

from __future__ import annotations

import re

PROMPT = re.compile(r"^\s*(?:\$|#|sh-\d\.\d[$#]|[\w.-]+@[\w.-]+:\S*[$#])\s+")
_LINK = re.compile(r"\[([^\]]*)\](?:\([^)]*\)|\[[^\]]*\])")
_MARKUP = re.compile(r"`|\*+|(?<!\w)_+|_+(?!\w)|^\s*#+\s|^\s*[-*>]\s|^\s*\d+\.\s", re.MULTILINE)


def even(text: str) -> str:
    """The text with every run of blanks and newlines as one blank."""
    return " ".join(text.split())


def plain(source: str) -> str:
    """The words of a Markdown text: links become their text, markup goes, blanks are evened."""
    return even(_MARKUP.sub("", _LINK.sub(r"\1", even_lines(source))))


def even_lines(source: str) -> str:
    """The text with links that are broken over two lines made whole."""
    return re.sub(r"\[([^\]\n]*)\n\s*([^\]\n]*)\]", r"[\1 \2]", source)


def typed(lines: list[str], *, inferred: bool = False) -> str:
    """The lines as they would be typed: no prompt, backslash-newlines gone, blanks evened.

    For an inferred command a newline, with or without a backslash before it, is a blank.
    """
    bare = "\n".join(PROMPT.sub("", line) for line in lines)
    if inferred:
        return even(re.sub(r"\\[ \t]*\n", "\n", bare).replace("`", ""))
    return even(bare.replace("\\\n", ""))
