"""Migrations: each once, in order, whole or not at all; a contradiction stops us (K-2, K-81)."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from dd0c.base import settings
from dd0c.base.errors import SetupError, Unavailable
from dd0c.kernel.db import address, migrate, roles, schema
from dd0c.kernel.db.migrate import Outcome
from dd0c.kernel.db.schema import KERNEL, File, Source
from tests.support import missing
from tests.support.database import Cluster, Database, product_migrations

TRIED = "tried"  # a schema that only these tests use


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A product's migrations: one table."""
    (tmp_path / "0001_first.sql").write_text("CREATE TABLE tried.first (n int);\n")
    return tmp_path


@pytest.fixture
def empty(cluster: Cluster) -> Iterator[str]:
    """The name of a database that does not exist yet."""
    name = f"empty_{next(cluster.numbers)}"
    yield name
    with cluster.admin() as admin:
        admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())


async def tables(cluster: Cluster, database: str) -> set[str]:
    conninfo = address.conninfo(cluster.settings, roles.ADMIN, database=database)
    async with await psycopg.AsyncConnection.connect(conninfo.reveal()) as admin:
        cursor = await admin.execute(
            "SELECT relname::text FROM pg_class WHERE relnamespace = 'tried'::regnamespace"
        )
        return {name for (name,) in await cursor.fetchall()}


async def test_an_empty_database_is_brought_up_once(
    cluster: Cluster, empty: str, folder: Path
) -> None:
    """K-2: everything is applied the first time, nothing the second, only what is new the third;
    each step is told as it begins."""
    run = [Source(TRIED, folder)]
    said: list[str] = []
    first = await migrate.migrate(cluster.settings, run, database=empty, say=said.append)
    assert said[0] == "roles and schemas"
    assert set(first.applied) - set(said) == {first.applied[-1]}  # the queue's schema is one step
    assert first.applied[0].startswith("kernel/0001_")
    assert "tried/0001_first.sql" in first.applied
    again = await migrate.migrate(cluster.settings, run, database=empty)
    assert again == Outcome([], [], [])
    (folder / "0002_second.sql").write_text("CREATE TABLE tried.second (n int);\n")
    third = await migrate.migrate(cluster.settings, run, database=empty)
    assert third.applied == ["tried/0002_second.sql"]
    assert await tables(cluster, empty) == {"first", "second"}


async def test_runners_at_once_apply_everything_once(
    cluster: Cluster, empty: str, folder: Path
) -> None:
    """K-81: four runners on an empty database: one works, three wait and find nothing to do."""
    run = [Source(TRIED, folder)]
    found = await asyncio.gather(
        *(migrate.migrate(cluster.settings, run, database=empty) for _ in range(4))
    )
    assert sorted(len(outcome.applied) for outcome in found)[:3] == [0, 0, 0]
    assert await tables(cluster, empty) == {"first"}


async def test_an_edited_file_is_refused(cluster: Cluster, empty: str, folder: Path) -> None:
    """K-81: a file that changed after it was applied is named, and nothing more is applied."""
    run = [Source(TRIED, folder)]
    await migrate.migrate(cluster.settings, run, database=empty)
    (folder / "0001_first.sql").write_text("CREATE TABLE tried.first (n bigint);\n")
    (folder / "0002_second.sql").write_text("CREATE TABLE tried.second (n int);\n")
    with pytest.raises(SetupError, match=r"tried/0001_first\.sql was changed"):
        await migrate.migrate(cluster.settings, run, database=empty)
    assert await tables(cluster, empty) == {"first"}


async def test_a_newer_schema_is_refused(cluster: Cluster, empty: str, folder: Path) -> None:
    """K-2: a migration that this dd0c does not know is named: a newer one was here."""
    run = [Source(TRIED, folder)]
    (folder / "0002_newer.sql").write_text("CREATE TABLE tried.second (n int);\n")
    await migrate.migrate(cluster.settings, run, database=empty)
    (folder / "0002_newer.sql").unlink()
    with pytest.raises(SetupError, match=r"tried/0002_newer\.sql.*does not know") as error:
        await migrate.migrate(cluster.settings, run, database=empty)
    assert "newer" in error.value.hint


async def test_a_failing_file_leaves_nothing(cluster: Cluster, empty: str, folder: Path) -> None:
    """K-81: the statements of a file are one transaction; the message names file and cause."""
    (folder / "0002_bad.sql").write_text("CREATE TABLE tried.half (n int);\nSELECT 1 / 0;\n")
    with pytest.raises(SetupError, match=r"tried/0002_bad\.sql failed: division by zero"):
        await migrate.migrate(cluster.settings, [Source(TRIED, folder)], database=empty)
    assert await tables(cluster, empty) == {"first"}


