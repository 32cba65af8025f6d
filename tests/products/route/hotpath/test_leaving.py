"""Callers that leave, or seem to, or read slowly, as processes of their own (R-13, proofs 11)."""

from __future__ import annotations

import asyncio
import contextlib
import json
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.upstream import CHAT, Peer, Received, Upstream
from tests.support.wire import CHAT_BODY, Caller, request
from tests.support.worker import KEY, PROMPT_TOKENS, Worker, wait_for

PROGRAM = Path(__file__).with_name("caller_process.py")
STREAM_BODY = {**CHAT_BODY, "stream": True}
EVENT = b'data: {"model":"gpt-5-mini","choices":[{"delta":{"content":"word "}}]}\n\n'
LAST = (
    b'data: {"model":"gpt-5-mini","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}'
    b"\n\ndata: [DONE]\n\n"
)


@contextmanager
def caller_process(worker: Worker, chunks: int, how: str) -> Iterator[subprocess.Popen[str]]:
    """A caller that has sent its stream request and read so many events."""
    command = [sys.executable, str(PROGRAM), str(worker.port), KEY, json.dumps(STREAM_BODY)]
    child = subprocess.Popen(
        [*command, str(chunks), how], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    try:
        assert child.stdout.readline() == "ready\n"
        yield child
    finally:
        child.kill()
        child.communicate(timeout=5)


def leave(child: subprocess.Popen[str]) -> None:
    """Tell the caller to leave its way."""
    assert child.stdin is not None
    child.stdin.write("\n")
    child.stdin.flush()


async def trickle(peer: Peer, _: Received) -> None:
    """A stream of five events, one every 400 ms, and then silence."""
    await peer.send_stream_head()
    for _number in range(5):
        await peer.send_chunk(EVENT)
        await asyncio.sleep(0.4)
    await peer.reader.read()


async def answer_late(peer: Peer, _: Received) -> None:
    """Nothing for long."""
    await peer.reader.read()


@pytest.mark.parametrize("how", ["close", "reset", "kill"])
@pytest.mark.parametrize("when", ["before the first byte", "after the head", "in the middle"])
def test_a_caller_that_leaves_frees_the_provider(
    worker: Worker, upstream: Upstream, how: str, when: str
) -> None:
    """Close, reset and death abort the provider within a second and are booked as such (R-13).

    Before the first token the input is counted, 100 tokens at $0.25 for a million, and no output.
    """
    upstream.script = answer_late if when == "before the first byte" else trickle
    chunks = {"before the first byte": -1, "after the head": 0, "in the middle": 2}[when]
    with caller_process(worker, chunks, "close" if how == "kill" else how) as child:
        wait_for(lambda: len(upstream.received) == 1)
        peer = upstream.peers[-1]
        if how == "kill":
            child.send_signal(signal.SIGKILL)
        else:
            leave(child)
        wait_for(peer.gone, 1.0)
        (closed,) = worker.closed(1)
    assert closed.end_reason == "client_gone"
    assert closed.usage.input == PROMPT_TOKENS
    if when == "before the first byte":
        assert (closed.status, closed.delivered_output_tokens) == (None, 0)
        assert (closed.cost_pico, closed.cost_upstream_pico) == (25_000_000, None)
    else:
        assert closed.status == 200
        assert closed.cost_pico == closed.cost_delivered_pico
        assert closed.upstream_output_tokens is not None
        assert closed.cost_upstream_pico == 25_000_000 + closed.upstream_output_tokens * 2_000_000
    wait_for(lambda: worker.gauge("dd0c_route_requests_open") == 0, 3)


TOOL = (
    b'data: {"model":"gpt-5-mini","choices":[{"delta":{"tool_calls":[{"index":0,"function":'
    b'{"arguments":"{\\"city\\": \\"%b"}}]}}]}\n\n' % (b"x" * 1000)
)


@pytest.mark.parametrize("way", ["inside a tool call", "with kilobytes unread", "stopped, killed"])
def test_a_provider_is_dropped_within_a_second(
    worker: Worker, upstream: Upstream, way: str
) -> None:
    """From the moment in which a caller's connection ends, wherever in a tool's JSON and whatever
    lies unread, until the provider's own socket says that the gateway has left (R-13)."""
    more, sent = asyncio.Event(), threading.Event()
    dropped: queue.Queue[float] = queue.Queue()

    async def speak_and_listen(peer: Peer, _: Received) -> None:
        await peer.send_stream_head()
        await peer.send_chunk(TOOL * 2)
        await more.wait()
        await peer.send_chunk(TOOL * 100)
        sent.set()
        end = asyncio.ensure_future(peer.reader.read())
        while way == "inside a tool call" and not end.done():
            with contextlib.suppress(ConnectionError):
                await peer.send_chunk(TOOL)
            await asyncio.wait([end], timeout=0.05)
        await asyncio.wait([end])
        dropped.put(time.monotonic())

    upstream.script = speak_and_listen
    how = "unread" if way == "with kilobytes unread" else "close"
    with caller_process(worker, 2 if how == "close" else 0, how) as child:
        if way == "stopped, killed":
            child.send_signal(signal.SIGSTOP)
        upstream.loop.call_soon_threadsafe(more.set)
        assert sent.wait(20)
        if way == "stopped, killed":
            left_at = time.monotonic()
            child.send_signal(signal.SIGKILL)
        else:
            leave(child)
            assert child.stdout is not None
            left_at = float(child.stdout.readline())
        assert dropped.get(timeout=20) - left_at < 1.0
        (closed,) = worker.closed(1)
    assert closed.end_reason == "client_gone"


@pytest.mark.parametrize("when", ["before the first byte", "in the middle"])
def test_a_half_close_is_no_farewell(worker: Worker, upstream: Upstream, when: str) -> None:
    """A caller that only stops sending gets its whole answer (R-13)."""
    pause_s = 1.5  # longer than it takes to find out that somebody is gone

    async def late(peer: Peer, _: Received) -> None:
        if when == "before the first byte":
            await asyncio.sleep(pause_s)
        await peer.send_stream_head()
        await peer.send_chunk(EVENT)
        await asyncio.sleep(pause_s)
        await peer.send_chunk(EVENT + LAST)
        await peer.send_chunk(b"")

    upstream.script = late
    with caller_process(worker, -1 if when == "before the first byte" else 1, "shut") as child:
        leave(child)
        assert child.stdout is not None
        assert child.stdout.readline() == "0\n", "the stream came to its end"
    (closed,) = worker.closed(1)
    assert (closed.end_reason, closed.cost_pico) == ("complete", 4_250_000)


def test_a_half_closed_caller_that_then_leaves_is_noticed(
    worker: Worker, upstream: Upstream
) -> None:
    """Half-closed first and gone later is gone (R-13)."""
    upstream.script = answer_late
    with Caller(worker.port) as caller:
        caller.post("/v1/chat/completions", STREAM_BODY)
        wait_for(lambda: len(upstream.received) == 1)
        caller.socket.shutdown(1)
        time.sleep(0.7)
    wait_for(upstream.peers[-1].gone, 2.5)
    assert worker.closed(1)[0].end_reason == "client_gone"


def test_a_caller_with_waiting_requests_that_leaves_is_noticed(
    worker: Worker, upstream: Upstream
) -> None:
    """While requests wait we do not read, but the end of their caller is seen all the same."""
    upstream.script = answer_late
    for how in ("close", "reset"):
        worker.forget()
        with Caller(worker.port) as caller:
            caller.send(request("/v1/chat/completions", STREAM_BODY) * 3)
            wait_for(lambda: len(worker.opened()) == 1)
            if how == "reset":
                caller.reset()
        assert worker.closed(1, 2.0)[0].end_reason == "client_gone"
        wait_for(upstream.peers[-1].gone, 2.5)
        assert len(worker.opened()) == 1, "the waiting ones were not begun"


def test_leaving_after_the_terminal_event_is_no_early_leave(
    worker: Worker, upstream: Upstream
) -> None:
    """Who has [DONE] has everything: the attempt is complete (R-13)."""

    async def linger(peer: Peer, _: Received) -> None:
        await peer.send_stream_head()
        await peer.send_chunk(EVENT + LAST)
        await peer.reader.read()

    upstream.script = linger
    with Caller(worker.port) as caller:
        caller.post("/v1/chat/completions", STREAM_BODY)
        caller.until(b"[DONE]\n\n")
        caller.reset()
    wait_for(upstream.peers[-1].gone, 1)
    assert [c.end_reason for c in worker.closed(1)] == ["complete"]


def test_a_slow_reader_makes_the_provider_wait(worker: Worker, upstream: Upstream) -> None:
    """At most 512 kB beyond what a caller read leave the provider; then all arrives (R-13)."""
    event = b'data: {"model":"m","choices":[{"delta":{"content":"%b"}}]}\n\n' % (b"x" * 4000)
    count = 1000

    async def flood(peer: Peer, _: Received) -> None:
        await peer.send_stream_head()
        for _number in range(count):
            await peer.send_chunk(event)
        await peer.send_chunk(LAST)
        await peer.send_chunk(b"")

    upstream.small_buffers = True
    upstream.script = flood
    with Caller(worker.port, receive_bytes=4096) as caller:
        caller.post("/v1/chat/completions", STREAM_BODY)
        wait_for(lambda: len(upstream.received) == 1)
        peer, sent = upstream.peers[-1], -1
        while peer.sent != sent:
            sent = peer.sent
            time.sleep(0.3)
        assert 10_000 < sent < 512 * 1024
        assert worker.records()[-1].attempt == 1
        body = caller.answer().body
    assert body.count(event) == count
    assert worker.closed(1)[0].end_reason == "complete"


@pytest.mark.parametrize("size", range(100_000, 1_300_000, 150_000))
def test_a_connection_that_ended_while_its_caller_was_slow_is_good(
    worker: Worker, upstream: Upstream, size: int
) -> None:
    """Wherever the answer ends within the buffers, the provider's connection serves the next."""

    async def answer(peer: Peer, request: Received) -> None:
        if b'"stream"' not in request.body:
            await peer.send_json(CHAT)
            return
        await peer.send_stream_head()
        await peer.send_chunk(b'data: {"model":"m","x":"%b"}\n\n' % (b"x" * size) + LAST)
        await peer.send_chunk(b"")

    upstream.script = answer
    with Caller(worker.port, receive_bytes=4096) as slow, Caller(worker.port) as other:
        slow.post("/v1/chat/completions", STREAM_BODY)
        wait_for(lambda: len(worker.closed()) == 1 or size > 300_000)
        time.sleep(0.1)
        assert slow.answer().body.endswith(b"data: [DONE]\n\n")
        assert other.chat().status == 200


def test_a_stopped_caller_is_only_slow(worker: Worker, upstream: Upstream) -> None:
    """SIGSTOP is no farewell; others are served meanwhile (R-13)."""
    event = b'data: {"model":"m","x":"%b"}\n\n' % (b"x" * 10_000)

    async def flood(peer: Peer, request: Received) -> None:
        if b'"stream"' not in request.body:
            await peer.send_json(CHAT)
            return
        await peer.send_stream_head()
        for _number in range(200):
            await peer.send_chunk(event)
        await peer.send_chunk(LAST)
        await peer.send_chunk(b"")

    upstream.script = flood
    with caller_process(worker, 0, "shut") as child:
        child.send_signal(signal.SIGSTOP)
        time.sleep(0.5)
        with Caller(worker.port) as other:
            assert other.chat().status == 200
        assert [c.end_reason for c in worker.closed()] == ["complete"], "only the other one ended"
        child.send_signal(signal.SIGCONT)
        leave(child)
        assert len(worker.closed(2)) == 2
    assert {c.end_reason for c in worker.closed(2)} == {"complete"}
