"""How long a panic takes until every worker refuses, whatever is away (K-63).

    python -m tests.chaos.panic_drill          eight workers, all combinations, a table

A control server and a gateway on one PostgreSQL and one Valkey, which the gateway reaches through
passages: for the gateway each is up, paused (connections stand, nothing comes) or dead. The brake
is put on through the API, and by the local file as `dd0c panic on --local` writes it; with the
database away for the control server too, by who types `dd0c panic on` on the host. Measured is from
the beginning of that until all of many connections, spread over all workers, are refused.
"""

from __future__ import annotations

import itertools
import logging
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from dd0c.kernel.autonomy import local
from dd0c.kernel.autonomy.local import Said
from dd0c.kernel.autonomy.states import Panic
from tests.products.route.gateway.running import Running, ask, running_gateway
from tests.support import processes
from tests.support.control import Served, serving_live
from tests.support.database import Cluster, Database, cut_off, running_cluster
from tests.support.passage import Passage, State

SOCKET = ".s.PGSQL.5432"
WITHIN_S = 20.0
CONNECTIONS_A_WORKER = 8  # the kernel picks a worker for each
REFUSED = 503
COMBINATIONS = tuple(itertools.product(State, State))


@dataclass(frozen=True, slots=True)
class Drill:
    """A gateway that serves acme, and what stands between it and its stores."""

    served: Served
    gateway: Running
    connections: Sequence[HTTPConnection]
    database: Passage
    cache: Passage

    def by_api(self, database: State, cache: State) -> float:
        """Seconds until all refuse, told through the API while stores are like that."""
        self._set(database, cache)
        begun = time.monotonic()
        self._call("POST", mode="halt")
        return self._until(REFUSED) - begun

    def by_file(self, database: State, cache: State) -> float:
        """The same, told by the local file."""
        self._set(database, cache)
        begun = time.monotonic()
        self._write(Panic.HALT)
        return self._until(REFUSED) - begun

    def by_verb(self) -> float:
        """The same, by somebody on the host who types `dd0c panic on`; with the command's start."""
        home, url = self.gateway.home.path, urlsplit(self.served.url)
        environment = {**os.environ, "DD0C_HOME": str(home), "DD0C_CONSOLE_PORT": str(url.port)}
        words = ("panic", "on", "--mode", "halt", "--reason", "a drill")
        begun = time.monotonic()
        with subprocess.Popen(
            [sys.executable, "-m", "dd0c.cli.main", *words],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as typed:
            refused = self._until(REFUSED)
            assert typed.wait(WITHIN_S) == 0
        return refused - begun

    def calm(self) -> None:
        """All is well again, and everybody has heard that it is over."""
        self._set(State.UP, State.UP)
        self._call("DELETE")
        self._write(None)
        self._until(self._calm_status)

    @property
    def _calm_status(self) -> int:
        return 404  # there is no provider: the request got as far as that

    def _set(self, database: State, cache: State) -> None:
        self.database.set(database)
        self.cache.set(cache)

    def _call(self, method: str, **body: str) -> None:
        with self.served.client(self.served.acme) as client:
            answer = client.request(
                method, "/api/v1/admin/panic", json={"reason": "a drill"} | body
            )
        assert answer.status_code == httpx.codes.OK, answer.text

    def _write(self, panic: Panic | None) -> None:
        local.write(self.gateway.home.path, Said(panic, "a drill", ""))

    def _until(self, status: int) -> float:
        """When each connection got this status, one after the other."""
        deadline = time.monotonic() + WITHIN_S
        for connection in self.connections:
            while ask(connection, self.served.acme) != status:
                assert time.monotonic() < deadline, f"not {status} within {WITHIN_S} s"
        return time.monotonic()


@contextmanager
def drilling(cluster: Cluster, workers: int) -> Iterator[Drill]:
    """A drill that is ready to begin."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dd0c-drill-")))
        served = stack.enter_context(serving_live(cluster))
        stores = conninfo_to_dict(served.database.settings.database_url.reveal())
        valkey = urlsplit(served.settings.valkey_url.reveal())
        database = stack.enter_context(Passage(folder / SOCKET, Path(str(stores["host"])) / SOCKET))
        cache = stack.enter_context(Passage(folder / "valkey", Path(valkey.path)))
        url = make_conninfo("", **stores | {"host": str(folder)})
        gateway = stack.enter_context(
            running_gateway(
                served.database,
                cluster.home,
                folder / "log",
                workers=workers,
                DD0C_DATABASE_URL=url,
                DD0C_VALKEY_URL=f"unix://{folder / 'valkey'}?{valkey.query}",
            )
        )
        gateway.wait_ready()
        opened = [gateway.connect() for _ in range(workers * CONNECTIONS_A_WORKER)]
        for connection in opened:
            stack.callback(connection.close)
        drill = Drill(served, gateway, opened, database, cache)
        drill.calm()
        yield drill


def run(workers: int, rounds: int) -> None:
    """All combinations, as a table on stdout; seconds, the median and the slowest."""
    logging.disable(logging.WARNING)
    print(f"{workers} workers, {rounds} rounds; seconds until all refuse: median, slowest")
    print("for the gateway:")
    print(f"{'PostgreSQL':<12}{'Valkey':<10}{'told by':<10}")
    with running_cluster() as cluster, drilling(cluster, workers) as drill:
        for database, cache in COMBINATIONS:
            ways = {"API": drill.by_api, "file": drill.by_file}
            if State.UP not in (database, cache):
                del ways["API"]
            for name, way in ways.items():
                took = []
                for _ in range(rounds):
                    took.append(way(database, cache))
                    drill.calm()
                _row(database, cache, name, took)
        print("for everybody:")
        for state, fault in (("paused", _paused), ("dead", cut_off)):
            took = []
            for _ in range(rounds):
                with fault(drill.served.database):
                    took.append(drill.by_verb())
                drill.calm()
            _row(state, "up", "dd0c panic on", took)


def _row(database: str, cache: str, way: str, took: Sequence[float]) -> None:
    middle, slowest = statistics.median(took), max(took)
    print(f"{database:<12}{cache:<10}{way:<14}{middle:6.3f} {slowest:6.3f}", flush=True)


@contextmanager
def _paused(database: Database) -> Iterator[None]:
    """The server itself stands still, for the control server too."""
    place = database.cluster.home.postgres
    (pid, *_) = next(place.rglob("postmaster.pid")).read_text().split()
    family = [int(pid), *processes.descendants(int(pid))]
    for one in family:
        os.kill(one, signal.SIGSTOP)
    try:
        yield
    finally:
        for one in family:
            os.kill(one, signal.SIGCONT)


if __name__ == "__main__":
    run(workers=int(sys.argv[1]) if sys.argv[1:] else 8, rounds=3)
