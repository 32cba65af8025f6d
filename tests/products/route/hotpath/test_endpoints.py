"""Responses, legacy completions, counts of tokens, and answers in codings, over real sockets."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import Any, cast

import openai
import pytest

from dd0c.products.route.models import NO_USAGE, Usage
from tests.products.route.hotpath import test_answers
from tests.support.upstream import CHAT, Peer, Received, Script, Upstream
from tests.support.wire import CHAT_BODY, Caller
from tests.support.worker import KEY, SECRET, Worker

ASK = {"model": "gpt-5-mini", "input": "Hello"}
STREAM = ASK | {"stream": True}
TOLD = {
    "input_tokens": 20,
    "input_tokens_details": {"cached_tokens": 10},
    "output_tokens": 5,
    "output_tokens_details": {"reasoning_tokens": 3},
    "total_tokens": 25,
}
KNOWN = Usage(input=10, cache_read=10, output=2, reasoning=3)
COST = "0.00001275"  # 10 x 0.25 + 10 x 0.025 + (2 + 3) x 2 = 2.5 + 0.25 + 10 millionths


def event(kind: str, **rest: Any) -> bytes:
    """One event of a response."""
    return f"event: {kind}\ndata: {json.dumps({'type': kind} | rest)}\n\n".encode()


def response(status: str, usage: Any = None, **rest: Any) -> bytes:
    """An event that carries the response."""
    whole = {"id": "resp_1", "model": "gpt-5-mini", "status": status, "usage": usage}
    return event(f"response.{status}", response=whole | rest)


CHUNKS = [c.replace(b"-2025-08-07", b"") for c in test_answers.OPENAI_STREAM]
CREATED = response("in_progress")
DELTA = event("response.output_text.delta", delta='Hi "usage" response.completed')


def streaming(*parts: bytes, headers: str = "", end: bool = True) -> Script:
    """A provider that sends these chunks of a stream, and ends it or breaks off."""

    async def answer(peer: Peer, _: Received) -> None:
        await peer.send_stream_head(headers)
        for part in parts:
            await peer.send_chunk(part)
        if end:
            await peer.send_chunk(b"")
        else:
            peer.reset()

    return answer


def answering(body: Any, headers: str = "") -> Script:
    """A provider that answers with a body."""

    async def answer(peer: Peer, _: Received) -> None:
        await peer.send_json(body, headers=headers)

    return answer


def test_a_response_passes_and_is_billed(worker: Worker, upstream: Upstream) -> None:
    """A buffered response goes to the provider's path and back as it is, with its cost (R-1)."""
    body = {"id": "resp_1", "object": "response", "model": "gpt-5-mini", "usage": TOLD}
    upstream.script = answering(body)
    with Caller(worker.port) as caller:
        got = caller.call("/v1/responses", ASK)
    assert upstream.last.line == "POST /v1/responses HTTP/1.1"
    assert (got.status, got.json) == (200, body)
    assert got.headers["x-dd0c-cost-usd"] == COST
    (opened,), (closed,) = worker.opened(), worker.closed(1)
    assert (opened.endpoint, closed.usage) == ("responses", KNOWN)


@pytest.mark.parametrize(
    ("end", "reason", "usage"),
    [
        (response("completed", TOLD), "complete", KNOWN),
        (response("incomplete", TOLD), "complete", KNOWN),
        (response("failed", TOLD), "upstream_error", KNOWN),
        (event("error", code="server_error", message="no"), "upstream_error", None),
    ],
)
def test_a_streamed_response_ends_with_its_terminal_event(
    worker: Worker, upstream: Upstream, end: bytes, reason: str, usage: Usage | None
) -> None:
    """There is no `[DONE]`: each terminal event is the end, booked before it passes, and the cost
    stands right before it (R-1, R-15, R-18)."""
    upstream.script = streaming(CREATED, DELTA, end)
    with Caller(worker.port) as caller:
        got = caller.call("/v1/responses", STREAM)
    assert upstream.last.body == json.dumps(STREAM).encode()
    (closed,) = worker.closed(1)
    assert closed.end_reason == reason
    request = got.headers["x-dd0c-request-id"]
    shown = f": dd0c cost_usd={COST} request={request}\n\n".encode()
    complete = reason == "complete"
    assert got.body == CREATED + DELTA + (shown if complete else b"") + end
    assert (closed.usage_source == "provider") == (usage is not None)
    assert usage in (None, closed.usage)


