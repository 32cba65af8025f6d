"""What verbs print, all in one style: a table for people, JSON and CSV for programs.

A verb hands over items as the API gave them, and columns; a column takes one value out of an item,
and each form writes that value its own way:

              table on a terminal     table in a pipe     CSV               JSON
    moment    local, zone in the head ISO 8601, UTC       ISO 8601, UTC     ISO 8601, UTC
    None      –                       –                   empty             null
    list      a, b                    a, b                a, b              list

Tables have no lines to draw. Numbers stand to the right with their unit in the head, ids are never
folded. On a narrow terminal `spare` columns are left out, then texts are folded, then what is cut
ends in an ellipsis: half a cost must not look like one. In a pipe nothing is ever left out, folded
or coloured. What a caller wrote (names of models, of keys) may hold escape sequences: in a table
they are written out.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, TypeVar, cast

import click

from dd0c.base import redact
from dd0c.base.errors import InvalidInput
from dd0c.kernel.web import csvlines

if TYPE_CHECKING:
    from rich.console import Console

How = Literal["table", "json", "csv"]
Kind = Literal["text", "whole", "number", "moment", "state"]
F = TypeVar("F", bound=Callable[..., Any])

UNKNOWN = "–"
GAP = 2
NO_FOLD = 10_000
TINTS = {
    "ok": "green",
    "warning": "yellow",
    "problem": "red",
    "failing": "red",
    "degraded": "yellow",
    "stale": "yellow",
    "unknown": "dim",
    "revoked": "dim",
    "expired": "dim",
    "complete": "green",
    "upstream_error": "red",
    "upstream_cut": "red",
    "timeout": "red",
    "lost": "red",
}


@dataclass(frozen=True, slots=True)
class Column:
    """A head, and where its value is: a path in the item (`key.name`), or a function of it.

    `text` may be folded, `whole` not; `number` and `moment` are what they say; `state` is a word
    with a colour. The name in CSV is the head in small letters with underscores. `width` is how
    many characters to expect where lines come one by one.
    """

    head: str
    value: str | Callable[[Any], Any]
    kind: Kind = "text"
    spare: bool = False
    width: int = 0

    @property
    def name(self) -> str:
        return self.head.lower().replace(" ", "_")

    def of(self, item: Any) -> Any:
        """This column's value of an item; None where a part of its path is absent."""
        if callable(self.value):
            return self.value(item)
        for part in self.value.split("."):
            item = item.get(part) if isinstance(item, Mapping) else None
        return item


def formats(*offered: Literal["json", "csv"]) -> Callable[[F], F]:
    """Give a verb --json (and --csv); it is called with `how`, which is "table" without either."""

    def add(function: F) -> F:
        @wraps(function)
        def verb(*args: Any, **given: Any) -> Any:
            asked = [name for name in offered if given.pop(f"as_{name}")]
            if len(asked) > 1:
                raise InvalidInput("--csv and --json exclude each other")
            return function(*args, how=asked[0] if asked else "table", **given)

        for name in offered:
            flag = click.option(
                f"--{name}", f"as_{name}", is_flag=True, help=f"Answer as {name.upper()} on stdout."
            )
            verb = flag(verb)
        return cast(F, verb)

    return add


def write_json(value: Any) -> None:
    """The value as indented JSON."""
    click.echo(_inert(json.dumps(value, indent=2, ensure_ascii=False)))


def write_json_line(value: Any) -> None:
    """The value as one line, at once: for what is followed."""
    click.echo(_inert(json.dumps(value, ensure_ascii=False)))
    sys.stdout.flush()


def _inert(text: str) -> str:
    """JSON in which what a terminal would obey or hide is escaped; only strings can hold it."""
    pieces = (c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)
    return text if text.isprintable() else "".join(pieces)


def write_file(how: How, to: Path | None, pieces: Iterator[bytes], **about: str) -> None:
    """Bytes into a file, or to stdout where none is named. As JSON: what stands where now."""
    if how == "json" and to is None:
        raise InvalidInput("--json says what was written: say where to with -o FILE")
    first = next(pieces, b"")  # a refusal leaves no empty file
    size, digest = 0, hashlib.sha256()
    with click.open_file("-" if to is None else str(to), "wb") as file:
        for piece in itertools.chain((first,), pieces):
            size += file.write(piece)
            digest.update(piece)
    if how == "json":
        write_json(about | {"path": str(to), "bytes": size, "sha256": digest.hexdigest()})


def write_list(how: How, items: Sequence[Any], columns: Sequence[Column]) -> None:
    """Items in the form asked for. As JSON they stand whole in `items`."""
    if how == "json":
        write_json({"items": items})
    elif how == "csv":
        click.echo(csvlines.line(column.name for column in columns), nl=False)
        for item in items:
            cells = (_plain(column, column.of(item)) for column in columns)
            click.echo(csvlines.line(cells), nl=False)
    else:
        write_table(columns, items)


def write_table(columns: Sequence[Column], items: Sequence[Any], *, head: bool = True) -> None:
    """Items under their columns' heads."""
    _write([_Shown.of(column, items) for column in columns], head=head)


