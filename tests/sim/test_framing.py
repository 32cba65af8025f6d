"""HTTP on the wire: pipelining, chunked bodies, old clients, bad clients, clients that go away."""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.sim.conftest import OPENAI_KEY
from tests.support.simulator import Simulator

BODY = b'{"model":"gpt-5","max_tokens":4,"messages":[{"role":"user","content":"Hello"}]}'
STREAM = BODY[:-1] + b',"stream":true}'
NOTICED_WITHIN_S = 1.0


@contextmanager
def connected(sim: Simulator) -> Iterator[socket.socket]:
    """A bare connection."""
    with socket.create_connection(("127.0.0.1", sim.port), timeout=5) as sock:
        yield sock


def request(body: bytes, *extra: bytes, version: bytes = b"1.1", framed: bool = True) -> bytes:
    """A chat completion as bytes; the body's length is given unless `framed` is false."""
    lines = [
        b"POST /v1/chat/completions HTTP/" + version,
        b"Host: sim",
        b"Authorization: Bearer " + OPENAI_KEY.encode(),
        *([b"Content-Length: %d" % len(body)] if framed else []),
        *extra,
    ]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def answer(stream: Any) -> tuple[int, dict[str, str], bytes]:
    """Reads one answer: status, headers and decoded body."""
    status = int(stream.readline().split()[1])
    headers = {}
    while line := stream.readline().strip():
        name, _, value = line.decode().partition(": ")
        headers[name] = value
    if headers.get("transfer-encoding") != "chunked":
        length = headers.get("content-length")
        return status, headers, stream.read() if length is None else stream.read(int(length))
    parts = []
    while size := int(stream.readline(), 16):
        parts.append(stream.read(size))
        assert stream.readline() == b"\r\n"
    assert stream.readline() == b"\r\n"
    return status, headers, b"".join(parts)


def eventually(check: Callable[[], bool]) -> bool:
    """Whether something becomes true within the time a lost client must be noticed in."""
    deadline = time.monotonic() + NOTICED_WITHIN_S
    while not check():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def test_pipelined_requests_are_answered_in_order(sim: Simulator) -> None:
    """Requests sent in one go get their answers in order, whatever kind they are."""
    slow = request(BODY, b"x-sim-fault: latency=60")
    with connected(sim) as sock, sock.makefile("rb") as stream:
        sock.sendall(slow + request(STREAM) + request(b"{") + request(BODY))
        answers = [answer(stream) for _ in range(4)]
    assert [status for status, _, _ in answers] == [200, 200, 400, 200]
    assert answers[0][2] == answers[3][2]
    assert answers[1][2].endswith(b"data: [DONE]\n\n")


def test_a_thousand_pipelined_streams(sim: Simulator) -> None:
    """However much is pipelined behind a slow answer, nothing nests too deep or is lost."""
    slow = request(STREAM, b"x-sim-fault: tokens=1;latency=50")
    with connected(sim) as sock, sock.makefile("rb") as stream:
        sock.sendall(slow + request(STREAM, b"x-sim-fault: tokens=1") * 1199)
        bodies = {answer(stream)[2] for _ in range(1200)}
    assert len(bodies) == 1


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_chunked_bodies_and_torn_reads(sim: Simulator, size: int) -> None:
    """A chunked body is joined, its trailers are ignored, wherever the bytes are torn."""
    half = len(BODY) // 2
    chunks = b"%x;note=1\r\n%b\r\n%x\r\n%b\r\n0\r\nX-Sim-Fault: 500\r\n\r\n" % (
        half,
        BODY[:half],
        len(BODY) - half,
        BODY[half:],
    )
    sent = request(b"", b"Transfer-Encoding: chunked", framed=False) + chunks
    with connected(sim) as sock, sock.makefile("rb") as stream:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for start in range(0, len(sent), size):
            sock.sendall(sent[start : start + size])
        status, _, _ = answer(stream)
    assert status == 200
    assert base64.b64decode(sim.last()["body_base64"]) == BODY


def test_what_was_received_can_be_asked_for(sim: Simulator) -> None:
    """The record holds headers as sent, in order and case, and the body byte for byte."""
    body = b' {"model": "gpt-5",\t"messages":[{"role":"user","content":"\\u0041"}], "x": 1e0 } '
    with connected(sim) as sock, sock.makefile("rb") as stream:
        sock.sendall(request(body, b"X-Odd: One", b"x-odd: Two"))
        _, headers, sent = answer(stream)
    record = sim.ask("GET", f"requests/{headers['x-request-id']}")
    assert base64.b64decode(record["body_base64"]) == body
    assert record["headers"][-2:] == [["X-Odd", "One"], ["x-odd", "Two"]]
    assert record["target"] == "/v1/chat/completions"
    assert (record["model"], record["status"], record["streamed"]) == ("gpt-5", 200, False)
    assert record["bytes_sent"] > len(sent)


def test_large_bodies_are_taken_and_remembered_by_hash(sim: Simulator) -> None:
    """A body of 20 MB is read; of what is not held, length and hash are."""
    body = BODY[:-1] + b',"padding":"' + b"x" * 20_000_000 + b'"}'
    with connected(sim) as sock, sock.makefile("rb") as stream:
        sock.sendall(request(body, b"Expect: 100-continue"))
        assert stream.readline() == b"HTTP/1.1 100 Continue\r\n"
        assert stream.readline() == b"\r\n"
        assert answer(stream)[0] == 200
    record = sim.last()
    assert record["body_base64"] is None
    assert record["body_bytes"] == len(body)
    assert record["body_sha256"] == hashlib.sha256(body).hexdigest()


