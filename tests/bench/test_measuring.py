"""What makes the figures trustworthy: generator, upstream and peers against known behaviour."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.bench import calls, load, ours, peers, upstream
from tests.bench.calls import Call
from tests.bench.load import Task
from tests.bench.machine import processors
from tests.bench.session import first_answer
from tests.bench.subject import Missing, Place, Subject

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
STALL_S = 0.5
PACED_EVENTS = 5


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Where programs are built and requests are written."""
    folder = tmp_path_factory.mktemp("bench")
    return Place(folder, folder / "cache", processors())


@pytest.fixture(scope="module")
def behind(place: Place) -> Iterator[str]:
    """The upstream of all measurements."""
    with upstream.from_memory(place, PACED_EVENTS) as address:
        yield address


@contextmanager
def server(answer: Callable[[socket.socket], None]) -> Iterator[Subject]:
    """A server whose connections are each served by a thread."""
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
        yield Subject("it", "", "127.0.0.1", door.getsockname()[1], {}, "")
        door.shutdown(socket.SHUT_RDWR)


def subject_of(address: str) -> Subject:
    """The upstream itself as a subject."""
    return Subject("direct", "", "127.0.0.1", int(address.rpartition(":")[2]), {}, "")


def ask(address: str, call: Call, **more: Any) -> httpx.Response:
    """One call of the upstream."""
    return httpx.post(f"{address}{calls.PATH}", content=call.body, timeout=20, **more)


def test_a_stall_is_paid_by_all_who_were_due_in_it(place: Place) -> None:
    """R-44: requests that were due while the server stood still count from when they were due."""
    began = threading.Event()

    def answer(connection: socket.socket) -> None:
        while connection.recv(65536):
            if not began.is_set():
                began.set()
                time.sleep(STALL_S)
            connection.sendall(ANSWER)

    with server(answer) as it:
        found = load.measure(it, Task("open", ((calls.CHAT, 1),), 1, rate=100, total=70), place)
    assert (found["requests"], found["failed"]) == (70, 0)
    # Fifty of seventy were due in the stall, evenly: the median of all waited for a part of it.
    assert found["all"]["p50_ns"] > 0.05 * 1e9
    assert found["all"]["p99_ns"] > 0.9 * STALL_S * 1e9


