"""What stands behind every gateway, and how programs are started and ended."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench import calls, machine, native
from tests.bench.subject import Missing, Place

READY_WITHIN_S = 15.0
LOOK_S = 0.005  # a cold start is measured with it


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(frozen=True, slots=True)
class Child:
    """A program of ours that runs, and what it writes."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def wait_for(self, port: int, within_s: float = READY_WITHIN_S) -> None:
        """Return when something accepts on the port; Missing when it ends or time is up."""
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise Missing(f"it ended with status {self.process.returncode}: {self._said()}")
            with socket.socket() as probe:
                probe.settimeout(0.5)
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(LOOK_S)
        raise Missing(f"it does not listen after {within_s:.0f} s: {self._said()}")

    def wait_until_it_says(self, words: str, within_s: float) -> None:
        """Return when its output has the words; Missing when it ends or time is up."""
        deadline = time.monotonic() + within_s
        while words not in self.log.read_text(errors="replace"):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise Missing(f"it did not say {words!r}: {self._said()}")
            time.sleep(LOOK_S)

    def _said(self) -> str:
        return " / ".join(self.log.read_text(errors="replace").split("\n")[-8:]).strip(" /")[-600:]


@contextmanager
def running(
    argv: list[str], to: frozenset[int], log: Path, env: dict[str, str] | None = None
) -> Iterator[Child]:
    """A child of ours on those processors; ended, with its family, on the way out."""
    with log.open("wb") as out:
        process = subprocess.Popen(machine.on(to, argv), stdout=out, stderr=out, env=env)
    try:
        yield Child(process, log)
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(15)
        for pid in machine.family(process.pid) if process.poll() is None else []:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)
        process.wait(5)


def nginx_program() -> str:
    found = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if found is None:
        raise Missing("nginx is not installed (Debian, Ubuntu: apt-get install nginx-light)")
    return found


@contextmanager
def nginx(
    folder: Path, name: str, server: str, to: frozenset[int], workers: int = 1
) -> Iterator[Child]:
    """nginx with `server` as its http block's content."""
    place = folder / name
    place.mkdir()
    user = "user root;" if os.geteuid() == 0 else ""
    temporary = " ".join(
        f"{kind}_temp_path {place}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (place / "nginx.conf").write_text(
        f"{user} daemon off; worker_processes {workers}; pid {place}/pid;\n"
        f"error_log {place}/error.log;\n"
        "worker_rlimit_nofile 20000; events { worker_connections 8192; }\n"
        f"http {{ {temporary} access_log off; keepalive_requests 100000000;\n"
        "keepalive_timeout 600; client_max_body_size 16m; client_body_buffer_size 1m;\n"
        f"{server}\n}}\n"
    )
    argv = [nginx_program(), "-p", f"{place}", "-c", f"{place}/nginx.conf", "-e", f"{place}/early"]
    with running(argv, to, place / "output") as child:
        yield child


@contextmanager
def from_memory(place: Place, paced_events: int = calls.PACED_EVENTS) -> Iterator[str]:
    """The upstream, which answers from memory and paces streams by the clock; its address."""
    folder = place.scratch / "answers"
    folder.mkdir(exist_ok=True)
    for name, content in calls.answers().items():
        (folder / name).write_bytes(content)
    port = free_port()
    processes = max(1, len(place.where.rest) // 2)
    argv = [str(native.program("upstream", place.cache)), str(port), str(folder)]
    argv += [str(processes), str(paced_events)]
    with running(argv, place.where.rest, place.scratch / f"upstream-{port}.log") as child:
        child.wait_for(port)
        yield f"http://127.0.0.1:{port}"
