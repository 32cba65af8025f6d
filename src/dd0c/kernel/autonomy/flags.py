"""What administrators say of flags, in the database: the truth that is published.

Everything that changes begins with `_begin`, which raises the revision and so lets one change after
the other. A flag that turned itself off stays off until a person sets it.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from psycopg.rows import class_row, tuple_row

from dd0c.base.errors import Conflict, NotFound
from dd0c.kernel.audit.catalogue import EventType
from dd0c.kernel.db.pool import Transaction
from dd0c.kernel.guard.rollout import Document, Setting

FLAG_SET = EventType("FlagSet", "Somebody said whom a flag is on for.")
FLAG_CLEARED = EventType("FlagCleared", "What was said of a flag was taken back.")
FLAG_TRIPPED = EventType("FlagTripped", "A flag turned itself off: errors rose with it.")
FLAG_EVENTS = (FLAG_SET, FLAG_CLEARED, FLAG_TRIPPED)

OVERRIDES_MAX = 2_000
"""Of one flag: every reader has them all."""


@dataclass(frozen=True, slots=True)
class Row:
    """A flag that somebody set."""

    name: str
    serial: int
    percent: int
    changed_at: datetime
    tripped_at: datetime | None
    tripped_why: str | None


@dataclass(frozen=True, slots=True)
class Off:
    """Why a flag turns itself off, and what it was on for when nobody had set it."""

    initial: int
    why: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Said:
    """All that was said of flags, as of a revision."""

    revision: int
    rows: Mapping[str, Row]
    overrides: Mapping[str, Mapping[uuid.UUID, bool]] = field(default_factory=dict)

    @property
    def document(self) -> Document:
        """It as it is published."""
        return Document(self.revision, {name: self.setting(name) for name in self._names()})

    def setting(self, name: str) -> Setting:
        """What was said of one flag."""
        row = self.rows.get(name)
        orgs = {org.hex: is_on for org, is_on in self.overrides.get(name, {}).items()}
        if row is None:
            return Setting(serial=0, orgs=orgs)
        return Setting(row.serial, row.percent, orgs, row.tripped_at is not None)

    def _names(self) -> Collection[str]:
        return self.rows.keys() | self.overrides.keys()


async def load(tx: Transaction) -> Said:
    """What was said of all flags. The revision comes first: what is read after it is no older."""
    async with tx.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute("SELECT revision FROM kernel.flag_revision")
        found = await cursor.fetchone()
        assert found is not None
        await cursor.execute("SELECT flag, org, is_on FROM kernel.list_flag_overrides()")
        overrides: dict[str, dict[uuid.UUID, bool]] = {}
        for flag, org, is_on in await cursor.fetchall():
            overrides.setdefault(flag, {})[org] = is_on
    async with tx.cursor(row_factory=class_row(Row)) as rows:
        await rows.execute(
            "SELECT name, serial, percent, changed_at, tripped_at, tripped_why FROM kernel.flags"
        )
        return Said(found[0], {row.name: row for row in await rows.fetchall()}, overrides)


async def set_percent(tx: Transaction, name: str, percent: int, now: datetime) -> None:
    """The flag is on for this share of the organisations, whatever it did by itself before."""
    serial = await _begin(tx)
    await tx.execute(
        "INSERT INTO kernel.flags (name, serial, percent, changed_at) VALUES (%s, %s, %s, %s)"
        " ON CONFLICT (name) DO UPDATE SET serial = excluded.serial, percent = excluded.percent,"
        " changed_at = excluded.changed_at, tripped_at = NULL, tripped_why = NULL",
        (name, serial, percent, now),
    )


async def clear(tx: Transaction, name: str) -> None:
    """What was said for everybody is taken back: what flags.toml says holds again."""
    await _begin(tx)
    await tx.execute("DELETE FROM kernel.flags WHERE name = %s", (name,))


async def set_override(tx: Transaction, org: uuid.UUID, name: str, *, is_on: bool) -> None:
    """On or off for the organisation of this transaction; Conflict when there are too many."""
    await _begin(tx)
    said = await load(tx)
    others = said.overrides.get(name, {}).keys() - {org}
    if len(others) >= OVERRIDES_MAX:
        raise Conflict(
            f"{name} is set for {OVERRIDES_MAX} organisations already", hint="use a percentage"
        )
    await tx.execute(
        "INSERT INTO kernel.flag_overrides (org, flag, is_on) VALUES (%s, %s, %s)"
        " ON CONFLICT (org, flag) DO UPDATE SET is_on = excluded.is_on",
        (org, name, is_on),
    )


async def clear_override(tx: Transaction, org: uuid.UUID, name: str) -> None:
    """For the organisation of this transaction what is said for everybody holds; NotFound."""
    await _begin(tx)
    gone = await tx.execute(
        "DELETE FROM kernel.flag_overrides WHERE org = %s AND flag = %s", (org, name)
    )
    if not gone.rowcount:
        raise NotFound(f"nothing is said of {name} for that organisation")


async def trip(tx: Transaction, name: str, judged: Setting, off: Off) -> bool:
    """Turn a flag off that was judged as it was set then; False: somebody set it meanwhile."""
    revision = await _begin(tx)
    current = (await load(tx)).setting(name)
    if current.tripped or current.serial != judged.serial:
        return False
    await tx.execute(
        "INSERT INTO kernel.flags (name, serial, percent, changed_at, tripped_at, tripped_why)"
        " VALUES (%(name)s, %(serial)s, %(percent)s, %(at)s, %(at)s, %(why)s)"
        " ON CONFLICT (name) DO UPDATE SET serial = excluded.serial,"
        " tripped_at = excluded.tripped_at, tripped_why = excluded.tripped_why",
        {
            "name": name,
            "serial": revision,
            "percent": off.initial,
            "at": off.at,
            "why": off.why,
        },
    )
    return True


async def _begin(tx: Transaction) -> int:
    """The revision of what follows; nobody else changes flags until this transaction ends."""
    async with tx.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(
            "UPDATE kernel.flag_revision SET revision = revision + 1 RETURNING revision"
        )
        row = await cursor.fetchone()
    assert row is not None
    return int(row[0])
