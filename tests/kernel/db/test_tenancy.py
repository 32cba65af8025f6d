"""The tenant of a transaction ends with it, however it ends (K-12)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import psycopg
import pytest

from dd0c.base.errors import Internal, SetupError, Timeout, Unavailable
from dd0c.base.secrets import Secret
from dd0c.kernel.db import roles, tenancy
from dd0c.kernel.db.pool import Pool, Transaction, open_pool
from tests.conftest import TwoOrgs
from tests.support.database import Database

PoolAs = Callable[..., Pool]


@pytest.fixture
def only(pool_as: PoolAs, two_orgs: TwoOrgs) -> Pool:
    """A pool of one connection: whatever leaks, the next user meets."""
    return pool_as(roles.APP, 1)


async def names(tx: Transaction) -> list[str]:
    cursor = await tx.execute("SELECT name FROM kernel.organisations")
    return [name for (name,) in await cursor.fetchall()]


async def add_key(tx: Transaction, number: int, org: object) -> None:
    await tx.execute(
        "INSERT INTO kernel.api_keys (id, org, name, prefix, hash, roles, scopes)"
        " VALUES (gen_random_uuid(), %s, 'k', 'p', %s, '{}', '{}')",
        (org, number.to_bytes(32, "big")),
    )


async def count_keys(tx: Transaction) -> int:
    cursor = await tx.execute("SELECT count(*) FROM kernel.api_keys")
    row = await cursor.fetchone()
    assert row is not None
    return int(row[0])


async def assert_clean(pool: Pool, orgs: TwoOrgs) -> None:
    """The pool's connection has no tenant and no open transaction, and serves the other tenant."""
    async with pool.connection() as connection:
        assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
        cursor = await connection.execute("SELECT coalesce(current_setting('dd0c.org', true), '')")
        assert await cursor.fetchone() == ("",)
        assert await names(connection) == []
    async with tenancy.tenant(pool, orgs.globex) as tx:
        assert await names(tx) == ["globex"]
        assert await count_keys(tx) == 0


async def test_a_tenant_sees_its_own_rows(only: Pool, two_orgs: TwoOrgs) -> None:
    """K-10: the same statement on the same connection finds each tenant's own row."""
    async with tenancy.tenant(only, two_orgs.acme) as tx:
        await add_key(tx, 1, two_orgs.acme)
        assert await names(tx) == ["acme"]
    await assert_clean(only, two_orgs)
    async with tenancy.tenant(only, two_orgs.acme) as tx:
        assert await count_keys(tx) == 1, "the block's end commits"


async def fails(tx: Transaction) -> None:
    raise ZeroDivisionError


async def fails_in_the_database(tx: Transaction) -> None:
    await tx.execute("SELECT 1 / 0")


async def runs_into_the_statement_timeout(tx: Transaction) -> None:
    await tx.execute("SET LOCAL statement_timeout = '20ms'")
    await tx.execute("SELECT pg_sleep(5)")


async def copies_past_row_security(tx: Transaction) -> None:
    async with tx.cursor() as cursor, cursor.copy("COPY kernel.organisations FROM STDIN"):
        pytest.fail("COPY FROM was not refused")


async def fails_in_a_copy(tx: Transaction) -> None:
    numbers = "SELECT 1 / (3 - n) FROM generate_series(1, 9) n"
    async with tx.cursor() as cursor, cursor.copy(f"COPY ({numbers}) TO STDOUT") as copy:
        async for _ in copy:
            pass


async def breaks_off_a_copy(tx: Transaction) -> None:
    async with tx.cursor() as cursor, cursor.copy("COPY (SELECT 1) TO STDOUT") as copy:
        async for _ in copy:
            raise ZeroDivisionError


async def is_cancelled_while_it_waits(tx: Transaction) -> None:
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().call_later(0.05, task.cancel)
    try:
        await tx.execute("SELECT pg_sleep(5)")
    finally:
        task.uncancel()


async def loses_its_connection(tx: Transaction) -> None:
    await tx.execute("SELECT pg_terminate_backend(pg_backend_pid())")


