"""A gateway that replaces itself while callers keep coming."""

from __future__ import annotations

import asyncio
import http.client
import json
import signal
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import psycopg

from dd0c.base.home import Home
from dd0c.kernel.db import roles
from tests.products.route.gateway.running import Running, ask, running_gateway, wait_for
from tests.products.route.gateway.tenant import Tenant
from tests.products.route.gateway.test_standby import away
from tests.support import processes
from tests.support.database import Database

CALLERS = 2
BODY = {"model": "gpt-5-mini", "messages": [{"role": "user", "content": "hi"}]}
RELOAD_MAX_S = 30.0
PAUSE_S = 0.03


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
        while not self._stopped.wait(PAUSE_S):
            connection = http.client.HTTPConnection(self._netloc, timeout=20)
            self._post(connection, BODY)
            connection.close()

    def _call_on(self) -> None:
        connection = http.client.HTTPConnection(self._netloc, timeout=20)
        while not self._stopped.wait(PAUSE_S):
            self._post(connection, BODY)  # reconnects when the answer before said close
        connection.close()

    def _stream(self) -> None:
        while not self._stopped.wait(PAUSE_S):
            connection = http.client.HTTPConnection(self._netloc, timeout=20)
            self._post(connection, BODY | {"stream": True}, "tokens=40;pace=50")
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
                wait_for(partial(callers.goes_on, begun + 40), 20)
            wait_for(lambda: callers.streamed >= 3 * CALLERS, 20)
        assert callers.wrong == []
        wait_for(lambda: not any(processes.lives(pid) for pid in first), 30)
        wait_for(lambda: rows(database) == callers.requests, 10)
        assert gateway.facts["pid"] == gateway.process.pid


def test_settings_that_cannot_work_change_nothing(
    database: Database, place: Home, registered: None, acme: Tenant, tmp_path: Path
) -> None:
    """A reload that would not start is refused with its reason; the old program serves on (K-7)."""
    settings = place.path / "dd0c.toml"
    settings.write_text("workers = 1\n")
    log = tmp_path / "log"
    with running_gateway(database, place, log, DD0C_WORKERS="", DD0C_GATEWAY_PORT="0") as gateway:
        gateway.wait_ready()
        before = gateway.workers()
        wrong = (
            "workers = 'many'",
            "workers in ",
            "gateway_host = '127.0.0.2'",
            "listens on 127.0.0.1 ",
        )
        for number, (written, reason) in enumerate(zip(wrong[::2], wrong[1::2], strict=True), 1):
            settings.write_text(written)
            gateway.process.send_signal(signal.SIGHUP)
            wait_for(partial(was_refused, gateway, number), RELOAD_MAX_S)
            assert reason in gateway.facts["refused"]["message"]
            assert reason in log.read_text()
        assert gateway.facts["generation"] == 1
        assert gateway.workers() == before
        assert gateway.readiness()["ready"]


def was_refused(gateway: Running, times: int) -> bool:
    """Whether so many reloads were."""
    return bool(gateway.facts["refused"]["number"] == times)


def test_a_reload_needs_no_database(
    database: Database,
    place: Home,
    registered: None,
    acme: Tenant,
    runner: asyncio.Runner,
    tmp_path: Path,
) -> None:
    """While PostgreSQL is away the new program serves what the old one kept on disk (K-7, K-8)."""
    with running_gateway(database, place, tmp_path / "log", workers=1) as gateway:
        gateway.wait_ready()
        key = runner.run(acme.create()).text.reveal()  # too new to have been kept yet
        connection = gateway.connect()
        assert ask(connection, key) == 200
        with away(database) as back:
            wait_for(lambda: gateway.readiness()["database"] == "away", 15)
            reload(gateway)
            assert gateway.readiness()["snapshot"]["source"] == "disk"
            with closing(gateway.connect()) as another:
                assert ask(another, key) == 200
            back()
            wait_for(lambda: gateway.readiness()["database"] == "following", 10)
        connection.close()


def test_a_revocation_reaches_the_workers_of_before(
    database: Database,
    place: Home,
    registered: None,
    acme: Tenant,
    runner: asyncio.Runner,
    tmp_path: Path,
) -> None:
    """What changes while one program follows the other ends on kept connections too (K-20)."""
    made = runner.run(acme.create())
    key = made.text.reveal()
    with running_gateway(database, place, tmp_path / "log", workers=1) as gateway:
        gateway.wait_ready()
        connection = gateway.connect()
        assert ask(connection, key) == 200
        (elder,) = gateway.workers()
        kept = connection.sock
        gateway.process.send_signal(signal.SIGHUP)
        wait_for(lambda: gateway.facts["generation"] == 2, RELOAD_MAX_S)
        runner.run(acme.revoke(made.key))
        gateway.wait_ready()
        assert connection.sock is kept  # the next answer is the elder's last on it
        assert ask(connection, key) == 401
        assert connection.sock is None
        wait_for(lambda: not processes.lives(elder), 10)
