"""`dd0c backup`: everything that a restore needs, in one file, while all goes on.

The spool is copied before the database: a request in both copies is booked once, as the ledger
knows it by its id. Key material comes last, as rotations only ever add to it, and only where it is
asked for: without it the file opens no secret and authenticates nobody.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import tuple_row

import dd0c
from dd0c.app import archive, auditing, entrance, host_events
from dd0c.app.archive import DUMP, KEYS, SPOOL, Manifest, Writer
from dd0c.app.host_events import BACKUP_MADE
from dd0c.base import home
from dd0c.base.clock import Clock, SystemClock
from dd0c.base.errors import SetupError
from dd0c.base.home import Home
from dd0c.base.secrets import Secret
from dd0c.base.settings import Settings
from dd0c.kernel.audit.catalogue import EventType
from dd0c.kernel.auth import pepper
from dd0c.kernel.db import address, dump, fitness, migrate, roles
from dd0c.kernel.db.migrate import Say
from dd0c.kernel.vault import local, passphrase

KEY_FILES = (
    *(f"secrets/{name}" for name in (pepper.FILE, local.FILE, auditing.FILE)),
    "owner.key",
    "dd0c.toml",
)
"""Key material of a home, and its settings, which may hold passwords."""


@dataclass(frozen=True, slots=True)
class Written:
    """What a backup holds."""

    path: Path
    size_bytes: int
    made_at: str
    tables: int
    rows: int
    spool_files: int
    keys: bool


def main(
    settings: Settings,
    path: Path,
    phrase: Secret | None,
    say: Say,
    *,
    clock: Clock | None = None,
) -> Written:
    """Write the file, with the key material where there is a pass `phrase`; SetupError says what
    keeps it from being written."""
    place = home.find(settings.home)
    if phrase is not None:
        passphrase.refuse_short(phrase)
    with archive.create(path) as writer:
        made_at = (clock or SystemClock()).now()
        say("copying the spool …")
        spooled = _copy_spool(writer, place)
        counts = asyncio.run(_dump(settings, place, writer, phrase, made_at=made_at, say=say))
    asyncio.run(record(settings, made_at, BACKUP_MADE))
    return Written(
        path=path,
        size_bytes=path.stat().st_size,
        made_at=made_at.isoformat(),
        tables=len(counts),
        rows=sum(counts.values()),
        spool_files=spooled,
        keys=phrase is not None,
    )


def record_other(settings: Settings) -> None:
    """Somebody made a backup by other means just now: `dd0c doctor` is to know."""
    home.find(settings.home)
    asyncio.run(record(settings, SystemClock().now(), BACKUP_MADE))


async def record(settings: Settings, made_at: datetime, what: EventType) -> None:
    """The database knows that it was backed up at that time, and the audit log what was done."""
    conninfo = address.conninfo(settings, roles.OWNER)
    async with dump.connected(conninfo) as owner, owner.transaction():
        await owner.execute("UPDATE kernel.installation SET backed_up_at = %s", (made_at,))
        await host_events.tell(owner, what, made_at=made_at.isoformat())


def _copy_spool(writer: Writer, place: Home) -> int:
    copied = 0
    for path in sorted(place.spool.rglob("*")):
        try:
            content = path.read_bytes() if path.is_file() else None
        except FileNotFoundError:
            continue  # it was shipped meanwhile
        if content is not None:
            with writer.member(f"{SPOOL}/{path.relative_to(place.spool).as_posix()}") as take:
                take(content)
            copied += 1
    return copied


async def _dump(
    settings: Settings,
    place: Home,
    writer: Writer,
    phrase: Secret | None,
    *,
    made_at: datetime,
    say: Say,
) -> dump.Counts:
    conninfo = address.conninfo(settings, roles.OWNER)
    schemas = migrate.schemas_of(entrance.PRODUCTS)
    say("reading the database …")
    async with dump.frozen(conninfo, schemas) as frozen:
        known = await fitness.find_fingerprints(frozen.connection)
        if known is None:
            raise SetupError("this database was not prepared for dd0c", hint="run `dd0c migrate`")
        await fitness.refuse_other_secrets(
            frozen.connection, entrance.fingerprints(settings, place)
        )
        with writer.member(DUMP) as take:
            admin = address.conninfo(settings, roles.ADMIN)
            await dump.write(admin, schemas, frozen.snapshot, take)
        migrations = await _migrations(frozen.connection)
    if phrase is not None:
        with writer.member(KEYS) as take:
            take(passphrase.seal(phrase, _key_files(place)))
    writer.finish(
        Manifest(
            format=archive.FORMAT,
            version=dd0c.__version__,
            made_at=made_at.isoformat(),
            installation=place.installation,
            fingerprints=known,
            migrations=migrations,
            counts=frozen.counts,
            members=writer.members,
        )
    )
    return frozen.counts


def _key_files(place: Home) -> bytes:
    found = {name: place.path / name for name in KEY_FILES}
    return json.dumps({n: path.read_text() for n, path in found.items() if path.exists()}).encode()


async def _migrations(connection: AsyncConnection[Any]) -> dict[str, list[str]]:
    async with connection.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(
            "SELECT schema, array_agg(name ORDER BY name) FROM kernel.migrations GROUP BY schema"
        )
        return dict(await cursor.fetchall())