def test_a_broken_response_says_so_in_its_dialect(worker: Worker, upstream: Upstream) -> None:
    """A stream that breaks off ends with an `error` event of the API, not silently (R-4, R-30)."""
    upstream.script = streaming(CREATED, DELTA, end=False)
    with Caller(worker.port) as caller:
        got = caller.call("/v1/responses", STREAM)
    last = got.body.removeprefix(CREATED + DELTA)
    assert last.startswith(b"event: error\ndata: ")
    said = json.loads(last.removeprefix(b"event: error\ndata: "))
    assert (said["type"], said["code"]) == ("error", "upstream_cut")
    assert said["error"]["message"] == said["message"]


@pytest.mark.parametrize("piece", [4096, 100_000])
def test_a_terminal_event_too_large_to_hold_is_read_all_the_same(
    worker: Worker, upstream: Upstream, piece: int
) -> None:
    """A response with images in it is passed in pieces; its usage is read, and its last piece waits
    for the record (R-10, R-15)."""
    output = [{"type": "image_generation_call", "result": "iVBOR" * 300_000, "usage": {"x": 1}}]
    whole = {"output": output, "usage": TOLD, "user": None, "metadata": {"a": "b" * 500}}
    end = event("response.completed", sequence_number=7, response=whole)
    data = CREATED + end
    upstream.script = streaming(*(data[at : at + piece] for at in range(0, len(data), piece)))
    with Caller(worker.port) as caller:
        got = caller.call("/v1/responses", STREAM)
    before, _, after = got.body.partition(b": dd0c cost_usd=" + COST.encode())
    _, _, last = after.partition(b"\n\n")
    assert before + last == data
    (closed,) = worker.closed(1)
    assert (closed.usage, closed.end_reason) == (KNOWN, "complete")


def test_a_streamed_completion_is_asked_for_usage(worker: Worker, upstream: Upstream) -> None:
    """The old endpoint's stream is counted too, and its caller sees nothing of it (R-1, R-18)."""
    text = b'data: {"id":"c","model":"gpt-5-mini","choices":[{"text":"Hi","finish_reason":%b}]}\n\n'
    told = (
        b'data: {"id":"c","model":"gpt-5-mini","choices":[],"usage":{"prompt_tokens":10,'
        b'"completion_tokens":5,"total_tokens":15}}\n\n'
    )
    first, last = text % b"null", text % b'"stop"'
    upstream.script = streaming(first, last, told, b"data: [DONE]\n\n")
    body = {"model": "gpt-5-mini", "prompt": "Hello", "stream": True}
    with Caller(worker.port) as caller:
        got = caller.call("/v1/completions", body)
    assert upstream.last.line == "POST /v1/completions HTTP/1.1"
    assert json.loads(upstream.last.body)["stream_options"] == {"include_usage": True}
    assert got.body.startswith(first + last + b": dd0c cost_usd=0.0000125 ")
    assert got.body.endswith(b"\n\ndata: [DONE]\n\n")
    assert told not in got.body
    (closed,) = worker.closed(1)
    assert closed.usage == Usage(input=10, output=5)


def test_counting_tokens_is_free(worker: Worker, upstream: Upstream) -> None:
    """A count of tokens passes with the caller's query, and costs a known nothing (R-1)."""
    upstream.script = answering({"input_tokens": 2095})
    body = {"model": "claude-sonnet-4-5", "messages": []}
    with Caller(worker.port) as caller:
        got = caller.call("/v1/messages/count_tokens?beta=true", body)
    assert upstream.last.line == "POST /v1/messages/count_tokens?beta=true HTTP/1.1"
    assert (got.json, got.headers["x-dd0c-cost-usd"]) == ({"input_tokens": 2095}, "0")
    (opened,), (closed,) = worker.opened(), worker.closed(1)
    assert (opened.endpoint, opened.requested_model) == ("count_tokens", "claude-sonnet-4-5")
    assert (closed.usage, closed.usage_source, closed.cost_pico) == (NO_USAGE, "none", 0)


