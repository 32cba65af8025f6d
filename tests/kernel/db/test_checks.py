"""The start is refused by a database that would not keep tenants apart, and says by what (K-10)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import psycopg
import pytest

from dd0c.base.errors import SetupError
from dd0c.base.secrets import Secret
from dd0c.kernel.db import address, checks, roles
from dd0c.kernel.db.pool import Pool, open_pool
from dd0c.products.route.store.access import ACCESS
from tests.support.database import Cluster, Database

CHANGES = {
    "a table that does not force row security": (
        "ALTER TABLE kernel.api_keys NO FORCE ROW LEVEL SECURITY",
        "the table kernel.api_keys does not force row-level security",
    ),
    "a table without row security": (
        "ALTER TABLE kernel.sessions DISABLE ROW LEVEL SECURITY",
        "the table kernel.sessions does not force row-level security",
    ),
    "a new table that forgot it": (
        "CREATE TABLE kernel.notes (org uuid); ALTER TABLE kernel.notes OWNER TO dd0c_owner",
        "the table kernel.notes does not force row-level security",
    ),
    "a partition without row security": (
        "CREATE TABLE route.attempts_9999 PARTITION OF route.attempts FOR VALUES"
        " FROM ('f0000000-0000-7000-8000-000000000000') TO (maxvalue);"
        " ALTER TABLE route.attempts_9999 OWNER TO dd0c_owner",
        "the table route.attempts_9999 does not force row-level security",
    ),
    "a partition granted by itself": (
        "SELECT route.ensure_partitions('2199-01-01', '2199-01-01');"
        " GRANT SELECT ON route.attempts_2199_01 TO dd0c_app",
        "dd0c_app has SELECT on route.attempts_2199_01",
    ),
    "a policy for everybody": (
        "CREATE POLICY open ON kernel.api_keys TO public USING (true)",
        "the policy open on kernel.api_keys for public",
    ),
    "a tenant policy that lets all through": (
        "ALTER POLICY tenant ON kernel.api_keys USING (true)",
        "the policy tenant on kernel.api_keys for dd0c_app",
    ),
    "a tenant policy that checks nothing on writing": (
        "ALTER POLICY tenant ON kernel.api_keys WITH CHECK (true)",
        "the policy tenant on kernel.api_keys for dd0c_app",
    ),
    "a listed policy for a wider command": (
        "DROP POLICY gateway ON kernel.api_keys;"
        " CREATE POLICY gateway ON kernel.api_keys TO dd0c_gateway USING (true)",
        "the policy gateway on kernel.api_keys for dd0c_gateway",
    ),
    "a listed policy for one more role": (
        "ALTER POLICY gateway ON kernel.api_keys TO dd0c_gateway, dd0c_shipper",
        "the policy gateway on kernel.api_keys for dd0c_gateway, dd0c_shipper",
    ),
    "a function with its owner's rights": (
        "CREATE FUNCTION public.peek() RETURNS bigint LANGUAGE sql SECURITY DEFINER"
        " AS 'SELECT count(*) FROM kernel.api_keys'",
        r"the function public\.peek\(\) runs with its owner's rights",
    ),
    "a listed function for everybody": (
        "GRANT EXECUTE ON FUNCTION kernel.list_organisations() TO public",
        r"kernel\.list_organisations\(\) may be called by dd0c_app, public",
    ),
    "a listed function without a search path": (
        "ALTER FUNCTION kernel.list_organisations() RESET search_path",
        r"kernel\.list_organisations\(\) has no search_path",
    ),
    "a view with its owner's rights": (
        "CREATE VIEW kernel.peek AS SELECT * FROM kernel.api_keys;"
        " ALTER VIEW kernel.peek OWNER TO dd0c_owner",
        "the view kernel.peek is not security_invoker",
    ),
    "a materialized view": (
        "CREATE MATERIALIZED VIEW kernel.peek AS SELECT * FROM kernel.api_keys;"
        " ALTER MATERIALIZED VIEW kernel.peek OWNER TO dd0c_owner",
        "kernel.peek is no table",
    ),
    "a table of somebody else's": (
        "ALTER TABLE kernel.api_keys OWNER TO dd0c_jobs",
        "kernel.api_keys belongs to dd0c_jobs",
    ),
    "a grant too many": (
        "GRANT DELETE ON kernel.api_keys TO dd0c_app",
        "dd0c_app has DELETE on kernel.api_keys",
    ),
    "a grant that may be passed on": (
        "GRANT SELECT ON kernel.api_keys TO dd0c_app WITH GRANT OPTION",
        "dd0c_app has SELECT WITH GRANT OPTION on kernel.api_keys",
    ),
    "a column too many": (
        "GRANT SELECT (secret) ON route.providers TO dd0c_app",
        r"dd0c_app has SELECT on route\.providers\(secret\)",
    ),
    "a grant to everybody": (
        "GRANT SELECT ON kernel.data_keys TO public",
        "public has SELECT on kernel.data_keys",
    ),
    "a schema for one more role": (
        "GRANT USAGE ON SCHEMA jobs TO dd0c_app",
        "dd0c_app has USAGE on jobs",
    ),
    "a grant too few": (
        "REVOKE INSERT ON route.attempts FROM dd0c_shipper",
        "dd0c_shipper lacks INSERT on route.attempts",
    ),
    "a role that may create schemas": (
        "DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO dd0c_app',"
        " current_database()); END $$",
        "the role dd0c_app may create schemas",
    ),
}

ROLE_CHANGES = {
    "a superuser": (
        "ALTER ROLE dd0c_jobs SUPERUSER",
        "ALTER ROLE dd0c_jobs NOSUPERUSER",
        "the role dd0c_jobs is a superuser",
    ),
    "a role past row security": (
        "ALTER ROLE dd0c_shipper BYPASSRLS",
        "ALTER ROLE dd0c_shipper NOBYPASSRLS",
        "the role dd0c_shipper has BYPASSRLS",
    ),
    "a member of the owner": (
        "GRANT dd0c_owner TO dd0c_app",
        "REVOKE dd0c_owner FROM dd0c_app",
        "the role dd0c_owner, which this process can take, owns tables",
    ),
    "a member of a role that reads all": (
        "GRANT pg_read_all_data TO dd0c_app",
        "REVOKE pg_read_all_data FROM dd0c_app",
        "this process may act as pg_read_all_data",
    ),
}


@pytest.mark.parametrize("role", roles.RUNTIME)
def test_the_schema_as_migrated_is_served(
    database: Database, runner: asyncio.Runner, role: str
) -> None:
    """K-10: every runtime role passes the checks on a fresh schema, so they refuse no sound one."""

    async def check(conninfo: Secret) -> None:
        pool = await open_pool(conninfo, role, 1)
        try:
            await checks.refuse_unsafe(pool, [ACCESS])
        finally:
            await pool.close()

    runner.run(check(database.conninfo(role)))
    runner.run(check(address.conninfo(database.settings, role)))


@pytest.mark.parametrize(("statement", "finding"), CHANGES.values(), ids=CHANGES)
async def test_an_opened_schema_is_refused(
    app_pool: Pool, cluster: Cluster, database: Database, statement: str, finding: str
) -> None:
    """K-10: each way to open the schema stops the start, and the message names it."""
    with cluster.admin(database.name) as admin:
        admin.execute(statement.encode())
    with pytest.raises(SetupError, match=finding):
        await checks.refuse_unsafe(app_pool, [ACCESS])


@pytest.fixture(params=ROLE_CHANGES.values(), ids=[*ROLE_CHANGES])
def finding(request: pytest.FixtureRequest, cluster: Cluster) -> Iterator[str]:
    """A role changed for one test (roles belong to the whole server), and what is to be found."""
    change, undo, finding = request.param
    with cluster.admin() as admin:
        admin.execute(change)
    yield finding
    with cluster.admin() as admin:
        admin.execute(undo)


async def test_a_strong_role_is_refused(app_pool: Pool, finding: str) -> None:
    """K-10: a role that row security cannot hold stops the start, and the message names it."""
    with pytest.raises(SetupError, match=finding):
        await checks.refuse_unsafe(app_pool, [ACCESS])


async def test_an_administrator_is_refused(database: Database) -> None:
    """K-2: the address of the administrator given as the runtime's stops the start."""
    pool = await open_pool(database.conninfo(roles.ADMIN), roles.ADMIN, 1)
    try:
        with pytest.raises(SetupError, match="the role dd0c_admin is a superuser"):
            await checks.refuse_unsafe(pool, [ACCESS])
    finally:
        await pool.close()


async def test_a_view_that_keeps_row_security_is_served(
    app_pool: Pool, cluster: Cluster, database: Database
) -> None:
    """K-10: a view with security_invoker passes: the check is about rights, not about views."""
    with cluster.admin(database.name) as admin:
        admin.execute(
            "CREATE VIEW kernel.own WITH (security_invoker) AS SELECT id FROM kernel.api_keys"
        )
        admin.execute("ALTER VIEW kernel.own OWNER TO dd0c_owner")
    await checks.refuse_unsafe(app_pool, [ACCESS])


async def test_a_child_table_opens_nothing_by_itself(database: Database, app_pool: Pool) -> None:
    """K-10: a partition asked for by name is refused, though its parent may be read."""
    async with app_pool.connection() as connection:
        await connection.execute("SELECT FROM route.attempts")
        cursor = await connection.execute(
            "SELECT min(inhrelid::regclass::text) FROM pg_inherits"
            " WHERE inhparent = 'route.attempts'::regclass"
        )
        row = await cursor.fetchone()
        assert row is not None
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await connection.execute(f"SELECT FROM {row[0]}".encode())
