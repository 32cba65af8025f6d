"""One embedded PostgreSQL for a test process, a template with all migrations, a clone per test.

The suite speaks as the runtime roles, like the product. `Database.settings` addresses the clone as
an external database would be: an account that may take the runtime roles and nothing else.
"""

from __future__ import annotations

import asyncio
import itertools
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier

from dd0c.base import home, settings
from dd0c.base.secrets import Secret
from dd0c.base.settings import Settings
from dd0c.kernel.db import address, migrate, provision, roles
from dd0c.kernel.db.embedded import EmbeddedPostgres
from dd0c.kernel.db.schema import Source
from tests.house import tree

TEMPLATE = "template_of_tests"
MEMORY, MEMORY_BYTES_MIN = Path("/dev/shm"), 4 * 1024**3
LOGIN, LOGIN_PASSWORD = "dd0c_login", "not-a-secret"


@dataclass(frozen=True, slots=True)
class Database:
    """A database of its own with the complete schema."""

    cluster: Cluster
    name: str

    def conninfo(self, role: str) -> Secret:
        """How to connect as one of `roles.ALL`, or as `roles.ADMIN`."""
        return address.conninfo(self.cluster.settings, role, database=self.name)

    @property
    def settings(self) -> Settings:
        """Settings under which the product's own code finds this database."""
        place = {"host": str(self.cluster.home.sockets), "dbname": self.name}
        return replace(
            self.cluster.settings,
            database_url=Secret(make_conninfo(user=LOGIN, password=LOGIN_PASSWORD, **place)),
            database_admin_url=self.conninfo(roles.ADMIN),
        )


@dataclass(frozen=True, slots=True)
class Cluster:
    """A running server. `clone` makes databases on it."""

    home: home.Home
    settings: Settings
    numbers: itertools.count[int]

    def admin(self, database: str = "postgres") -> psycopg.Connection[tuple[object, ...]]:
        """A connection as the superuser, in autocommit."""
        conninfo = address.conninfo(self.settings, roles.ADMIN, database=database)
        return psycopg.connect(conninfo.reveal(), autocommit=True)

    @contextmanager
    def clone(self) -> Iterator[Database]:
        """A copy of the template for the block."""
        database = Database(self, f"test_{next(self.numbers)}")
        name = Identifier(database.name)
        with self.admin() as admin:
            admin.execute(
                SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy").format(
                    name, Identifier(TEMPLATE)
                )
            )
        asyncio.run(_open_to_roles(database))
        try:
            yield database
        finally:
            with self.admin() as admin:
                admin.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(name))


async def _open_to_roles(database: Database) -> None:
    """Who may connect is not copied with a template."""
    conninfo = database.conninfo(roles.ADMIN).reveal()
    async with await psycopg.AsyncConnection.connect(conninfo, autocommit=True) as admin:
        await provision.close_to_others(
            admin, ["kernel", migrate.QUEUE, *(s.schema for s in product_migrations())]
        )
        await provision.make_schemas(admin, [], roles.ALL)
        await admin.execute(
            SQL("GRANT CONNECT ON DATABASE {} TO {}").format(
                Identifier(database.name), Identifier(LOGIN)
            )
        )


@contextmanager
def running_cluster() -> Iterator[Cluster]:
    """A server with the template, for the block."""
    folder = Path(tempfile.mkdtemp(prefix="dd0c-test-", dir=_fast_folder()))
    found = settings.load({"home": str(folder)}, {})
    place = home.create(found.home)
    server = EmbeddedPostgres(place, found, durable=False)
    try:
        server.start()
        cluster = Cluster(place, found, itertools.count(1))
        asyncio.run(migrate.migrate(found, product_migrations(), database=TEMPLATE))
        with cluster.admin() as admin:
            admin.execute(f"CREATE ROLE {LOGIN} LOGIN NOINHERIT PASSWORD '{LOGIN_PASSWORD}'")
            admin.execute(f"GRANT {', '.join(roles.RUNTIME)} TO {LOGIN}")
            # Dropping a database waits for whoever is about to enter the server: a minute, for one
            # whose client was cut in between.
            admin.execute("ALTER SYSTEM SET authentication_timeout = '10s'")
            admin.execute("SELECT pg_reload_conf()")
        yield cluster
    finally:
        server.stop()
        shutil.rmtree(folder)


def _fast_folder() -> str | None:
    """Memory where there is room: a clone is 400 files, 25 ms there and 270 ms on a disk."""
    if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > MEMORY_BYTES_MIN:
        return str(MEMORY)
    return None


def product_migrations() -> list[Source]:
    """The migrations of every product there is."""
    folders = sorted((tree.SOURCE / "products").glob("*/migrations"))
    return [Source(folder.parent.name, folder) for folder in folders]


@contextmanager
def cut_off(database: Database) -> Iterator[None]:
    """Nobody reaches the database for the block."""
    with database.cluster.admin() as admin:
        admin.execute(f"ALTER DATABASE {database.name} ALLOW_CONNECTIONS false")
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
            (database.name,),
        )
        yield
        admin.execute(f"ALTER DATABASE {database.name} ALLOW_CONNECTIONS true")
