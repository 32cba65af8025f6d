"""Providers that fail: what the caller gets, and what the ledger says of each attempt."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.products.route.hotpath.test_answers import ANTHROPIC_STREAM, OPENAI_STREAM
from tests.support.upstream import (
    CHAT,
    Peer,
    Received,
    Upstream,
    answer_chat,
    running_upstream,
)
from tests.support.wire import CHAT_BODY, Caller
from tests.support.worker import Worker, provider, running_worker, snapshot, wait_for

STREAM_BODY = {**CHAT_BODY, "stream": True}
MESSAGES_BODY = {"model": "claude-sonnet-4-5", "max_tokens": 9, "messages": [], "stream": True}


@pytest.fixture(scope="module")
def hasty(provider: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """A worker with short deadlines."""
    bounds = {"first_byte_timeout_s": 0.4, "stall_timeout_s": 0.4, "connect_timeout_s": 0.4}
    folder: Path = tmp_path_factory.mktemp("hasty")
    with running_worker(folder, [snapshot(provider.port)], bounds) as running:
        yield running


def test_a_kept_connection_that_was_closed_is_tried_once_more(
    worker: Worker, upstream: Upstream
) -> None:
    """A stale connection costs the caller nothing; both attempts are rows (R-30, R-10)."""
    with Caller(worker.port) as caller:
        caller.chat()
        stale = upstream.peers[-1].number
        worker.forget()

        async def refuse_the_old(peer: Peer, request: Received) -> None:
            if peer.number == stale:
                peer.reset()
            else:
                await answer_chat(peer, request)

        upstream.script = refuse_the_old
        assert caller.chat().status == 200
    assert [(r.attempt, r.provider) for r in worker.opened()] == [(1, "openai"), (2, "openai")]
    first, second = worker.closed(2)
    assert (first.end_reason, first.final, first.status) == ("upstream_error", False, None)
    assert (second.end_reason, second.final, second.status) == ("complete", True, 200)
    assert first.request_id == second.request_id


def test_a_fresh_connection_is_not_tried_again(worker: Worker, upstream: Upstream) -> None:
    """A provider that resets every connection gets two attempts at most, then 502 (R-30)."""

    async def reset(peer: Peer, _: Received) -> None:
        peer.reset()

    upstream.script = reset
    with Caller(worker.port) as caller:
        for _ in range(2):
            got = caller.chat()
            assert (got.status, got.error["code"]) == (502, "upstream_cut")
        assert len(upstream.received) <= 3
    closed = worker.closed()
    assert closed[-1].end_reason == "upstream_error"
    assert closed[-1].status == 502


def test_nobody_there_is_a_502(tmp_path: Path) -> None:
    """A provider that refuses connections is a 502 in the dialect and a row (R-4)."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nobody = taken.getsockname()[1]
        greeting = snapshot(nobody, providers=(provider(nobody), provider(nobody, "anthropic")))
        with running_worker(tmp_path, [greeting]) as worker, Caller(worker.port) as caller:
            got = caller.chat()
            assert (got.status, got.error["code"]) == (502, "upstream_unreachable")
            assert got.headers["x-dd0c-request-id"].startswith("req_")
            got = caller.call("/v1/messages", MESSAGES_BODY)
            assert got.json["type"] == "error"
            assert got.error["type"] == "api_error"
            closed = worker.closed(2)
            assert [c.end_reason for c in closed] == ["upstream_error"] * 2
            assert [c.error_code for c in closed] == ["upstream_unreachable"] * 2


def test_a_silent_provider_is_a_504(hasty: Worker, upstream: Upstream) -> None:
    """No first byte in time is a 504 and a timeout row; the connection is dropped (R-30)."""

    async def say_nothing(peer: Peer, _: Received) -> None:
        await peer.reader.read()

    upstream.script = say_nothing
    hasty.forget()
    with Caller(hasty.port) as caller:
        got = caller.chat()
        assert (got.status, got.error["code"]) == (504, "upstream_timeout")
        upstream.script = answer_chat
        assert caller.chat().status == 200
    assert [c.end_reason for c in hasty.closed(2)] == ["timeout", "complete"]


