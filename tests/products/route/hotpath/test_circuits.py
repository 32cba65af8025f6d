"""A provider's breaker as a worker holds to it (K-61, R-31): what is told of attempts, who is
refused, and who is the probe."""

from __future__ import annotations

import time
from collections.abc import Iterator

import msgspec
import pytest

from dd0c.products.route.hotpath.circuits import ANSWER_WITHIN_S
from dd0c.products.route.hotpath.snapshot import (
    CircuitTold,
    Outcome,
    ProbeWanted,
    Result,
)
from dd0c.products.route.models import AttemptClosed, AttemptOpened, EndReason
from tests.products.route.hotpath.stage import Stage, staged, whole
from tests.support.wire import CHAT_BODY, request
from tests.support.worker import PROVIDER_ID

SENT = request("/v1/chat/completions", CHAT_BODY | {"max_tokens": 100})
STREAM = request("/v1/chat/completions", CHAT_BODY | {"stream": True})
EVENTS = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: {}\n\n"
HOUR_S = 3600.0


@pytest.fixture
def stage() -> Iterator[Stage]:
    with staged() as one:
        yield one


def stands(stage: Stage, epoch: int, **how: object) -> None:
    """The parent says how the provider's breaker stands."""
    now = time.monotonic()
    told = CircuitTold(PROVIDER_ID, shut=False, troubled=False, epoch=epoch, until=now)
    stage.tell(msgspec.structs.replace(told, **how))


def shut(stage: Stage, epoch: int, rest_s: float = HOUR_S) -> None:
    until = time.monotonic() + rest_s
    stands(stage, epoch, shut=True, troubled=True, until=until)


def told(stage: Stage) -> list[Result | ProbeWanted]:
    """What the worker said of the provider since the last time."""
    found = [one for one in stage.said if isinstance(one, Result | ProbeWanted)]
    stage.said = [one for one in stage.said if one not in found]
    return found


def result(epoch: int, outcome: Outcome) -> Result:
    return Result(PROVIDER_ID, epoch, outcome)


def statuses(stage: Stage) -> list[int]:
    """Of the answers that callers got."""
    found = b"".join(written for written, _ in stage.seen().callers)
    return [int(part[:3]) for part in found.split(b"HTTP/1.1 ")[1:]]


@pytest.mark.parametrize("kept", [False, True])
@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ("200 OK", None),
        ("400 Bad Request", None),
        ("429 Too Many Requests", None),
        ("500 Internal Server Error", "failure"),
        ("529 Overloaded", "failure"),
    ],
)
def test_what_a_status_says(stage: Stage, answer: str, outcome: Outcome | None, kept: bool) -> None:
    """K-61: 5xx is a failure, on the straight track as by relay; 4xx and 429 are answers; and of an
    ordinary success nothing is said."""
    if kept:
        stage.chat(SENT)
        stage.chat(SENT)
    stage.chat(SENT, whole(status=answer))
    assert told(stage) == ([] if outcome is None else [result(0, outcome)])


@pytest.mark.parametrize("kept", [False, True])
def test_an_end_before_the_head_is_a_failure(stage: Stage, kept: bool) -> None:
    """K-61: a provider that goes away instead of answering has failed; a kept connection that was
    closed meanwhile is tried once more first; behind the head nothing is its failure."""
    if kept:
        stage.chat(SENT)
    stage.send(SENT)
    stage.provider_leaves()
    if kept:
        assert told(stage) == []
        stage.provider_leaves()
    assert told(stage) == [result(0, "failure")]
    stage.send(STREAM)
    stage.answer(EVENTS)
    stage.provider_leaves()
    assert told(stage) == []


def test_silence_is_a_failure(stage: Stage) -> None:
    """K-61: a provider that does not begin to answer in time has failed."""
    stage.send(SENT)
    stage.later(stage.plane.limits.first_byte_timeout_s + 1)
    assert told(stage) == [result(0, "failure")]


def test_a_caller_that_leaves_says_nothing(stage: Stage) -> None:
    """K-61: who gives up a request has learned nothing of its provider."""
    stage.send(SENT)
    stage.leave()
    assert told(stage) == []


