"""A worker between a caller and a provider, over real sockets: what passes and what changes."""

from __future__ import annotations

import asyncio
import json

import pytest

from dd0c.base import ids
from dd0c.base.ids import Kind
from tests.products.route.hotpath.test_answers import ANTHROPIC_STREAM, OPENAI_STREAM
from tests.support.upstream import CHAT, Peer, Received, Upstream
from tests.support.wire import CHAT_BODY, Caller
from tests.support.worker import KEY, ORG, SECRET, Worker

ODD_BODY = b'{ "x" : [1.0, {"model":"no"}], "model":\t"openai/gpt-5-mini" ,"messages":[], "n":1e0}'


def test_a_request_and_its_answer_pass_as_they_are(worker: Worker, upstream: Upstream) -> None:
    """Bytes pass both ways unchanged but for the spliced model (R-3)."""
    answer_body = b'{ "model":"gpt-5-mini",\n "odd" : "\\u00e9" }\n'

    async def answer(peer: Peer, _: Received) -> None:
        await peer.send_json(
            answer_body, headers="X-Request-Id: up_1\r\nX-Thing: a\r\nX-Thing: b\r\n"
        )

    upstream.script = answer
    with Caller(worker.port) as caller:
        got = caller.chat(ODD_BODY, x_custom="1", user_agent="me/1", openai_beta="b")
    assert upstream.last.body == ODD_BODY.replace(b"openai/gpt-5-mini", b"gpt-5-mini")
    assert upstream.last.line == "POST /v1/chat/completions HTTP/1.1"
    headers = upstream.last.headers
    assert headers["x-custom"] == "1"
    assert headers["user-agent"] == "me/1"
    assert headers["openai-beta"] == "b"
    assert (got.status, got.body) == (200, answer_body)
    assert got.headers["x-thing"] == "b"
    assert got.headers["x-request-id"] == "up_1"
    (closed,) = worker.closed(1)
    assert closed.upstream_request_id == "up_1"


def test_the_caller_is_told_cost_and_way(worker: Worker) -> None:
    """The x-dd0c headers say request, model, provider, reason and cost (R-18).

    10 x $0.25 and 5 x $2.00 a million tokens are $0.0000125.
    """
    with Caller(worker.port) as caller:
        got = caller.chat()
    assert got.headers["x-dd0c-model"] == "gpt-5-mini"
    assert got.headers["x-dd0c-provider"] == "openai"
    assert got.headers["x-dd0c-route-reason"] == "dialect"
    assert got.headers["x-dd0c-cost-usd"] == "0.0000125"
    assert got.headers["x-dd0c-request-id"].startswith("req_")
    (opened,), (closed,) = worker.opened(), worker.closed(1)
    assert opened.request_id == closed.request_id
    assert (opened.org, opened.attempt, opened.stream) == (ORG, 1, False)
    assert (closed.end_reason, closed.final, closed.status) == ("complete", True, 200)
    assert (closed.cost_pico, closed.price_id) == (12_500_000, "prc_test")
    assert (closed.usage.input, closed.usage.output) == (10, 5)
    assert (closed.delivered_output_tokens, closed.upstream_output_tokens) == (5, 5)


def test_an_unpriced_model_has_no_cost(worker: Worker, upstream: Upstream) -> None:
    """Without a price there is no cost header and no cost, and the parent is asked once (R-11)."""

    async def answer(peer: Peer, _: Received) -> None:
        await peer.send_json({**CHAT, "model": "brand-new"})

    upstream.script = answer
    with Caller(worker.port) as caller:
        for _ in range(2):
            assert "x-dd0c-cost-usd" not in caller.chat().headers
    closed = worker.closed(2)[0]
    assert (closed.cost_pico, closed.cost_reason, closed.usage.input) == (None, "no_price", 10)
    wanted = [m for m in worker.said if getattr(m, "model", None) == "brand-new"]
    assert len(wanted) == 1


def test_keys_stay_on_their_side(worker: Worker, upstream: Upstream) -> None:
    """Our key never goes upstream, the provider's never comes down; cookies do neither (R-4);
    nor what a proxy says of the caller."""

    async def answer(peer: Peer, _: Received) -> None:
        await peer.send_json(CHAT, headers="set-cookie: a=b\r\nx-dd0c-model: forged\r\n")

    upstream.script = answer
    with Caller(worker.port) as caller:
        got = caller.chat(
            cookie="dd0c_session=s",
            x_dd0c_tag="t",
            x_api_key=KEY,
            via="1.1 proxy",
            x_forwarded_for="203.0.113.9",
        )
    everything = upstream.last.head.decode()
    assert KEY not in everything
    for stopped in ("cookie", "via", "x-forwarded-for"):
        assert stopped not in upstream.last.headers
    assert "x-api-key" not in upstream.last.headers
    assert "x-dd0c-tag" not in upstream.last.headers
    assert upstream.last.headers["authorization"] == f"Bearer {SECRET}"
    assert upstream.last.headers["accept-encoding"] == "identity"
    assert "set-cookie" not in got.headers
    assert got.headers["x-dd0c-model"] == "gpt-5-mini"