def test_an_answer_cut_before_it_was_given_is_a_502(worker: Worker, upstream: Upstream) -> None:
    """A held answer that breaks off becomes an error with its own status (R-30)."""

    async def cut(peer: Peer, _: Received) -> None:
        await peer.send(b'HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"model"')
        peer.reset()

    upstream.script = cut
    with Caller(worker.port) as caller:
        assert caller.chat().status == 502
    (closed,) = worker.closed(1)
    assert (closed.end_reason, closed.upstream_status, closed.status) == ("upstream_cut", 200, 502)


@pytest.mark.parametrize("how", ["reset", "polite end", "bad chunk"])
@pytest.mark.parametrize("dialect", ["openai", "anthropic"])
def test_a_cut_stream_ends_with_an_error_event(
    worker: Worker, upstream: Upstream, how: str, dialect: str
) -> None:
    """A stream that breaks off says so in the caller's dialect, never silently (R-30), and costs
    what came: 1 token of "Hi", of a model without a price, or 6 of the text and 50 of the prompt
    at $3, 100 written to the cache at $3.75 and 200 read from it at $0.30."""
    openai = dialect == "openai"
    events = OPENAI_STREAM if openai else ANTHROPIC_STREAM

    async def cut(peer: Peer, _: Received) -> None:
        await peer.send_stream_head()
        await peer.send_chunk(events[0] + events[1] + b"data: {torn")
        await asyncio.sleep(0.05)
        if how == "reset":
            peer.reset()
        elif how == "polite end":
            await peer.send_chunk(b"")
        else:
            await peer.send(b"zz\r\n")

    upstream.script = cut
    path = "/v1/chat/completions" if openai else "/v1/messages"
    with Caller(worker.port) as caller:
        got = caller.call(path, STREAM_BODY if openai else MESSAGES_BODY)
        last = got.body.removeprefix(events[0] + events[1])
        data = json.loads(last.split(b"data: ")[-1])
        upstream.script = answer_chat
        assert caller.chat().status == 200, "the connection goes on"
    if openai:
        assert last.startswith((b"data: {torn\n\ndata: ", b"data: {torndata: ", b"data: {"))
        assert data["error"]["code"] == "upstream_cut"
    else:
        assert b"event: error\n" in last
        assert data["error"]["type"] == "api_error"
    closed = worker.closed(2)[0]
    assert (closed.end_reason, closed.status) == ("upstream_cut", 200)
    cost_pico, tokens = (None, 1) if openai else (675_000_000, 6)
    assert (closed.cost_pico, closed.delivered_output_tokens) == (cost_pico, tokens)
    assert (closed.cost_upstream_pico, closed.upstream_output_tokens) == (cost_pico, tokens)
    assert (closed.usage_source, closed.usage_error) == ("estimated", 0.125)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("text/html", b"<html>Please sign in.</html>"),
        ("application/json", json.dumps(CHAT).encode()[:-40]),
        ("text/plain", b"".join(OPENAI_STREAM)),
    ],
)
def test_an_answer_that_cannot_be_read_costs_nobody_knows_what(
    worker: Worker, upstream: Upstream, kind: str, body: bytes
) -> None:
    """A page of somebody's proxy, half a document, events by another name: they pass as they are,
    and their tokens are unknown, not 0 (R-13, R-33)."""

    async def odd(peer: Peer, _: Received) -> None:
        head = f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n\r\n"
        await peer.send(head.encode() + body)

    upstream.script = odd
    with Caller(worker.port) as caller:
        answer = caller.chat()
    assert (answer.status, answer.body) == (200, body)
    assert "x-dd0c-cost-usd" not in answer.headers
    (closed,) = worker.closed(1)
    assert (closed.cost_pico, closed.cost_reason, closed.usage_source) == (None, "no_usage", "none")
    assert (closed.delivered_output_tokens, closed.upstream_output_tokens) == (None, None)


