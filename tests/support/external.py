"""Stores that are somebody else's: PostgreSQL 15 and 18 on a TCP port, a Redis beside them.

Each listens on loopback with a password, as a managed one would, and dies with the test process.
"""

from __future__ import annotations

import importlib.util
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier, Literal

from dd0c.base import embedded, home, process, settings
from dd0c.base.settings import Settings
from dd0c.kernel.db.embedded import WHEEL
from tests.support import missing
from tests.support.product import free_port, until

DEBIAN_15 = Path("/usr/lib/postgresql/15")
REDIS = "redis-server"
PASSWORD = "p@ss/wörd :?#%"
ADMIN, RUNTIME = "the_admin", "the_runtime"


@dataclass(frozen=True, slots=True)
class Server:
    """A running PostgreSQL. Its superuser is `postgres`; nobody else should use it."""

    version: int
    port: int
    child: subprocess.Popen[bytes]
    numbers: Iterator[int] = field(default_factory=count)

    def conninfo(self, user: str, database: str = "postgres", **more: Any) -> str:
        """An address as the driver takes it."""
        return make_conninfo(
            host="127.0.0.1", port=self.port, user=user, password=PASSWORD, dbname=database, **more
        )

    def superuser(self, database: str = "postgres") -> psycopg.Connection[tuple[Any, ...]]:
        """A connection that may do anything, in autocommit."""
        return psycopg.connect(self.conninfo("postgres", database), autocommit=True)

    @contextmanager
    def database(self, *rights: str) -> Iterator[External]:
        """An empty database of an administrator with these rights, and a runtime account. All of
        dd0c's roles are gone afterwards: they belong to the whole server."""
        external = External(self, f"its {next(self.numbers)}. database")
        password = Literal(PASSWORD)
        with self.superuser() as root:
            for account, extra in ((ADMIN, " ".join(rights)), (RUNTIME, "")):
                root.execute(
                    SQL("CREATE ROLE {} LOGIN {} PASSWORD {}").format(
                        Identifier(account),
                        SQL(extra),
                        password,
                    )
                )
            root.execute(
                SQL("CREATE DATABASE {} OWNER {}").format(
                    Identifier(external.name), Identifier(ADMIN)
                )
            )
        try:
            yield external
        finally:
            self._forget(external.name)

    def _forget(self, database: str) -> None:
        with self.superuser() as root:
            root.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(database)))
            cursor = root.execute(
                "SELECT rolname FROM pg_roles WHERE rolname ~ '^(dd0c|the)_' ORDER BY rolname = %s",
                (ADMIN,),  # who granted goes last
            )
            for (role,) in cursor.fetchall():
                name = Identifier(str(role))
                root.execute(SQL("DROP OWNED BY {} CASCADE").format(name))
                root.execute(SQL("DROP ROLE {}").format(name))


@dataclass(frozen=True, slots=True)
class External:
    """A database on such a server, with its two accounts."""

    server: Server
    name: str

    def url(self, user: str) -> str:
        """The address of the database for one account."""
        password, name = quote(PASSWORD, safe=""), quote(self.name)
        return f"postgresql://{user}:{password}@127.0.0.1:{self.server.port}/{name}"

    def settings(self, folder: Path, **more: str) -> Settings:
        """The settings of `dd0c migrate` in a home; `more` as in the environment."""
        urls = {"DD0C_DATABASE_URL": self.url(RUNTIME), "DD0C_DATABASE_ADMIN_URL": self.url(ADMIN)}
        return settings.load({"home": str(folder)}, urls | more)


@contextmanager
def postgres(version: int) -> Iterator[Server]:
    """A server of that version, for the block."""
    packages, programs = _postgres(version)
    folder = Path(tempfile.mkdtemp(prefix="dd0c-external-"))
    folder.chmod(0o711)
    try:
        place = embedded.place(home.create(folder / "home"), folder / "data", packages)
        bin_folder = place.packages / programs
        password = folder / "password"
        password.write_text(PASSWORD)
        password.chmod(0o644)

        def run(program: str, *arguments: object, output: Any) -> subprocess.Popen[bytes]:
            return process.spawn(
                [bin_folder / program, "-D", place.data, *map(str, arguments)],
                death_signal=signal.SIGQUIT,
                env=embedded.ENVIRONMENT,
                account=place.account,
                binds=place.binds,
                output=output,
            )

        with (folder / "log").open("wb") as log:
            make = run("initdb", "-U", "postgres", "--auth=scram-sha-256", "--pwfile", password,
                "--encoding=UTF8", "--locale=C", "--no-sync", output=log)  # fmt: skip
            assert make.wait(60) == 0, (folder / "log").read_text()
            port = free_port()
            options = {"port": port, "listen_addresses": "127.0.0.1", "fsync": "off",
                "unix_socket_directories": "", "shared_buffers": "32MB"}  # fmt: skip
            child = run("postgres", *(f"--{n}={v}" for n, v in options.items()), output=log)
            server = Server(version, port, child)
            until(lambda: _answers(server), f"PostgreSQL {version} answers")
            yield server
            process.stop(child, ask=signal.SIGINT, within_s=10)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _postgres(version: int) -> tuple[Path, Path]:
    """Where the package is, and where in it the programs are."""
    if version == 18:
        spec = importlib.util.find_spec(WHEEL)
        assert spec is not None
        assert spec.origin is not None
        return Path(spec.origin).parent.parent, Path(WHEEL, "pginstall18", "bin")
    missing.unless(
        (DEBIAN_15 / "bin" / "postgres").exists(), "PostgreSQL 15: apt-get install postgresql-15"
    )
    return DEBIAN_15, Path("bin")


def _answers(server: Server) -> bool:
    assert server.child.poll() is None
    try:
        server.superuser().close()
    except psycopg.OperationalError:
        return False
    return True


@dataclass(slots=True)
class Redis:
    """A running Redis that keeps nothing on disk."""

    port: int
    configuration: bytes
    folder: str
    child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, empty."""
        self.child = subprocess.Popen(
            [str(shutil.which(REDIS)), "-"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            cwd=self.folder,
        )
        assert self.child.stdin is not None
        with self.child.stdin as configuration:
            configuration.write(self.configuration)
        until(lambda: _listens(self.port), "Redis answers")

    def send(self, number: int) -> None:
        """A signal to it."""
        assert self.child is not None
        self.child.send_signal(number)

    def kill(self) -> None:
        """End it; all that it knew is gone."""
        assert self.child is not None
        self.child.kill()
        self.child.wait()


@contextmanager
def redis(**given: str) -> Iterator[Redis]:
    """A Redis with the password and these settings for the block."""
    missing.unless(shutil.which(REDIS) is not None, f"{REDIS}: apt-get install redis-server")
    port = free_port()
    lines = {"port": str(port), "bind": "127.0.0.1", "save": '""',
        "requirepass": f'"{PASSWORD}"', "maxmemory-policy": "noeviction"} | given  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        text = "".join(f"{name} {value}\n" for name, value in lines.items())
        server = Redis(port, text.encode(), folder)
        server.start()
        try:
            yield server
        finally:
            server.kill()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
