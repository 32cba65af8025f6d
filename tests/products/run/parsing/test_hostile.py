"""Pages that nobody means well with: steps or a clear error, and never a command of our own."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dd0c.base.errors import TooLarge
from dd0c.products.run import parsing
from dd0c.products.run.models import Format
from dd0c.products.run.parsing import typed

MANY = 3_000
PAGES = {
    "one line": "a" * 200_000,
    "brackets": "[" * 50_000 + "[a](b" * 5_000 + "[[a]" * 5_000,
    "links": "[a](b) " * MANY,
    "backticks": "".join("`" * (n % 300) + " a" for n in range(600)),
    "emphasis": "**a *b _c " * MANY,
    "quotes": ">" * 20_000 + "\n" + "> " * 200 + "a",
    "lists": "- " * 20_000 + "\n" + "".join("  " * (n % 90) + "- a\n" for n in range(500)),
    "orders": "Check a and check b or check c, then " * MANY,
    "conditions": "If a, then if b: " * MANY,
    "here-documents": "```sh\n" + "cat <<E\n" * 900 + "```",
    "open quotes": "```sh\n" + "echo '\n" * 900 + "```",
    "nested": "Run:\n\n    echo " + '"$(' * 1_000,
    "tags": "<p>" + "<" * 20_000 + '<a "' * 5_000 + "<ul><li>" * 5_000,
    "scripts": "<html><script>" + "rm -rf /;" * MANY,
    "comments": "<p>" + "<!--" * MANY,
    "sections": "<p>" + "<![CDATA[" * MANY,
    "control characters": "".join(map(chr, range(32))) * 200 + "\u202eCheck\u2066 it.\x00",
}


@pytest.mark.parametrize("name", PAGES)
def test_a_hostile_page_is_read(name: str) -> None:
    """Nothing that is nested, unclosed or endless keeps the parser, or brings it down."""
    steps = parsing.parse(PAGES[name]).steps
    assert all(step.kind for step in steps)


@pytest.mark.parametrize(
    "page",
    [
        "a" * (parsing.reading.SIZE_BYTES_MAX + 1),
        "a\n" * 30_000,
        "Check it. " * 20_000,
        "<p>" + "<br>" * 70_000,
        "Restart it.\n\n" * 2_100,
    ],
    ids=["size", "lines", "sentences", "tags", "steps"],
)
def test_what_is_over_a_bound_is_refused(page: str) -> None:
    """A page that no person wrote is refused with the bound in the message."""
    with pytest.raises(TooLarge, match=r"a (runbook|page) may have"):
        parsing.parse(page)


WORDS = ["Run ", "Check ", "# A\n", "- ", "1. ", "   ", "\n", "\n\n", "```sh\n", "```\n", "`", "$ "]
TYPED = ["ls -l", "rm -rf /", "kubectl get pods", " | wc", " \\\n", "cat <<E\n", "E\n", "<a>"]
MARKS = [
    "<pre>",
    "</pre>",
    "&lt;",
    "> ",
    "|",
    "*",
    "_",
    "**",
    '"',
    "'",
    "\u201c",
    "\r\n",
    "\t",
    ": ",
]
PIECES = st.sampled_from([*WORDS, *TYPED, *MARKS])


@settings(max_examples=100, deadline=None)
@given(st.lists(PIECES, max_size=40), st.sampled_from(Format))
def test_no_command_is_invented(pieces: list[str], format: Format) -> None:
    """Every command is what stands at its span, prompts and joints taken away (N-2)."""
    page = "".join(pieces)
    for step in parsing.parse(page, format).steps:
        assert 0 <= step.span.start <= step.span.end <= len(page)
        for command in step.commands:
            written = page[command.span.start : command.span.end].replace("\r\n", "\n")
            written = f"&lt{written}" if written.startswith(";") else written
            shown = re.sub(r"</?\w+>", "", written).replace("&lt;", "<")
            there = any(typed.stands_there(command.text, seen) for seen in (written, shown))
            assert command.inferred or there, (page, command)


def test_what_is_not_there_is_seen() -> None:
    """The check of commands takes away prompts and joints, and nothing else."""
    assert typed.stands_there("ls -l", "ls \\\n  -l")
    assert typed.stands_there("a\nb", "$ a\n> b")
    assert not typed.stands_there("ls -la", "ls -l")
    assert not typed.stands_there("rm x", "ls; rm x")
