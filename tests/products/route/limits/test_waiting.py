"""Requests that wait for permission, in a real worker with a test in its parent's place."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dd0c.products.route.hotpath.snapshot import (
    Ask,
    Dealings,
    Drain,
    Grant,
    Granted,
    OverridesChanged,
    PricesChanged,
    Recall,
    Returned,
    Rule,
    RulesChanged,
    Short,
    StoreAway,
    Terms,
    Tier,
    ToWorker,
    Unasked,
)
from tests.products.route.limits.made import DOLLAR, ORG, rule
from tests.support.upstream import (
    CHAT,
    Peer,
    Received,
    Upstream,
    answer_chat,
    running_upstream,
)
from tests.support.wire import CHAT_BODY, Caller
from tests.support.worker import PRICE, Worker, price, running_worker, snapshot, wait_for

BOUNDED = CHAT_BODY | {"max_tokens": 100}
NEED = (94 + 64) * 250_000 + 100 * 2_000_000
"""Of BOUNDED in pico-dollars: its bytes and the template at $0.25, its answer at $2 a million."""
COST = 10 * 250_000 + 5 * 2_000_000  # of the answer that the scripted provider gives
PLENTY = 10**15
_recalls = itertools.count(1000)


class Parent:
    """What a worker's parent sees and says."""

    def __init__(self, worker: Worker):
        self.worker = worker
        self.seen = 0
        self.begun = len(worker.said)
        self.rules: set[bytes] = set()

    def limit(self, *rules: Rule, terms: Terms | None = None) -> None:
        """These rules hold from now on."""
        self.rules |= {one.id for one in rules}
        self.say(RulesChanged(rules, (terms,) if terms is not None else ()))

    def say(self, message: ToWorker) -> None:
        """Tell the worker, and wait until it has heard: a request may come over another wire."""
        self.worker.tell(message)
        number = next(_recalls)
        self.worker.tell(Recall(number, ()))
        wait_for(lambda: number in self.recalled(), 10)

    def ask(self) -> Ask:
        """The next ask."""
        wait_for(lambda: len(self.asks()) > self.seen, 10)
        self.seen += 1
        return self.asks()[self.seen - 1]

    def asks(self) -> list[Ask]:
        """Those about our rules: who waited in an earlier test may ask again in ours."""
        asks = [ask for one in self._dealings() for ask in one.asks]
        return [ask for ask in asks if any(want.rule in self.rules for want in ask.wants)]

    def returned(self) -> list[Returned]:
        returned = [back for one in self._dealings() for back in one.returned]
        return [back for back in returned if back.rule in self.rules]  # not of earlier tests

    def recalled(self) -> list[int]:
        return [number for one in self._dealings() for number in one.recalled]

    def grant(self, ask: Ask, amount: int | None = None, remaining: int = PLENTY) -> None:
        """Give what an ask needs, or more."""
        until = time.monotonic() + 60
        grants = [
            Grant(want.need if amount is None else amount, remaining, False, 1, until)
            for want in ask.wants
        ]
        self.worker.tell(Granted(ask.id, tuple(grants)))

    def _dealings(self) -> list[Dealings]:
        since = self.worker.said[self.begun :]
        return [message for message in since if isinstance(message, Dealings)]


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with running_upstream() as running:
        yield running