def test_headers_of_one_hop_stay_there(worker: Worker, upstream: Upstream) -> None:
    """Connection and what it names are ours alone, both ways (RFC 9110, 7.6.1)."""

    async def answer(peer: Peer, _: Received) -> None:
        await peer.send_json(CHAT, headers="keep-alive: timeout=5\r\nconnection: keep-alive\r\n")

    upstream.script = answer
    with Caller(worker.port) as caller:
        got = caller.chat(connection="keep-alive, X-Hop", x_hop="1", te="trailers", keep_alive="9")
    for name in ("connection", "x-hop", "te", "keep-alive"):
        assert name not in upstream.last.headers
    assert "keep-alive" not in got.headers


@pytest.mark.parametrize("status", ["400 Bad Request", "401 x", "429 Too Many", "500 x", "529 x"])
def test_a_providers_error_passes_with_its_hints(
    worker: Worker, upstream: Upstream, status: str
) -> None:
    """Status, body, retry-after and request id of a provider's error reach the caller (R-4)."""
    body = {"error": {"message": "no", "type": "t"}}

    async def answer(peer: Peer, _: Received) -> None:
        await peer.send_json(body, status, "retry-after: 7\r\nx-request-id: up_2\r\n")

    upstream.script = answer
    with Caller(worker.port) as caller:
        got = caller.chat()
        assert got.status == int(status[:3])
        assert got.json == body
        assert got.headers["retry-after"] == "7"
        assert got.headers["x-request-id"] == "up_2"
    (closed,) = worker.closed(1)
    assert (closed.end_reason, closed.upstream_status) == ("upstream_error", got.status)
    assert (closed.cost_pico, closed.usage_source) == (0, "none"), "providers charge no refusal"


def test_an_echoed_provider_key_is_masked(worker: Worker, upstream: Upstream) -> None:
    """A provider that repeats its key in body or headers does not give it away (R-4, K-40)."""

    async def answer(peer: Peer, request: Received) -> None:
        echo = request.headers["authorization"]
        await peer.send_json({"error": {"message": echo}}, "401 x", f"x-echo: {echo}\r\n")

    upstream.script = answer
    with Caller(worker.port) as caller:
        got = caller.chat()
    assert got.error["message"] == "Bearer [secret]"
    assert got.headers["x-echo"] == "Bearer [secret]"


def test_an_openai_stream_hides_our_wish_for_usage(worker: Worker, upstream: Upstream) -> None:
    """The usage chunk we asked for is taken out; a comment with the cost precedes [DONE] (R-18).

    20 x $0.25, 10 x $0.025 and 15 x $2.00 a million are $0.00003525.
    """
    priced = [event.replace(b"-2025-08-07", b"") for event in OPENAI_STREAM]

    async def answer(peer: Peer, _: Received) -> None:
        await peer.send_stream_head()
        for event in priced:
            await peer.send_chunk(event)
        await peer.send_chunk(b"")

    upstream.script = answer
    with Caller(worker.port) as caller:
        got = caller.chat({**CHAT_BODY, "stream": True})
        again = caller.chat(
            {**CHAT_BODY, "stream": True, "stream_options": {"include_usage": True}}
        )
    assert json.loads(upstream.received[0].body)["stream_options"] == {"include_usage": True}
    note = f": dd0c cost_usd=0.00003525 request={got.headers['x-dd0c-request-id']}\n\n".encode()
    assert got.body == priced[0] + priced[1] + note + priced[3]
    assert again.body.startswith(priced[0] + priced[1] + priced[2] + b": dd0c cost_usd=")
    closed = worker.closed(2)[0]
    assert (closed.usage.reasoning, closed.upstream_output_tokens) == (7, 15)


