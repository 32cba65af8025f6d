"""How the tests write down what a block of code says: a word for the kind, then the text."""

from __future__ import annotations

from dd0c.products.run.parsing.transcript import Entry, EntryKind, read_block

_MARKS = {
    EntryKind.COMMAND: "$",
    EntryKind.OUTPUT: ">",
    EntryKind.COMMENT: "#",
    EntryKind.QUERY: "?",
    EntryKind.OTHER: "=",
}


def noted(entry: Entry) -> str:
    """The entry in a line: `$ ls`, `$~ ls` inferred, `$! vi` interactive, `?sql SELECT 1`."""
    mark = _MARKS[entry.kind]
    if entry.kind is EntryKind.COMMAND:
        mark += "~" * entry.inferred + "!" * entry.interactive
        mark += "" if entry.language == "shell" else entry.language
    elif entry.kind in (EntryKind.QUERY, EntryKind.OTHER):
        mark += entry.language
    return f"{mark} {entry.text}"


def said(block: str, language: str | None) -> list[str]:
    """All that a block says, noted."""
    entries = read_block(block, language=language, first_line=1, offset=0).entries
    return [noted(entry) for entry in entries]


def commands(block: str, language: str | None) -> list[str]:
    """The commands of a block, noted."""
    return [line for line in said(block, language) if line.startswith("$")]