def test_running_usage_of_a_cut_stream_is_an_estimate(worker: Worker, upstream: Upstream) -> None:
    """Counts told along the way are the best there is, and are not taken for the last word (R-13).

    9 tokens at $0.25 and 3 at $2 for a million.
    """

    async def cut(peer: Peer, _: Received) -> None:
        await peer.send_stream_head()
        await peer.send_chunk(
            b'data: {"model":"gpt-5-mini","choices":[{"finish_reason":null}],'
            b'"usage":{"prompt_tokens":9,"completion_tokens":3}}\n\n'
        )
        await asyncio.sleep(0.05)
        peer.reset()

    upstream.script = cut
    with Caller(worker.port) as caller:
        caller.chat(STREAM_BODY)
    (closed,) = worker.closed(1)
    assert (closed.usage.input, closed.usage.output) == (9, 3)
    assert (closed.cost_pico, closed.usage_source) == (8_250_000, "estimated")


def test_a_stalled_stream_ends_with_an_error_event(hasty: Worker, upstream: Upstream) -> None:
    """Silence inside a stream is a timeout that the caller hears of (R-30)."""

    async def stall(peer: Peer, _: Received) -> None:
        await peer.send_stream_head()
        await peer.send_chunk(OPENAI_STREAM[0])
        await peer.reader.read()

    upstream.script = stall
    hasty.forget()
    with Caller(hasty.port) as caller:
        got = caller.chat(STREAM_BODY)
    assert b'"code":"upstream_timeout"' in got.body
    (closed,) = hasty.closed(1)
    assert (closed.end_reason, closed.served_model) == ("timeout", "gpt-5-mini-2025-08-07")


def test_the_terminal_event_is_enough(worker: Worker, upstream: Upstream) -> None:
    """After [DONE] the answer is complete, even if the provider never ends its message (R-13)."""

    async def never_end(peer: Peer, _: Received) -> None:
        await peer.send_stream_head()
        await peer.send_chunk(b"".join(OPENAI_STREAM))
        await peer.reader.read()

    upstream.script = never_end
    with Caller(worker.port) as caller:
        got = caller.chat(STREAM_BODY)
        assert got.body.endswith(b"data: [DONE]\n\n")
        upstream.script = answer_chat
        assert caller.chat().status == 200
    assert [c.end_reason for c in worker.closed(2)] == ["complete", "complete"]


def test_an_error_event_of_the_provider_passes(worker: Worker, upstream: Upstream) -> None:
    """A provider's own error event is the end of the stream; nothing is added (R-30)."""
    event = b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error"}}\n\n'

    async def fail(peer: Peer, _: Received) -> None:
        await peer.send_stream_head()
        await peer.send_chunk(ANTHROPIC_STREAM[0] + event)
        await peer.send_chunk(b"")

    upstream.script = fail
    with Caller(worker.port) as caller:
        got = caller.call("/v1/messages", MESSAGES_BODY)
    assert got.body == ANTHROPIC_STREAM[0] + event
    (closed,) = worker.closed(1)
    assert (closed.end_reason, closed.usage.input, closed.usage.output) == ("upstream_error", 50, 0)
    assert (closed.upstream_output_tokens, closed.usage_source) == (0, "estimated")


def test_an_answer_that_ends_with_its_connection(worker: Worker, upstream: Upstream) -> None:
    """A provider without length or chunks is understood, streaming or not (R-2)."""

    async def old(peer: Peer, request: Received) -> None:
        stream = b'"stream"' in request.body
        kind = b"text/event-stream" if stream else b"application/json"
        body = b"".join(OPENAI_STREAM) if stream else json.dumps(CHAT).encode()
        await peer.send(b"HTTP/1.0 200 OK\r\ncontent-type: %b\r\n\r\n%b" % (kind, body))
        peer.writer.close()

    upstream.script = old
    with Caller(worker.port) as caller:
        assert caller.chat().json == CHAT
        assert caller.chat(STREAM_BODY).body.endswith(b"data: [DONE]\n\n")
    assert [c.end_reason for c in worker.closed(2)] == ["complete", "complete"]


