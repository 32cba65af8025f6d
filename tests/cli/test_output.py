"""How verbs print: the same things as a table, as JSON and as CSV."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import Any

import click
import pytest
from click.testing import CliRunner

from dd0c.cli import output
from dd0c.cli.output import Column

ITEMS: list[dict[str, Any]] = [
    {
        "id": "key_01",
        "name": "café 日本",
        "tokens": 7,
        "at": "2026-03-10T12:00:00.5Z",
        "roles": ["owner", "viewer"],
    },
    {"id": "key_02", "name": "=1+1", "tokens": 12345, "at": None, "roles": []},
    {"id": "key_03", "name": "\x1b[2Jgone\u202e", "tokens": None, "at": None, "roles": ["x"]},
]
COLUMNS = (
    Column("id", "id", "whole"),
    Column("name", "name"),
    Column("tokens in", "tokens", "number"),
    Column("seen", "at", "moment"),
    Column("roles", "roles"),
    Column("inner", "absent.inner"),
)


@click.command()
@output.formats("json", "csv")
def show(how: output.How) -> None:
    output.write_list(how, ITEMS, COLUMNS)


def printed(*argv: str) -> str:
    done = CliRunner().invoke(show, argv, catch_exceptions=False)
    assert done.exit_code == 0
    return str(done.stdout)


TABLE = """\
id      name               tokens in  seen                      roles          inner
key_01  café 日本                  7  2026-03-10T12:00:00.500Z  owner, viewer  –
key_02  =1+1                   12345  –                         –              –
key_03  \\x1b[2Jgone\\u202e          –  –                         x              –
"""


def test_a_table_in_a_pipe_is_plain_and_whole() -> None:
    """Numbers to the right, wide letters count as two, UTC, and nobody's escape sequences."""
    assert printed() == TABLE


def test_json_is_what_the_api_said() -> None:
    """The items stand whole in `items`, whatever columns the table has; what would turn a
    terminal's lines around, or is obeyed by it, is escaped."""
    text = printed("--json")
    assert json.loads(text) == {"items": ITEMS}
    assert text.replace("\n", "").isprintable()


def test_csv_is_exact_and_no_formula() -> None:
    """Names of columns have no blanks, None is empty, and no spreadsheet computes a cell."""
    head, *rows = csv.reader(io.StringIO(printed("--csv")))
    assert head == ["id", "name", "tokens_in", "seen", "roles", "inner"]
    assert rows[0] == ["key_01", "café 日本", "7", "2026-03-10T12:00:00.500Z", "owner, viewer", ""]
    assert rows[1][1:4] == ["'=1+1", "12345", ""]
    assert "\x1b" not in rows[2][1]


@pytest.mark.parametrize(
    ("env", "terminal", "coloured"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"NO_COLOR": "1"}, True, False),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, True, False),
        ({"NO_COLOR": ""}, True, True),
        ({"TERM": "dumb"}, True, False),
    ],
)
def test_where_colours_may_go(
    monkeypatch: pytest.MonkeyPatch, env: dict[str, str], terminal: bool, coloured: bool
) -> None:
    """Terminals have colours unless told otherwise; NO_COLOR wins over FORCE_COLOR."""

    class Stream(io.StringIO):
        def isatty(self) -> bool:
            return terminal

    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in ({"TERM": "xterm"} | env).items():
        monkeypatch.setenv(name, value)
    stream = Stream()
    assert output.in_colour(stream) is coloured
    output.open_console(stream).print("[bold red]x[/]")
    assert bool(re.search("\x1b", stream.getvalue())) is coloured
