"""Answers whose caller has left, or lags behind: who pays for what (R-13).

The text is "word " eight times: 9 tokens; the provider says 100 of the prompt and 40 of output. A
prompt that is counted has 100 tokens as well, so input costs $0.000025 and output $0.000002 each.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dd0c.products.route.hotpath.snapshot import CountWanted, RulesChanged, Terms
from dd0c.products.route.models import AttemptClosed, Usage
from tests.support.upstream import Peer, Received, Upstream
from tests.support.wire import CHAT_BODY, Caller
from tests.support.worker import ORG, Worker, running_worker, snapshot, wait_for

STREAM_BODY = {**CHAT_BODY, "stream": True}
WORD = b'data: {"model":"gpt-5-mini","choices":[{"delta":{"content":"word "}}]}\n\n'
USAGE = (
    b'data: {"model":"gpt-5-mini","choices":[],"usage":{"prompt_tokens":100,'
    b'"completion_tokens":40}}\n\n'
)
DONE = b"data: [DONE]\n\n"
INPUT_PICO = 25_000_000
TOKEN_PICO = 2_000_000


class Talk:
    """A provider that says two words, and goes on when the test lets it."""

    def __init__(self, upstream: Upstream, rest: bytes):
        self._upstream = upstream
        self._rest = rest
        self._go = asyncio.Event()
        upstream.script = self

    async def __call__(self, peer: Peer, _: Received) -> None:
        await peer.send_stream_head()
        await peer.send_chunk(WORD * 2)
        await self._go.wait()
        await peer.send_chunk(self._rest)
        if self._rest.endswith(DONE):
            await peer.send_chunk(b"")
        await peer.reader.read()

    def go_on(self) -> None:
        """Let it speak on."""
        self._upstream.loop.call_soon_threadsafe(self._go.set)


@pytest.fixture
def terms(worker: Worker) -> Iterator[None]:
    """The organisation's terms are as before afterwards."""
    yield
    worker.tell(RulesChanged((), ()))


def leave_after_two_words(worker: Worker, policy: str, amount: int | None = None) -> None:
    """Tell a policy, ask for a stream, and leave it."""
    worker.tell(RulesChanged((), (Terms(ORG, policy, amount),)))
    with Caller(worker.port) as caller:
        caller.post("/v1/chat/completions", STREAM_BODY)
        caller.until(WORD * 2)
        caller.reset()


def costs(row: AttemptClosed) -> tuple[int | None, int | None, int | None]:
    """Cost, delivered, upstream."""
    return row.cost_pico, row.cost_delivered_pico, row.cost_upstream_pico


@pytest.mark.usefixtures("terms")
def test_what_is_drained_costs_what_the_provider_says(worker: Worker, upstream: Upstream) -> None:
    """Read on to its usage, an answer costs its organisation all of it; what reached the caller is
    kept beside: 3 tokens of "word word " (R-13)."""
    talk = Talk(upstream, WORD * 6 + USAGE + DONE)
    leave_after_two_words(worker, "drain")
    wait_for(lambda: worker.gauge("dd0c_route_connections") == 0)
    assert not worker.closed()
    talk.go_on()
    (row,) = worker.closed(1)
    delivered = INPUT_PICO + 3 * TOKEN_PICO
    assert row.end_reason == "client_gone"
    assert costs(row) == (INPUT_PICO + 40 * TOKEN_PICO, delivered, INPUT_PICO + 40 * TOKEN_PICO)
    assert (row.delivered_output_tokens, row.upstream_output_tokens) == (3, 40)
    assert (row.usage, row.usage_source) == (Usage(input=100, output=40), "provider")
    wait_for(upstream.peers[-1].gone)