def test_an_anthropic_stream_tells_its_cost_before_the_end(
    worker: Worker, upstream: Upstream
) -> None:
    """The comment stands before message_stop; the key goes as x-api-key (R-18, R-2).

    50 x $3, 200 x $0.3, 100 x $3.75 and 30 x $15 a million are $0.001035.
    """

    async def answer(peer: Peer, _: Received) -> None:
        await peer.send_stream_head()
        await peer.send_chunk(b"".join(ANTHROPIC_STREAM))
        await peer.send_chunk(b"")

    upstream.script = answer
    body = {"model": "claude-sonnet-4-5", "max_tokens": 9, "messages": [], "stream": True}
    with Caller(worker.port) as caller:
        got = caller.call("/v1/messages?beta=true", body, anthropic_version="2023-06-01")
    request_id = got.headers["x-dd0c-request-id"]
    note = f": dd0c cost_usd=0.001035 request={request_id}\n\n".encode()
    assert got.body == b"".join(ANTHROPIC_STREAM[:3]) + note + ANTHROPIC_STREAM[3]
    assert upstream.last.line == "POST /v1/messages?beta=true HTTP/1.1"
    assert upstream.last.headers["x-api-key"] == SECRET
    assert upstream.last.headers["anthropic-version"] == "2023-06-01"
    assert "authorization" not in upstream.last.headers
    assert json.loads(upstream.last.body) == body


def test_events_pass_as_they_come(worker: Worker, upstream: Upstream) -> None:
    """An event reaches the caller before the next one is sent (R-42)."""

    go_on = asyncio.Event()

    async def answer(peer: Peer, _: Received) -> None:
        await peer.send_stream_head()
        for number in range(3):
            await peer.send_chunk(b'data: {"model":"m","n":%d}\n\n' % number)
            await go_on.wait()
            go_on.clear()

    upstream.script = answer
    with Caller(worker.port) as caller:
        caller.post("/v1/chat/completions", {**CHAT_BODY, "stream": True})
        assert caller.head().status == 200
        for number in range(3):
            assert caller.chunk() == b'data: {"model":"m","n":%d}\n\n' % number
            upstream.loop.call_soon_threadsafe(go_on.set)


def test_embeddings_and_models_pass(worker: Worker, upstream: Upstream) -> None:
    """Embeddings are billed by input; the list of models is free and asked in the dialect (R-1)."""

    async def answer(peer: Peer, request: Received) -> None:
        if "embeddings" in request.line:
            usage = {"prompt_tokens": 4, "total_tokens": 4}
            await peer.send_json({"object": "list", "model": "gpt-5-mini", "usage": usage})
        else:
            await peer.send_json({"object": "list", "data": []})

    upstream.script = answer
    with Caller(worker.port) as caller:
        got = caller.call("/v1/embeddings", {"model": "gpt-5-mini", "input": "x"})
        assert got.headers["x-dd0c-cost-usd"] == "0.000001"
        caller.send(
            b"GET /v1/models HTTP/1.1\r\nhost: x\r\nauthorization: Bearer %b\r\n\r\n" % KEY.encode()
        )
        assert caller.answer().json == {"object": "list", "data": []}
        assert upstream.last.line == "GET /v1/models HTTP/1.1"
        caller.send(
            b"GET /v1/models?limit=1 HTTP/1.1\r\nhost: x\r\nx-api-key: %b\r\n"
            b"anthropic-version: 2023-06-01\r\n\r\n" % KEY.encode()
        )
        assert caller.answer().status == 200
        assert upstream.last.line == "GET /v1/models?limit=1 HTTP/1.1"
        assert upstream.last.headers["x-api-key"] == SECRET
    assert [c.cost_pico for c in worker.closed(3)] == [1_000_000, 0, 0]


def test_a_large_answer_is_relayed_and_billed(worker: Worker, upstream: Upstream) -> None:
    """An answer of 4 MB passes unchanged, is not held, and its usage counts (R-18)."""
    vectors = b",".join([b'{"embedding":[%b]}' % b",".join([b"0.123456789"] * 1500)] * 250)
    body = b'{"data":[%b],"model":"gpt-5-mini","usage":{"prompt_tokens":4}}' % vectors

    async def answer(peer: Peer, _: Received) -> None:
        await peer.send_json(body)

    upstream.script = answer
    with Caller(worker.port) as caller:
        got = caller.call("/v1/embeddings", {"model": "gpt-5-mini", "input": "x"})
        assert got.body == body
        assert "x-dd0c-cost-usd" not in got.headers
        assert caller.chat().status == 200
    assert worker.closed(2)[0].cost_pico == 1_000_000


def test_a_trace_reaches_the_provider(worker: Worker, upstream: Upstream) -> None:
    """The caller's trace id goes on with our span as parent, and into the ledger (R-34)."""
    with Caller(worker.port) as caller:
        caller.chat(traceparent=f"00-{'a' * 32}-{'b' * 16}-01", tracestate="v=1")
        assert upstream.last.headers["traceparent"].startswith(f"00-{'a' * 32}-")
        assert "b" * 16 not in upstream.last.headers["traceparent"]
        assert upstream.last.headers["tracestate"] == "v=1"
        caller.chat(traceparent="nonsense", tracestate="v=1")
        assert "tracestate" not in upstream.last.headers
    first, second = worker.opened()
    assert first.trace_id == b"\xaa" * 16
    assert second.trace_id.hex() in upstream.last.headers["traceparent"]