def test_a_success_is_told_once_where_failures_count(stage: Stage) -> None:
    """K-61: while failures are counted a success is told, and not with every request."""
    stage.chat(SENT)
    stage.chat(SENT)
    stands(stage, 0, troubled=True)
    for _ in range(3):
        stage.chat(SENT)
    assert told(stage) == [result(0, "success")]
    stands(stage, 0)
    stage.chat(SENT)
    assert told(stage) == []


def test_an_open_breaker_refuses_at_once(stage: Stage) -> None:
    """R-31, K-61: nothing is sent; the caller gets a 503 with the time to wait in its dialect, and
    the ledger an attempt of number 0."""
    stage.chat(SENT)
    stage.chat(SENT)
    shut(stage, 7)
    before = len(stage.seen().providers[0][0])
    stage.send(SENT)
    assert len(stage.seen().providers[0][0]) == before
    answer = stage.seen().callers[0][0].rpartition(b"HTTP/1.1 503")[2].lower()
    assert b"retry-after: 3600" in answer
    assert b'"code":"breaker_open"' in answer
    opened, closed = stage.seen().records[-2:]
    assert isinstance(opened, AttemptOpened)
    assert isinstance(closed, AttemptClosed)
    assert (opened.attempt, closed.attempt) == (0, 0)
    assert (closed.end_reason, closed.status) == (EndReason.BREAKER, 503)
    assert closed.cost_pico == 0
    assert told(stage) == []


def test_one_request_is_the_probe(stage: Stage) -> None:
    """K-61: when it has rested one request asks whether it is the probe, and the others are
    refused; it alone goes on, and its success is told in the epoch of the probe."""
    shut(stage, 7, rest_s=0)
    for who in range(3):
        stage.send(SENT, stage.call() if who else 0)
    assert told(stage) == [ProbeWanted(PROVIDER_ID)]
    assert statuses(stage) == [503, 503]
    stands(stage, 8, shut=True, troubled=True, until=time.monotonic() + HOUR_S, probe=True)
    stage.send(SENT, stage.call())
    assert statuses(stage) == [503, 503, 503]
    stage.answer(whole())
    assert told(stage) == [result(8, "success")]
    assert sorted(statuses(stage)) == [200, 503, 503, 503]


def test_another_is_the_probe(stage: Stage) -> None:
    """K-61: who asked and is not the probe is refused; closed meanwhile, it goes on."""
    shut(stage, 7, rest_s=0)
    stage.send(SENT)
    shut(stage, 8)
    assert statuses(stage) == [503]
    shut(stage, 9, rest_s=0)
    stage.send(SENT)
    stands(stage, 10)
    stage.answer(whole())
    assert statuses(stage) == [503, 200]


def test_a_parent_that_is_silent(stage: Stage) -> None:
    """K-61: nobody waits long for the answer whether it is the probe."""
    shut(stage, 7, rest_s=0)
    stage.send(SENT)
    assert statuses(stage) == []
    stage.plane.circuits.sweep(time.monotonic() + ANSWER_WITHIN_S)
    assert statuses(stage) == [503]


@pytest.mark.parametrize("asked", [True, False])
def test_a_probe_that_is_given_up(stage: Stage, asked: bool) -> None:
    """K-61: a probe whose caller leaves, before or after it was sent, holds nobody up."""
    shut(stage, 7, rest_s=0)
    stage.send(SENT)
    if asked:
        stage.leave()
    stands(stage, 8, shut=True, troubled=True, until=time.monotonic() + HOUR_S, probe=True)
    if not asked:
        stage.leave()
    assert told(stage)[1:] == [result(8, "abandoned")]


def test_late_results_change_nothing(stage: Stage) -> None:
    """K-61: what began before the trip says nothing after it, on the straight track neither."""
    stage.chat(SENT)
    stage.chat(SENT)
    other = stage.call()
    stage.send(SENT)  # straight
    stage.send(STREAM, other)  # by relay
    shut(stage, 7)
    stage.answer(whole(status="500 Internal Server Error"))
    stage.answer(whole(status="500 Internal Server Error"))
    assert told(stage) == []