@pytest.mark.usefixtures("terms")
def test_what_breaks_off_while_drained_is_counted(worker: Worker, upstream: Upstream) -> None:
    """No usage came, so all text that did is counted: 9 tokens of 8 words (R-13, R-14)."""
    talk = Talk(upstream, WORD * 6)
    leave_after_two_words(worker, "drain")
    talk.go_on()
    wait_for(lambda: upstream.peers[-1].sent > 8 * len(WORD))
    upstream.loop.call_soon_threadsafe(upstream.peers[-1].reset)
    (row,) = worker.closed(1)
    made = INPUT_PICO + 9 * TOKEN_PICO
    assert costs(row) == (made, INPUT_PICO + 3 * TOKEN_PICO, made)
    assert (row.end_reason, row.error_code) == ("client_gone", "upstream_cut")
    assert (row.usage_source, row.usage_error) == ("estimated", 0.125)


@pytest.mark.usefixtures("terms")
@pytest.mark.parametrize("enough", [True, False])
def test_reading_on_may_have_a_price(worker: Worker, upstream: Upstream, enough: bool) -> None:
    """Up to an amount an answer is read on; beyond it the provider is dropped and what came is
    counted, which may be estimated: 1,000 words are 5,000 characters (R-13)."""
    talk = Talk(upstream, WORD * 1000 + (USAGE + DONE if enough else b""))
    amount = 25_000_000_000 if enough else INPUT_PICO + 1000 * TOKEN_PICO
    leave_after_two_words(worker, "drain_up_to_usd", amount)
    talk.go_on()
    (row,) = worker.closed(1)
    wait_for(upstream.peers[-1].gone)
    assert row.delivered_output_tokens == 3
    if enough:
        assert row.cost_pico == INPUT_PICO + 40 * TOKEN_PICO
    else:
        assert row.usage_source == "estimated"
        assert row.cost_pico == row.cost_upstream_pico
        assert row.upstream_output_tokens is not None
        assert 3 < row.upstream_output_tokens <= 1003


@pytest.mark.usefixtures("terms")
def test_a_worker_that_ends_drains_nothing_on(worker: Worker, upstream: Upstream) -> None:
    """Too little for the prompt alone, and the provider is dropped at once, as with abort."""
    Talk(upstream, b"")
    leave_after_two_words(worker, "drain_up_to_usd", 1)
    wait_for(upstream.peers[-1].gone)
    (row,) = worker.closed(1)
    assert row.cost_pico == INPUT_PICO + 3 * TOKEN_PICO


async def flood(peer: Peer, _: Received) -> None:
    """Twenty words in 60 kB, and the end."""
    await peer.send_stream_head()
    for _number in range(20):
        await peer.send_chunk(WORD.replace(b'"word "', b'"word ","padding":"%b"' % (b"x" * 3000)))
        await asyncio.sleep(0.001)
    await peer.send_chunk(USAGE + DONE)
    await peer.reader.read()


@pytest.mark.parametrize("then", ["reads", "leaves", "half-closes and leaves"])
def test_a_caller_that_lags_is_waited_for(worker: Worker, upstream: Upstream, then: str) -> None:
    """The provider has said all, but the caller reads nothing: it has not got the answer yet, and
    pays all of it only when it has (R-13)."""
    upstream.script = flood
    with Caller(worker.port, receive_bytes=4096) as caller:
        caller.post("/v1/chat/completions", STREAM_BODY)
        wait_for(lambda: upstream.peers[-1].gone() if upstream.received else False)
        assert worker.closed() == [], "the provider is done, the caller is not"
        if then == "reads":
            assert caller.answer().body.endswith(DONE)
        else:
            if then != "leaves":
                caller.socket.shutdown(socket.SHUT_WR)
                time.sleep(0.5)  # until it is looked after, which nothing shows
            caller.reset()
    (row,) = worker.closed(1)
    if then == "reads":
        assert (row.end_reason, row.delivered_output_tokens) == ("complete", 40)
        assert row.cost_pico == INPUT_PICO + 40 * TOKEN_PICO
    else:
        assert row.end_reason == "client_gone"
        assert row.delivered_output_tokens is not None
        assert 0 < row.delivered_output_tokens < 21
        assert row.cost_pico == INPUT_PICO + row.delivered_output_tokens * TOKEN_PICO
        assert row.cost_upstream_pico == INPUT_PICO + 40 * TOKEN_PICO