async def test_a_server_that_goes_away_is_something_to_wait_for(
    cluster: Cluster, empty: str, folder: Path
) -> None:
    """K-2: a restart in the middle is Unavailable, not a broken migration; nothing is left, and the
    next run goes through."""
    run = [Source(TRIED, folder)]
    (folder / "0002_slow.sql").write_text("SELECT pg_sleep(60);\n")
    running = asyncio.create_task(migrate.migrate(cluster.settings, run, database=empty))
    terminated = 0
    with cluster.admin() as admin:
        while not terminated:
            assert not running.done()
            await asyncio.sleep(0.05)
            terminated = admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = %s AND query LIKE '%%pg_sleep(60)%%'",
                (empty,),
            ).rowcount
    with pytest.raises(Unavailable, match="went away"):
        await running
    (folder / "0002_slow.sql").write_text("SELECT pg_sleep(0);\n")
    done = await migrate.migrate(cluster.settings, run, database=empty)
    assert done.applied[0] == "tried/0002_slow.sql"


async def test_a_lock_is_waited_for_briefly(cluster: Cluster, empty: str, folder: Path) -> None:
    """K-81: a long transaction of somebody's: the migration gives up, readers get through."""
    run = [Source(TRIED, folder)]
    await migrate.migrate(cluster.settings, run, database=empty)
    (folder / "0002_alter.sql").write_text(
        "SET lock_timeout = '300ms';\nALTER TABLE tried.first ADD m int;\n"
    )
    conninfo = address.conninfo(cluster.settings, roles.OWNER, database=empty).reveal()
    connect = psycopg.AsyncConnection.connect
    async with await connect(conninfo) as long, await connect(conninfo) as reader:
        await long.execute("SELECT * FROM tried.first")
        running = asyncio.create_task(
            migrate.migrate(cluster.settings, run, database=empty, attempts=2)
        )
        await reader.set_autocommit(True)
        await reader.execute("SET statement_timeout = '3s'")
        reads = 0
        while not running.done():
            await reader.execute("SELECT * FROM tried.first")
            reads += 1
            await asyncio.sleep(0.01)
        assert reads > 1
        with pytest.raises(SetupError, match=r"0002_alter\.sql waits for a lock"):
            await running
    done = await migrate.migrate(cluster.settings, run, database=empty)
    assert done.applied == ["tried/0002_alter.sql"]


async def test_a_lock_that_is_given_up_costs_a_retry_only(
    cluster: Cluster, empty: str, folder: Path
) -> None:
    """K-81: the migration succeeds when the other transaction ends between two attempts."""
    run = [Source(TRIED, folder)]
    await migrate.migrate(cluster.settings, run, database=empty)
    (folder / "0002_alter.sql").write_text(
        "SET lock_timeout = '100ms';\nALTER TABLE tried.first ADD m int;\n"
    )
    conninfo = address.conninfo(cluster.settings, roles.OWNER, database=empty).reveal()
    async with await psycopg.AsyncConnection.connect(conninfo) as long:
        await long.execute("SELECT * FROM tried.first")
        running = asyncio.create_task(migrate.migrate(cluster.settings, run, database=empty))
        await asyncio.sleep(0.3)
        await long.rollback()
        assert (await running).applied == ["tried/0002_alter.sql"]


OUTSIDE = """\
-- outside transaction
-- each partition by itself, as CONCURRENTLY does not know partitioned tables
SET lock_timeout = '5s';
CREATE INDEX IF NOT EXISTS parent_n ON ONLY tried.parent (n);
SELECT format('CREATE INDEX CONCURRENTLY IF NOT EXISTS %I ON tried.%I (n)', child || '_n', child)
FROM unnest('{one,two}'::text[]) child;
SELECT format('ALTER INDEX tried.parent_n ATTACH PARTITION tried.%I', child || '_n')
FROM unnest('{one,two}'::text[]) child;
"""


async def test_indexes_are_built_outside_a_transaction(
    cluster: Cluster, empty: str, folder: Path
) -> None:
    """K-81: concurrent indexes, one per partition, while three more runners wait: no deadlock."""
    (folder / "0002_parent.sql").write_text(
        "CREATE TABLE tried.parent (n int) PARTITION BY LIST (n);"
        "CREATE TABLE tried.one PARTITION OF tried.parent FOR VALUES IN (1);"
        "CREATE TABLE tried.two PARTITION OF tried.parent FOR VALUES IN (2);"
    )
    (folder / "0003_index.sql").write_text(OUTSIDE)
    run = [Source(TRIED, folder)]
    found = await asyncio.gather(
        *(migrate.migrate(cluster.settings, run, database=empty) for _ in range(4))
    )
    assert sorted(len(outcome.applied) for outcome in found)[:3] == [0, 0, 0]
    assert {"parent_n", "one_n", "two_n"} <= await tables(cluster, empty)
    conninfo = address.conninfo(cluster.settings, roles.OWNER, database=empty).reveal()
    async with await psycopg.AsyncConnection.connect(conninfo) as owner:
        cursor = await owner.execute(
            "SELECT bool_and(indisvalid) FROM pg_index"
            " WHERE indrelid = ANY('{tried.parent,tried.one,tried.two}'::regclass[])"
        )
        assert await cursor.fetchone() == (True,)


