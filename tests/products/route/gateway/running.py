"""A whole gateway, parent and workers, in processes of its own on the test's database."""

from __future__ import annotations

import http.client
import json
import math
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dd0c.base.home import Home
from tests.support import processes
from tests.support.database import Database

START_MAX_S = 60.0
STOP_MAX_S = 10.0


@dataclass(frozen=True)
class Running:
    """A running gateway."""

    process: subprocess.Popen[bytes]
    home: Home
    log: Path

    @property
    def facts(self) -> dict[str, Any]:
        """What it wrote down about itself."""
        found: dict[str, Any] = json.loads((self.home.run / "gateway.json").read_text())
        return found

    def readiness(self) -> dict[str, Any]:
        """The answer of the admin port's `/readyz`, whose status must say the same."""
        connection = http.client.HTTPConnection(
            urlsplit(self.facts["admin_url"]).netloc, timeout=10
        )
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        found: dict[str, Any] = json.load(answer)
        connection.close()
        assert answer.status == (200 if found["ready"] else 503)
        return found

    def metric(self, name: str) -> float:
        """A number of the admin port's `/metrics`; labels belong to the name. Not a number, which
        is equal to nothing, while no worker has told it."""
        with urllib.request.urlopen(f"{self.facts['admin_url']}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        told = (line for line in lines if line.startswith(f"{name} "))
        return next((float(line.rpartition(" ")[2]) for line in told), math.nan)

    def workers(self) -> list[int]:
        """Process ids of the workers by slot."""
        return [worker["pid"] for worker in self.readiness()["workers"]]

    def connect(self) -> http.client.HTTPConnection:
        """A connection that stays open, to whichever worker."""
        url = urlsplit(self.facts["gateway_url"])
        connection = http.client.HTTPConnection(str(url.hostname), url.port, timeout=10)
        connection.connect()
        return connection

    def wait_ready(self) -> None:
        """Wait until all workers serve."""
        wait_for(lambda: self.process.poll() is not None or self._is_ready(), START_MAX_S)
        assert self.process.poll() is None, self.log.read_text()

    def _is_ready(self) -> bool:
        try:
            return bool(self.readiness()["ready"])
        except (OSError, ValueError):
            return False


def ask(connection: http.client.HTTPConnection, key: str) -> int:
    """The status of a request that needs a valid key and costs nothing."""
    connection.request("GET", "/v1/models", headers={"Authorization": f"Bearer {key}"})
    answer = connection.getresponse()
    answer.read()
    return answer.status


def wait_for(condition: Callable[[], object], within_s: float) -> None:
    """Wait for what other processes do."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {within_s} s"
        time.sleep(0.01)


@contextmanager
def running_gateway(
    database: Database, home: Home, log: Path, *, workers: int = 2, **environment: str
) -> Iterator[Running]:
    """Start a gateway on the database and end it, with all its workers."""
    given = {
        "DD0C_HOME": str(home.path),
        "DD0C_DATABASE_URL": database.settings.database_url.reveal(),
        "DD0C_GATEWAY_PORT": "0",
        "DD0C_WORKERS": str(workers),
        "DD0C_DRAIN_S": "5",
    }
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "dd0c.cli.main", "gateway"],
            env={**os.environ, **given, **environment},
            stdout=output,
            stderr=output,
        )
    started = Running(process, home, log)
    try:
        yield started
    finally:
        left = processes.descendants(process.pid)
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_MAX_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for pid in left:
            if processes.lives(pid):
                os.kill(pid, signal.SIGKILL)