def test_a_failure_is_the_slowest_of_all(place: Place) -> None:
    """R-44: errors are counted in the percentiles, as requests that never came back."""

    def answer(connection: socket.socket) -> None:
        while connection.recv(65536):
            connection.sendall(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")

    with server(answer) as it:
        found = load.measure(it, Task("open", ((calls.CHAT, 1),), 4, rate=100, total=100), place)
    assert found["failed"] == 100
    assert found["all"]["p50_ns"] == 10**12


def test_a_lost_connection_is_a_failure_and_is_made_again(place: Place) -> None:
    """R-44: of requests whose connection is cut in the middle of the answer none counts as done,
    and the next ones find a connection all the same."""
    served = iter(range(1000))

    def answer(connection: socket.socket) -> None:
        while connection.recv(65536):
            if next(served) % 2:
                connection.sendall(ANSWER[:-1])
                return
            connection.sendall(ANSWER)

    with server(answer) as it:
        found = load.measure(it, load.by_the_answers(((calls.CHAT, 1),), 1, total=40), place)
    assert (found["requests"], found["failed"]) == (40, 20)


def test_what_is_never_answered_is_a_failure(place: Place) -> None:
    """R-44: a request that is still waiting when time is up counts as one that never came back."""
    over = threading.Event()

    def answer(connection: socket.socket) -> None:
        connection.recv(65536)
        over.wait(20)

    with server(answer) as it:
        task = Task("open", ((calls.CHAT, 1),), 2, rate=1000, total=30, within_s=0.1)
        found = load.measure(it, task, place)
        over.set()
    assert (found["requests"], found["failed"]) == (30, 30)
    assert found["all"]["p50_ns"] == 10**12


def test_an_event_that_does_not_come_is_not_counted(place: Place) -> None:
    """R-42: each event of a paced stream is counted once, whatever pieces it comes in."""

    def answer(connection: socket.socket) -> None:
        connection.recv(65536)
        events = b"".join(calls.event(str(time.monotonic_ns())) for _ in range(3))
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(events)
        within = events.index(b'"content":"') + 15  # the digits of the first event's moment
        connection.sendall(head + events[:within])
        time.sleep(0.05)  # an event in two pieces is one event
        connection.sendall(events[within:])

    with server(answer) as it:
        found = load.measure(it, load.crowd(2, 10), place)
    assert (found["delay"]["count"], found["failed"]) == (6, 0)
    assert found["delay"]["max_ns"] >= 0.05 * 1e9


def test_kinds_are_mixed_by_their_weights(place: Place, behind: str) -> None:
    """R-44: of 500 mixed requests 450 are chat, 40 streams and 10 long, and all are answered."""
    task = load.by_the_answers(calls.MIX, 8, total=500)
    found = load.measure(subject_of(behind), task, place)
    assert (found["requests"], found["failed"]) == (500, 0)
    counts = {name: kind["count"] for name, kind in found["kinds"].items()}
    assert counts == {"chat 1 kB": 450, "stream of 64 events": 40, "chat 400 kB": 10}


def test_for_so_long_and_no_longer(place: Place, behind: str) -> None:
    """R-44: a round by the clock ends by itself, and what was under way is awaited."""
    task = load.by_the_answers(((calls.CHAT, 1),), 4, seconds=0.2)
    found = load.measure(subject_of(behind), task, place)
    assert found["requests"] == found["all"]["count"] > 0
    assert found["failed"] == 0
    assert found["took_ns"] >= 0.2 * 1e9


def test_the_upstream_answers_by_the_length_of_what_is_asked(behind: str) -> None:
    """R-44: chat, a whole stream or a paced one; a body in chunks is as long as what is in it."""
    assert ask(behind, calls.CHAT).json()["usage"]["total_tokens"] == 244
    assert ask(behind, calls.LONG).json()["usage"]["total_tokens"] == 244
    whole = ask(behind, calls.STREAM).text
    assert whole.count("data: ") == 64 + 3
    assert whole.endswith("data: [DONE]\n\n")
    parts = (calls.STREAM.body[:4000], calls.STREAM.body[4000:])
    in_chunks = httpx.post(f"{behind}{calls.PATH}", content=iter(parts), timeout=20)
    assert in_chunks.text == whole


def test_a_paced_stream_carries_the_moments_in_which_it_was_written(behind: str) -> None:
    """R-42: 50 events a second, each with the moment in which it left, none before its time."""
    before = time.monotonic_ns()
    text = ask(behind, calls.PACED).text
    moments = [int(found) for found in re.findall(r'"content":"(\d{16})"', text)]
    assert len(moments) == PACED_EVENTS
    assert before < moments[0]
    assert moments[-1] < time.monotonic_ns()
    assert moments == sorted(moments)
    # Late is possible, early is not: the fifth comes 4 periods after the first could, at least.
    assert moments[-1] - before >= 4 * 20_000_000 - 250_000
    assert text.endswith("data: [DONE]\n\n")


def test_streams_begin_in_different_phases(behind: str) -> None:
    """R-42: a crowd's events do not come all at once, though their callers do."""
    address = subject_of(behind)
    connections = [socket.create_connection((address.host, address.port)) for _ in range(8)]
    request = calls.PACED.head("x", {}) + calls.PACED.body
    for connection in connections:
        connection.sendall(request)
    phases: list[set[int]] = [set() for _ in range(PACED_EVENTS)]
    for connection in connections:
        text = b""
        with connection:
            connection.settimeout(20)
            while b"0\r\n\r\n" not in text:
                text += connection.recv(65536)
        moments = [int(found) for found in re.findall(rb'"content":"(\d{16})"', text)]
        for number, moment in enumerate(moments):
            phases[number].add(moment // 1_000_000 % 20)
    assert max(map(len, phases)) > 4  # a machine that stalls moves some events together, not all


def test_each_feature_is_off_until_it_is_on(place: Place, behind: str) -> None:
    """R-44: what a step is said to do shows in its answers: a cost with usage, what is left of
    limits with limits, and neither without."""
    shown = {}
    for name, flags in ours.STEPS[:1] + ours.STEPS[3:5]:
        with ours.step(name, flags, place, behind) as one:
            first_answer(one)
            url = f"http://{one.host}:{one.port}{calls.PATH}"
            answer = httpx.post(url, headers=one.headers, content=calls.CHAT.body, timeout=20)
            assert answer.json()["usage"]["total_tokens"] == 244
            seen = {"x-dd0c-cost-usd", "x-ratelimit-limit-requests"} & set(answer.headers)
            refused = httpx.post(url, content=calls.CHAT.body, timeout=20)
            shown[name] = (sorted(seen), refused.status_code)
    assert shown == {
        "auth only": ([], 401),
        "+ ledger": (["x-dd0c-cost-usd"], 401),
        "+ limits": (["x-dd0c-cost-usd", "x-ratelimit-limit-requests"], 401),
    }


def test_a_peer_that_cannot_be_installed_is_missing_and_leaves_nothing(tmp_path: Path) -> None:
    """R-44: a missing peer is reported as missing, with the installer's words."""
    home = tmp_path / "peer"
    home.mkdir()
    with pytest.raises(Missing, match="no such package"):
        peers.install(["sh", "-c", "echo no such package >&2; exit 1"], home)
    assert not home.exists()
