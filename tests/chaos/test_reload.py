"""SIGHUP to `dd0c up`: new processes, no refused connection; what a crash tells (K-6, K-7)."""

from __future__ import annotations

import json
import os
import signal
import socket
import tempfile
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from dd0c.base import notify
from tests.chaos.traffic import Traffic, check_complete
from tests.support import processes
from tests.support.product import Product, running, until

pytestmark = pytest.mark.chaos


@pytest.fixture(scope="module")
def manager() -> Iterator[socket.socket]:
    """The ear of a service manager."""
    with (
        tempfile.TemporaryDirectory(prefix="dd0c-") as folder,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear,
    ):
        ear.bind(f"{folder}/notify")
        ear.settimeout(20)
        yield ear


@pytest.fixture(scope="module")
def unit(manager: socket.socket) -> Iterator[Product]:
    """A dd0c as a unit of systemd."""
    with running(**{notify.NOTIFY_SOCKET: manager.getsockname()}) as one:
        yield one


class Visitors:
    """Callers of the console that take a new connection each time; `refused` are those in vain."""

    def __init__(self, product: Product):
        parts = urlsplit(product.console_url)
        self._at = (parts.hostname, parts.port)
        self.answered = 0
        self.refused: list[str] = []
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._visit) for _ in range(3)]
        for thread in self._threads:
            thread.start()

    def _visit(self) -> None:
        while not self._stopped.is_set():
            try:
                with socket.create_connection(self._at, timeout=20) as connection:
                    connection.sendall(b"GET /livez HTTP/1.0\r\nHost: console\r\n\r\n")
                    answer = connection.recv(64)
            except OSError as error:
                self.refused.append(repr(error))
                continue
            if b" 200 " in answer:
                self.answered += 1
            else:
                self.refused.append(repr(answer))

    def leave(self) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join(30)


def own_parts(product: Product) -> dict[str, int]:
    """The supervisor's children, once predecessors are gone; the gateway's workers may drain."""
    parts = product.parts()
    own = {name: pid for name, pid in parts.items() if not name.startswith("gateway_worker")}
    until(
        lambda: len(processes.children(product.process.pid)) == len(own),
        "nobody runs beside them",
    )
    return {name: product.parts()[name] for name in own}


def facts(product: Product) -> dict[str, Any]:
    """What the supervisor tells of itself."""
    found: dict[str, Any] = json.loads((product.home / "run" / "up.json").read_text())
    return found


def reload(product: Product) -> dict[str, Any]:
    """Hang up, and wait for what came of it."""
    number = facts(product)["reload"]["number"] + 1
    product.process.send_signal(signal.SIGHUP)
    until(
        lambda: (
            facts(product)["reload"]["number"] == number
            and facts(product)["reload"]["state"] != "running"
        ),
        "the reload came to an end",
        within_s=60,
    )
    return facts(product)


def test_a_reload_refuses_no_connection(unit: Product) -> None:
    """K-7: control and worker are other processes, nobody at the console was turned away."""
    before = unit.parts()
    visitors = Visitors(unit)
    try:
        until(lambda: visitors.answered > 20, "visitors are answered")
        told = reload(unit)
        seen = visitors.answered
        until(lambda: visitors.answered > seen + 20, "visitors are answered by the new one")
    finally:
        visitors.leave()
    assert visitors.refused == []
    assert told["reload"] == {"number": 1, "state": "done", "problem": ""}
    after = unit.parts()
    assert {name for name in ("control", "worker") if after[name] != before[name]} == {
        "control",
        "worker",
    }
    assert [after[name] for name in ("postgres", "valkey", "sim")] == [
        before[name] for name in ("postgres", "valkey", "sim")
    ]
    assert unit.is_ready()


def test_a_bad_setting_reloads_nothing(unit: Product) -> None:
    """K-2: a typing error in dd0c.toml is named, and everything goes on as it was."""
    before = own_parts(unit)
    toml = unit.home / "dd0c.toml"
    toml.write_text("drain = 5\n")
    try:
        told = reload(unit)["reload"]
    finally:
        toml.unlink()
    assert told["state"] == "failed"
    assert "dd0c.toml has an unknown setting 'drain'" in told["problem"]
    assert any(line.startswith("not reloaded: ") for line in unit.lines)
    assert own_parts(unit) == before
    assert unit.is_ready()


def test_a_crashing_part_is_told_of_and_takes_nobody_along(unit: Product) -> None:
    """K-6: the facts name a part that falls, how and since when; requests go on meanwhile."""
    _, key = unit.new_org()
    before = _worker(unit)["pid"]
    with Traffic(unit, key) as traffic:
        traffic.goes_on()
        for times in (1, 2):
            os.kill(unit.parts()["worker"], signal.SIGKILL)
            until(partial(_fell, unit, times), "the fall is told")
            until(lambda: "worker" in unit.parts(), "the worker is back")
            until(lambda: _worker(unit)["state"] == "running", "that is told too")
        traffic.goes_on()
        assert traffic.failed == 0
    now = _worker(unit)
    assert (now["failures"], now["last_exit"]) == (2, "was ended by SIGKILL")
    assert now["pid"] != before
    assert Path(now["log"]).exists()
    check_complete(unit, key, traffic.answered)


def _fell(product: Product, times: int) -> bool:
    return bool(_worker(product)["restarts"] == times)


def _worker(product: Product) -> dict[str, Any]:
    found: dict[str, Any]
    (found,) = (child for child in facts(product)["children"] if child["name"] == "worker")
    return found


def test_a_service_manager_hears_of_it_all(unit: Product, manager: socket.socket) -> None:
    """K-7: ready after the start and after each reload, and told of the end before it comes."""
    assert unit.stop() == 0
    heard = [manager.recv(4096).decode().split("\n") for _ in range(6)]
    assert [lines[0] for lines in heard] == [
        "READY=1",
        *["RELOADING=1", "READY=1"] * 2,
        "STOPPING=1",
    ]
    assert all(f"MAINPID={unit.process.pid}" in lines for lines in heard if lines[0] == "READY=1")
