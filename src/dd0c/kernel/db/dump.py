"""The whole database out of PostgreSQL, and into an empty one, by pg_dump and pg_restore.

A dump is read as the administrator, with row security off: PostgreSQL then refuses to read a table
of which somebody may not see every row. As the owner role, whose policies are on the ledger and not
on its partitions, pg_dump would write empty ones without a word. For the same reason rows are
counted through the parent, on another connection, in the same snapshot. It is loaded as the owner,
into schemas that were made before, so that all is his.

Left out are rows that mean nothing elsewhere: the running parts, sessions of people (they sign in
again), and the queue, whose jobs come by the clock.

A number of a transaction means nothing in another cluster either: there it may lie in the future
for ever, and whoever follows changes by it would read everything each time. `restamp` mends that.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg import AsyncConnection, IsolationLevel
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import tuple_row
from psycopg.sql import SQL, Identifier

from dd0c.base.embedded import ENVIRONMENT
from dd0c.base.errors import SetupError, Unavailable
from dd0c.base.secrets import Secret
from dd0c.kernel.db import embedded, reach

LEFT_OUT = ("kernel.parts", "kernel.sessions", "jobs.*")
SILENT_MAX_S = 600.0  # what either program may take until its next sign of life
CHUNK_BYTES = 1 << 20

HINT = (
    "pg_dump of dd0c speaks no TLS, and wants a superuser or BYPASSRLS: back an external one"
    " up with your own means (docs/operating/backup.md)"
)

TABLES: LiteralString = """
    SELECT n.nspname::text, c.relname::text FROM pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = ANY(%s) AND c.relkind IN ('r', 'p')
        AND NOT c.relispartition
    ORDER BY 1, 2
"""
STAMPS: LiteralString = """
    SELECT n.nspname::text, c.relname::text, a.attname::text FROM pg_attribute a
        JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = ANY(%s) AND c.relkind IN ('r', 'p') AND NOT c.relispartition
        AND a.atttypid = 'xid8'::regtype AND NOT a.attisdropped ORDER BY 1, 2
"""

Counts = dict[str, int]
Take = Callable[[bytes], object]


@dataclass(frozen=True, slots=True)
class Frozen:
    """A snapshot that is held open, and how many rows each table has in it."""

    connection: AsyncConnection[Any]
    snapshot: str
    counts: Counts


@asynccontextmanager
async def frozen(conninfo: Secret, schemas: Sequence[str]) -> AsyncIterator[Frozen]:
    """The database as it is at this moment, for the block."""
    async with connected(conninfo) as connection:
        await connection.set_isolation_level(IsolationLevel.REPEATABLE_READ)
        async with connection.transaction():
            cursor = await connection.execute("SELECT pg_export_snapshot()")
            row = await cursor.fetchone()
            assert row is not None
            yield Frozen(connection, row[0], await count(connection, schemas))


@asynccontextmanager
async def connected(conninfo: Secret) -> AsyncIterator[AsyncConnection[Any]]:
    """A connection whose statements may take long."""
    try:
        connection = await AsyncConnection.connect(conninfo.reveal(), autocommit=True)
    except psycopg.OperationalError as error:
        raise reach.explain(error, conninfo) from error
    async with connection:
        yield connection


async def count(connection: AsyncConnection[Any], schemas: Sequence[str]) -> Counts:
    """Rows by table, of those whose rows are not left out."""
    found = {}
    for schema, table in await _rows(connection, TABLES, schemas):
        if not {f"{schema}.{table}", f"{schema}.*"} & set(LEFT_OUT):
            query = SQL("SELECT count(*) FROM {}").format(Identifier(schema, table))
            [row] = await (await connection.execute(query)).fetchall()
            found[f"{schema}.{table}"] = int(row[0])
    return found


async def write(conninfo: Secret, schemas: Sequence[str], snapshot: str, take: Take) -> None:
    """Everything in the schemas, in pg_dump's own format, piece by piece to `take`."""
    argv = ["--format=custom", "--no-owner", f"--snapshot={snapshot}"]
    argv += [f"--schema={name}" for name in schemas]
    argv += [f"--exclude-table-data={pattern}" for pattern in LEFT_OUT]
    await _run("pg_dump", argv, conninfo, take)


async def load(conninfo: Secret, dump: Path, scratch: Path) -> None:
    """All of the dump or nothing, into schemas that exist and are empty."""
    listed = bytearray()
    await _run("pg_restore", ["--list", str(dump)], None, listed.extend)
    wanted = [line for line in listed.decode().splitlines() if " SCHEMA - " not in line]
    await asyncio.to_thread(scratch.write_text, "\n".join(wanted) + "\n")
    argv = ["--single-transaction", "--exit-on-error", "--no-owner", f"--use-list={scratch}"]
    await _run("pg_restore", [*argv, str(dump)], conninfo, lambda _: None)


async def restamp(connection: AsyncConnection[Any], schemas: Sequence[str]) -> None:
    """What says that a transaction of the future changed it says so of this one."""
    for schema, table, column in await _rows(connection, STAMPS, schemas):
        await connection.execute(
            SQL("UPDATE {} SET {c} = pg_current_xact_id() WHERE {c} > pg_current_xact_id()").format(
                Identifier(schema, table), c=Identifier(column)
            )
        )


async def is_empty(connection: AsyncConnection[Any], schemas: Sequence[str]) -> bool:
    """Whether the schemas have no table."""
    return not await _rows(connection, TABLES, schemas)


async def _rows(
    connection: AsyncConnection[Any], query: LiteralString, schemas: Sequence[str]
) -> list[Any]:
    async with connection.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(query, (list(schemas),))
        return await cursor.fetchall()


async def _run(program: str, argv: Sequence[str], conninfo: Secret | None, take: Take) -> None:
    """A program of the wheel to its end. The password goes by its environment, which only we and
    root can read; SetupError with its own words when it fails."""
    given = {} if conninfo is None else conninfo_to_dict(conninfo.reveal())
    parts = {name: str(value) for name, value in given.items() if value is not None}
    environment = ENVIRONMENT | {"PGPASSWORD": parts.pop("password", "")}
    where = [f"--dbname={make_conninfo('', **parts)}"] if parts else []
    process = await asyncio.create_subprocess_exec(
        str(embedded.packages() / embedded.PROGRAMS / program),
        *where,
        *argv,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    said = asyncio.create_task(process.stderr.read())
    try:
        while True:
            async with asyncio.timeout(SILENT_MAX_S):
                piece = await process.stdout.read(CHUNK_BYTES)
            if not piece:
                break
            take(piece)
        async with asyncio.timeout(SILENT_MAX_S):
            words, status = await said, await process.wait()
    except TimeoutError:
        raise Unavailable(f"{program} says nothing any more") from None
    finally:
        said.cancel()
        if process.returncode is None:
            process.kill()
    if status != 0:
        lines = words.decode(errors="replace").strip().splitlines() or [f"status {status}"]
        raise SetupError(f"{program}: {lines[0].removeprefix(f'{program}: error: ')}", hint=HINT)
