"""What only an administrator can make: the roles, the database, the schemas and who may enter.

Each step first asks whether it is to be done, so that all of it may run again at every start, and
so that an administrator who gives nobody such rights can do the steps by hand beforehand
(docs/howto/external-postgresql.md): then nothing is left that needs them. Passwords are hashed on
our side, so that no statement, and no log of one, ever holds them.

PostgreSQL 16 changed what CREATEROLE gives: whoever makes a role may grant it, to itself too, but
is no member that can use it until then; roles made by somebody else cannot be granted at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

from psycopg import AsyncConnection
from psycopg.errors import Error, InsufficientPrivilege
from psycopg.rows import tuple_row
from psycopg.sql import SQL, Composed, Identifier, Literal

from dd0c.base.errors import SetupError
from dd0c.base.secrets import Secret
from dd0c.kernel.db import roles

Admin = AsyncConnection[Any]

HOWTO = "docs/howto/external-postgresql.md has the SQL for an administrator"
SCHEMAS_OF_OTHERS: LiteralString = """
    SELECT format('%%I.%%I', n.nspname, c.relname)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND n.nspname <> 'information_schema'
        AND n.nspname !~ '^pg_' AND n.nspname <> ALL(%s)
        AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
    ORDER BY 1 LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to make. `wanted` asks for a row that says whether it is still to be done."""

    what: str
    wanted: Composed
    statement: Composed
    right: str


async def take(admin: Admin, steps: Iterable[Step]) -> list[str]:
    """Do what is still to be done, and say what that was; SetupError names a missing right."""
    done = []
    for step in steps:
        if not await _ask(admin, step.wanted):
            continue
        try:
            await admin.execute(step.statement)
            refused = await _ask(admin, step.wanted)  # a GRANT without the right to is a warning
        except InsufficientPrivilege:
            refused = True
        if refused:
            raise SetupError(
                f"{admin.info.user} cannot {step.what}: it lacks {step.right}",
                hint=HOWTO,
            )
        done.append(step.what)
    return done


async def make_accounts(admin: Admin, passwords: Mapping[str, Secret]) -> list[str]:
    """Embedded: each role exists and logs in with its password."""
    done = await take(admin, [_role(role) for role in roles.ALL])
    for role in roles.ALL:
        hashed = admin.pgconn.encrypt_password(
            passwords[role].reveal().encode(), role.encode(), b"scram-sha-256"
        )
        await admin.execute(
            SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(
                Identifier(role), Literal(hashed.decode())
            )
        )
    return done


async def make_roles_for(admin: Admin, login: str) -> list[str]:
    """External: each role exists without a login; the account `login` may take the runtime roles,
    and the administrator the owner's."""
    if login == admin.info.user:
        raise SetupError(
            f"DD0C_DATABASE_URL and DD0C_DATABASE_ADMIN_URL log in as the same account, {login}",
            hint="make an account of its own for the serving processes: " + HOWTO,
        )
    if await _ask(admin, _role_lacks(login)):
        raise SetupError(
            f"there is no account {login}, which DD0C_DATABASE_URL names",
            hint=f"make it first: CREATE ROLE {login} LOGIN PASSWORD '…'",
        )
    members = [_membership(role, login, admin) for role in roles.RUNTIME]
    members.append(_membership(roles.OWNER, admin.info.user, admin))
    return await take(admin, [*(_role(role) for role in roles.ALL), *members])


async def make_database(admin: Admin, name: str) -> list[str]:
    """Embedded: the database exists."""
    step = Step(
        f"make the database {name}",
        SQL("SELECT NOT EXISTS (SELECT FROM pg_database WHERE datname = {})").format(Literal(name)),
        SQL("CREATE DATABASE {}").format(Identifier(name)),
        "CREATEDB",
    )
    return await take(admin, [step])


async def make_schemas(admin: Admin, schemas: Sequence[str], accounts: Sequence[str]) -> list[str]:
    """The schemas exist and belong to the owner; `accounts` may connect to the database."""
    database = admin.info.dbname
    await _refuse_foreign(admin, schemas)
    steps = [_privilege("CONNECT", database, account) for account in accounts]
    # COPY is refused under row security: the shipper fills a temporary table
    steps.append(_privilege("TEMPORARY", database, roles.SHIPPER))
    steps += [_schema(name, database) for name in schemas]
    return await take(admin, steps)