def test_a_wrong_count_is_not_half_believed(worker: Worker, upstream: Upstream) -> None:
    """Of numbers that contradict each other none is booked as the provider's; the record names the
    field and keeps what was said (R-10)."""
    odd = {
        "prompt_tokens": 5,
        "completion_tokens": 1,
        "prompt_tokens_details": {"cached_tokens": 6},
    }
    upstream.script = answering(CHAT | {"usage": odd})
    with Caller(worker.port) as caller:
        assert caller.chat().status == 200
    (closed,) = worker.closed(1)
    assert (closed.usage_source != "provider", closed.error_code) == (
        True,
        "bad_usage_cached_tokens",
    )
    assert closed.usage_raw is not None
    assert json.loads(closed.usage_raw) == odd


def test_the_comment_joins_an_event_that_has_an_id(worker: Worker, upstream: Upstream) -> None:
    """Where a stream numbers its events, the comment brings no blank line of its own: OpenAI's SDK
    would take that for an event without data, and break (R-18)."""
    numbered = [b"id: %d\n%b" % pair for pair in enumerate(CHUNKS)]
    upstream.script = streaming(*numbered)
    body = {**CHAT_BODY, "stream": True}
    with Caller(worker.port) as caller:
        got = caller.chat(body)
    _, _, end = got.body.partition(b": dd0c cost_usd=")
    assert end.partition(b"\n")[2] == numbered[-1]
    url = f"http://127.0.0.1:{worker.port}/v1"
    with openai.OpenAI(base_url=url, api_key=KEY, max_retries=0) as client:
        chunks = list(client.chat.completions.create(**cast(Any, body)))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "Hi"


FOLDED = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "GZIP": lambda body: gzip.compress(body[:50]) + gzip.compress(body[50:]),
}


@pytest.mark.parametrize("how", FOLDED)
def test_a_compressed_answer_is_read_and_given_plain(
    worker: Worker, upstream: Upstream, how: str
) -> None:
    """Usage in an answer that is compressed unasked is read, and no secret hides in it (R-10)."""
    body = json.dumps(CHAT | {"echo": SECRET}).encode()
    upstream.script = answering(FOLDED[how](body), f"content-encoding: {how}\r\n")
    with Caller(worker.port) as caller:
        got = caller.chat()
    assert got.json == CHAT | {"echo": "[secret]"}
    assert "content-encoding" not in got.headers
    (closed,) = worker.closed(1)
    assert (closed.usage, closed.usage_source) == (Usage(input=10, output=5), "provider")


def test_a_compressed_stream_is_read_event_by_event(worker: Worker, upstream: Upstream) -> None:
    """Events leave as they come though their provider compresses them (R-10, R-18)."""
    fold = zlib.compressobj(wbits=31)
    parts = [fold.compress(one) + fold.flush(zlib.Z_SYNC_FLUSH) for one in CHUNKS]
    parts.append(fold.flush())
    upstream.script = streaming(*parts, headers="content-encoding: gzip\r\n")
    with Caller(worker.port) as caller:
        got = caller.chat({**CHAT_BODY, "stream": True})
    assert got.body.startswith(CHUNKS[0] + CHUNKS[1] + b": dd0c cost_usd=")
    assert got.body.endswith(CHUNKS[3])
    (closed,) = worker.closed(1)
    assert (closed.usage.input, closed.end_reason) == (20, "complete")


@pytest.mark.parametrize(
    ("coding", "body", "code"),
    [
        ("br", b"\x0b\x02\x80{}\x03", "upstream_coding"),
        ("gzip, br", b"x", "upstream_coding"),
        ("gzip", b"this is not gzip", "upstream_cut"),
        ("gzip", gzip.compress(json.dumps(CHAT).encode())[:-9], "upstream_cut"),
        ("gzip", gzip.compress(bytes(64 * 1024 * 1024)), "upstream_cut"),
    ],
    ids=["unknown", "two", "lie", "torn", "bomb"],
)
def test_what_cannot_be_unfolded_is_refused(
    worker: Worker, upstream: Upstream, coding: str, body: bytes, code: str
) -> None:
    """A coding that hides the text, or holds far too much of it, is a 502 (R-33)."""
    upstream.script = answering(body, f"content-encoding: {coding}\r\n")
    with Caller(worker.port) as caller:
        got = caller.chat()
    assert (got.status, got.error["code"]) == (502, code)
    (closed,) = worker.closed(1)
    assert (closed.status, closed.cost_pico) == (502, None) or closed.usage_source != "provider"