@pytest.fixture(scope="module")
def worker(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """One worker for all tests here."""
    with running_worker(tmp_path_factory.mktemp("spool"), [snapshot(upstream.port)]) as running:
        yield running


@pytest.fixture
def parent(worker: Worker, upstream: Upstream) -> Parent:
    """The parent of the shared worker, which holds nothing and has forgotten what was."""
    upstream.script = answer_chat
    upstream.received.clear()
    worker.forget()
    worker.tell(StoreAway(away=False))
    worker.tell(PricesChanged((PRICE,)))
    return Parent(worker)


def test_nothing_is_sent_before_all_that_it_may_cost_is_held(
    parent: Parent, upstream: Upstream
) -> None:
    """The worker asks for the bound, to the pico-dollar, and waits; the open record says what is
    reserved, and what the answer did not cost serves the next request without asking (R-16)."""
    parent.limit(rule(), rule("model", "gpt-5-mini"))
    with Caller(parent.worker.port) as caller:
        caller.post("/v1/chat/completions", BOUNDED)
        ask = parent.ask()
        assert (ask.org, [want.need for want in ask.wants]) == (ORG, [NEED, NEED])
        assert upstream.received == []
        parent.grant(ask, NEED + NEED)
        assert caller.answer().status == 200
        assert parent.worker.opened()[0].reserved_pico == NEED
        assert caller.chat(BOUNDED).status == 200
        assert len(parent.asks()) == 1
    wait_for(lambda: len(parent.returned()) == 2, 10)  # it rests, so it goes back
    assert {back.amount for back in parent.returned()} == {2 * NEED - 2 * COST}


def test_a_caller_that_leaves_while_it_waits_costs_nothing(
    parent: Parent, upstream: Upstream
) -> None:
    """What is granted too late goes back, and the provider never hears of the request (R-16)."""
    parent.limit(rule())
    before = parent.worker.counter('requests_total{endpoint="chat",status="0"}')
    with Caller(parent.worker.port) as caller:
        caller.post("/v1/chat/completions", BOUNDED)
        ask = parent.ask()
    gone = 'requests_total{endpoint="chat",status="0"}'
    wait_for(lambda: parent.worker.counter(gone) > before, 10)
    parent.grant(ask)
    wait_for(lambda: parent.returned() != [], 10)
    assert [back.amount for back in parent.returned()] == [NEED]
    assert upstream.received == []
    assert parent.worker.records() == []


def test_an_answer_without_a_bound_gets_the_one_that_is_affordable(
    parent: Parent, upstream: Upstream
) -> None:
    """Asked for all that the model can make, told that less is left, the worker asks for that and
    splices the bound in; no other byte of the body changes (R-16)."""
    parent.limit(rule())
    parent.say(PricesChanged((price(max_output=4000),)))
    with Caller(parent.worker.port) as caller:
        caller.post("/v1/chat/completions", CHAT_BODY)
        first = parent.ask()
        assert first.wants[0].need == (75 + 64) * 250_000 + 4000 * 2_000_000
        left = (75 + 64) * 250_000 + 1234 * 2_000_000 + 999
        parent.worker.tell(Short(first.id, first.wants[0].rule, left))
        second = parent.ask()
        assert second.wants[0].need == left - 999
        parent.grant(second)
        assert caller.answer().status == 200
    sent = upstream.last.body
    assert json.loads(sent) == CHAT_BODY | {"max_completion_tokens": 1234}
    whole = json.dumps(CHAT_BODY).encode()
    assert sent.replace(b',"max_completion_tokens":1234', b"") == whole


def test_who_is_outrun_asks_for_less_each_time(parent: Parent) -> None:
    """When others took what was left while it was asked for, a quarter of the rest is asked for,
    then a sixteenth, so that a crowd finds room beside each other (R-16)."""
    parent.limit(rule())
    given = (75 + 64) * 250_000  # the input
    with Caller(parent.worker.port) as caller:
        caller.post("/v1/chat/completions", CHAT_BODY)
        asked = []
        for left in (100_000, 64_000, 8_000):
            ask = parent.ask()
            asked.append(ask.wants[0].need - given)
            short = Short(ask.id, ask.wants[0].rule, given + left * 2_000_000)
            parent.worker.tell(short)
        last = parent.ask()
        parent.grant(last)
        assert caller.answer().status == 200
    assert asked == [128_000 * 2_000_000, 100_000 * 2_000_000, 16_000 * 2_000_000]
    assert last.wants[0].need - given == 500 * 2_000_000


def test_input_that_is_elsewhere_is_held_for_as_much_as_the_model_takes(parent: Parent) -> None:
    """A file has more tokens than its name has bytes (R-16)."""
    parent.limit(rule())
    parent.say(PricesChanged((price(context=400_000),)))
    file = {"role": "user", "content": [{"type": "file", "file": {"file_id": "file-1"}}]}
    with Caller(parent.worker.port) as caller:
        caller.post("/v1/chat/completions", BOUNDED | {"messages": [file]})
        (want,) = parent.ask().wants
    assert want.need == 400_000 * 250_000 + 100 * 2_000_000


def test_more_answers_than_one_cost_more(parent: Parent) -> None:
    """`n` multiplies the bound of the answer (R-16)."""
    parent.limit(rule())
    with Caller(parent.worker.port) as caller:
        caller.post("/v1/chat/completions", BOUNDED | {"n": 3})
        (want,) = parent.ask().wants
    assert want.need == (102 + 64) * 250_000 + 3 * 100 * 2_000_000


def test_the_dearest_price_of_any_name_in_an_answer_is_held(
    parent: Parent, upstream: Upstream
) -> None:
    """The provider may answer under a dated name, for which the organisation has a price of its
    own, ten times that of the name that was asked for; of what is cheaper, for another model or
    another's, nothing is held (R-12, R-16)."""
    parent.limit(rule())
    names = ("gpt-5-mini-2025-08-07", "gpt-5-mini-2025-09-09", "gpt-5-mini-high")
    dear = Tier(0, 2_500_000, None, None, None, 20_000_000)
    dearest = Tier(0, 90_000_000, None, None, None, 90_000_000)
    tiers = (dear, *PRICE.tiers, dearest)
    own = [price(model=name, tiers=(t,), org=ORG) for name, t in zip(names, tiers, strict=True)]
    others = price(model=names[0], tiers=(dearest,), org=bytes(16))
    parent.say(OverridesChanged((*own, others)))

    async def dated(peer: Peer, _: Received) -> None:
        await peer.send_json(CHAT | {"model": names[0]})

    upstream.script = dated
    with Caller(parent.worker.port) as caller:
        caller.post("/v1/chat/completions", BOUNDED)
        ask = parent.ask()
        assert ask.wants[0].need == (94 + 64) * 2_500_000 + 100 * 20_000_000
        parent.grant(ask)
        assert caller.answer().status == 200
        (closed,) = parent.worker.closed()
        assert closed.cost_pico == 10 * 2_500_000 + 5 * 20_000_000
    parent.say(OverridesChanged(()))


def test_what_was_used_beyond_permission_is_told_before_it_is_booked(
    parent: Parent, upstream: Upstream
) -> None:
    """A provider that charges more than the bound: the excess is told first, so that whoever reads
    the ledger finds it outstanding (R-16)."""

    async def dear(peer: Peer, _: Received) -> None:
        usage = {"prompt_tokens": 10, "completion_tokens": 500, "total_tokens": 510}
        await peer.send_json(CHAT | {"usage": usage})

    upstream.script = dear
    parent.limit(rule())
    with Caller(parent.worker.port) as caller:
        caller.post("/v1/chat/completions", BOUNDED)
        parent.grant(parent.ask())
        assert caller.answer().status == 200  # so its record is written
    wait_for(lambda: parent.returned() != [], 10)
    cost = 10 * 250_000 + 500 * 2_000_000
    assert [back.amount for back in parent.returned()] == [NEED - cost]


def test_a_budget_refuses_what_has_no_price_unless_it_comes_in_time(
    parent: Parent, upstream: Upstream
) -> None:
    """What cannot be bounded cannot be kept to: 403 with a hint and a row of its own, but news of a
    price that is on its way are waited for (R-16)."""
    parent.limit(rule())
    with Caller(parent.worker.port) as caller:
        refused = caller.chat(BOUNDED | {"model": "gpt-77"})
        assert (refused.status, refused.error["code"]) == (403, "no_price")
        assert "dd0c route prices set" in refused.error["message"]
        caller.post("/v1/chat/completions", BOUNDED | {"model": "gpt-78"})
        wait_for(lambda: any("gpt-78" in str(one) for one in parent.worker.said), 10)
        parent.worker.tell(PricesChanged((price(model="gpt-78"),)))
        parent.grant(parent.ask())
        assert caller.answer().status == 200
    (denied,) = [record for record in parent.worker.closed() if record.attempt == 0]
    assert (denied.end_reason, denied.cost_pico, denied.final) == ("limit", 0, True)
    (opened,) = [record for record in parent.worker.opened() if record.attempt == 0]
    assert opened.route_reason == refused.error["message"], "the ledger knows which, and until when"
    assert len(upstream.received) == 1


def test_without_a_store_the_terms_decide(parent: Parent) -> None:
    """`open` goes on at once and tells what was used; `closed` is 503; an answer that says the same
    of one question only is taken the same way (R-16, R-32)."""
    budget = rule()
    parent.limit(budget)
    with Caller(parent.worker.port) as caller:
        caller.post("/v1/chat/completions", BOUNDED)
        parent.worker.tell(Unasked(parent.ask().id))
        assert caller.answer().status == 200
        parent.say(StoreAway(away=True))
        assert caller.chat(BOUNDED).status == 200
        parent.limit(budget, terms=Terms(ORG, store_away="closed"))
        assert caller.chat(BOUNDED).status == 503
        parent.say(StoreAway(away=False))
        caller.post("/v1/chat/completions", BOUNDED)
        parent.worker.tell(Unasked(parent.ask().id))
        assert caller.answer().error["code"] == "limits_unavailable"
    wait_for(lambda: len(parent.returned()) == 2, 10)
    assert [back.amount for back in parent.returned()] == [-COST, -COST]


def test_a_refusal_speaks_the_callers_dialect(parent: Parent) -> None:
    """Anthropic's SDK finds the type of error and the headers that it knows (R-4, K-60)."""
    limit = rule(measure="requests", window="", amount=7)
    parent.limit(limit)
    with Caller(parent.worker.port) as caller:
        body = CHAT_BODY | {"model": "claude-sonnet-4-5", "max_tokens": 10}
        caller.post("/v1/messages", body)
        parent.worker.tell(Short(parent.ask().id, limit.id, 0, 75.5))
        refused = caller.answer()
    assert refused.status == 429
    assert refused.error["type"] == "rate_limit_error"
    assert "7 requests a minute for this organisation" in refused.error["message"]
    assert refused.headers["retry-after"] == "76"
    assert refused.headers["x-should-retry"] == "false"
    assert refused.headers["anthropic-ratelimit-requests-limit"] == "7"
    assert refused.headers["anthropic-ratelimit-requests-remaining"] == "0"


def test_a_refusal_says_what_is_only_held(parent: Parent) -> None:
    """Where nearly all of a budget is with requests under way, how much that is and that it may
    come back is said beside what is left (R-16)."""
    budget = rule(amount=DOLLAR // 100)
    parent.limit(budget)
    with Caller(parent.worker.port) as caller:
        caller.post("/v1/chat/completions", BOUNDED)
        parent.worker.tell(Short(parent.ask().id, budget.id, 1_750_000, 1.0, held=9_500_000_000))
        assert caller.answer().error["message"] == (
            "The budget of $0.01 in total for this organisation has $0.00000175 left while requests"
            " under way hold $0.0095, which comes back as far as unused, and this request may cost"
            " up to $0.0002395. Try again in 1 s."
        )
        caller.post("/v1/chat/completions", BOUNDED)
        parent.worker.tell(Short(parent.ask().id, budget.id, 1_750_000))
        assert "has $0.00000175 left, and this" in caller.answer().error["message"]


def test_what_is_idle_is_returned_when_others_need_it(parent: Parent) -> None:
    """A recall is answered at once, with what was free (R-16)."""
    budget = rule()
    parent.limit(budget)
    with Caller(parent.worker.port) as caller:
        caller.post("/v1/chat/completions", BOUNDED)
        parent.grant(parent.ask(), 5 * NEED)
        assert caller.answer().status == 200
    parent.worker.tell(Recall(7, ((budget.id, 0),)))
    wait_for(lambda: 7 in parent.recalled(), 10)
    assert [back.amount for back in parent.returned()] == [5 * NEED - COST]


def test_what_is_in_stock_goes_back_when_others_need_it(parent: Parent) -> None:
    """Requests draw from a stock of their seat without asking; a recall returns all of it at once,
    and the next request asks for what it needs, and for nothing that it had (R-16)."""
    budget, rate = rule(), rule(measure="requests", window="", amount=10**6)
    parent.limit(budget, rate)
    with Caller(parent.worker.port) as caller:
        caller.post("/v1/chat/completions", BOUNDED)
        ask = parent.ask()
        granted = {want.rule: 1000 * want.need for want in ask.wants}
        until = time.monotonic() + 60
        grants = (Grant(1000 * want.need, PLENTY, False, 1, until) for want in ask.wants)
        parent.worker.tell(Granted(ask.id, tuple(grants)))
        assert caller.answer().status == 200
        for _ in range(30):
            assert caller.chat(BOUNDED).status == 200
        assert len(parent.asks()) == 1
        parent.say(Recall(7, tuple((one.id, 0) for one in (budget, rate))))
        wait_for(lambda: 7 in parent.recalled(), 10)
        returned = dict.fromkeys(granted, 0)
        for back in parent.returned():
            returned[back.rule] += back.amount
        assert returned[budget.id] == granted[budget.id] - 31 * COST
        assert returned[rate.id] == granted[rate.id] - 31
        caller.post("/v1/chat/completions", BOUNDED)
        again = parent.ask()
        assert {want.rule: want.need for want in again.wants} == {budget.id: NEED, rate.id: 1}
        parent.grant(again)
        assert caller.answer().status == 200


def test_a_request_that_the_stocks_of_others_would_pay_for_passes(parent: Parent) -> None:
    """What this worker holds for requests to come is there for the one that is here: a dear one
    gets it without asking (R-16)."""
    budget = rule()
    parent.limit(budget)
    with Caller(parent.worker.port) as caller:
        caller.post("/v1/chat/completions", BOUNDED)
        parent.grant(parent.ask(), 101 * NEED)
        assert caller.answer().status == 200
        assert caller.chat(BOUNDED).status == 200
        dear = BOUNDED | {"max_tokens": 100 * 100}  # nearly all of what was granted
        assert caller.chat(dear).status == 200
        assert caller.chat(BOUNDED).status == 200
        assert len(parent.asks()) == 1
    wait_for(lambda: parent.returned() != [], 10)
    assert sum(back.amount for back in parent.returned()) == 101 * NEED - 4 * COST


def test_a_stream_that_goes_on_takes_what_is_in_stock(parent: Parent, upstream: Upstream) -> None:
    """What a stream lacks for the text that comes is there, in stock for others: nobody is asked
    (R-16). 11,000 tokens are 92 times what one bounded request may cost, of 101 granted."""
    text = b'data: {"model":"gpt-5-mini","choices":[{"delta":{"content":"%b"}}]}\n\n' % (
        b"z" * 10_000
    )

    async def talk(peer: Peer, request: Received) -> None:
        if b'"stream"' not in request.body:
            await answer_chat(peer, request)
            return
        await peer.send_stream_head()
        await peer.send_chunk(text + b"data: [DONE]\n\n")
        await peer.send_chunk(b"")

    upstream.script = talk
    parent.limit(rule())
    with Caller(parent.worker.port) as caller:
        caller.post("/v1/chat/completions", BOUNDED)
        parent.grant(parent.ask(), 101 * NEED)
        assert caller.answer().status == 200
        assert caller.chat(BOUNDED).status == 200
        assert b"z" * 10_000 in caller.chat(CHAT_BODY | {"stream": True}).body
    assert len(parent.asks()) == 1
    assert parent.worker.opened()[-1].reserved_pico == (91 + 64) * 250_000 + 11_000 * 2_000_000


def test_a_new_parent_hears_of_those_who_wait(parent: Parent, upstream: Upstream) -> None:
    """A snapshot means that the parent may have been replaced: what it was asked is asked again
    (K-7, R-16)."""
    budget = rule()
    parent.limit(budget)
    with Caller(parent.worker.port) as caller:
        caller.post("/v1/chat/completions", BOUNDED)
        old = parent.ask()
        parent.worker.tell(snapshot(upstream.port, rules=(budget,)))
        new = parent.ask()
        assert (new.wants, new.id == old.id) == (old.wants, False)
        parent.grant(new)
        parent.grant(old)  # the answer to the first question, too late
        assert caller.answer().status == 200
    wait_for(lambda: len(parent.returned()) == 1, 10)
    assert [back.amount for back in parent.returned()] == [2 * NEED - COST]


def test_a_worker_that_ends_lets_nobody_wait(upstream: Upstream, tmp_path: Path) -> None:
    """Whoever still waits when the time to drain is over gets an error of its own (R-30)."""
    with running_worker(tmp_path, [snapshot(upstream.port, rules=(rule(),))]) as worker:
        with Caller(worker.port) as caller:
            caller.post("/v1/chat/completions", BOUNDED)
            wait_for(lambda: any(isinstance(one, Dealings) for one in worker.said), 10)
            worker.tell(Drain(0.0))
            refused = caller.answer()
        assert (refused.status, refused.error["code"]) == (503, "gateway_stopping")
        assert worker.records() == []


def test_a_stream_without_a_bound_asks_for_more_as_it_comes(
    parent: Parent, upstream: Upstream
) -> None:
    """A first step of 1,000 tokens; text of 1,500 bytes waits until more is held, and the open
    record is written anew with it (R-16)."""
    event = {"model": "gpt-5-mini", "choices": [{"index": 0, "delta": {"content": "z" * 900}}]}

    more = asyncio.Event()

    async def talk(peer: Peer, _: Received) -> None:
        await peer.send_stream_head()
        for _piece in range(3):
            await peer.send_chunk(b"data: " + json.dumps(event).encode() + b"\n\n")
            await more.wait()
            more.clear()

    upstream.script = talk
    budget = rule()
    parent.limit(budget)
    with Caller(parent.worker.port) as caller:
        caller.post("/v1/chat/completions", CHAT_BODY | {"stream": True})
        first = parent.ask()
        assert first.wants[0].need == (91 + 64) * 250_000 + 1000 * 2_000_000
        parent.grant(first)
        assert caller.head().status == 200
        assert caller.chunk().count(b"z") == 900
        upstream.loop.call_soon_threadsafe(more.set)
        second = parent.ask()
        assert second.wants[0].need == (1800 + 1000 - 1000) * 2_000_000
        parent.grant(second)
        assert caller.chunk().count(b"z") == 900
        assert [one.reserved_pico for one in parent.worker.opened()] == [
            (91 + 64) * 250_000 + 1000 * 2_000_000,
            (91 + 64) * 250_000 + 2800 * 2_000_000,
        ]
        upstream.loop.call_soon_threadsafe(more.set)
        assert caller.chunk().count(b"z") == 900  # 2,700 of 2,800
