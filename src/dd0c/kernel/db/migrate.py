"""Brings the schema up to date: numbered SQL files, each once, each in a transaction of its own.

What was applied is recorded with its hash in `kernel.migrations`. A file that changed afterwards
and a record that we have no file for (a newer dd0c was here) stop us: append-only is checked, not
hoped for. Any number of runners may start at once: one works, the others wait and then find nothing
to do.

Locks are waited for briefly and asked for again a few times, so that one long transaction of
somebody's neither fails an upgrade nor makes every reader queue up behind us.

The job queue's tables come from procrastinate itself, in the schema `jobs`: its complete schema the
first time, later the migration files that came since.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from procrastinate.schema import SchemaManager
from psycopg import AsyncConnection
from psycopg.errors import LockNotAvailable
from psycopg.sql import SQL, Identifier

from dd0c.base import home
from dd0c.base.errors import SetupError
from dd0c.base.settings import Settings
from dd0c.kernel.db import address, passwords, provision, roles

LOCK_KEY = 0x64643063  # "dd0c": one runner at a time in a database
RUNNER_WAIT = "120s"
LOCK_WAIT = "3s"
ATTEMPTS = 5
PAUSE_S = 0.5
QUEUE = "jobs"
_NAME = re.compile(r"[0-9]{4}_[a-z0-9_]+\.sql")


@dataclass(frozen=True, slots=True)
class Source:
    """A folder of migrations and the schema they are for."""

    schema: str
    folder: Path


KERNEL = Source("kernel", Path(__file__).parent / "migrations")


@dataclass(frozen=True, slots=True)
class File:
    """One migration as it is on disk."""

    name: str
    text: str

    @property
    def sha256(self) -> bytes:
        return hashlib.sha256(self.text.encode()).digest()


async def migrate(
    settings: Settings,
    products: Sequence[Source],
    *,
    database: str = roles.DATABASE,
    attempts: int = ATTEMPTS,
) -> list[str]:
    """Roles, database, schemas and all migrations are there; returns what was applied just now.

    The kernel's own folder comes first; a file that cannot get its locks has that many `attempts`.
    SetupError says what is wrong with a file or the database.
    """
    sources = (KERNEL, *products)
    try:
        await _provision(settings, [*(s.schema for s in sources), QUEUE], database)
        async with _connection(settings, roles.OWNER, database) as owner:
            await _create_record(owner)
            applied: list[str] = []
            for source in sources:
                files = read_folder(source.folder)
                applied += await _apply(owner, source.schema, files, attempts)
            return applied + await _apply_queue(owner, attempts)
    except psycopg.OperationalError as error:
        raise SetupError(f"the database does not answer: {_line(error)}") from error


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


async def _provision(settings: Settings, schemas: Sequence[str], database: str) -> None:
    login = address.login(settings)
    async with _connection(settings, roles.ADMIN, "postgres") as server:
        if login is None:
            place = home.find(settings.home)
            accounts = {role: passwords.get(place, role) for role in roles.ALL}
            await provision.make_roles(server, accounts)
            await provision.make_database(server, database)
        else:
            await provision.make_roles_for(server, login)
    async with _connection(settings, roles.ADMIN, database) as admin:
        await provision.make_schemas(admin, schemas)


@asynccontextmanager
async def _connection(
    settings: Settings, role: str, database: str
) -> AsyncIterator[AsyncConnection[Any]]:
    """A connection that holds the runners' lock of its database for the block."""
    conninfo = address.conninfo(settings, role, database=database)
    connection = await AsyncConnection.connect(conninfo.reveal(), autocommit=True)
    async with connection:
        await connection.execute(SQL("SET lock_timeout = {}").format(RUNNER_WAIT))
        await connection.execute("SELECT pg_advisory_lock(%s)", (LOCK_KEY,))
        yield connection


async def _create_record(owner: AsyncConnection[Any]) -> None:
    await owner.execute(
        "CREATE TABLE IF NOT EXISTS kernel.migrations ("
        " schema text NOT NULL, name text NOT NULL, sha256 bytea NOT NULL,"
        " applied_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (schema, name))"
    )


async def _recorded(owner: AsyncConnection[Any], schema: str) -> dict[str, bytes]:
    cursor = await owner.execute(
        "SELECT name, sha256 FROM kernel.migrations WHERE schema = %s", (schema,)
    )
    return dict(await cursor.fetchall())


async def _apply(
    owner: AsyncConnection[Any], schema: str, files: Sequence[File], attempts: int
) -> list[str]:
    todo = pending(schema, files, await _recorded(owner, schema))
    for file in todo:
        await _run(owner, schema, file, [file], attempts)
    return [f"{schema}/{file.name}" for file in todo]


async def _apply_queue(owner: AsyncConnection[Any], attempts: int) -> list[str]:
    files = _queue_files()
    recorded = await _recorded(owner, QUEUE)
    todo = pending(QUEUE, files, recorded)
    if not recorded:
        whole = File("schema.sql", SchemaManager.get_schema())
        await _run(owner, QUEUE, whole, todo, attempts)
    else:
        for file in todo:
            await _run(owner, QUEUE, file, [file], attempts)
    await _open_queue(owner)
    return [f"{QUEUE}/{file.name}" for file in todo[-1:]]


def _queue_files() -> list[File]:
    folder = Path(SchemaManager.get_migrations_path())
    return [File(p.name, p.read_text()) for p in sorted(folder.glob("*.sql"))]


async def _open_queue(owner: AsyncConnection[Any]) -> None:
    jobs = Identifier(roles.JOBS)
    for statement in (
        "GRANT USAGE ON SCHEMA jobs TO {}",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA jobs TO {}",
        "GRANT USAGE ON ALL SEQUENCES IN SCHEMA jobs TO {}",
    ):
        await owner.execute(SQL(statement).format(jobs))


async def _run(
    owner: AsyncConnection[Any], schema: str, file: File, record: Sequence[File], attempts: int
) -> None:
    """One transaction: the file, and the record of all that it stands for."""
    for attempt in range(1, attempts + 1):
        try:
            async with owner.transaction():
                await owner.execute(SQL("SET LOCAL lock_timeout = {}").format(LOCK_WAIT))
                if schema == QUEUE:  # its statements name no schema
                    await owner.execute("SET LOCAL search_path = jobs")
                await owner.execute(file.text.encode())
                for entry in record:
                    await owner.execute(
                        "INSERT INTO kernel.migrations (schema, name, sha256) VALUES (%s, %s, %s)",
                        (schema, entry.name, entry.sha256),
                    )
            await owner.execute("RESET ALL")  # a file may have set what outlives its transaction
        except LockNotAvailable as error:
            if attempt == attempts:
                raise SetupError(
                    f"the migration {schema}/{file.name} waits for a lock that is not given up",
                    hint="end the long transaction (see pg_stat_activity), then start again",
                ) from error
            await asyncio.sleep(PAUSE_S)
        except psycopg.Error as error:
            raise SetupError(
                f"the migration {schema}/{file.name} failed: {_line(error)}"
            ) from error
        else:
            return


def _line(error: psycopg.Error) -> str:
    return str(error.diag.message_primary or error).strip().splitlines()[0]
