"""Every block of the runbooks that were read by hand, and every command asked of a real parser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from markdown_it import MarkdownIt

from dd0c.products.run.parsing.placeholders import masked
from dd0c.products.run.parsing.transcript import Entry, EntryKind, read_block
from dd0c.scan import shfmt
from tests.corpus.runbooks import expected_steps
from tests.corpus.runbooks.source import even

Key = tuple[int, str, bool, bool]


def blocks(source: str) -> Iterator[tuple[range, list[Entry]]]:
    """The lines of each block of code, and what it says."""
    for token in MarkdownIt().parse(source):
        if token.type in ("fence", "code_block") and token.map:
            first, last = token.map
            begins = first + 1 + (token.type == "fence")
            read = read_block(token.content, language=token.info, first_line=begins, offset=0)
            yield range(first + 1, last + 1), list(read.entries)


@pytest.fixture(scope="module")
def read() -> dict[str, tuple[set[Key], set[Key]]]:
    """For each runbook the commands that its blocks are expected to give, and those they give."""
    found = {}
    for name in expected_steps.list_expected():
        runbook = expected_steps.load(name)
        told, inside = set(), set()
        for lines, entries in blocks(runbook.source):
            inside |= set(lines)
            for e in entries:
                if e.kind is EntryKind.COMMAND:
                    told.add((e.line, even(e.text), e.inferred, e.interactive))
        expected = {
            (c.line, even(c.text), c.inferred, step.interactive)
            for step in runbook.steps
            for c in step.commands
            if c.line in inside
        }
        found[name] = (expected, told)
    return found


def test_blocks_give_the_commands_that_were_read_by_hand(
    read: dict[str, tuple[set[Key], set[Key]]],
) -> None:
    """Of 174 commands in blocks every one is read as it was written, and none too much (N-2)."""
    missed = [(name, key) for name, (wanted, told) in read.items() for key in wanted - told]
    invented = [(name, key) for name, (wanted, told) in read.items() for key in told - wanted]
    assert sum(len(wanted) for wanted, _ in read.values()) > 170
    assert missed == []
    assert invented == []


def test_a_real_parser_finds_each_command_complete() -> None:
    """What we call one command is whole to mvdan/sh too: nothing is cut off or left open (N-1)."""
    texts = []
    for path in expected_steps.list_sources():
        for _, entries in blocks(path.read_text(encoding="utf-8")):
            texts += [e.text for e in entries if e.kind is EntryKind.COMMAND and not e.flaws]
    assert len(texts) > 250
    shapes = ["\n".join(map(masked, text.split("\n"))).encode() for text in texts]
    parsed = shfmt.parse(shapes)
    assert [t for t, p in zip(texts, parsed, strict=True) if isinstance(p, shfmt.Refused)] == []
