"""The tables and the catalogue of rules: that all of it can be used as it stands (N-12)."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from importlib import resources
from typing import Any

import pytest
import yaml

from dd0c.scan import tables
from dd0c.scan.tables import CommandRow, ToolRow

FAMILIES = {family.name: family.read_text(encoding="utf-8") for family in tables.families()}


def everything(row: CommandRow) -> list[CommandRow]:
    """The command and all below it."""
    below = [one for one in row.commands.values() if not isinstance(one, str)]
    return [row, *(deep for one in below for deep in everything(one))]


@pytest.fixture(scope="module")
def rows() -> dict[str, tuple[ToolRow, ...]]:
    """What stands in each family."""
    return {name: tables.read_rows(text) for name, text in FAMILIES.items()}


@pytest.fixture(scope="module")
def written(rows: dict[str, tuple[ToolRow, ...]]) -> list[CommandRow]:
    """All commands of all tables, as they are written."""
    return [row for family in rows.values() for tool in family for row in everything(tool)]


def repeated(node: Any) -> Iterator[str]:
    """Keys that stand twice in a mapping, at any depth, with their lines."""
    if isinstance(node, yaml.MappingNode):
        counts = Counter(key.value for key, _ in node.value)
        yield from (f"{node.start_mark.line}: {key}" for key, n in counts.items() if n > 1)
    for inner in node.value if isinstance(node, yaml.CollectionNode) else ():
        for one in inner if isinstance(inner, tuple) else (inner,):
            yield from repeated(one)


def test_every_table_is_read_strictly(
    rows: dict[str, tuple[ToolRow, ...]],
) -> None:
    """A word that the schema has not is an error, and so is a tool that the index does not see
    (N-12)."""
    seen = {name: len(tables.NAMES.findall(text)) for name, text in FAMILIES.items()}

    assert {name: len(family) for name, family in rows.items()} == seen
    for family in rows.values():
        for row in family:
            tables.compiled(row, row.names[0])


@pytest.mark.parametrize("family", [*FAMILIES, "paths.yaml", "../rules.yaml"])
def test_no_key_stands_twice(family: str) -> None:
    """YAML takes the last of two equal keys in silence; a table that has two says one thing and
    means another."""
    path = resources.files("dd0c.scan") / "tables" / family

    document = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)

    assert list(repeated(document)) == []


def test_a_name_has_one_table(rows: dict[str, tuple[ToolRow, ...]]) -> None:
    """Two tables for one name would leave it to the order of files which one holds."""
    found = Counter(name for family in rows.values() for row in family for name in row.names)

    assert [name for name, count in found.items() if count > 1] == []
    assert found.keys() == tables.names()


@pytest.mark.parametrize("family", FAMILIES)
def test_what_tools_share_stands_before_them(family: str) -> None:
    """A tool is parsed at first use with nothing but itself and what stands before all tools: an
    alias of what another tool holds would fail then."""
    text = FAMILIES[family]
    starts = [n for n, line in enumerate(text.splitlines()) if line.startswith("- names:")]
    homes: dict[str, int] = {}
    strangers = []

    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        tool = bisect_right(starts, event.start_mark.line)
        if isinstance(event, yaml.AliasEvent) and homes[event.anchor] not in (0, tool):
            strangers.append(event.anchor)
        elif anchor := getattr(event, "anchor", None):
            homes[anchor] = tool if not isinstance(event, yaml.AliasEvent) else homes[anchor]

    assert strangers == []


def test_every_rule_that_a_table_names_is_in_the_catalogue(written: list[CommandRow]) -> None:
    """A verdict names rules that a reader can look up (N-10)."""
    named = {row.rule for row in written}
    named |= {o.rule for row in written for o in row.options.values() if not isinstance(o, str)}

    assert named - {None} <= tables.rules().keys()


def test_what_is_not_safe_says_why(rows: dict[str, tuple[ToolRow, ...]]) -> None:
    """An option that raises the risk has a sentence for the person who decides (N-10)."""
    silent = {
        f"{tool.names[0]} {name}"
        for family in rows.values()
        for tool in family
        for row in everything(tool)
        for name, option in row.options.items()
        if not isinstance(option, str) and option.risk != "safe" and not option.why
    }

    assert silent == set()
