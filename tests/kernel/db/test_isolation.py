"""Two tenants against every table of the kernel, as the role that serves (K-10, proofs 2 and 8)."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege
from psycopg.sql import SQL, Identifier

from dd0c.base import ids
from dd0c.kernel.db import roles, tenancy
from dd0c.kernel.db.pool import Pool, Transaction
from tests.conftest import TwoOrgs
from tests.support.database import Database

Statement = tuple[str, tuple[object, ...]]

WRITTEN = (
    *("api_keys", "sessions", "data_keys", "teams", "memberships", "invitations"),
    *("autonomy", "panics", "flag_overrides", "quota_uses"),
    *("contents", "content_chunks", "content_policies"),
    *("hook_sources", "hook_events", "hook_endpoints", "hook_secrets", "hook_deliveries"),
)
BY_FUNCTIONS = ("key_uses", "people")
BY_JOBS = ("hook_attempts",)
TABLES = ("organisations", *WRITTEN, *BY_FUNCTIONS, *BY_JOBS)
ELSEWHERE = (
    "parts",
    "audit_outbox",
    "audit_contents",
    "audit_entries",
    "audit_tiles",
    "audit_heads",
)
"""Tested with what they are for, because more than a tenant or less may enter."""

KNOWN = ("api_keys", "data_keys", "organisations")
"""What the gateway reads of all."""

SENDS = ("data_keys", "hook_endpoints", "hook_secrets", "hook_deliveries", "hook_attempts")
"""What the job worker reads to deliver webhooks, in a tenant's transaction."""


def row_id(number: int) -> uuid.UUID:
    """The id of rows of that number."""
    return uuid.UUID(int=number)


def owned_rows(org: uuid.UUID, number: int) -> dict[str, Statement]:
    """What makes one row of the organisation in every tenant table besides organisations."""
    key = row_id(number)
    hashed = bytes([number]) * 32
    return {
        "api_keys": (
            "INSERT INTO kernel.api_keys (id, org, name, prefix, hash, roles, scopes)"
            " VALUES (%s, %s, 'key', 'dd0c_sk_', %s, '{owner}', '{api}')",
            (key, org, hashed),
        ),
        "sessions": (
            "INSERT INTO kernel.sessions (token_hash, org, key_id, expires_at)"
            " VALUES (%s, %s, %s, now() + interval '1 day')",
            (hashed, org, key),
        ),
        "data_keys": (
            "INSERT INTO kernel.data_keys (id, org, wrapped, kek) VALUES (%s, %s, 'w', 'local')",
            (key, org),
        ),
        "teams": (
            "INSERT INTO kernel.teams (id, org, name) VALUES (%s, %s, 'team')",
            (key, org),
        ),
        "autonomy": ("INSERT INTO kernel.autonomy (org, mode) VALUES (%s, 'audit')", (org,)),
        "panics": (
            "INSERT INTO kernel.panics (org, panic, epoch, reason, changed_at, changed_by)"
            " VALUES (%s, 'halt', 1, 'why', now(), 'who')",
            (org,),
        ),
        "key_uses": ("SELECT kernel.mark_used(ARRAY[%s::uuid], ARRAY[now()])", (key,)),
        "people": (
            "SELECT kernel.add_person(%s, %s, 'somebody', NULL)",
            (key, f"{number}@x.test"),
        ),
        "memberships": (
            "INSERT INTO kernel.memberships (org, person, roles, created_by)"
            " VALUES (%s, %s, '{owner}', %s)",
            (org, key, key),
        ),
        "invitations": (
            "INSERT INTO kernel.invitations"
            " (id, org, email, roles, token_hash, created_by, expires_at)"
            " VALUES (%s, %s, 'b@x.test', '{viewer}', %s, %s, now())",
            (key, org, hashed, key),
        ),
        "flag_overrides": (
            "INSERT INTO kernel.flag_overrides VALUES (%s, 'flag', true)",
            (org,),
        ),
        "quota_uses": ("INSERT INTO kernel.quota_uses VALUES (%s, 'quota', now(), 1)", (org,)),
        **owned_contents(org, key),
        **owned_hooks(org, key),
    }


