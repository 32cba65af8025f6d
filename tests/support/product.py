"""The whole product as a user starts it: `dd0c up` in a home of its own, on free ports.

    def test_something(product: Product) -> None:
        answer = product.api("GET", "/route/requests")

`product` is shared by a test session: leave it as you found it, and make an organisation of your
own (`product.new_org()`) where counts matter. Tests that kill take `running()` for themselves.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support import processes
from tests.support.plain import NO_TLS

START_WITHIN_S = 90.0
DEADLINE_S = 20.0
LAST_LINE = "Ctrl-C stops it."  # of those that say that it is ready
_numbers = itertools.count(1)
_PORTS = range(20_000, 32_000)  # outgoing connections begin at 32768
_claims: list[socket.socket] = []


@dataclass(slots=True)
class Product:
    """A running dd0c."""

    home: Path
    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)
    gateway_url: str = ""
    console_url: str = ""
    sim_url: str = ""

    @property
    def owner_key(self) -> str:
        return (self.home / "owner.key").read_text().strip()

    def api(
        self, method: str, path: str, *, key: str | None = None, **request: Any
    ) -> httpx.Response:
        """The answer of `/api/v1{path}`; as the first owner unless `key` says otherwise."""
        return httpx.request(
            method,
            f"{self.console_url}/api/v1{path}",
            headers={"Authorization": f"Bearer {key or self.owner_key}"},
            timeout=DEADLINE_S,
            verify=NO_TLS,
            **request,
        )

    def get_json(self, path: str, *, key: str | None = None, **query: Any) -> Any:
        """The decoded answer of a GET that must succeed."""
        answer = self.api("GET", path, key=key, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def chat(self, *, key: str | None = None, fault: str = "", **body: Any) -> httpx.Response:
        """A chat completion of the gateway, buffered."""
        return httpx.post(
            f"{self.gateway_url}/v1/chat/completions",
            headers={"Authorization": f"Bearer {key or self.owner_key}", "x-sim-fault": fault},
            json={"model": "gpt-5-mini", "messages": [{"role": "user", "content": "Hello"}]} | body,
            timeout=DEADLINE_S,
            verify=NO_TLS,
        )

    def cli(self, *argv: str, **env: str) -> subprocess.CompletedProcess[str]:
        """A verb of the command line, run on this host and home."""
        return subprocess.run(
            [sys.executable, "-m", "dd0c.cli.main", *argv],
            env=_environment(self.home) | env,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def new_org(self) -> tuple[str, str]:
        """A fresh organisation: its name and owner key."""
        name = f"org-{os.getpid()}-{next(_numbers)}"
        answer = self.api("POST", "/orgs", json={"name": name})
        assert answer.status_code == 201, answer.text
        key = str(answer.json()["owner_key"])
        until(lambda: self.is_known(key), "every worker knows the new key", within_s=10.0)
        return name, key

    def is_known(self, key: str) -> bool:
        """Whether fresh connections, spread over all workers, get past the key check.

        They ask for nothing, which is a 400 without a row in the ledger.
        """
        url = f"{self.gateway_url}/v1/chat/completions"
        headers = {"Authorization": f"Bearer {key}"}
        asked = (httpx.post(url, headers=headers, content="{}", verify=NO_TLS) for _ in range(12))
        return all(answer.status_code == 400 for answer in asked)

    def parts(self) -> dict[str, int]:
        """Process ids: the supervisor's children by name, gateway workers as `gateway_worker-N`."""
        found = {_part(child): child for child in processes.children(self.process.pid)}
        for i, worker in enumerate(processes.children(found.get("gateway", -1))):
            found[f"gateway_worker-{i}"] = worker
        return found

    def is_ready(self) -> bool:
        """Whether gateway and console say that they can serve."""
        try:
            return all(
                httpx.get(f"{url}/readyz", timeout=10.0, verify=NO_TLS).status_code == 200
                for url in (self.gateway_url, self.console_url)
            )
        except httpx.TransportError:
            return False

    def stop(self, *, within_s: float = 60.0) -> int:
        """Ctrl-C, and the exit status."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(within_s)

    def restart(self) -> None:
        """Start again, after an end of whatever kind, on the same home and ports."""
        ports = {
            "DD0C_GATEWAY_PORT": self.gateway_url.rpartition(":")[2],
            "DD0C_CONSOLE_PORT": self.console_url.rpartition(":")[2],
        }
        new = start(self.home, **ports)
        self.process, self.lines, self.sim_url = new.process, new.lines, new.sim_url


@pytest.fixture(scope="session")
def product() -> Iterator[Product]:
    """The session's running dd0c: two gateway workers, simulated providers, little patience."""
    with running(DD0C_BODY_TIMEOUT_S="2") as one:
        yield one


