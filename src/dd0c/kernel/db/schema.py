"""Migrations as files: their order, what their first lines say, and whether we fit a database.

A folder holds numbered SQL files that are only ever added. The comment lines at the top of a file
may say two things:

    -- outside transaction          its statements run one by one, each committed by itself
    -- compatible-from: 0007        a dd0c that knows this folder up to 0007 may go on serving

Outside a transaction is for `CREATE INDEX CONCURRENTLY`, a statement ends with `;` at the end of a
line, and any of them may run again after a failure: write `IF NOT EXISTS`, and drop an index that a
failed build left invalid. A statement that returns rows of text has made statements, which run in
turn: that is how each partition gets its index.

Without `compatible-from` an older dd0c refuses to start on the newer schema. With it the older one
serves on: a rolling upgrade migrates first and replaces processes afterwards (K-7).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dd0c.base.errors import SetupError
from dd0c.kernel.db import roles
from dd0c.kernel.db.roles import Access

OUTSIDE = "-- outside transaction"
_NAME = re.compile(r"[0-9]{4}_[a-z0-9_]+\.sql")
_HEAD = re.compile(r"(?:--.*\n)*")
_COMPATIBLE = re.compile(r"^-- compatible-from: ([0-9]{4})$", re.MULTILINE)
_END = re.compile(r"(?<=;)[ \t]*\n")


@dataclass(frozen=True, slots=True)
class Source:
    """A folder of migrations, the schema they are for, and what that opens to whom."""

    schema: str
    folder: Path
    access: Access | None = None


KERNEL = Source("kernel", Path(__file__).parent / "migrations", roles.KERNEL)


@dataclass(frozen=True, slots=True)
class Applied:
    """One migration as the database has recorded it."""

    schema: str
    name: str
    compatible_from: str | None


@dataclass(frozen=True, slots=True)
class File:
    """One migration as it is on disk."""

    name: str
    text: str

    @property
    def sha256(self) -> bytes:
        return hashlib.sha256(self.text.encode()).digest()

    @property
    def outside(self) -> bool:
        """Whether its statements run one by one, outside a transaction."""
        return OUTSIDE in self._head.splitlines()

    @property
    def compatible_from(self) -> str | None:
        """The oldest number whose program may serve after this file; None: only one that has it."""
        found = _COMPATIBLE.search(self._head)
        return found and found[1]

    @property
    def statements(self) -> list[str]:
        """The statements of a file that runs outside a transaction."""
        return [text for part in _END.split(self.text) if (text := part.strip())]

    @property
    def _head(self) -> str:
        found = _HEAD.match(self.text)
        return found[0] if found else ""


def read_folder(folder: Path) -> list[File]:
    """The migrations of a folder in order; SetupError for a file that does not fit in."""
    paths = sorted(folder.glob("*.sql"))
    if odd := [p.name for p in paths if not _NAME.fullmatch(p.name)]:
        raise SetupError(f"{folder / odd[0]} is not named like 0001_what_it_does.sql")
    numbers = [p.name[:4] for p in paths]
    if twice := [p.name for p in paths if numbers.count(p.name[:4]) > 1]:
        raise SetupError(f"{folder} has two migrations with one number: {', '.join(twice)}")
    return [File(p.name, p.read_text()) for p in paths]


def pending(schema: str, files: Sequence[File], recorded: Mapping[str, bytes]) -> list[File]:
    """What is to be applied; SetupError when files and record contradict each other."""
    known = {f.name: f for f in files}
    for name, sha256 in sorted(recorded.items()):
        if name not in known:
            raise SetupError(
                f"the database has the migration {schema}/{name}, which this dd0c does not know",
                hint="its schema is newer: start the newer dd0c, or restore a backup",
            )
        if known[name].sha256 != sha256:
            raise SetupError(
                f"the migration {schema}/{name} was changed after it had been applied",
                hint="restore the file, and put the change into a new one",
            )
    return [f for f in files if f.name not in recorded]


def refuse_other(source: Source, applied: Sequence[Applied]) -> bool:
    """Whether the schema is newer than this program and serves it nevertheless.

    SetupError when it is older, or newer without saying that this program may go on.
    """
    files = [f.name for f in read_folder(source.folder)]
    there = {a.name: a for a in applied if a.schema == source.schema}
    if missing := [name for name in files if name not in there]:
        raise SetupError(
            f"the database lacks the migration {source.schema}/{missing[0]}",
            hint="run `dd0c migrate`: the schema is older than this dd0c",
        )
    newest = files[-1][:4] if files else "0000"
    newer = [a for name, a in there.items() if name not in files]
    for one in newer:
        if one.compatible_from is None or one.compatible_from > newest:
            raise SetupError(
                f"the database has the migration {source.schema}/{one.name},"
                " with which this dd0c cannot serve",
                hint="its schema is newer: start the newer dd0c",
            )
    return bool(newer)
