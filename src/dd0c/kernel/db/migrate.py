"""Brings the schema up to date: numbered SQL files (schema.py), each once.

A file is one transaction, unless its first lines say otherwise. What was applied is recorded with
its hash in `kernel.migrations`. A file that changed afterwards and a record that we have no file
for (a newer dd0c was here) stop us: append-only is checked, not hoped for. Any number of runners
may start at once: one works, the others wait and then find nothing to do.

Locks are waited for briefly and asked for again a few times, so that one long transaction of
somebody's neither fails an upgrade nor makes every reader queue up behind us.

The job queue's tables come from procrastinate itself, in the schema `jobs`: its complete schema the
first time, later the migration files that came since.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
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
from dd0c.base.errors import SetupError, Unavailable
from dd0c.base.settings import Settings
from dd0c.kernel.db import address, fitness, passwords, provision, reach, roles
from dd0c.kernel.db.schema import KERNEL, File, Source, pending, read_folder

LOCK_KEY = 0x64643063  # "dd0c": one runner at a time in a database
RUNNER_WAIT_S = 120.0
RUNNER_LOOK_S = 0.1
LOCK_WAIT = "3s"
ATTEMPTS = 5
PAUSE_S = 0.5
QUEUE = "jobs"

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was done just now: steps of an administrator, and migrations by schema and name."""

    steps: list[str]
    applied: list[str]
    warnings: list[str]


async def migrate(
    settings: Settings,
    products: Sequence[Source],
    *,
    database: str = roles.DATABASE,
    attempts: int = ATTEMPTS,
    say: Say = lambda step: None,
) -> Outcome:
    """Roles, database, schemas and all migrations are there.

    The kernel's own folder comes first; a file that cannot get its locks has that many `attempts`.
    `say` hears of each step as it begins.
    SetupError says what is wrong with a file, an account or the database; Unavailable: not there.
    """
    sources = (KERNEL, *products)
    say("roles and schemas")
    steps, warnings = await make_room(settings, schemas_of(products), database=database)
    async with _connection(settings, roles.OWNER, database) as owner:
        await _create_record(owner)
        applied: list[str] = []
        for source in sources:
            files = read_folder(source.folder)
            applied += await _apply(owner, source.schema, files, attempts, say)
        applied += await _apply_queue(owner, attempts, say)
        for source in sources:
            if source.access is not None:
                await fitness.write_access(owner, source.access)
    return Outcome(steps, applied, warnings)


def schemas_of(products: Sequence[Source]) -> list[str]:
    """All schemas of dd0c."""
    return [*(source.schema for source in (KERNEL, *products)), QUEUE]


async def make_room(
    settings: Settings, schemas: Sequence[str], *, database: str = roles.DATABASE
) -> tuple[list[str], list[str]]:
    """Roles, database and schemas are there; the steps that it took, and warnings."""
    login = address.login(settings)
    if login is None:
        return await _provision_embedded(settings, schemas, database)
    return await _provision_external(settings, schemas, login)


async def _provision_embedded(
    settings: Settings, schemas: Sequence[str], database: str
) -> tuple[list[str], list[str]]:
    place = home.find(settings.home)
    accounts = {role: passwords.get(place, role) for role in roles.ALL}
    async with _connection(settings, roles.ADMIN, "postgres") as server:
        steps = await provision.make_accounts(server, accounts)
        steps += await provision.make_database(server, database)
    async with _connection(settings, roles.ADMIN, database) as admin:
        warnings = await provision.close_to_others(admin, schemas)
        return steps + await provision.make_schemas(admin, schemas, roles.ALL), warnings


async def _provision_external(
    settings: Settings, schemas: Sequence[str], login: str
) -> tuple[list[str], list[str]]:
    async with _connection(settings, roles.ADMIN, "") as admin:
        steps = await provision.make_roles_for(admin, login)
        warnings = await provision.close_to_others(admin, schemas)
        return steps + await provision.make_schemas(admin, schemas, [login]), warnings


@asynccontextmanager
async def _connection(
    settings: Settings, role: str, database: str
) -> AsyncIterator[AsyncConnection[Any]]:
    """A connection that holds the runners' lock of its database for the block."""
    conninfo = address.conninfo(settings, role, database=database)
    try:
        connection = await AsyncConnection.connect(conninfo.reveal(), autocommit=True)
    except psycopg.OperationalError as error:
        raise reach.explain(error, conninfo) from error
    async with connection:
        try:
            await _lock(connection)
            yield connection
        except psycopg.OperationalError as error:
            if not connection.closed:
                raise
            raise Unavailable("PostgreSQL went away while we were at work") from error


