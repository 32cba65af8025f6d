"""What makes the figures trustworthy: each piece of the measurement against known behaviour."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.bench import calls, figures, peers, report, rounds
from tests.bench.figures import Frontier, Probe
from tests.bench.upstream import Missing
from tests.bench.wrk import Throughput

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
STALL_S = 0.5


@contextmanager
def server(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server whose connections are each served by a thread; its port."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as door:

        def serve(connection: socket.socket) -> None:
            with connection:
                answer(connection)

        def accept() -> None:
            while True:
                try:
                    connection, _ = door.accept()
                except OSError:
                    return
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield door.getsockname()[1]
        door.shutdown(socket.SHUT_RDWR)


def client(module: str, port: int, **task: Any) -> dict[str, Any]:
    """What one of the load generators reports about a server."""
    head = calls.CHAT.head(f"127.0.0.1:{port}", {}).decode()
    target = {"name": "it", "host": "127.0.0.1", "port": port}
    target |= {"head": head, "body": calls.CHAT.body.decode()}
    done = subprocess.run(
        [sys.executable, "-m", f"tests.bench.{module}"],
        input=json.dumps({"target": target, **task}),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_stall_is_paid_by_all_who_were_due_in_it() -> None:
    """R-44: requests that were due while the server stood still count from when they were due."""
    began = threading.Event()

    def answer(connection: socket.socket) -> None:
        while connection.recv(65536):
            if not began.is_set():
                began.set()
                time.sleep(STALL_S)
            connection.sendall(ANSWER)

    with server(answer) as port:
        found = client("schedule", port, rate=100, seconds=0.7, connections=1)
    assert found["requests"] == 70
    assert found["failed"] == found["unanswered"] == 0
    # Fifty of seventy were due in the stall, evenly: the median of all waited for a part of it.
    assert found["p50_ns"] > 0.05 * 1e9
    assert found["p99_ns"] > 0.9 * STALL_S * 1e9


def test_a_failure_is_the_slowest_of_all() -> None:
    """R-44: errors are counted in the percentiles, as requests that never came back."""

    def answer(connection: socket.socket) -> None:
        while connection.recv(65536):
            connection.sendall(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")

    with server(answer) as port:
        found = client("schedule", port, rate=100, seconds=1, connections=4)
    assert found["failed"] == 100
    assert found["p50_ns"] == 10**12


def test_an_event_that_does_not_come_is_lost() -> None:
    """R-42: each event of a paced stream is awaited; what does not come is counted as lost."""

    def answer(connection: socket.socket) -> None:
        connection.recv(65536)
        events = b"".join(calls.event(str(time.monotonic_ns())) for _ in range(3))
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(events)
        connection.sendall(head + events[:300])
        time.sleep(0.05)  # an event in two pieces is one event
        connection.sendall(events[300:])

    with server(answer) as port:
        found = client("streams", port, count=2, within_s=10)
    assert (found["events"], found["failed"]) == (6, 0)
    assert found["lost"] == 2 * 250 - 6


def test_added_latency_is_the_median_of_differences_of_neighbours() -> None:
    """R-41: by hand: 5, 1, 3 added; a drift that both see does not matter."""
    assert figures.added([105, 201, 303], [100, 200, 300]).median == 3
    steady = figures.added([110.0] * 100, [100.0] * 100)
    assert (steady.low, steady.median, steady.high) == (10, 10, 10)
    with pytest.raises(ValueError, match="no turn"):
        figures.added([], [])


def test_the_frontier_ends_where_the_bound_first_breaks() -> None:
    """R-44: a rate that happens to hold beyond the first break does not count."""
    probes = [Probe(100, 0.5, 0.1, 0), Probe(200, 2.0, 0.1, 0), Probe(300, 0.9, 0.1, 0)]
    assert figures.frontier(probes, 1) == Frontier(100, inconclusive=False)
    assert figures.frontier(probes, 5) == Frontier(300, inconclusive=True)
    assert figures.frontier([Probe(100, 0.5, 0.1, failed=1)], 1) == Frontier(None, False)
    assert figures.frontier([Probe(100, 2.0, 0.9, 0)], 1) == Frontier(None, inconclusive=True)


def test_an_idle_subject_puts_its_figure_in_doubt() -> None:
    """Proofs 6: a run whose load generator was the bottleneck says so."""
    busy, idle = (Throughput(1000.0, 0, 900, share, 0.9) for share in (0.97, 0.4))
    rows = {"direct": rounds.summary([idle]), "nginx": rounds.summary([busy])}
    found: dict[str, Any] = {"processors_apart": True, "throughput": {"chat": rows}, "streams": {}}
    assert report.doubts(found) == []
    rows["nginx"] = rounds.summary([idle, idle, busy])
    (doubt,) = report.doubts(found)
    assert "nginx used 40%" in doubt
    assert "direct calls are hardly faster" in doubt
    rows["nginx"] = rounds.summary([busy])
    found["streams"] = {"direct": {"p99_ns": 20_000_000}}
    assert report.doubts(found) == ["streams: events called for directly took 20.0 ms themselves"]


def test_what_limits_leave_is_told_beside_their_bound() -> None:
    """R-44: by hand: 50, 60 and 72 of 80 answers a second are 0.75 in the middle; 100 of 80 µs of
    processor time are 0.8, of 125 0.64, which is too little."""
    held, bare = (
        rounds.summary(
            [Throughput(per_s, 0, 900, cpu_us * per_s / 1e6, 0.5) for per_s, cpu_us in t]
        )
        for t in (((50, 100), (60, 125), (72, 125)), ((80, 80), (80, 80), (80, 80)))
    )
    left = rounds.share_left({"dd0c-limits": held, "dd0c-bare": bare})
    assert left == {
        "per_s": {"median": 0.75, "low": 0.625, "high": 0.9},
        "per_cpu": {"median": 0.64, "low": 0.64, "high": 0.8},
    }
    (told,) = report.limits({"limits": {"chat": left, "stream": None}})
    assert "leave 0.64 (0.64 to 0.80) of" in told
    assert "0.75 (0.62 to 0.90) of the answers a second; the bound of 0.7 does not hold" in told
    assert rounds.share_left({"dd0c-limits": held}) is None


def test_a_peer_that_cannot_be_installed_is_missing_and_leaves_nothing(tmp_path: Path) -> None:
    """R-44: a missing peer is reported as missing, with the installer's words."""
    home = tmp_path / "peer"
    home.mkdir()
    with pytest.raises(Missing, match="no such package"):
        peers.install(["sh", "-c", "echo no such package >&2; exit 1"], home)
    assert not home.exists()
