"""The tables and the catalogue of rules: that all of it can be used as it stands (N-12)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from importlib import resources
from typing import Any

import pytest
import yaml

from dd0c.scan import tables
from dd0c.scan.tables import Command

FAMILIES = {family.name: family.read_text(encoding="utf-8") for family in tables.families()}


def everything(command: Command) -> list[Command]:
    """The command and all below it."""
    return [command, *(deep for one in command.commands.values() for deep in everything(one))]


@pytest.fixture(scope="module")
def commands() -> list[Command]:
    """All commands of all tables."""
    tools = {id(tool): tool for name in tables.names() if (tool := tables.find(name))}
    return [deep for tool in tools.values() for deep in everything(tool)]


def repeated(node: Any) -> Iterator[str]:
    """Keys that stand twice in a mapping, at any depth, with their lines."""
    if isinstance(node, yaml.MappingNode):
        counts = Counter(key.value for key, _ in node.value)
        yield from (f"{node.start_mark.line}: {key}" for key, n in counts.items() if n > 1)
    for inner in node.value if isinstance(node, yaml.CollectionNode) else ():
        for one in inner if isinstance(inner, tuple) else (inner,):
            yield from repeated(one)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_table_is_read_strictly(family: str) -> None:
    """A word that the schema has not is an error, and so is a tool that the index cannot see
    (N-12)."""
    rows = tables.read_rows(FAMILIES[family])

    for row in rows:
        tables.compiled(row, row.names[0])
    assert sum(len(row.names) for row in rows) == sum(
        len(match[1].split(",")) for match in tables.NAMES.finditer(FAMILIES[family])
    )


@pytest.mark.parametrize("family", [*FAMILIES, "paths.yaml", "../rules.yaml"])
def test_no_key_stands_twice(family: str) -> None:
    """YAML takes the last of two equal keys in silence; a table that has two says one thing and
    means another."""
    path = resources.files("dd0c.scan") / "tables" / family

    document = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)

    assert list(repeated(document)) == []


def test_a_name_has_one_table() -> None:
    """Two tables for one name would leave it to the order of files which one holds."""
    found = Counter(
        name for text in FAMILIES.values() for row in tables.read_rows(text) for name in row.names
    )

    assert [name for name, count in found.items() if count > 1] == []
    assert found.keys() == tables.names()


def test_each_tool_alone_is_what_it_is_in_its_file() -> None:
    """Tools are parsed one by one at first use; that must be what the whole file says
    (anchors before the tools only)."""
    whole = {
        name: tables.compiled(row, name)
        for text in FAMILIES.values()
        for row in tables.read_rows(text)
        for name in row.names
    }

    assert {name: tables.find(name) for name in tables.names()} == whole


def test_every_rule_that_a_table_names_is_in_the_catalogue(commands: list[Command]) -> None:
    """A verdict names rules that a reader can look up (N-10)."""
    named = {c.rule for c in commands} | {o.rule for c in commands for o in c.options.values()}

    assert named - {None} <= tables.rules().keys()


def test_what_is_not_safe_says_why(commands: list[Command]) -> None:
    """An option that raises the risk has a sentence for the person who decides (N-10)."""
    silent = {
        f"{c.name} {name}"
        for c in commands
        for name, option in c.options.items()
        if option.risk and not option.why
    }

    assert silent == set()