async def _lock(connection: AsyncConnection[Any]) -> None:
    """Be the only runner. Asked again and again: a statement that waits holds a snapshot, and
    `CREATE INDEX CONCURRENTLY` of the runner that works would wait for it for ever."""
    try:
        async with asyncio.timeout(RUNNER_WAIT_S):
            while True:
                cursor = await connection.execute("SELECT pg_try_advisory_lock(%s)", (LOCK_KEY,))
                if await cursor.fetchone() == (True,):
                    return
                await asyncio.sleep(RUNNER_LOOK_S)
    except TimeoutError:
        raise SetupError(
            f"another `dd0c migrate` has been at work for {RUNNER_WAIT_S:.0f} s",
            hint="wait for it, or end its connection (see pg_stat_activity), then start again",
        ) from None


async def _create_record(owner: AsyncConnection[Any]) -> None:
    await owner.execute(
        "CREATE TABLE IF NOT EXISTS kernel.migrations ("
        " schema text NOT NULL, name text NOT NULL, sha256 bytea NOT NULL,"
        " applied_at timestamptz NOT NULL DEFAULT now(), compatible_from text,"
        " PRIMARY KEY (schema, name))"
    )
    cursor = await owner.execute(
        "SELECT FROM pg_attribute"
        " WHERE attrelid = 'kernel.migrations'::regclass AND attname = 'compatible_from'"
    )
    if await cursor.fetchone() is None:
        await owner.execute("ALTER TABLE kernel.migrations ADD compatible_from text")


async def _recorded(owner: AsyncConnection[Any], schema: str) -> dict[str, bytes]:
    cursor = await owner.execute(
        "SELECT name, sha256 FROM kernel.migrations WHERE schema = %s", (schema,)
    )
    return dict(await cursor.fetchall())


async def _apply(
    owner: AsyncConnection[Any], schema: str, files: Sequence[File], attempts: int, say: Say
) -> list[str]:
    todo = pending(schema, files, await _recorded(owner, schema))
    for file in todo:
        say(f"{schema}/{file.name}")
        await _run(owner, schema, file, [file], attempts)
    return [f"{schema}/{file.name}" for file in todo]


async def _apply_queue(owner: AsyncConnection[Any], attempts: int, say: Say) -> list[str]:
    files = _queue_files()
    recorded = await _recorded(owner, QUEUE)
    todo = pending(QUEUE, files, recorded)
    if not recorded:
        whole = File("schema.sql", SchemaManager.get_schema())
        say(f"{QUEUE}/{whole.name}")
        await _run(owner, QUEUE, whole, todo, attempts)
    else:
        for file in todo:
            say(f"{QUEUE}/{file.name}")
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
    """The file, and the record of all that it stands for; again when it did not get its locks."""
    for attempt in range(1, attempts + 1):
        try:
            await (_run_outside if file.outside else _run_inside)(owner, schema, file, record)
        except LockNotAvailable as error:
            if attempt == attempts:
                raise SetupError(
                    f"the migration {schema}/{file.name} waits for a lock that is not given up",
                    hint="end the long transaction (see pg_stat_activity), then start again",
                ) from error
            await asyncio.sleep(PAUSE_S)
        except psycopg.Error as error:
            if owner.closed:
                raise
            raise SetupError(
                f"the migration {schema}/{file.name} failed: {_line(error)}"
            ) from error
        else:
            return


async def _run_inside(
    owner: AsyncConnection[Any], schema: str, file: File, record: Sequence[File]
) -> None:
    """One transaction."""
    async with owner.transaction():
        await owner.execute(SQL("SET LOCAL lock_timeout = {}").format(LOCK_WAIT))
        if schema == QUEUE:  # its statements name no schema
            await owner.execute("SET LOCAL search_path = jobs")
        await owner.execute(file.text.encode())
        await _record(owner, schema, record)
    await owner.execute("RESET ALL")  # a file may have set what outlives its transaction


async def _run_outside(
    owner: AsyncConnection[Any], schema: str, file: File, record: Sequence[File]
) -> None:
    """Statement by statement; rows that one returns are statements that it made."""
    try:
        for statement in file.statements:
            cursor = await owner.execute(statement.encode())
            made = await cursor.fetchall() if cursor.description else []
            for (text,) in made:
                await owner.execute(str(text).encode())
        await _record(owner, schema, record)
    finally:
        await owner.execute("RESET ALL")


async def _record(owner: AsyncConnection[Any], schema: str, record: Sequence[File]) -> None:
    for entry in record:
        await owner.execute(
            "INSERT INTO kernel.migrations (schema, name, sha256, compatible_from)"
            " VALUES (%s, %s, %s, %s)",
            (schema, entry.name, entry.sha256, entry.compatible_from),
        )


def _line(error: psycopg.Error) -> str:
    return str(error.diag.message_primary or error).strip().splitlines()[0]
