"""A gateway that replaces itself while callers keep coming."""

from __future__ import annotations

import asyncio
import http.client
import json
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import psycopg

from dd0c.base.home import Home
from dd0c.kernel.db import roles
from tests.products.route.gateway.running import Running, running_gateway, wait_for
from tests.products.route.gateway.tenant import Tenant
from tests.support import processes
from tests.support.database import Database

CALLERS = 4
BODY = {"model": "gpt-5-mini", "messages": [{"role": "user", "content": "hi"}]}
RELOAD_MAX_S = 30.0


@dataclass
class Callers:
    """Callers with a connection for each request, callers that keep theirs, and callers of streams.
    `wrong` has what no caller should ever see."""

    gateway: Running
    key: str
    answered: int = 0
    streamed: int = 0
    wrong: list[str] = field(default_factory=list)
    _stopped: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def calling(self) -> Iterator[None]:
        """Call for the block; then every request is finished."""
        targets = [self._call_anew, self._call_on, self._stream] * CALLERS
        threads = [threading.Thread(target=target) for target in targets]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stopped.set()
            for thread in threads:
                thread.join(30)

    @property
    def requests(self) -> int:
        """All that were answered in whole."""
        return self.answered + self.streamed

    def goes_on(self, wanted: int) -> bool:
        """Whether so many were answered."""
        return self.requests >= wanted

    def _call_anew(self) -> None:
        while not self._stopped.wait(0.005):
            connection = http.client.HTTPConnection(self._netloc, timeout=20)
            self._post(connection, BODY)
            connection.close()

    def _call_on(self) -> None:
        connection = http.client.HTTPConnection(self._netloc, timeout=20)
        while not self._stopped.wait(0.005):
            self._post(connection, BODY)  # reconnects when the answer before said close
        connection.close()

    def _stream(self) -> None:
        while not self._stopped.wait(0.005):
            connection = http.client.HTTPConnection(self._netloc, timeout=20)
            self._post(connection, BODY | {"stream": True}, "tokens=60;pace=50")
            connection.close()

    @property
    def _netloc(self) -> str:
        return str(self.gateway.facts["gateway_url"]).removeprefix("http://")

    def _post(self, connection: http.client.HTTPConnection, body: object, fault: str = "") -> None:
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        try:
            connection.request(
                "POST", "/v1/chat/completions", json.dumps(body), headers | {"x-sim-fault": fault}
            )
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self.wrong.append(repr(error))
            connection.close()
            return
        whole = not fault or content.rstrip().endswith(b"data: [DONE]")
        with self._lock:
            if answer.status != 200 or not whole:
                self.wrong.append(f"{answer.status} {content[-200:]!r}")
            elif fault:
                self.streamed += 1
            else:
                self.answered += 1


def reload(gateway: Running) -> None:
    """Send the signal and wait until another program serves, with all its workers."""
    before = gateway.facts["generation"]
    gateway.process.send_signal(signal.SIGHUP)
    wait_for(lambda: gateway.facts["generation"] == before + 1, RELOAD_MAX_S)
    gateway.wait_ready()


def rows(database: Database) -> int:
    """Attempts in the ledger."""
    with psycopg.connect(database.conninfo(roles.OWNER).reveal()) as owner:
        found = owner.execute("SELECT count(*) FROM route.attempts").fetchone()
    assert found is not None
    return int(found[0])


def test_three_reloads_cost_no_caller_anything(
    database: Database,
    place: Home,
    registered: None,
    acme: Tenant,
    runner: asyncio.Runner,
    tmp_path: Path,
) -> None:
    """No refused or reset connection, no 5xx, no torn stream, a row for each request; with more
    workers and with fewer (K-7, R-15)."""
    key = runner.run(acme.create()).text.reveal()
    settings = place.path / "dd0c.toml"
    log = tmp_path / "log"
    with running_gateway(database, place, log, DD0C_WORKERS="", DD0C_DRAIN_S="20") as gateway:
        gateway.wait_ready()
        first = gateway.workers()
        callers = Callers(gateway, key)
        with callers.calling():
            for workers in (3, 1, 2):
                settings.write_text(f"workers = {workers}\n")
                begun = callers.requests
                reload(gateway)
                assert len(gateway.workers()) == workers
                wait_for(partial(callers.goes_on, begun + 100), 20)
        assert callers.wrong == []
        assert callers.streamed >= 3 * CALLERS
        wait_for(lambda: not any(processes.lives(pid) for pid in first), 30)
        wait_for(lambda: rows(database) == callers.requests, 10)
        assert gateway.facts["pid"] == gateway.process.pid
