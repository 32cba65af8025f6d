"""Many callers at once that are idle, slow or greedy: memory stays bounded, everybody who behaves
is served, and who does not gets its answer (R-33)."""

from __future__ import annotations

import contextlib
import json
import resource
import select
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.products.route.hotpath.test_answers import OPENAI_STREAM
from tests.support.upstream import CHAT, Peer, Received, Upstream, running_upstream
from tests.support.wire import CHAT_BODY, Caller, request
from tests.support.worker import Worker, running_worker, snapshot, wait_for
from tests.support.worker import provider as provider_at

IDLE = 10_000
IDLE_KB = 12  # of one connection, with what the parser and the loop keep of it
SPARE = 500  # descriptors for everything else
SLOW, SLOW_BYTES, SLOW_KB = 25, 8_000_000, 2000
DRIPPING = 300
CHAT_PATH = "/v1/chat/completions"
STREAMS = 50


@pytest.fixture(scope="module")
def wide(provider: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """A worker that takes many callers and lets them wait."""
    bounds = {"connections_max": 20_000, "idle_timeout_s": 300.0, "head_timeout_s": 300.0}
    folder: Path = tmp_path_factory.mktemp("wide")
    with running_worker(folder, [snapshot(provider.port)], bounds) as running:
        yield running


@pytest.fixture
def descriptors() -> Iterator[int]:
    """How many more this process and a worker may open; for the time of the test, all of them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield hard - SPARE if hard != resource.RLIM_INFINITY else IDLE
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_ten_thousand_idle_connections_cost_little(
    wide: Worker,
    upstream: Upstream,
    descriptors: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Nothing sent, half a head sent, one request done: each of 10,000 costs a few kilobytes, any
    of them is served when it asks, and so is a newcomer (R-33)."""
    count = min(IDLE, descriptors)
    if count < IDLE:
        with capsys.disabled():
            print(f"\n{count} idle connections instead of {IDLE}: no more descriptors here")
    whole = request(CHAT_PATH, CHAT_BODY)
    before = wide.rss_kb()
    with contextlib.ExitStack() as stack:
        callers = [stack.enter_context(Caller(wide.port)) for _ in range(count)]
        for caller in callers[1::3]:
            caller.send(whole[:60])
        for caller in callers[2::3]:
            assert caller.call("/livez", b"", method="GET").status == 200
        wait_for(lambda: wide.gauge("dd0c_route_connections") == count)
        assert wide.rss_kb() - before < count * IDLE_KB
        for number in range(0, count, count // 50):
            callers[number].send(whole[60:] if number % 3 == 1 else whole)
            assert callers[number].answer().status == 200
        with Caller(wide.port) as newcomer:
            assert newcomer.chat().status == 200
        for caller in callers:
            caller.reset()
    wait_for(lambda: wide.gauge("dd0c_route_connections") == 0)


def test_those_who_drip_wait_alone(provider: Upstream, tmp_path: Path) -> None:
    """Hundreds that send a byte now and then, of a head or of a body, get their 408; between any
    two of their bytes others are served (slowloris, R-33)."""
    head = request(CHAT_PATH, b"x" * 100_000)[:-100_000]
    bounds = {"head_timeout_s": 0.5, "body_timeout_s": 0.5}
    with (
        running_worker(tmp_path, [snapshot(provider.port)], bounds) as worker,
        contextlib.ExitStack() as stack,
    ):
        waiting: list[Caller] = []
        for number in range(DRIPPING):
            caller = stack.enter_context(Caller(worker.port))
            caller.send(head if number % 2 else head[:-4])
            waiting.append(caller)
        while waiting:
            with Caller(worker.port) as other:
                assert other.chat().status == 200
            told, _, _ = select.select([caller.socket for caller in waiting], [], [], 0.05)
            for caller in [one for one in waiting if one.socket in told]:
                assert caller.answer().status == 408
                waiting.remove(caller)
            for caller in waiting:
                with contextlib.suppress(OSError):  # it is being closed
                    caller.send(b"1")


def test_callers_that_do_not_read_cost_what_is_bounded(wide: Worker, upstream: Upstream) -> None:
    """25 answers of 8 MB that nobody reads wait at the provider, not with us; then each arrives
    whole (R-33, R-13)."""
    text = "x" * SLOW_BYTES
    body = json.dumps({**CHAT, "text": text}).encode()

    async def answer(peer: Peer, _: Received) -> None:
        await peer.send_json(body)

    upstream.script = answer
    before = wide.rss_kb()
    with contextlib.ExitStack() as stack:
        callers = [stack.enter_context(Caller(wide.port, 65_536)) for _ in range(SLOW)]
        for caller in callers:
            caller.post(CHAT_PATH, CHAT_BODY)
        wait_for(lambda: all(_readable(caller.socket) for caller in callers))
        upstream.script = _small
        with Caller(wide.port) as other:
            assert other.chat().status == 200
        assert wide.rss_kb() - before < SLOW * SLOW_KB
        for caller in callers:
            assert caller.answer().body == body
        assert wide.rss_kb() - before < SLOW * SLOW_KB


async def _small(peer: Peer, _: Received) -> None:
    await peer.send_json(CHAT)


def _readable(sock: socket.socket) -> bool:
    return bool(select.select([sock], [], [], 0)[0])


def test_requests_sent_ahead_of_a_half_close_are_answered(
    worker: Worker, upstream: Upstream
) -> None:
    """Three requests, the last of them split, and no more to come: three answers, then the end."""
    sent = request(CHAT_PATH, CHAT_BODY) * 3
    for cut in (len(sent), len(sent) - 5):
        with Caller(worker.port) as caller:
            caller.send(sent[:cut])
            caller.send(sent[cut:])
            caller.socket.shutdown(socket.SHUT_WR)
            assert [caller.answer().status for _ in range(3)] == [200, 200, 200]
            assert caller.rest() == b""
    assert len(upstream.received) == 6


@pytest.mark.parametrize("sent", [b"", b"{", json.dumps(CHAT_BODY).encode()[:-1]])
def test_half_a_request_before_a_half_close_is_no_request(
    worker: Worker, upstream: Upstream, sent: bytes
) -> None:
    """What its caller will never finish is sent to nobody, and its connection ends."""
    head = request(CHAT_PATH, CHAT_BODY).partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    with Caller(worker.port) as caller:
        caller.send(head + sent)
        caller.socket.shutdown(socket.SHUT_WR)
        assert caller.rest() == b""
    assert upstream.received == []


def test_a_giant_chunk_extension_is_not_read_to_its_end(worker: Worker) -> None:
    """8 MB behind the size of one chunk end in 400, and in no more memory (R-33)."""
    head = request(CHAT_PATH, b"", transfer_encoding="chunked", content_length="")
    before = worker.rss_kb()
    with Caller(worker.port) as caller:
        caller.send(head + b"1;")
        for _ in range(8):
            caller.send(b"e" * 1_000_000)
        assert caller.answer().status == 400
    assert worker.rss_kb() - before < 4000


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /livez HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", 400),
        (b"GET /readyz HTTP/1.1\r\n\r\n", 400),
        (b"GET /livez HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"GET /livez\r\nhost: a\r\n\r\n", 505),
        (b"GET /livez HTTP/2.0\r\nhost: a\r\n\r\n", 505),
        (b"GET /livez HTTP/1.1\r\nhost: a\r\ntransfer-encoding: no\r\n\r\nz\r\n", 400),
    ],
)
def test_what_others_might_read_in_another_way_is_refused_once(
    worker: Worker, sent: bytes, status: int
) -> None:
    """Framing, hosts and versions count for our own paths too; whatever follows, there is one
    answer (R-33)."""
    with Caller(worker.port) as caller:
        caller.send(sent)
        got = caller.answer()
        assert (got.status, got.headers["connection"]) == (status, "close")
        assert caller.rest() == b""


def test_the_authority_of_a_target_ends_at_its_query(worker: Worker, upstream: Upstream) -> None:
    """A path in the query of an absolute target is no path (RFC 9112, 3.2.2)."""
    with Caller(worker.port) as caller:
        caller.send(request("http://gateway?x=/v1/models", b"", "GET"))
        assert caller.answer().status == 404
    assert upstream.received == []


def test_an_old_client_that_closes_is_closed(worker: Worker) -> None:
    """`close` counts in HTTP/1.0 whatever else is said (RFC 9112, 9.3)."""
    line = b"GET /livez HTTP/1.0\r\nconnection: keep-alive\r\n"
    with Caller(worker.port) as caller:
        caller.send(line + b"\r\n" + line + b"connection: close\r\n\r\n" + line + b"\r\n")
        assert caller.answer().headers["connection"] == "keep-alive"
        assert caller.answer().headers["connection"] == "close"
        assert caller.rest() == b""


async def _streams(peer: Peer, _: Received) -> None:
    await peer.send_stream_head()
    for event in OPENAI_STREAM:
        for at in range(0, len(event), 40):
            await peer.send_chunk(event[at : at + 40])
    await peer.send_chunk(b"")


@pytest.fixture
def secured(authority: Path, tmp_path: Path) -> Iterator[tuple[Upstream, Worker]]:
    """A provider behind TLS of a private authority, and a worker that trusts it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority)
    with running_upstream(context) as upstream:
        there = provider_at(upstream.port, scheme="https", host="localhost")
        greeting = snapshot(upstream.port, providers=(there,))
        with running_worker(tmp_path, [greeting], {"ca_bundle": str(authority)}) as worker:
            yield upstream, worker


def test_many_streams_over_tls_arrive_whole(secured: tuple[Upstream, Worker]) -> None:
    """50 streams at once in records of a few bytes each are those that the provider sent."""
    upstream, worker = secured
    upstream.script = _streams
    with contextlib.ExitStack() as stack:
        callers = [stack.enter_context(Caller(worker.port)) for _ in range(STREAMS)]
        for caller in callers:
            caller.post(CHAT_PATH, {**CHAT_BODY, "stream": True})
        for caller in callers:
            body = caller.answer().body
            assert [event for event in OPENAI_STREAM[:2] if event not in body] == []
            assert body.endswith(OPENAI_STREAM[-1])
    assert {row.end_reason for row in worker.closed(STREAMS)} == {"complete"}


def test_tls_that_breaks_off_is_no_end_of_an_answer(secured: tuple[Upstream, Worker]) -> None:
    """Where only the end of the connection would end an answer, somebody in between could cut it:
    without TLS's own farewell it is not complete (RFC 9112, 9.8)."""
    upstream, worker = secured

    async def break_off(peer: Peer, _: Received) -> None:
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n" + b'{"a":1}')
        sock = peer.writer.get_extra_info("socket")
        with socket.socket(fileno=socket.dup(sock.fileno())) as own:
            own.shutdown(socket.SHUT_RDWR)

    upstream.script = break_off
    with Caller(worker.port) as caller:
        assert caller.chat().status == 502
    (row,) = worker.closed(1)
    assert row.end_reason != "complete"
