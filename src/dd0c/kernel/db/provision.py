"""What only an administrator can make: the roles, the database, the schemas and who may enter.

Everything here may run again at every start. Passwords are hashed on our side, so that no
statement, and no log of one, ever holds them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, LiteralString

from psycopg import AsyncConnection
from psycopg.rows import tuple_row
from psycopg.sql import SQL, Identifier, Literal

from dd0c.base.secrets import Secret
from dd0c.kernel.db import roles

_CREATE_ROLE = SQL(
    "CREATE ROLE {} NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION NOINHERIT"
)


async def make_roles(admin: AsyncConnection[Any], passwords: Mapping[str, Secret]) -> None:
    """Each role exists and logs in with its password."""
    for role in roles.ALL:
        await _make_role(admin, role)
        hashed = admin.pgconn.encrypt_password(
            passwords[role].reveal().encode(), role.encode(), b"scram-sha-256"
        )
        await admin.execute(
            SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(
                Identifier(role), Literal(hashed.decode())
            )
        )


async def make_roles_for(admin: AsyncConnection[Any], login: str) -> None:
    """Each role exists without a login; the runtime account `login` may take the runtime roles."""
    for role in roles.ALL:
        await _make_role(admin, role)
    for role in roles.RUNTIME:
        await admin.execute(SQL("GRANT {} TO {}").format(Identifier(role), Identifier(login)))
    await admin.execute(SQL("GRANT {} TO CURRENT_USER").format(Identifier(roles.OWNER)))


async def make_database(admin: AsyncConnection[Any], name: str) -> None:
    """The database exists."""
    if not await _exists(admin, "SELECT FROM pg_database WHERE datname = %s", name):
        await admin.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))


async def make_schemas(admin: AsyncConnection[Any], schemas: Iterable[str]) -> None:
    """The schemas exist and belong to the owner; nobody else may enter or make anything."""
    database = Identifier(admin.info.dbname)
    await admin.execute(SQL("REVOKE ALL ON DATABASE {} FROM public").format(database))
    for role in roles.ALL:
        await admin.execute(
            SQL("GRANT CONNECT ON DATABASE {} TO {}").format(database, Identifier(role))
        )
    await admin.execute(  # COPY is refused under row security: the shipper fills a temporary table
        SQL("GRANT TEMPORARY ON DATABASE {} TO {}").format(database, Identifier(roles.SHIPPER))
    )
    await admin.execute("REVOKE ALL ON SCHEMA public FROM public")
    for schema in schemas:
        await admin.execute(
            SQL("CREATE SCHEMA IF NOT EXISTS {} AUTHORIZATION {}").format(
                Identifier(schema), Identifier(roles.OWNER)
            )
        )


async def _make_role(admin: AsyncConnection[Any], role: str) -> None:
    if not await _exists(admin, "SELECT FROM pg_roles WHERE rolname = %s", role):
        await admin.execute(_CREATE_ROLE.format(Identifier(role)))


async def _exists(connection: AsyncConnection[Any], query: LiteralString, name: str) -> bool:
    cursor = connection.cursor(row_factory=tuple_row)
    await cursor.execute(query, (name,))
    return await cursor.fetchone() is not None