def write_row(columns: Sequence[Column], item: Any, *, head: bool) -> None:
    """One more item of a table that grows, at once; columns are as wide as they say."""
    _write(
        [replace(_Shown.of(column, [item]), least=column.width) for column in columns], head=head
    )
    sys.stdout.flush()


def _write(shown: list[_Shown], *, head: bool) -> None:
    console = open_console(sys.stdout)
    if sys.stdout.isatty():
        shown = _fitting(shown, console.width)
    click.echo(_draw(console, shown, head=head), nl=False, color=in_colour(sys.stdout))


def write_facts(facts: Iterable[tuple[str, Any]]) -> None:
    """One thing, a line for each fact that is known about it."""
    rows = [(name, _here(value)) for name, value in facts if value is not None]
    columns = (Column("fact", lambda row: row[0], "whole"), Column("value", lambda row: row[1]))
    write_table(columns, rows, head=False)


def tell(word: str, colour: str, text: str) -> None:
    """A line on stderr, for who looks."""
    coloured = in_colour(sys.stderr)
    head = click.style(word, fg=colour, bold=True) if coloured else word
    click.echo(f"{head} {redact.scrub(text)}", err=True, color=coloured)


def visible(text: str) -> str:
    """The text in characters that print; what a terminal would obey or hide is written out."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def moment(text: str | None) -> datetime | None:
    """A moment of the API's JSON, which always names its zone."""
    return None if text is None else datetime.fromisoformat(text)


def in_colour(stream: IO[str]) -> bool:
    """Whether escape sequences may go there: NO_COLOR, then FORCE_COLOR, then what it is."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def open_console(stream: IO[str]) -> Console:
    """Rich on this stream, with escape sequences only where they may be."""
    from rich.console import Console  # 60 ms: only who draws pays

    coloured = in_colour(stream)
    return Console(
        file=stream,
        width=None if stream.isatty() else NO_FOLD,
        force_terminal=coloured,
        color_system="standard" if coloured else None,
        highlight=False,
        emoji=False,
    )


@dataclass(frozen=True, slots=True)
class _Shown:
    """A column with all its cells as text."""

    column: Column
    head: str
    cells: tuple[str, ...]
    least: int = 0

    @classmethod
    def of(cls, column: Column, items: Sequence[Any]) -> _Shown:
        values = [column.of(item) for item in items]
        if column.kind == "moment":
            return cls(column, *_moments(column.head, values, local=sys.stdout.isatty()))
        return cls(column, column.head, tuple(_visible(value) for value in values))

    @property
    def width(self) -> int:
        from rich.cells import cell_len

        return max(self.least, *(cell_len(text) for text in (self.head, *self.cells)))


def _moments(head: str, values: Sequence[Any], *, local: bool) -> tuple[str, tuple[str, ...]]:
    """Moments under a head that names their zone; where they have several, each names its own."""
    read = [moment(value) for value in values]
    if not local:
        return head, tuple(_visible(value) for value in read)
    here = [value and value.astimezone() for value in read]
    zones = {value.strftime("%Z") for value in here if value}
    form = "%m-%d %H:%M:%S" if len(zones) == 1 else "%m-%d %H:%M:%S %Z"
    cells = tuple(value.strftime(form) if value else UNKNOWN for value in here)
    return f"{head} {zones.pop()}" if len(zones) == 1 else head, cells


def _here(value: Any) -> Any:
    """A moment of a fact as people read it, where people read."""
    if isinstance(value, datetime) and sys.stdout.isatty():
        return value.astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")
    return value


def _fitting(shown: list[_Shown], width: int) -> list[_Shown]:
    """The columns without the spare ones that do not fit, from the right."""
    kept = list(shown)
    for one in reversed(shown):
        if sum(c.width for c in kept) + GAP * (len(kept) - 1) <= width:
            break
        if one.column.spare:
            kept.remove(one)
    return kept


def _draw(console: Console, shown: Sequence[_Shown], *, head: bool) -> str:
    from rich.table import Table
    from rich.text import Text

    table = Table(
        box=None, header_style="bold", show_header=head, pad_edge=False, padding=(0, GAP, 0, 0)
    )
    for one in shown:
        kind = one.column.kind
        table.add_column(
            one.head,
            justify="right" if kind == "number" else "left",
            overflow="fold" if kind == "text" else "ellipsis",
            no_wrap=kind != "text",
            min_width=one.least,
        )
    for row in zip(*(one.cells for one in shown), strict=True):
        cells = zip(shown, row, strict=True)
        table.add_row(
            *(Text(t, TINTS.get(t, "") if c.column.kind == "state" else "") for c, t in cells)
        )
    with console.capture() as drawn:
        console.print(table)
    return "".join(f"{line.rstrip()}\n" for line in drawn.get().splitlines())


def _plain(column: Column, value: Any) -> str | None:
    """A cell of CSV."""
    if value is None:
        return None
    return _text(moment(value) if column.kind == "moment" else value)


def _visible(value: Any) -> str:
    """A cell of a table."""
    if value is None or value == []:
        return UNKNOWN
    return visible(_text(value))


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        utc = value.astimezone(UTC).isoformat(timespec="milliseconds")
        return utc.replace("+00:00", "Z")
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