def test_an_old_caller_gets_no_chunks(worker: Worker, upstream: Upstream) -> None:
    """HTTP/1.0 gets a stream that ends with its connection, and keeps it only when asked (R-33)."""

    async def answer(peer: Peer, _: Received) -> None:
        await peer.send_stream_head()
        await peer.send_chunk(b"".join(OPENAI_STREAM))
        await peer.send_chunk(b"")

    upstream.script = answer
    body = json.dumps({**CHAT_BODY, "stream": True}).encode()
    head = b"POST /v1/chat/completions HTTP/1.0\r\nx-api-key: %b\r\ncontent-length: %d\r\n\r\n"
    with Caller(worker.port) as caller:
        caller.send(head % (KEY.encode(), len(body)) + body)
        got = caller.answer()
        assert got.headers["connection"] == "close"
        assert "transfer-encoding" not in got.headers
        assert got.body.endswith(OPENAI_STREAM[3])
    with Caller(worker.port) as caller:
        for _ in range(2):
            caller.send(b"GET /livez HTTP/1.0\r\nconnection: keep-alive\r\n\r\n")
            assert caller.answer().headers["connection"] == "keep-alive"


def test_many_streams_at_once_lose_nothing(worker: Worker, upstream: Upstream) -> None:
    """A hundred streams side by side each get all their events in order (R-42)."""
    events = [b'data: {"model":"gpt-5-mini","n":%d}\n\n' % number for number in range(30)]

    async def answer(peer: Peer, _: Received) -> None:
        await peer.send_stream_head()
        for event in events:
            await peer.send_chunk(event)
            await asyncio.sleep(0.005)
        await peer.send_chunk(OPENAI_STREAM[2].replace(b"-2025-08-07", b"") + OPENAI_STREAM[3])
        await peer.send_chunk(b"")

    upstream.script = answer
    callers = [Caller(worker.port) for _ in range(100)]
    try:
        for caller in callers:
            caller.post("/v1/chat/completions", {**CHAT_BODY, "stream": True})
        answers = [caller.answer() for caller in callers]
    finally:
        for caller in callers:
            caller.socket.close()
    assert all(got.body.startswith(b"".join(events) + b": dd0c cost") for got in answers)
    ours = {got.headers["x-dd0c-request-id"] for got in answers}
    ended = {ids.text(Kind.REQUEST, c.request_id): c.end_reason for c in worker.closed(100)}
    # Not only ours: who left a test before this one may be booked now.
    assert {ended.get(one) for one in ours} == {"complete"}


@pytest.mark.parametrize("cut", range(1, len(SECRET), 7))
def test_a_key_across_the_pieces_of_a_long_event_is_masked(
    worker: Worker, upstream: Upstream, cut: int
) -> None:
    """An event that is too long to wait for is scrubbed over its pieces' borders too (K-40)."""
    long = b'data: {"x":"' + b"a" * 1_100_000

    async def echo(peer: Peer, _: Received) -> None:
        await peer.send_stream_head()
        await peer.send_chunk(long + SECRET[:cut].encode())
        await asyncio.sleep(0.05)
        await peer.send_chunk(SECRET[cut:].encode() + b'"}\n\ndata: [DONE]\n\n')
        await peer.send_chunk(b"")

    upstream.script = echo
    with Caller(worker.port) as caller:
        answer = caller.chat({**CHAT_BODY, "stream": True})
    assert SECRET.encode() not in answer.body
    assert long + b'[secret]"}\n\n' in answer.body
    assert answer.body.endswith(b"\n\ndata: [DONE]\n\n")


def test_nothing_follows_the_terminal_event(worker: Worker, upstream: Upstream) -> None:
    """What a provider sends after the end of its stream is nobody's, least of all a secret."""

    async def prattle(peer: Peer, _: Received) -> None:
        await peer.send_stream_head()
        await peer.send_chunk(b"data: [DONE]\n\n")
        await asyncio.sleep(0.05)
        await peer.send_chunk(b": " + SECRET.encode() + b"\n\n")
        await peer.send_chunk(b"")

    upstream.script = prattle
    with Caller(worker.port) as caller:
        answer = caller.chat({**CHAT_BODY, "stream": True})
    assert answer.body.endswith(b"data: [DONE]\n\n")
