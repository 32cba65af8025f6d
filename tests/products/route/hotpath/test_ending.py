"""How a worker ends: drained, cut, orphaned, or killed at every named place."""

from __future__ import annotations

import asyncio
import json
import resource
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from dd0c.products.route.hotpath.exchange import CRASH_POINTS
from dd0c.products.route.hotpath.snapshot import (
    Drain,
    KeysChanged,
    PricesChanged,
    ProvidersChanged,
    SpoolFull,
    Stale,
)
from dd0c.products.route.models import AttemptClosed, AttemptOpened
from tests.products.route.hotpath.test_answers import OPENAI_STREAM
from tests.support import worker as workers
from tests.support.upstream import CHAT, Peer, Received, Upstream
from tests.support.wire import CHAT_BODY, Caller
from tests.support.worker import PRICE, Worker, key_entry, running_worker, snapshot, wait_for

STREAM_BODY = {**CHAT_BODY, "stream": True}


async def slow_stream(peer: Peer, _: Received) -> None:
    """A stream that takes 0.6 s."""
    await peer.send_stream_head()
    await peer.send_chunk(OPENAI_STREAM[0])
    await asyncio.sleep(0.6)
    await peer.send_chunk(b"".join(OPENAI_STREAM[1:]))
    await peer.send_chunk(b"")


async def endless_stream(peer: Peer, _: Received) -> None:
    """A stream that never ends."""
    await peer.send_stream_head()
    await peer.send_chunk(OPENAI_STREAM[0])
    await peer.reader.read()