def owned_contents(org: uuid.UUID, key: uuid.UUID) -> dict[str, Statement]:
    """The same of the content store."""
    return {
        "contents": (
            "INSERT INTO kernel.contents VALUES (%s, %s, 'kind', 'database', 'text/plain', 1,"
            " sha256(''), now(), now(), 's', %s)",
            (key, org, key),
        ),
        "content_chunks": ("INSERT INTO kernel.content_chunks VALUES (%s, 1, %s, 's')", (key, org)),
        "content_policies": (
            "INSERT INTO kernel.content_policies VALUES (%s, 'kind', 'never', 1)",
            (org,),
        ),
    }


def owned_hooks(org: uuid.UUID, key: uuid.UUID) -> dict[str, Statement]:
    """The same of webhooks, but for attempts: those are the job worker's."""
    return {
        "hook_sources": (
            "INSERT INTO kernel.hook_sources VALUES (%s, %s, 'source', 'url', now())",
            (key, org),
        ),
        "hook_events": (
            "INSERT INTO kernel.hook_events"
            " (id, org, source, level, content_type, size, content, received_at)"
            " VALUES (%s, %s, %s, 0, '', 1, %s, now())",
            (key, org, key, key),
        ),
        "hook_endpoints": (
            "INSERT INTO kernel.hook_endpoints"
            " (id, org, name, kind, target, log, events, cursor, created_at)"
            " VALUES (%s, %s, 'endpoint', 'email', 'a@x.test', 'none', '{}', 0, now())",
            (key, org),
        ),
        "hook_secrets": (
            "INSERT INTO kernel.hook_secrets VALUES (%s, %s, %s, 's', %s)",
            (key, org, key, key),
        ),
        "hook_deliveries": (
            "INSERT INTO kernel.hook_deliveries"
            " (id, org, endpoint, message, event, payload, created_at, due_at)"
            " VALUES (%s, %s, %s, 'message', 'Event', '{}', now(), now())",
            (key, org, key),
        ),
    }


def attempts(org: uuid.UUID, number: int) -> Statement:
    """What makes one attempt of the organisation's delivery."""
    key = row_id(number)
    return "INSERT INTO kernel.hook_attempts VALUES (%s, %s, %s, now())", (key, org, key)


async def everything(database: Database) -> dict[str, list[Any]]:
    """All rows of all tables, as the owner sees them."""
    conninfo = database.conninfo(roles.OWNER).reveal()
    async with await psycopg.AsyncConnection.connect(conninfo) as owner:
        found = {}
        for table in TABLES:
            query = SQL("SELECT t FROM {} t ORDER BY t").format(Identifier("kernel", table))
            found[table] = await (await owner.execute(query)).fetchall()
        return found


async def fill(pool: Pool, orgs: TwoOrgs) -> None:
    for number, org in enumerate((orgs.acme, orgs.globex), start=1):
        async with tenancy.tenant(pool, org) as tx:
            for query, arguments in owned_rows(org, number).values():
                await tx.execute(query.encode(), arguments)


@pytest.fixture
def jobs_pool(pool_as: Callable[[str], Pool]) -> Pool:
    """A pool as the job worker's role."""
    return pool_as(roles.JOBS)


@pytest.fixture
def filled(app_pool: Pool, jobs_pool: Pool, two_orgs: TwoOrgs, runner: asyncio.Runner) -> TwoOrgs:
    """Both have a row in every table: an attempt too, which the job worker makes."""

    async def attempt() -> None:
        await fill(app_pool, two_orgs)
        for number, org in enumerate((two_orgs.acme, two_orgs.globex), start=1):
            query, arguments = attempts(org, number)
            async with tenancy.tenant(jobs_pool, org) as tx:
                await tx.execute(query.encode(), arguments)

    runner.run(attempt())
    return two_orgs


async def count(tx: Transaction, table: str) -> int:
    query = SQL("SELECT count(*) FROM {}").format(Identifier("kernel", table))
    row = await (await tx.execute(query)).fetchone()
    assert row is not None
    return int(row[0])