def test_interim_answers_are_not_the_answer(worker: Worker, upstream: Upstream) -> None:
    """100 and 103 of a provider are skipped; trailers are ignored (R-33)."""

    async def hints(peer: Peer, _: Received) -> None:
        await peer.send(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n")
        await peer.send(
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
            b"2\r\n{}\r\n0\r\nx-trailer: 1\r\n\r\n"
        )

    upstream.script = hints
    with Caller(worker.port) as caller:
        got = caller.chat()
        assert (got.status, got.body) == (200, b"{}")
        assert "link" not in got.headers
        assert "x-trailer" not in got.headers


def test_connections_to_the_provider_are_kept(worker: Worker, upstream: Upstream) -> None:
    """Requests one after another use one connection; unasked bytes end it (R-40)."""
    with Caller(worker.port) as caller:
        caller.chat()
        before = upstream.accepted
        for _ in range(20):
            caller.chat()
        assert upstream.accepted == before

        async def talk_on(peer: Peer, request: Received) -> None:
            await answer_chat(peer, request)
            await asyncio.sleep(0.05)
            await peer.send(b"HTTP/1.1 200 OK\r\n\r\nforged")

        upstream.script = talk_on
        caller.chat()
        wait_for(upstream.peers[-1].gone)
        upstream.script = answer_chat
        assert caller.chat().json == CHAT


@pytest.mark.parametrize(
    ("host", "trusted", "status"),
    [("localhost", True, 200), ("localhost", False, 502), ("127.0.0.1", True, 502)],
)
def test_providers_are_reached_over_tls(
    tmp_path: Path, authority: Path, host: str, trusted: bool, status: int
) -> None:
    """TLS with a certificate of a trusted authority for this very host, or no request at all."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority)
    bounds = {"ca_bundle": str(authority) if trusted else ""}
    with running_upstream(context) as upstream:
        secure = provider(upstream.port, scheme="https", host=host)
        greeting = snapshot(upstream.port, providers=(secure,))
        with running_worker(tmp_path, [greeting], bounds) as worker, Caller(worker.port) as caller:
            assert caller.chat().status == status
            assert caller.chat().status == status
            assert len(upstream.received) == (2 if status == 200 else 0)
            if status == 200:
                assert upstream.accepted == 1, "the connection is kept"
                upstream.script = stream_all
                assert caller.chat(STREAM_BODY).body.endswith(OPENAI_STREAM[-1])


async def stream_all(peer: Peer, _: Received) -> None:
    """A whole OpenAI stream."""
    await peer.send_stream_head()
    await peer.send_chunk(b"".join(OPENAI_STREAM))
    await peer.send_chunk(b"")


@pytest.mark.parametrize("status", ["301 Moved Permanently", "307 Temporary Redirect"])
def test_a_redirect_is_followed_by_nobody(worker: Worker, upstream: Upstream, status: str) -> None:
    """A prompt goes where the operator said: neither we nor the SDK send it elsewhere (R-30)."""

    async def redirect(peer: Peer, _: Received) -> None:
        await peer.send_json({}, status, "location: http://127.0.0.1:9/v1\r\n")

    upstream.script = redirect
    with Caller(worker.port) as caller:
        answer = caller.chat()
    assert answer.status == 502
    assert answer.error["code"] == "upstream_redirect"
    assert "location" not in answer.headers
    [record] = worker.closed(1)
    assert (record.end_reason, record.upstream_status) == ("upstream_error", int(status[:3]))