@pytest.mark.parametrize(
    ("mishap", "seen_as"),
    [
        (fails, ZeroDivisionError),
        (fails_in_the_database, psycopg.errors.DivisionByZero),
        (runs_into_the_statement_timeout, Timeout),
        (copies_past_row_security, psycopg.errors.FeatureNotSupported),
        (fails_in_a_copy, psycopg.errors.DivisionByZero),
        (breaks_off_a_copy, ZeroDivisionError),
        (is_cancelled_while_it_waits, asyncio.CancelledError),
        (loses_its_connection, Unavailable),
    ],
)
async def test_no_mishap_leaves_a_tenant_or_a_change(
    only: Pool,
    two_orgs: TwoOrgs,
    mishap: Callable[[Transaction], Awaitable[None]],
    seen_as: type[BaseException],
) -> None:
    """K-12: however a block ends, the pool's only connection is clean and nothing was written."""

    async def block() -> None:
        async with tenancy.tenant(only, two_orgs.acme) as tx:
            await add_key(tx, 1, two_orgs.acme)
            await mishap(tx)

    with pytest.raises(seen_as):
        await block()
    await assert_clean(only, two_orgs)
    async with tenancy.tenant(only, two_orgs.acme) as tx:
        assert await count_keys(tx) == 0


async def test_a_savepoint_keeps_the_tenant(only: Pool, two_orgs: TwoOrgs) -> None:
    """K-12: rolling back to a savepoint, or releasing it, changes nothing about the tenant."""

    async def fails_inside(tx: Transaction) -> None:
        async with tx.transaction():
            await add_key(tx, 1, two_orgs.acme)
            raise ZeroDivisionError

    async with tenancy.tenant(only, two_orgs.acme) as tx:
        with pytest.raises(ZeroDivisionError):
            await fails_inside(tx)
        async with tx.transaction():
            await add_key(tx, 2, two_orgs.acme)
        assert await names(tx) == ["acme"]
        assert await count_keys(tx) == 1
    await assert_clean(only, two_orgs)


async def test_a_released_savepoint_does_not_carry_a_tenant_out(
    only: Pool, two_orgs: TwoOrgs
) -> None:
    """K-12: even a block that sets another tenant by hand leaves none behind in the pool."""
    async with tenancy.tenant(only, two_orgs.acme) as tx, tx.transaction():
        await tx.execute("SELECT set_config('dd0c.org', %s, true)", (str(two_orgs.globex),))
    await assert_clean(only, two_orgs)


async def test_another_tenant_inside_is_refused(app_pool: Pool, two_orgs: TwoOrgs) -> None:
    """K-10: a transaction inside that of another organisation, or of none, is our bug."""
    async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
        with pytest.raises(Internal):
            async with tenancy.tenant(app_pool, two_orgs.globex):
                pytest.fail("entered")
        with pytest.raises(Internal):
            async with tenancy.system(app_pool):
                pytest.fail("entered")
        assert await names(tx) == ["acme"], "the outer transaction goes on"
    async with tenancy.system(app_pool):
        with pytest.raises(Internal):
            async with tenancy.tenant(app_pool, two_orgs.acme):
                pytest.fail("entered")


async def test_the_same_tenant_inside_joins(only: Pool, two_orgs: TwoOrgs) -> None:
    """K-12: the same organisation joins the open transaction; its failure undoes its part only."""

    async def inside(outer: Transaction, number: int) -> None:
        async with tenancy.tenant(only, two_orgs.acme) as tx:
            assert tx is outer
            await add_key(tx, number, two_orgs.acme)
            if number == 2:
                raise ZeroDivisionError

    async with tenancy.tenant(only, two_orgs.acme) as tx:
        await inside(tx, 1)
        with pytest.raises(ZeroDivisionError):
            await inside(tx, 2)
        assert await count_keys(tx) == 1
    await assert_clean(only, two_orgs)


async def test_tasks_do_not_share_a_transaction(app_pool: Pool, two_orgs: TwoOrgs) -> None:
    """K-12: what a task starts inside a transaction has its own, with its own tenant."""

    async def other() -> list[str]:
        async with tenancy.tenant(app_pool, two_orgs.globex) as tx:
            return await names(tx)

    async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
        assert await asyncio.create_task(other()) == ["globex"]
        assert await names(tx) == ["acme"]


