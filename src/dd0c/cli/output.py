"""What verbs print: JSON for programs, a drawn table on a terminal, plain columns in a pipe."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any, Literal

import click

json_option = click.option("--json", "as_json", is_flag=True, help="Answer as JSON on stdout.")

Row = Sequence[str]
NONE: frozenset[int] = frozenset()


def write_json(value: Any) -> None:
    """The value as indented JSON."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def write_table(
    columns: Row, rows: Sequence[Row], *, numeric: frozenset[int], whole: frozenset[int] = NONE
) -> None:
    """The rows under their columns; `numeric` ones to the right, `whole` ones never folded."""
    if sys.stdout.isatty():
        _draw(columns, rows, numeric, numeric | whole)
        return
    widths = [max(len(row[i]) for row in (columns, *rows)) for i in range(len(columns))]
    for row in (columns, *rows):
        cells = (
            cell.rjust(width) if i in numeric else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        click.echo("  ".join(cells).rstrip())


def _draw(
    columns: Row, rows: Sequence[Row], numeric: frozenset[int], whole: frozenset[int]
) -> None:
    from rich.console import Console  # 60 ms: only a terminal pays
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for i, name in enumerate(columns):
        side: Literal["left", "right"] = "right" if i in numeric else "left"
        table.add_column(name, justify=side, overflow="fold", no_wrap=i in whole)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    Console().print(table)