async def test_what_failed_outside_a_transaction_runs_again(
    cluster: Cluster, empty: str, folder: Path
) -> None:
    """K-81: a failure leaves no record; the mended file runs from its start."""
    file = folder / "0002_outside.sql"
    file.write_text(
        "-- outside transaction\nCREATE TABLE IF NOT EXISTS tried.half (n int);\nSELECT 1 / 0;\n"
    )
    run = [Source(TRIED, folder)]
    with pytest.raises(SetupError, match=r"tried/0002_outside\.sql failed: division by zero"):
        await migrate.migrate(cluster.settings, run, database=empty)
    assert "half" in await tables(cluster, empty)
    file.write_text(file.read_text().replace("SELECT 1 / 0", "SELECT 'DROP TABLE tried.half'"))
    done = await migrate.migrate(cluster.settings, run, database=empty)
    assert "tried/0002_outside.sql" in done.applied
    assert "half" not in await tables(cluster, empty)


def test_an_odd_name_or_a_double_number_is_refused(folder: Path) -> None:
    """K-81: the order of the files is never a matter of chance."""
    (folder / "0001_again.sql").write_text("SELECT 1;\n")
    with pytest.raises(SetupError, match="one number"):
        schema.read_folder(folder)
    (folder / "0001_again.sql").rename(folder / "second.sql")
    with pytest.raises(SetupError, match=r"second\.sql is not named"):
        schema.read_folder(folder)


def test_pending_keeps_the_order_of_the_files() -> None:
    """K-81: what was applied is left out, the rest stays in order."""
    files = [File(f"000{n}_x.sql", str(n)) for n in range(1, 5)]
    recorded = {f.name: f.sha256 for f in files[:2]}
    assert schema.pending("x", files, recorded) == files[2:]


async def test_an_external_database_is_migrated(database: Database) -> None:
    """K-2: the account of DD0C_DATABASE_ADMIN_URL migrates; that of the other URL takes roles."""
    external = database.settings
    assert (await migrate.migrate(external, product_migrations())).applied == []
    for role in roles.RUNTIME:
        conninfo = address.conninfo(external, role).reveal()
        async with await psycopg.AsyncConnection.connect(conninfo) as connection:
            cursor = await connection.execute("SELECT current_user::text, session_user::text")
            assert await cursor.fetchone() == (role, "dd0c_login")


async def test_a_wrong_address_is_one_line_without_the_password(tmp_path: Path) -> None:
    """K-2: a text that is no address, or a place where nobody answers, names the setting only."""
    for url in ("postgresql//user:hunter2@host", "postgresql://user:hunter2@127.0.0.1:1/none"):
        found = settings.load(
            {"home": str(tmp_path)}, {"DD0C_DATABASE_URL": url, "DD0C_DATABASE_ADMIN_URL": url}
        )
        with pytest.raises((SetupError, Unavailable)) as error:
            await migrate.migrate(found, [])
        assert "hunter2" not in error.value.message + error.value.hint
        assert "\n" not in error.value.message


@pytest.mark.parametrize("source", [KERNEL, *product_migrations()], ids=lambda s: s.schema)
def test_every_migration_bounds_its_locks(source: Source) -> None:
    """K-81: each file sets a lock timeout before its first statement."""
    for file in schema.read_folder(source.folder):
        statements = [line for line in file.text.splitlines() if line and line[:2] != "--"]
        assert statements[0].startswith("SET lock_timeout"), file.name


def test_squawk_finds_nothing() -> None:
    """K-81: the linter of migrations has nothing to say, but for number widths: those are meant."""
    program = Path(sys.executable).with_name("squawk")
    missing.unless(program.exists(), "squawk: pip install -r requirements/dev.lock")
    files = [f for s in (KERNEL, *product_migrations()) for f in sorted(s.folder.glob("*.sql"))]
    widths = "--exclude=prefer-bigint-over-int,prefer-bigint-over-smallint"
    run = subprocess.run(
        [program, "--assume-in-transaction", "--pg-version=15.0", widths, *files],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stdout
    assert f"in {len(files)} files" in run.stdout