async def close_to_others(admin: Admin, schemas: Sequence[str]) -> list[str]:
    """Nobody else may enter the database. A warning for each thing that keeps it open to others:
    tables that are not ours, or an administrator who does not own it."""
    database = admin.info.dbname
    cursor = admin.cursor(row_factory=tuple_row)
    await cursor.execute(SCHEMAS_OF_OTHERS, (list(schemas),))
    if (foreign := await cursor.fetchone()) is not None:
        return [
            f"the database {database} also holds {foreign[0]}: it stays open to PUBLIC; "
            "dd0c is safer in a database of its own"
        ]
    closed = (
        SQL("SELECT has_database_privilege('public', current_database(), 'CONNECT, TEMPORARY')"),
        SQL("REVOKE ALL ON DATABASE {} FROM public").format(Identifier(database)),
        SQL("SELECT has_schema_privilege('public', 'public', 'CREATE, USAGE')"),
        SQL("REVOKE ALL ON SCHEMA public FROM public"),
    )
    warnings = []
    for wanted, statement in (closed[:2], closed[2:]):
        if not await _ask(admin, wanted):
            continue
        try:
            await admin.execute(statement)
            still = await _ask(admin, wanted)
        except Error:
            still = True
        if still:
            warnings.append(f"anybody may enter the database {database}; {HOWTO}")
    return warnings[:1]


async def _refuse_foreign(admin: Admin, schemas: Sequence[str]) -> None:
    cursor = admin.cursor(row_factory=tuple_row)
    await cursor.execute(
        "SELECT nspname::text, pg_get_userbyid(nspowner)::text FROM pg_namespace"
        " WHERE nspname = ANY(%s) AND pg_get_userbyid(nspowner) <> %s ORDER BY 1",
        (list(schemas), roles.OWNER),
    )
    if (row := await cursor.fetchone()) is not None:
        raise SetupError(
            f"the database {admin.info.dbname} has a schema {row[0]} of {row[1]}'s",
            hint="give dd0c a database of its own",
        )


def _role_lacks(role: str) -> Composed:
    return SQL("SELECT NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {})").format(Literal(role))


def _role(role: str) -> Step:
    return Step(
        f"make the role {role}",
        _role_lacks(role),
        SQL(
            "CREATE ROLE {} NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION NOINHERIT"
        ).format(Identifier(role)),
        "CREATEROLE",
    )


def _membership(role: str, account: str, admin: Admin) -> Step:
    """Being able to SET ROLE is membership up to 15 and an option of it from 16 on."""
    able = "SET" if admin.info.server_version >= 160000 else "MEMBER"
    return Step(
        f"let {account} act as {role}",
        SQL("SELECT NOT pg_has_role({}, {}, {})").format(
            Literal(account), Literal(role), Literal(able)
        ),
        SQL("GRANT {} TO {}").format(Identifier(role), Identifier(account)),
        f"ADMIN OPTION on {role}",
    )


def _privilege(privilege: LiteralString, database: str, account: str) -> Step:
    return Step(
        f"grant {privilege} on the database {database} to {account}",
        SQL("SELECT NOT has_database_privilege({}, current_database(), {})").format(
            Literal(account), Literal(privilege)
        ),
        SQL("GRANT {} ON DATABASE {} TO {}").format(
            SQL(privilege), Identifier(database), Identifier(account)
        ),
        f"that right, which the owner of {database} has",
    )


def _schema(name: str, database: str) -> Step:
    return Step(
        f"make the schema {name}",
        SQL("SELECT to_regnamespace({}) IS NULL").format(Literal(name)),
        SQL("CREATE SCHEMA {} AUTHORIZATION {}").format(Identifier(name), Identifier(roles.OWNER)),
        f"CREATE on the database {database}",
    )


async def _ask(admin: Admin, question: Composed | SQL) -> bool:
    cursor = admin.cursor(row_factory=tuple_row)
    await cursor.execute(question)
    return await cursor.fetchone() == (True,)
