"""The control server as a process: it starts, refuses, drains, and ends with its supervisor."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import httpx

from dd0c.base import process
from dd0c.kernel.auth import pepper
from dd0c.kernel.vault import local
from tests.support.database import Cluster, Database
from tests.support.product import free_port

START_S = 60.0


@contextmanager
def running(
    database: Database, port: int, *, lifeline: int | None = None
) -> Iterator[subprocess.Popen[str]]:
    """`dd0c control` on the database, killed at the end of the block."""
    place = database.cluster.home
    pepper.ensure(place)
    local.ensure(place)
    environment = os.environ | {
        "DD0C_HOME": str(place.path),
        "DD0C_DATABASE_URL": database.settings.database_url.reveal(),
        "DD0C_VALKEY_URL": "valkey://127.0.0.1:1/0",
    }
    passed: Sequence[int] = ()
    if lifeline is not None:
        environment[process.LIFELINE_FD], passed = str(lifeline), (lifeline,)
    child = subprocess.Popen(
        [sys.executable, "-m", "dd0c.cli.main", "control", "--console-port", str(port)],
        env=environment,
        pass_fds=passed,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield child
    finally:
        child.kill()
        child.wait()


def wait_ready(child: subprocess.Popen[str], port: int) -> None:
    """Until it says that it can serve."""
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        assert child.poll() is None, child.communicate()[0]
        with suppress(httpx.TransportError):
            if httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False).status_code == 200:
                return
        time.sleep(0.05)
    raise AssertionError("not ready")


def test_it_serves_and_stops_when_asked(database: Database) -> None:
    """It starts alone, serves, and ends with status 0 on SIGTERM, an idle connection open (K-3)."""
    port = free_port()
    with running(database, port) as child, httpx.Client(trust_env=False) as client:
        wait_ready(child, port)
        assert client.get(f"http://127.0.0.1:{port}/livez").json()["status"] == "alive"
        child.send_signal(signal.SIGTERM)
        said = child.communicate(timeout=20)[0]
    assert child.returncode == 0, said
    assert f"the console listens on 127.0.0.1 port {port}" in said
    assert "Traceback" not in said


def test_a_taken_port_is_one_line(database: Database) -> None:
    """A port in use ends it with status 2 and what to do, before anything is opened (K-2)."""
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        running(database, taken.getsockname()[1]) as child,
    ):
        said = child.communicate(timeout=START_S)[0]
    assert child.returncode == 2
    assert "in use" in said
    assert "--console-port" in said
    assert "Traceback" not in said


def test_it_does_not_outlive_its_supervisor(database: Database) -> None:
    """When the supervisor's end of the lifeline closes, it is gone within five seconds (K-6)."""
    read_end, write_end = os.pipe()
    port = free_port()
    with running(database, port, lifeline=read_end) as child:
        os.close(read_end)
        wait_ready(child, port)
        os.close(write_end)
        child.communicate(timeout=5)
    assert child.returncode is not None


def test_it_refuses_a_database_that_is_too_open(cluster: Cluster, database: Database) -> None:
    """A tenant table without forced row-level security stops the start and is named (K-10)."""
    with cluster.admin(database.name) as admin:
        admin.execute("ALTER TABLE route.attempts NO FORCE ROW LEVEL SECURITY")
    with running(database, free_port()) as child:
        said = child.communicate(timeout=START_S)[0]
    assert child.returncode == 2
    assert "route.attempts" in said
    assert "Traceback" not in said