@pytest.mark.parametrize("body", [BODY, STREAM])
@pytest.mark.parametrize(
    ("version", "extra"), [(b"1.0", b"X: 1"), (b"1.0", b"Connection: keep-alive")]
)
def test_old_clients_get_no_chunks(
    sim: Simulator, body: bytes, version: bytes, extra: bytes
) -> None:
    """HTTP/1.0 knows no chunked answers: the end of the connection ends the body."""
    with connected(sim) as sock, sock.makefile("rb") as stream:
        sock.sendall(request(body, extra, version=version))
        status, headers, _ = answer(stream)
        assert stream.read() == b""
    assert status == 200
    assert "transfer-encoding" not in headers
    assert headers["connection"] == "close"


def test_connection_close_is_honoured(sim: Simulator) -> None:
    """A client that asks for the connection to be closed gets its answer, then the end."""
    with connected(sim) as sock, sock.makefile("rb") as stream:
        sock.sendall(request(STREAM, b"Connection: close"))
        _, headers, body = answer(stream)
        assert stream.read() == b""
    assert headers["connection"] == "close"
    assert body.endswith(b"[DONE]\n\n")


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"not http\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n", 426),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 140_000 + b"\r\n\r\n", 431),
        (b"GET /" + b"x" * 140_000 + b" HTTP/1.1\r\n\r\n", 431),
    ],
)
def test_what_is_no_http_is_refused(sim: Simulator, sent: bytes, status: int) -> None:
    """Bytes that are no request, or too much of one, get a 4xx and the end."""
    with connected(sim) as sock, sock.makefile("rb") as stream:
        sock.sendall(sent)
        assert answer(stream)[0] == status


@pytest.mark.parametrize("fault", ["pace=50", "stall_after=2", "latency=60000"])
@pytest.mark.parametrize("hard", [False, True])
def test_lost_clients_are_noticed(sim: Simulator, fault: str, hard: bool) -> None:
    """A client that closes or resets amid an answer is counted within a second (ROUTE-13)."""
    with connected(sim) as sock:
        sock.sendall(request(STREAM, b"x-sim-fault: tokens=500;" + fault.encode()))
        assert eventually(lambda: sim.stats()["in_flight"] == 1)
        assert sim.stats()["open_connections"] == 1
        if hard:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert eventually(lambda: bool(sim.stats()["aborted"] == 1))
    stats = sim.stats()
    assert (stats["in_flight"], stats["open_connections"]) == (0, 0)
    assert stats["recent"][-1]["aborted"] is True
    assert stats["recent"][-1]["events_sent"] < 503


def test_a_client_that_leaves_after_its_answer_is_not_lost(sim: Simulator) -> None:
    """Closing a connection between requests is no abort."""
    with connected(sim) as sock, sock.makefile("rb") as stream:
        sock.sendall(request(STREAM))
        answer(stream)
    assert eventually(lambda: sim.stats()["open_connections"] == 0)
    assert sim.stats()["aborted"] == 0


def test_a_client_that_does_not_read_stops_the_stream(sim: Simulator) -> None:
    """Without a reader the stream pauses with under a megabyte on its way, then goes on."""
    with connected(sim) as sock, sock.makefile("rb") as stream:
        sock.sendall(request(STREAM.replace(b"4,", b"50000,"), b"x-sim-fault: tokens=50000"))
        sent = [0, 0]

        def settled() -> bool:
            sent[:] = [sent[1], sim.stats()["recent"][-1]["bytes_sent"]]
            time.sleep(0.05)
            return 0 < sent[0] == sent[1]

        assert eventually(settled)
        assert sent[1] < 1_000_000
        _, _, body = answer(stream)
    assert body.count(b"data: ") == 50_000 + 3
    record = sim.stats()["recent"][-1]
    assert (record["events_sent"], record["aborted"]) == (50_003, False)


def test_counters(sim: Simulator) -> None:
    """Stats count requests, not what is asked under /_sim, and a reset starts anew."""
    with connected(sim) as sock, sock.makefile("rb") as stream:
        for body in (BODY, STREAM):
            sock.sendall(request(body))
            answer(stream)
        stats = sim.stats()
    assert (stats["requests"], stats["aborted"], stats["in_flight"]) == (2, 0, 0)
    assert [r["events_sent"] for r in stats["recent"]] == [0, 7]
    assert all(r["ended_us"] >= r["started_us"] for r in stats["recent"])
    sim.ask("POST", "reset")
    assert sim.stats()["recent"] == []
    assert sim.stats()["requests"] == 0


def test_the_last_thousand_are_remembered(sim: Simulator) -> None:
    """Older requests are forgotten, one by one."""
    with connected(sim) as sock, sock.makefile("rb") as stream:
        sock.sendall(request(BODY) * 1010)
        ids = [answer(stream)[1]["x-request-id"] for _ in range(1010)]
    stats = sim.stats()
    assert stats["requests"] == 1010
    assert [r["id"] for r in stats["recent"]] == ids[10:]


def test_unknown_questions_are_answered(sim: Simulator) -> None:
    """What /_sim does not know is a 404 with a message, a bad scenario a 400."""
    with connected(sim) as sock, sock.makefile("rb") as stream:
        for method, path, body, status in [
            (b"GET", b"nope", b"", 404),
            (b"GET", b"requests/req_1", b"", 404),
            (b"POST", b"scenario", b"", 404),
            (b"PUT", b"scenario", b"{", 400),
        ]:
            head = b"%b /_sim/%b HTTP/1.1\r\nContent-Length: %d\r\n\r\n"
            sock.sendall(head % (method, path, len(body)) + body)
            got, _, content = answer(stream)
            assert got == status
            assert json.loads(content)["error"]["message"]