async def count_if_allowed(connection: Transaction, table: str) -> int | None:
    """None: the role may not read it."""
    try:
        return await count(connection, table)
    except InsufficientPrivilege:
        return None


async def test_the_suite_speaks_as_a_weak_role(app_pool: Pool) -> None:
    """Proofs 8: what the tests connect as is no superuser, owner, or role past row security."""
    async with tenancy.system(app_pool) as tx:
        cursor = await tx.execute(
            "SELECT current_user::text, session_user::text, rolsuper, rolbypassrls,"
            " pg_has_role(current_user, 'dd0c_owner', 'MEMBER')"
            " FROM pg_roles WHERE rolname = current_user"
        )
        assert await cursor.fetchone() == (roles.APP, roles.APP, False, False, False)


async def test_every_tenant_table_is_covered(app_pool: Pool) -> None:
    """K-11: a new table of the kernel without a row in these tests fails."""
    async with tenancy.system(app_pool) as tx:
        cursor = await tx.execute(
            "SELECT relname::text FROM pg_class WHERE relkind IN ('r', 'p')"
            " AND relnamespace = 'kernel'::regnamespace"
            " AND NOT format('kernel.%%s', relname) = ANY(%s)",
            (
                [
                    *(f"kernel.{table}" for table in ELSEWHERE),
                    *(table for table, _ in roles.KERNEL.shared),
                ],
            ),
        )
        assert {name for (name,) in await cursor.fetchall()} == set(TABLES)


async def test_no_tenant_panics_everybody(app_pool: Pool, two_orgs: TwoOrgs) -> None:
    """K-63, K-10: each tenant sees the panic of everywhere; none writes it or makes it."""
    insert = (
        "INSERT INTO kernel.panics (org, panic, epoch, reason, changed_at, changed_by)"
        " VALUES (%s, 'halt', 1, 'why', now(), 'who')"
    )
    async with tenancy.system(app_pool) as tx:
        await tx.execute(insert, (None,))
    async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
        await tx.execute(insert, (two_orgs.acme,))
        assert await count(tx, "panics") == 2
    for change in (
        "UPDATE kernel.panics SET panic = NULL WHERE org IS NULL",
        "UPDATE kernel.panics SET org = NULL WHERE org IS NOT NULL",
    ):
        with pytest.raises(psycopg.Error):
            async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
                await tx.execute(change)


async def test_a_tenant_reads_its_own_row_only(app_pool: Pool, filled: TwoOrgs) -> None:
    """K-10: one row for each owner, none without a tenant, in every table."""
    for number, org in enumerate((filled.acme, filled.globex), start=1):
        async with tenancy.tenant(app_pool, org) as tx:
            for table in TABLES:
                column = Identifier("id" if table in ("organisations", "people") else "org")
                query = SQL("SELECT {} FROM {}").format(column, Identifier("kernel", table))
                own = row_id(number) if table == "people" else org
                assert await (await tx.execute(query)).fetchall() == [(own,)], table
    async with tenancy.system(app_pool) as tx:
        assert [table for table in TABLES if await count(tx, table)] == []


CHANGES = {
    "revoke a key": "UPDATE kernel.api_keys SET revoked_at = now() WHERE org = %s",
    "retire a data key": "UPDATE kernel.data_keys SET retired_at = now() WHERE org = %s",
    "end a session": "DELETE FROM kernel.sessions WHERE org = %s",
    "remove a team": "UPDATE kernel.teams SET removed_at = now() WHERE org = %s",
    "remove a member": "UPDATE kernel.memberships SET removed_at = now() WHERE org = %s",
    "revoke an invitation": "UPDATE kernel.invitations SET revoked_at = now() WHERE org = %s",
    "set the clock": "UPDATE kernel.organisations SET time_zone = 'Asia/Tokyo' WHERE id = %s",
}


