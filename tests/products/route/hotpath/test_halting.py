"""A halt in a worker: what is asked from then on is refused, what runs may end (K-63)."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from dd0c.products.route.hotpath.snapshot import Halted, ProvidersChanged
from dd0c.products.route.models import EndReason
from tests.support.upstream import CHAT, Peer, Received, Upstream, answer_chat
from tests.support.wire import CHAT_BODY, Caller, request
from tests.support.worker import ORG, Worker, provider, wait_for

ANOTHER = bytes(16)
REFUSED = (503, "panic_halt")


@contextmanager
def halted(worker: Worker, message: Halted) -> Iterator[None]:
    """The worker is told, and has taken it in; at the end it is told that this is over."""
    with Caller(worker.port) as probe:
        worker.tell(message)
        wait_for(lambda: probe.chat().status == 503)
        yield
        worker.tell(Halted())
        wait_for(lambda: probe.chat().status == 200)


def refusal(caller: Caller, path: str = "/v1/chat/completions") -> tuple[int, str]:
    """Status and code of what is answered to a request."""
    answer = caller.call(path, CHAT_BODY | {"max_tokens": 1})
    assert answer.headers["x-should-retry"] == "false"
    error = answer.error
    return answer.status, error.get("code") or error["message"].split(":", 1)[0]


@pytest.mark.parametrize("message", [Halted(frozenset({ORG})), Halted(everywhere=True)])
def test_a_halt_refuses_each_dialect_also_on_known_ways(
    worker: Worker, upstream: Upstream, message: Halted
) -> None:
    """K-63: connections and heads that went straight through a moment ago are refused, whatever is
    asked; providers that change meanwhile open nothing, and after it all goes on."""
    with Caller(worker.port) as caller:
        for _ in range(3):
            assert caller.chat().status == 200
        with halted(worker, message):
            upstream.received.clear()
            assert caller.chat().status == 503
            assert refusal(caller) == REFUSED
            assert refusal(caller, "/v1/embeddings") == REFUSED
            anthropic = caller.call("/v1/messages", CHAT_BODY | {"max_tokens": 1})
            assert (anthropic.status, anthropic.json["type"]) == (503, "error")
            assert "panic" in anthropic.error["message"]
            changed = (provider(upstream.port), provider(upstream.port, "anthropic"))
            worker.tell(ProvidersChanged(changed))
            for _ in range(5):
                assert refusal(caller) == REFUSED
            assert caller.chat(authorization="Bearer sk-nobody").status == 401
            assert upstream.received == []
        assert caller.chat().status == 200


def test_what_was_refused_is_on_record(worker: Worker) -> None:
    """K-63, R-10: each refused request is an attempt of number 0 that ended by a panic and costs
    nothing; one that no plan could be made for is refused alike, without one."""
    with Caller(worker.port) as caller, halted(worker, Halted(everywhere=True)):
        caller.chat()
        worker.forget()
        for _ in range(3):
            assert refusal(caller) == REFUSED
        assert caller.chat({"no": "model"}).error["code"] == "panic_halt"
        opened, closed = worker.opened(), worker.closed(3)
    assert [(one.attempt, one.requested_model) for one in opened] == [(0, "gpt-5-mini")] * 3
    assert {(one.end_reason, one.error_code, one.cost_pico, one.status) for one in closed} == {
        (EndReason.PANIC, "panic_halt", 0, 503)
    }


def test_a_halt_is_of_those_whom_it_concerns(worker: Worker) -> None:
    """K-63: the panic of another organisation is none of ours."""
    worker.tell(Halted(frozenset({ANOTHER})))
    with Caller(worker.port) as caller:
        for _ in range(20):
            assert caller.chat().status == 200
    worker.tell(Halted())


def test_what_came_in_part_is_refused_and_what_runs_ends(
    worker: Worker, upstream: Upstream
) -> None:
    """K-63: a request whose body or whose turn behind another comes after the halt is refused; one
    that a provider is answering already gets its whole answer."""
    begun, go_on = threading.Event(), threading.Event()

    async def wait(peer: Peer, received: Received) -> None:
        if b"slow" not in received.body:
            await answer_chat(peer, received)
            return
        begun.set()
        await asyncio.to_thread(go_on.wait, 20)
        await peer.send_json(CHAT)

    upstream.script = wait
    slow = CHAT_BODY | {"user": "slow"}
    whole = request("/v1/chat/completions", CHAT_BODY)
    with Caller(worker.port) as late, Caller(worker.port) as running:
        for _ in range(2):
            assert running.chat().status == 200  # its way is known now
        late.send(whole[:-5])
        running.post("/v1/chat/completions", slow)
        running.send(whole)  # waits for its turn
        wait_for(begun.is_set)
        with halted(worker, Halted(frozenset({ORG}))):
            late.send(whole[-5:])
            assert late.answer().error["code"] == "panic_halt"
            go_on.set()
            assert json.loads(running.answer().body) == CHAT
            assert running.answer().error["code"] == "panic_halt"