@pytest.mark.parametrize("how", ["message", "signal", "orphaned"])
def test_a_drained_worker_finishes_what_is_open(
    tmp_path: Path, upstream: Upstream, how: str
) -> None:
    """Idle connections close, the open stream ends well, and the worker exits by itself (K-6)."""
    upstream.script = slow_stream
    with running_worker(tmp_path, [snapshot(upstream.port)]) as worker:
        with Caller(worker.port) as idle, Caller(worker.port) as caller:
            idle.send(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n")
            idle.answer()
            caller.post("/v1/chat/completions", STREAM_BODY)
            caller.until(OPENAI_STREAM[0])
            if how == "message":
                worker.tell(Drain(5))
            elif how == "signal":
                worker.process.send_signal(signal.SIGTERM)
            else:
                worker.control.shutdown(2)
            assert idle.rest() == b""
            assert caller.rest().endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
        assert worker.process.wait(5) == 0
        assert [c.end_reason for c in worker.closed()] == ["complete"]


@pytest.mark.parametrize("how", ["second signal", "deadline", "drain of nothing"])
def test_a_cut_worker_books_what_was_open(tmp_path: Path, upstream: Upstream, how: str) -> None:
    """Out of time, callers are told and every attempt has its close record (K-6, R-15)."""
    upstream.script = endless_stream
    with running_worker(tmp_path, [snapshot(upstream.port)]) as worker:
        with Caller(worker.port) as caller:
            caller.post("/v1/chat/completions", STREAM_BODY)
            caller.until(OPENAI_STREAM[0])
            if how == "second signal":
                worker.process.send_signal(signal.SIGTERM)
                with pytest.raises(subprocess.TimeoutExpired):
                    worker.process.wait(0.4)
                worker.process.send_signal(signal.SIGTERM)
            else:
                worker.tell(Drain(0.3 if how == "deadline" else 0))
            rest = caller.rest()
            assert b'"code":"gateway_stopping"' in rest
            assert rest.endswith(b"\r\n0\r\n\r\n")
        assert worker.process.wait(5) == 0
        (closed,) = worker.closed()
        assert (closed.end_reason, closed.cost_pico) == ("lost", None)


def test_the_parents_messages_take_effect(tmp_path: Path, upstream: Upstream) -> None:
    """Keys, providers, prices, a full spool and doubt are obeyed from the next request on."""
    with (
        running_worker(tmp_path, [snapshot(upstream.port)]) as worker,
        Caller(worker.port) as caller,
    ):

        def becomes(status: int) -> None:
            wait_for(lambda: caller.chat().status == status)

        becomes(200)
        worker.tell(KeysChanged((), (key_entry().hash,)))
        becomes(401)
        stranger = {"authorization": "Bearer dd0c_sk_" + "s" * 43}
        worker.tell(Stale(True))
        wait_for(lambda: caller.chat(**stranger).status == 503)
        worker.tell(Stale(False))
        wait_for(lambda: caller.chat(**stranger).status == 401)
        worker.tell(KeysChanged((key_entry(expires_us=1),), ()))
        wait_for(lambda: caller.chat().error["code"] == "expired_api_key")
        worker.tell(KeysChanged((key_entry(),), ()))
        becomes(200)
        worker.tell(SpoolFull(True))
        becomes(503)
        assert caller.chat().error["code"] == "spool_full"
        caller.send(b"GET /readyz HTTP/1.1\r\nhost: x\r\n\r\n")
        assert caller.answer().status == 503
        worker.tell(SpoolFull(False))
        becomes(200)
        dear = PRICE.tiers[0]
        worker.tell(PricesChanged((workers.price(tiers=(dear, dear)),)))
        worker.tell(ProvidersChanged(()))
        becomes(404)
        assert caller.chat().error["code"] == "no_provider"


def test_a_worker_counts_and_is_small(tmp_path: Path, upstream: Upstream) -> None:
    """Counters reach the parent each second; an idle worker takes less than 40 MB (K-4)."""
    with running_worker(tmp_path, [snapshot(upstream.port)]) as worker:
        with Caller(worker.port) as caller:
            caller.chat()
            assert worker.gauge("dd0c_route_connections") in (0, 1)
            wait_for(lambda: worker.counter('requests_total{endpoint="chat",status="200"}') == 1)
        assert worker.counter('attempts_total{provider="openai",end_reason="complete"}') == 1
        tokens = 'tokens_total{provider="openai",model="gpt-5-mini",bucket="input"}'
        assert worker.counter(tokens) == 10
        wait_for(lambda: worker.gauge("dd0c_route_connections") == 0)
        assert worker.rss_kb() < 40 * 1024


def signed(body: dict[str, Any], name: str) -> dict[str, Any]:
    """The request in somebody's name: what a worker sent before it was killed may be read late."""
    return {**body, "user": name}


def from_whom(upstream: Upstream, name: str) -> list[Received]:
    """What the provider received in that name."""
    return [one for one in upstream.received if f'"{name}"'.encode() in one.body]


@pytest.mark.parametrize("point", CRASH_POINTS)
@pytest.mark.parametrize("stream", [False, True])
def test_killed_anywhere_no_attempt_is_lost_or_doubled(
    tmp_path: Path, upstream: Upstream, point: str, stream: bool
) -> None:
    """At each crash point: nothing sent without an open record, no last byte without a close
    record, and every record whole (R-15, proofs 4)."""

    async def answer(peer: Peer, request: Received) -> None:
        if stream:
            await peer.send_stream_head()
            await peer.send_chunk(b"".join(OPENAI_STREAM))
            await peer.send_chunk(b"")
        else:
            await peer.send_json(json.loads(request.body))

    upstream.script = answer
    environ = {"DD0C_CRASH_AT": point}
    with running_worker(tmp_path, [snapshot(upstream.port)], environ=environ) as worker:
        with Caller(worker.port) as caller:
            body = signed(STREAM_BODY if stream else CHAT_BODY, f"{point}-{stream}")
            caller.post("/v1/chat/completions", body)
            try:
                got = caller.rest()
            except ConnectionError:
                got = b""
        assert worker.process.wait(5) == -signal.SIGKILL, f"{point} was not hit"
        opened = [r for r in worker.records() if isinstance(r, AttemptOpened)]
        closed = [r for r in worker.records() if isinstance(r, AttemptClosed)]
    assert len(opened) == (0 if point == "before_open" else 1)
    assert len(closed) == (1 if point in ("after_close_record", "after_last_byte") else 0)
    assert len(from_whom(upstream, f"{point}-{stream}")) <= len(opened)
    if b"[DONE]" in got or b'"messages"' in got:
        assert closed, "the caller has everything, so it is booked"


@pytest.mark.parametrize("point", CRASH_POINTS)
def test_killed_on_the_straight_track_no_attempt_is_lost_or_doubled(
    tmp_path: Path, upstream: Upstream, point: str
) -> None:
    """The same where no relay carries it: the third of three requests with one head (R-15)."""
    environ = {"DD0C_CRASH_AT": f"{point}@3"}
    with running_worker(tmp_path, [snapshot(upstream.port)], environ=environ) as worker:
        with Caller(worker.port) as caller:
            for _ in range(2):
                assert caller.chat().status == 200
            caller.post("/v1/chat/completions", signed(CHAT_BODY, f"{point}-third"))
            try:
                got = caller.rest()
            except ConnectionError:
                got = b""
        assert worker.process.wait(5) == -signal.SIGKILL, f"{point} was not hit"
        opened, closed = worker.opened(), worker.closed()
    assert len(opened) == (2 if point == "before_open" else 3)
    assert len(closed) == (3 if point in ("after_close_record", "after_last_byte") else 2)
    assert len(from_whom(upstream, f"{point}-third")) <= len(opened) - 2
    assert {one.request_id for one in closed} <= {one.request_id for one in opened}
    if got:
        assert len(closed) == 3, "the caller has everything, so it is booked"


def test_what_cannot_be_booked_is_not_served(tmp_path: Path, upstream: Upstream) -> None:
    """A spool that takes no records refuses requests in the dialect; nothing is sent (R-15)."""
    with running_worker(tmp_path / "missing", [snapshot(upstream.port)]) as worker:
        with Caller(worker.port) as caller:
            got = caller.chat()
            assert (got.status, got.error["code"]) == (503, "spool_unavailable")
            (tmp_path / "missing").mkdir()
            assert caller.chat().status == 200
        assert len(upstream.received) == 1
        assert isinstance(worker, Worker)


def test_a_close_that_finds_no_room_is_written_when_there_is(
    tmp_path: Path, upstream: Upstream
) -> None:
    """A disk that fills up amid a request costs the caller its answer, but no row (R-15)."""

    async def fill_the_disk(peer: Peer, _: Received) -> None:
        limit(worker, worker_files(tmp_path))
        await peer.send_json(CHAT)

    upstream.script = fill_the_disk
    with running_worker(tmp_path, [snapshot(upstream.port)]) as worker:
        with Caller(worker.port) as caller:
            got = caller.chat()
            assert (got.status, got.error["code"]) == (503, "spool_unavailable")
        assert (len(worker.opened()), worker.closed()) == (1, [])
        limit(worker, resource.RLIM_INFINITY)
        (closed,) = worker.closed(1)
        assert closed.request_id == worker.opened()[0].request_id
        assert (closed.end_reason, closed.usage.input) == ("complete", 10)


def worker_files(folder: Path) -> int:
    """Bytes in the spool."""
    return sum(path.stat().st_size for path in folder.glob("*.spool"))


def limit(worker: Worker, file_bytes: int) -> None:
    """How large a file the worker may write."""
    resource.prlimit(
        worker.process.pid, resource.RLIMIT_FSIZE, (file_bytes, resource.RLIM_INFINITY)
    )


def test_a_worker_whose_place_is_taken_cuts_nobody_off(tmp_path: Path, upstream: Upstream) -> None:
    """Kept connections get one more answer, which tells them to go; a stream that promised to keep
    its connection does; who brings nothing is closed after a while; it says it is ready (K-7)."""
    upstream.script = slow_stream
    with running_worker(tmp_path, [snapshot(upstream.port)]) as worker:
        with (
            Caller(worker.port) as fresh,
            Caller(worker.port) as kept,
            Caller(worker.port) as streaming,
        ):
            kept.send(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n")
            kept.answer()
            streaming.post("/v1/chat/completions", STREAM_BODY)
            streaming.until(OPENAI_STREAM[0])
            worker.tell(Drain(20, handed_over=True))
            streaming.until(b"data: [DONE]\n\n\r\n0\r\n\r\n")
            for caller in (fresh, kept, streaming):
                caller.send(b"GET /readyz HTTP/1.1\r\nhost: x\r\n\r\n")
                got = caller.rest()
                assert got.startswith(b"HTTP/1.1 200 ")
                assert b"connection: close\r\n" in got
        assert worker.process.wait(5) == 0