@pytest.mark.parametrize("query", CHANGES.values(), ids=CHANGES)
async def test_a_tenant_changes_its_own_rows_only(
    app_pool: Pool, two_orgs: TwoOrgs, database: Database, query: str
) -> None:
    """K-10: the owner's change works; the same statement of another touches nothing."""
    await fill(app_pool, two_orgs)
    before = await everything(database)
    async with tenancy.tenant(app_pool, two_orgs.globex) as tx:
        assert (await tx.execute(query.encode(), (two_orgs.acme,))).rowcount == 0
    assert await everything(database) == before
    async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
        assert (await tx.execute(query.encode(), (two_orgs.acme,))).rowcount == 1


async def test_a_tenant_cannot_write_a_row_of_another(
    app_pool: Pool, two_orgs: TwoOrgs, database: Database
) -> None:
    """K-10: an INSERT with another organisation's id is refused, nothing is written."""
    await fill(app_pool, two_orgs)
    before = await everything(database)

    async def write(query: str, arguments: tuple[object, ...]) -> None:
        async with tenancy.tenant(app_pool, two_orgs.globex) as tx:
            await tx.execute(query.encode(), arguments)

    for table in WRITTEN:
        with pytest.raises(InsufficientPrivilege, match=f'row-level security .* "{table}"'):
            await write(*owned_rows(two_orgs.acme, 3)[table])
    assert await everything(database) == before


@pytest.mark.parametrize("table", [*BY_FUNCTIONS, *BY_JOBS])
async def test_a_tenant_writes_nothing_that_is_for_others(
    app_pool: Pool, filled: TwoOrgs, table: str
) -> None:
    """K-10: people are of the installation, uses are noted by who saw them, and attempts by who
    makes them."""

    async def remove() -> None:
        async with tenancy.tenant(app_pool, filled.acme) as tx:
            await tx.execute(SQL("DELETE FROM {}").format(Identifier("kernel", table)))

    with pytest.raises(InsufficientPrivilege, match="permission denied"):
        await remove()


async def test_a_row_cannot_be_moved_to_another_tenant(app_pool: Pool, two_orgs: TwoOrgs) -> None:
    """K-10: an UPDATE that gives a row away is refused."""
    await fill(app_pool, two_orgs)

    async def move() -> None:
        async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
            await tx.execute("UPDATE kernel.api_keys SET org = %s", (two_orgs.globex,))

    with pytest.raises(InsufficientPrivilege, match="row-level security"):
        await move()


@pytest.mark.parametrize("role", [roles.GATEWAY, roles.SHIPPER, roles.JOBS, roles.CHAINER])
async def test_other_roles_read_what_they_were_given(
    filled: TwoOrgs, database: Database, role: str
) -> None:
    """K-10: the gateway reads the keys of all, no team and nobody; the job worker, for webhooks,
    nothing without a tenant; shipper and chainer read none."""
    given = {roles.GATEWAY: dict.fromkeys(KNOWN, 2), roles.JOBS: dict.fromkeys(SENDS, 0)}
    conninfo = database.conninfo(role).reveal()
    async with await psycopg.AsyncConnection.connect(conninfo, autocommit=True) as connection:
        read = {table: await count_if_allowed(connection, table) for table in TABLES}
    assert {t: rows for t, rows in read.items() if rows is not None} == given.get(role, {})


async def test_the_job_worker_sees_one_tenant_at_a_time(jobs_pool: Pool, filled: TwoOrgs) -> None:
    """K-10: with a tenant the job worker reads that one's rows, in every table that it sends
    webhooks from."""
    for org in (filled.acme, filled.globex):
        async with tenancy.tenant(jobs_pool, org) as tx:
            for table in SENDS:
                query = SQL("SELECT org FROM {}").format(Identifier("kernel", table))
                assert await (await tx.execute(query)).fetchall() == [(org,)], table


async def test_the_job_worker_writes_for_its_tenant_only(jobs_pool: Pool, filled: TwoOrgs) -> None:
    """K-10: an attempt in another's name is refused."""
    query, arguments = attempts(filled.acme, 1)

    async def write() -> None:
        async with tenancy.tenant(jobs_pool, filled.globex) as tx:
            await tx.execute(query.encode(), (ids.new(), *arguments[1:]))

    with pytest.raises(InsufficientPrivilege, match="row-level security"):
        await write()


