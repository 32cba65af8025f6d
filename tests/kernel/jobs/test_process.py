"""The job worker as a process: what it does at its start, and how it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from dd0c.base import admin, home
from dd0c.base.process import LIFELINE_FD
from dd0c.kernel.auth import pepper
from dd0c.kernel.vault import local
from tests.support.database import Database

START_MAX_S = 60.0
END_MAX_S = 5.0


@contextmanager
def running(
    database: Database, tmp_path: Path, **env: str
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A job worker and the end of its lifeline that its supervisor would hold; see `worker.log`."""
    place = home.create(tmp_path / "home")
    pepper.ensure(place)
    local.ensure(place)
    reading, writing = os.pipe()
    with (tmp_path / "worker.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "dd0c.cli.main", "worker"],
            env={
                **os.environ,
                "DD0C_HOME": str(place.path),
                "DD0C_DATABASE_URL": database.settings.database_url.reveal(),
                "DD0C_VALKEY_URL": "valkey://127.0.0.1:1/0",
                LIFELINE_FD: str(reading),
                **env,
            },
            pass_fds=(reading,),
            stderr=log,
        )
    os.close(reading)
    try:
        yield process, writing
    finally:
        process.kill()
        process.wait()
        with suppress(OSError):  # a test may have cut it
            os.close(writing)


def wait_for(condition: Callable[[], object]) -> None:
    """Wait for what the process does."""
    deadline = time.monotonic() + START_MAX_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def count(database: Database, query: str) -> int:
    """The number that a query of the superuser's gives."""
    with database.cluster.admin(database.name) as admin:
        row = admin.execute(query.encode()).fetchone()
    assert row is not None
    return int(str(row[0]))


def has_worked(database: Database) -> bool:
    """Whether a job worker is registered and has nothing left to do."""
    workers = count(database, "SELECT count(*) FROM jobs.procrastinate_workers")
    return workers == 1 and not count(database, "SELECT count(*) FROM jobs.procrastinate_jobs")


def test_a_worker_makes_next_months_partitions_and_ends_when_asked(
    database: Database, tmp_path: Path
) -> None:
    """The ledger never runs out of partitions, and SIGTERM ends with 0, signed off (K-3, R-10)."""
    attempts = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'route.attempts'::regclass"
    before = count(database, attempts)
    with database.cluster.admin(database.name) as admin:
        newest = admin.execute(
            "SELECT max(inhrelid::regclass::text) FROM pg_inherits"
            " WHERE inhparent = 'route.attempts'::regclass"
        ).fetchone()
        assert newest is not None
        admin.execute(f"DROP TABLE {newest[0]}".encode())
    with running(database, tmp_path) as (process, _):
        wait_for(lambda: count(database, attempts) == before)
        wait_for(lambda: has_worked(database))
        process.send_signal(signal.SIGTERM)
        assert process.wait(END_MAX_S) == 0
    assert count(database, "SELECT count(*) FROM jobs.procrastinate_workers") == 0


def test_a_worker_ends_with_its_supervisor(database: Database, tmp_path: Path) -> None:
    """A killed supervisor leaves no job worker behind (K-6)."""
    with running(database, tmp_path) as (process, lifeline):
        wait_for(lambda: has_worked(database))
        os.close(lifeline)
        process.wait(END_MAX_S)


def test_a_worker_waits_for_the_door_of_the_one_before(database: Database, tmp_path: Path) -> None:
    """A fixed admin port is no reason to fail while the worker before finishes its jobs (K-7)."""
    with admin.open_door(0, "") as door:
        port = door.getsockname()[1]
        with running(database, tmp_path, DD0C_WORKER_ADMIN_PORT=str(port)) as (process, _):
            log = tmp_path / "worker.log"
            wait_for(lambda: "is taken, waiting" in log.read_text() or process.poll() is not None)
            door.close()
            wait_for(lambda: answers(port) or process.poll() is not None)
            assert process.poll() is None, log.read_text()


def answers(port: int) -> bool:
    """Whether somebody says there that he lives."""
    try:
        return httpx.get(f"http://127.0.0.1:{port}/livez", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False