def test_a_caller_that_takes_nothing_is_cut(tmp_path: Path, upstream: Upstream) -> None:
    """One that is stopped is only slow, and slow it may be; but not at all for `stall_timeout_s`
    is gone (R-13)."""
    upstream.script = flood
    with (
        running_worker(tmp_path, [snapshot(upstream.port)], {"stall_timeout_s": 0.5}) as worker,
        Caller(worker.port, receive_bytes=4096) as caller,
    ):
        caller.post("/v1/chat/completions", STREAM_BODY)
        (row,) = worker.closed(1, 10.0)
        assert row.end_reason == "client_gone"
        assert row.delivered_output_tokens is not None
        assert row.delivered_output_tokens < 21
        with pytest.raises(ConnectionError):
            caller.rest()


@pytest.mark.parametrize("stream", [True, False])
def test_a_provider_that_tells_no_usage_is_counted(
    worker: Worker, upstream: Upstream, stream: bool
) -> None:
    """Without usage the whole text is counted before the last byte goes out; the caller is told
    what it cost (R-14, R-18)."""

    async def answer(peer: Peer, _: Received) -> None:
        if stream:
            await peer.send_stream_head()
            await peer.send_chunk(WORD * 8 + DONE)
            await peer.send_chunk(b"")
        else:
            message = {"role": "assistant", "content": "word " * 8}
            await peer.send_json({"model": "gpt-5-mini", "choices": [{"message": message}]})

    upstream.script = answer
    with Caller(worker.port) as caller:
        got = caller.chat(STREAM_BODY if stream else CHAT_BODY)
        assert caller.chat(STREAM_BODY).status == 200, "the connection goes on"
    shown = "0.000043"  # 25 + 9 x 2 millionths
    if stream:
        assert f": dd0c cost_usd={shown} ".encode() in got.body
        assert got.body.endswith(DONE)
    else:
        assert got.headers["x-dd0c-cost-usd"] == shown
    row = worker.closed(1)[0]
    assert (row.end_reason, row.usage_source, row.usage_error) == ("complete", "estimated", 0.125)
    assert row.usage == Usage(input=100, output=9)
    assert row.cost_pico == row.cost_upstream_pico == INPUT_PICO + 9 * TOKEN_PICO


def test_nobody_waits_long_for_a_count(worker: Worker, upstream: Upstream) -> None:
    """Where no count comes, the row is written without, and the caller is told the end (R-14)."""

    async def cut(peer: Peer, _: Received) -> None:
        await peer.send_stream_head()
        await peer.send_chunk(WORD * 2)
        peer.reset()

    upstream.script = cut
    answers, worker.answers = worker.answers, lambda _: None
    try:
        with Caller(worker.port) as caller:
            caller.post("/v1/chat/completions", STREAM_BODY)
            wait_for(lambda: any(isinstance(m, CountWanted) and not m.actual for m in worker.said))
            assert worker.closed() == [], "the row is written when the count has come, or not"
            assert b'"code":"upstream_cut"' in caller.answer().body
        (row,) = worker.closed(1)
    finally:
        worker.answers = answers
    assert (row.cost_pico, row.cost_reason, row.usage_source) == (None, "no_usage", "none")
    assert row.total_us < 1_500_000, "the time of the attempt is not that of the count"


def test_whole_answers_are_shown_to_who_counts(worker: Worker, upstream: Upstream) -> None:
    """Now and then a complete answer goes out with its true usage, to learn from (R-14)."""

    async def answer(peer: Peer, _: Received) -> None:
        await peer.send_stream_head()
        await peer.send_chunk(WORD * 2 + USAGE + DONE)
        await peer.send_chunk(b"")

    upstream.script = answer
    worker.said.clear()

    def learned() -> list[CountWanted]:
        return [m for m in worker.said if isinstance(m, CountWanted) and m.actual]

    def ask() -> bool:
        with Caller(worker.port) as caller:
            caller.chat(STREAM_BODY)
        return bool(learned())

    wait_for(ask)
    sample = learned()[0]
    assert (sample.received, sample.actual) == (b"word word ", Usage(input=100, output=40))
    assert (sample.provider, sample.model, sample.body) == ("openai", "gpt-5-mini", None)