async def test_many_tenants_at_once_never_mix(app_pool: Pool, two_orgs: TwoOrgs) -> None:
    """K-12: two hundred transactions over four connections, some failing, each see their own."""

    async def one(number: int) -> None:
        org, name = (two_orgs.acme, "acme") if number % 2 else (two_orgs.globex, "globex")
        async with tenancy.tenant(app_pool, org) as tx:
            assert await names(tx) == [name]
            if number % 5 == 0:
                raise ZeroDivisionError
            assert await names(tx) == [name]

    found = await asyncio.gather(*(one(n) for n in range(200)), return_exceptions=True)
    assert [f for f in found if f is not None and not isinstance(f, ZeroDivisionError)] == []


async def test_a_deadline_ends_a_transaction(only: Pool, two_orgs: TwoOrgs) -> None:
    """K-12: a block that outlives its deadline is a Timeout and leaves a clean connection."""
    with pytest.raises(Timeout):
        async with tenancy.tenant(only, two_orgs.acme, deadline_s=0.05) as tx:
            await tx.execute("SELECT pg_sleep(5)")
    await assert_clean(only, two_orgs)


async def test_a_database_that_is_away_is_unavailable(database: Database) -> None:
    """K-3: a pool on a place where nobody listens says so; it neither hangs nor shows a secret."""
    elsewhere = database.conninfo(roles.APP).reveal().replace("dd0c-test-", "dd0c-nowhere-")
    with pytest.raises(Unavailable, match="No such file") as error:
        await open_pool(Secret(elsewhere), roles.APP, 1)
    password = psycopg.conninfo.conninfo_to_dict(elsewhere)["password"]
    assert str(password) not in str(error.value)


async def test_a_pool_speaks_as_the_role_it_is_for(database: Database) -> None:
    """K-10: a connection that turns out to be somebody else's is not used."""
    with pytest.raises(SetupError):
        await open_pool(database.conninfo(roles.GATEWAY), roles.APP, 1)


async def test_no_moment_of_a_cancel_leaves_a_tenant(only: Pool, two_orgs: TwoOrgs) -> None:
    """K-12: cancelled after one, two, three … turns of the loop, wherever in taking a connection,
    setting the tenant, writing or ending that is, the block is undone or done, and clean."""

    async def block(number: int) -> None:
        async with tenancy.tenant(only, two_orgs.acme) as tx:
            await add_key(tx, number, two_orgs.acme)

    kept, turns, ended = 0, 0, False
    while not ended:
        task = asyncio.create_task(block(turns))
        for _ in range(turns):
            await asyncio.sleep(0)
        ended = not task.cancel()
        await asyncio.wait([task])
        await assert_clean(only, two_orgs)
        async with tenancy.tenant(only, two_orgs.acme) as tx:
            now = await count_keys(tx)
        assert now - kept in ((0, 1) if task.cancelled() else (1,))
        kept, turns = now, turns + 1 + turns // 20
    assert turns > 8, "it was cancelled amid its work"  # four answers, two turns each at least


async def test_a_prepared_statement_is_of_no_tenant(only: Pool, two_orgs: TwoOrgs) -> None:
    """K-12: a statement that the connection has prepared, and planned once for all, finds the rows
    of whoever asks: tenants take turns on it, a dozen times."""
    for _ in range(12):
        for org, name in ((two_orgs.acme, "acme"), (two_orgs.globex, "globex")):
            async with tenancy.tenant(only, org) as tx:
                cursor = await tx.execute("SELECT name FROM kernel.organisations", prepare=True)
                assert await cursor.fetchall() == [(name,)]
    async with tenancy.system(only) as tx:
        cursor = await tx.execute("SELECT name FROM kernel.organisations", prepare=True)
        assert await cursor.fetchall() == []
        known = await tx.execute("SELECT generic_plans > 0 FROM pg_prepared_statements")
        assert (True,) in await known.fetchall()