@contextmanager
def running(home: Path | None = None, **env: str) -> Iterator[Product]:
    """A dd0c of one's own. It is stopped at the end, and must stop cleanly if it still runs."""
    with tempfile.TemporaryDirectory(prefix="dd0c-", ignore_cleanup_errors=True) as folder:
        os.chmod(folder, 0o711)  # as root the database's account must pass through
        one = start(home or Path(folder) / "home", **env)
        try:
            yield one
            if one.process.poll() is None:
                assert one.stop() == 0, "\n".join(one.lines)
        finally:
            if one.process.poll() is None:
                one.process.kill()
                one.process.wait()


def start(home: Path, *, enter: Sequence[str] = (), **env: str) -> Product:
    """`dd0c up` on this home; returns when it says that it is ready.

    `enter` begins the command that starts it elsewhere, on a disk of its own for example.
    """
    process = _up(home, env, enter)
    one = Product(home, process)
    ready = threading.Event()
    threading.Thread(target=_read, args=(one, ready), daemon=True).start()
    if not ready.wait(START_WITHIN_S) or LAST_LINE not in one.lines:
        process.kill()
        process.wait()
        raise AssertionError("dd0c up did not become ready:\n" + "\n".join(one.lines))
    facts = json.loads((home / "run" / "up.json").read_text())
    one.gateway_url, one.console_url = facts["gateway_url"], facts["console_url"]
    one.sim_url = facts["sim_url"]
    return one


def kill_at(home: Path, step: str) -> None:
    """`dd0c up` on this home, killed when it says that it begins the step."""
    with _up(home, {}) as process:
        assert process.stdout is not None
        said = next((line for line in process.stdout if line.startswith(step)), None)
        process.kill()
    assert said is not None


def until(true: Callable[[], bool], what: str, *, within_s: float = DEADLINE_S) -> float:
    """Wait until `true()`; returns the seconds it took, fails after `within_s`."""
    begun = time.monotonic()
    while not true():
        if time.monotonic() - begun > within_s:
            raise AssertionError(f"not within {within_s} s: {what}")
        time.sleep(0.02)
    return time.monotonic() - begun


def _up(home: Path, env: dict[str, str], enter: Sequence[str] = ()) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*enter, sys.executable, "-m", "dd0c.cli.main", "up"],
        env=_environment(home) | env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def _read(one: Product, ready: threading.Event) -> None:
    assert one.process.stdout is not None
    with one.process.stdout as out:
        for line in out:
            one.lines.append(line.rstrip("\n"))
            if one.lines[-1] == LAST_LINE:
                ready.set()
    ready.set()


def _environment(home: Path) -> dict[str, str]:
    foreign = ("DD0C_", "OPENAI_", "ANTHROPIC_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return kept | {
        "DD0C_HOME": str(home),
        "DD0C_GATEWAY_PORT": str(free_port()),
        "DD0C_CONSOLE_PORT": str(free_port()),
        "DD0C_WORKERS": "2",
        "DD0C_BREAKER_FAILURES": "20",  # tests make providers fail, and few mean their breakers
        "DD0C_BREAKER_REST_S": "3",
    }


def free_port() -> int:
    """A port that nobody takes between this look and the listen of a start, or of a restarted part.

    Port 0 would be drawn from the range of outgoing connections. Test processes, of other checkouts
    too, tell each other by a name that the kernel keeps for as long as this process lives.
    """
    for port in random.SystemRandom().sample(_PORTS, 200):
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            claim.bind(f"\0dd0c-tests-port-{port}")
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            claim.close()
            continue
        _claims.append(claim)
        return port
    raise AssertionError("no port is free")


def _part(pid: int) -> str:
    argv = processes.argv(pid) or ["gone"]
    if "dd0c.cli.main" in argv:
        return argv[argv.index("dd0c.cli.main") + 1]
    program, *_ = argv[0].split()  # valkey writes its address behind its name
    return Path(program).name.removesuffix("-server")