async def test_functions_find_the_tenant_of_a_stranger(app_pool: Pool, two_orgs: TwoOrgs) -> None:
    """K-20: before a tenant is known a key, a session and a name lead to theirs and to no other."""
    await fill(app_pool, two_orgs)
    async with tenancy.system(app_pool) as tx:
        for query in (
            "SELECT org, org_name FROM kernel.authenticate_key(%s)",
            "SELECT org, org_name FROM kernel.authenticate_session(%s)",
        ):
            cursor = await tx.execute(query.encode(), (bytes([2]) * 32,))
            assert await cursor.fetchall() == [(two_orgs.globex, "globex")]
            assert await (await tx.execute(query.encode(), (b"x" * 32,))).fetchall() == []
        cursor = await tx.execute("SELECT kernel.find_organisation('ACME')")
        assert await cursor.fetchone() == (two_orgs.acme,)
        cursor = await tx.execute("SELECT name FROM kernel.list_organisations()")
        assert sorted(await cursor.fetchall()) == [("acme",), ("globex",)]


async def test_names_of_organisations_are_unique_in_any_case(
    app_pool: Pool, two_orgs: TwoOrgs
) -> None:
    """K-10: a second organisation of the same name, written differently, is refused."""
    org = ids.new()

    async def create() -> None:
        async with tenancy.tenant(app_pool, org) as tx:
            await tx.execute("INSERT INTO kernel.organisations VALUES (%s, 'ACME')", (org,))

    with pytest.raises(psycopg.errors.UniqueViolation):
        await create()


async def test_a_change_that_commits_late_is_seen(
    app_pool: Pool, two_orgs: TwoOrgs, database: Database
) -> None:
    """Proofs 7: a change begun before a reader's snapshot and committed after it is not missed."""
    await fill(app_pool, two_orgs)
    conninfo = database.conninfo(roles.GATEWAY).reveal()
    async with await psycopg.AsyncConnection.connect(conninfo, autocommit=True) as gateway:

        async def changed_since(mark: int) -> tuple[set[str], int]:
            async with gateway.transaction():
                await gateway.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                cursor = await gateway.execute(
                    "SELECT org::text FROM kernel.api_keys WHERE changed_xid >= %s::text::xid8",
                    (str(mark),),
                )
                orgs = {org for (org,) in await cursor.fetchall()}
                cursor = await gateway.execute(
                    "SELECT pg_snapshot_xmin(pg_current_snapshot())::text"
                )
                row = await cursor.fetchone()
                assert row is not None
                return orgs, int(row[0])

        found, mark = await changed_since(0)
        assert found == {str(two_orgs.acme), str(two_orgs.globex)}
        async with tenancy.tenant(app_pool, two_orgs.acme) as late:
            await late.execute("UPDATE kernel.api_keys SET revoked_at = now()")

            async def quick() -> None:
                async with tenancy.tenant(app_pool, two_orgs.globex) as tx:
                    await tx.execute("UPDATE kernel.api_keys SET revoked_at = now()")

            await asyncio.create_task(quick())
            found, mark = await changed_since(mark)
            assert found == {str(two_orgs.globex)}, "the late one is not committed yet"
        found, mark = await changed_since(mark)
        assert str(two_orgs.acme) in found


async def test_a_change_of_keys_is_announced(
    app_pool: Pool, two_orgs: TwoOrgs, database: Database
) -> None:
    """K-20: a new and a revoked key each wake the gateways, by a hint without content."""
    conninfo = database.conninfo(roles.GATEWAY).reveal()
    async with await psycopg.AsyncConnection.connect(conninfo, autocommit=True) as gateway:
        await gateway.execute("LISTEN dd0c_keys")
        await fill(app_pool, two_orgs)
        async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
            await tx.execute("UPDATE kernel.api_keys SET revoked_at = now()")
        hints = [hint.payload async for hint in gateway.notifies(timeout=15, stop_after=3)]
    assert hints == ["", "", ""]
