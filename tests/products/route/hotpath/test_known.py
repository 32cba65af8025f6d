"""Heads that were read before: nothing is recalled but the same bytes, and it changes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dd0c.base.secrets import Secret
from dd0c.products.route.hotpath.known import HEADS_MAX, KnownHeads
from dd0c.products.route.hotpath.request import Head, Request
from dd0c.products.route.hotpath.snapshot import KeysChanged, ProvidersChanged
from tests.products.route.hotpath.stage import Stage, both, staged, whole
from tests.support.upstream import Upstream
from tests.support.wire import CHAT_BODY, Caller, request
from tests.support.worker import (
    KEY,
    Worker,
    key_entry,
    provider,
    running_worker,
    snapshot,
)

PATH = b"POST /v1/chat/completions HTTP/1.1\r\n"
OURS = b"Host: x\r\nAuthorization: Bearer " + KEY.encode() + b"\r\n"
BODY = json.dumps(CHAT_BODY).encode()
LENGTH = b"Content-Length: %d\r\n"
PLAIN = PATH + OURS + LENGTH + b"\r\n"


def sent(body: bytes = BODY, head: bytes = PLAIN) -> bytes:
    """A request whose head leaves room for the length."""
    return head.replace(b"%d", b"%d" % len(body)) + body


def longer(text: str) -> bytes:
    return json.dumps(CHAT_BODY | {"messages": [{"role": "user", "content": text}]}).encode()


@pytest.fixture
def stage() -> Iterator[Stage]:
    with staged() as found:
        yield found


def is_recalled(stage: Stage, data: bytes) -> bool:
    """Whether the plane takes these bytes for a request whose head it knows."""
    return stage.plane.known.recall(data) is not None


def test_the_same_head_is_recalled_with_another_length(stage: Stage) -> None:
    """Once it was parsed, a head is known, whatever is the body behind it (R-41)."""
    assert not is_recalled(stage, sent())
    stage.chat(sent())
    assert is_recalled(stage, sent())
    found = stage.plane.known.recall(sent(longer("other words")))
    assert found is not None
    assert found.content() == longer("other words")
    assert found.body_bytes == len(longer("other words"))


SMUGGLED = [
    ("two lengths", sent().replace(b"Host", b"Content-Length: 5\r\nHost", 1)),
    ("the second one is the known", sent() + sent()),
    ("another name", sent().replace(b"Content-Length", b"X-Content-Length")),
    ("a blank before the colon", sent().replace(b"Length:", b"Length :")),
    ("two blanks", sent().replace(b"Length: ", b"Length:  ")),
    ("no blank", sent().replace(b"Length: ", b"Length:")),
    ("a tab", sent().replace(b"Length: ", b"Length:\t")),
    ("a sign", sent().replace(b"Length: ", b"Length: +")),
    ("hexadecimal", sent().replace(b"Length: ", b"Length: 0x")),
    ("an exponent", sent().replace(b"Length: %d" % len(BODY), b"Length: 1e1")),
    ("an underscore", sent().replace(b"Length: %d" % len(BODY), b"Length: 1_0")),
    ("a list", sent().replace(b"%d\r\n\r\n" % len(BODY), b"%d, 5\r\n\r\n" % len(BODY))),
    ("folded", sent().replace(b"Length: ", b"Length:\r\n ")),
    ("fold behind", sent().replace(b"\r\n\r\n", b"\r\n 5\r\n\r\n", 1)),
    ("bare line feeds", sent().replace(b"\r\n", b"\n")),
    ("one bare line feed", sent().replace(b"\r\nHost", b"\nHost")),
    ("chunked beside it", sent().replace(b"Host", b"Transfer-Encoding: chunked\r\nHost", 1)),
    ("chunked instead", PATH + OURS + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"),
    ("a body that is longer", sent() + b"{"),
    ("a body that is shorter", sent()[:-1]),
    ("nothing of the body", sent()[: -len(BODY)]),
    ("half a head", sent()[:40]),
    ("no length", sent().replace(LENGTH % len(BODY), b"")),
    ("an empty length", sent().replace(b" %d\r\n" % len(BODY), b" \r\n")),
    ("more digits than there are", sent().replace(b"Length: ", b"Length: " + b"0" * 30)),
    ("another key", sent().replace(KEY[-4:].encode(), b"kkkK")),
    ("another case of the key", sent().replace(b"Bearer", b"bearer")),
    ("another method", sent().replace(b"POST", b"PUT")),
    ("another version", sent().replace(b"HTTP/1.1", b"HTTP/1.0")),
    ("another path", sent().replace(b"chat/", b"")),
    ("to be closed", sent().replace(b"Host", b"Connection: close\r\nHost", 1)),
    ("expected", sent().replace(b"Host", b"Expect: 100-continue\r\nHost", 1)),
    ("an empty line before", b"\r\n" + sent()),
    ("an empty head before", b"\r\n\r\n" + sent()),
    ("another order", PATH + LENGTH % len(BODY) + OURS + b"\r\n" + BODY),
    ("a line more", sent().replace(b"Host", b"X-A: 1\r\nHost", 1)),
]


@pytest.mark.parametrize("data", [data for _, data in SMUGGLED], ids=[name for name, _ in SMUGGLED])
def test_nothing_else_is_recalled_and_it_means_what_it_means(data: bytes) -> None:
    """Whatever is not the known head to the byte goes to the parser; behind a known head or before
    one it gets the answer that it gets where no head is known (R-33)."""
    with both() as stages:
        for stage in stages:
            stage.chat(sent())
            assert not is_recalled(stage, data)
            stage.send(data)
            stage.answer(whole())
            stage.send(sent())
            stage.answer(whole())
            stage.chat(sent(), who=stage.call())
        quick, slow = stages
        assert quick.seen() == slow.seen()


def test_zeros_before_the_length_change_nothing() -> None:
    """`05` is 5 to the parser, and to whoever recalls (R-33)."""
    zeros = sent().replace(b"Length: ", b"Length: 000")
    with both() as stages:
        for stage in stages:
            stage.chat(sent())
            stage.chat(zeros)
            assert len(stage.closed()) == 2
        assert stages[0].seen() == stages[1].seen()


def test_what_is_about_one_request_is_never_remembered(stage: Stage) -> None:
    """A trace, an idempotency key, an expectation, a connection that ends: two requests with the
    same bytes are two of them, and each is parsed (R-33, R-34)."""
    for line in (
        b"Traceparent: 00-%b-%b-01" % (b"a" * 32, b"b" * 16),
        b"Tracestate: a=b",
        b"Idempotency-Key: k",
        b"Expect: 100-continue",
        b"Connection: close",
        b"Connection: keep-alive, X-Hop",
        b"Content-Length: %d" % len(BODY),
    ):
        head = PLAIN.replace(b"Host", line + b"\r\nHost", 1)
        stage.chat(sent(head=head), who=stage.call())
        assert not is_recalled(stage, sent(head=head)), line


def test_a_request_that_is_refused_is_not_remembered(stage: Stage) -> None:
    """What was no is looked at anew (K-20)."""
    for data in (
        sent().replace(KEY.encode(), b"dd0c_sk_" + b"x" * 43),
        sent().replace(b"/chat/", b"/chit/"),
        sent().replace(b"Host", b"Content-Encoding: gzip\r\nHost", 1),
    ):
        stage.send(data, who=stage.call())
        stage.later(1)
        assert not is_recalled(stage, data)


def test_a_head_is_known_by_a_hash_with_a_key_and_for_as_long_as_it_means_the_same() -> None:
    """A new pepper, or anything that changes what a head means, makes all unknown; no text of a key
    stays behind (K-20)."""
    known = KnownHeads()
    known.forget(bytes(32))
    head = made_head()
    known.learn(sent(), arrived(head))
    found = known.recall(sent())
    assert found is not None
    assert found.head is head
    assert KEY.encode() not in b"".join(known._known)
    for pepper in (None, bytes(range(32))):
        known.forget(pepper)
        assert known.recall(sent()) is None
        known.learn(sent(), arrived(head))
        assert known.recall(sent()) is not None
    before = set(known._known)
    known.forget(bytes(32))
    known.learn(sent(), arrived(head))
    assert set(known._known).isdisjoint(before)


def test_heads_are_remembered_within_bounds() -> None:
    """However many different ones a caller sends, a bounded number is kept, and none that is long
    (R-33)."""
    known = KnownHeads()
    for number in range(HEADS_MAX + 10):
        head = PLAIN.replace(b"Host", b"X-N: %d\r\nHost" % number, 1)
        known.learn(sent(head=head), arrived(made_head()))
        assert len(known._known) <= HEADS_MAX
    assert known.recall(sent(head=head)) is not None
    long = PLAIN.replace(b"Host", b"X-N: %b\r\nHost" % (b"n" * 4096), 1)
    known.learn(sent(head=long), arrived(made_head()))
    assert known.recall(sent(head=long)) is None


def made_head() -> Head:
    """A head as the parser makes it of PLAIN."""
    head = Head()
    head.noted = [(b"content-length", b"%d" % len(BODY))]
    head.url = b"/v1/chat/completions"
    head.understand("POST", "1.1")
    head.entry = key_entry()
    return head


def arrived(head: Head) -> Request:
    """Its request, with all of the body."""
    made = Request(head)
    made.add(BODY)
    made.body_bytes = len(BODY)
    return made


def test_a_larger_body_behind_a_known_head_is_too_large_all_the_same(tmp_path: Path) -> None:
    """The bound of bodies holds for a head that was seen with a smaller one (R-33)."""
    with both(body_bytes_max=1000) as stages:
        for stage in stages:
            stage.chat(sent())
            stage.send(sent(longer("x" * 2000)))
            assert b"HTTP/1.1 413 " in stage.written()
            assert len(stage.closed()) == 1
        assert stages[0].seen() == stages[1].seen()


# -- any bytes in any reads

LINES = st.sampled_from(
    [
        b"X-A: 1",
        b"x-a: 2",
        b"Connection: close",
        b"Connection: keep-alive",
        b"Expect: 100-continue",
        b"Content-Length: 5",
        b"content-length: %d",
        b"Content-Length : %d",
        b"Content-Length: +%d",
        b"Content-Length: 0%d",
        b"X-Content-Length: 7",
        b"Transfer-Encoding: chunked",
        b" Content-Length: 7",
        b"X-Dd0c-Tags: a",
        b"Upgrade: h2c",
    ]
)
BODIES = st.sampled_from([BODY, longer("other"), b"", b"{}", b'{"model":"gpt-5-mini"}', b"\xff{"])
HEADS = st.builds(
    lambda first, lines, end: first + OURS + b"".join(x + end for x in lines) + end,
    st.sampled_from([PATH, PATH, PATH, PATH.replace(b"1.1", b"1.0"), b"\r\n" + PATH]),
    st.one_of(
        st.just([LENGTH[:-2]]),
        st.lists(LINES, max_size=2).map(lambda lines: [*lines, LENGTH[:-2]]),
        st.lists(LINES, max_size=3),
    ),
    st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\r\n", b"\n"]),
)
REQUESTS = st.one_of(
    st.builds(sent, BODIES),
    st.builds(sent, BODIES, HEADS),
    st.builds(lambda data, end: data[:end], st.builds(sent, BODIES, HEADS), st.integers(1, 300)),
    st.builds(lambda one, two: one + two, st.builds(sent, BODIES), st.builds(sent, BODIES, HEADS)),
    st.sampled_from([b"{", b"\r\n", b"0\r\n\r\n", b"2\r\n{}\r\n0\r\n\r\n"]),
)
READS = st.lists(
    st.one_of(
        REQUESTS.map(lambda data: [data]),
        st.builds(lambda data, at: [data[:at], data[at:]], REQUESTS, st.integers(0, 400)),
    ),
    max_size=4,
).map(lambda parts: [data for part in parts for data in part if data])


@settings(max_examples=100, deadline=None)
@given(READS, st.booleans())
def test_whether_heads_are_known_shows_nowhere(reads: list[bytes], waits: bool) -> None:
    """Whatever comes in whichever reads, pipelined or not, callers, providers and the ledger see
    the same as where no head is known, byte for byte (R-33, R-3)."""
    with both() as stages:
        for stage in stages:
            stage.chat(sent())
            stage.loop.at_s += 0.001  # so that no answer is a sample
            for data in reads:
                stage.send(data)
                if waits:
                    answer_all(stage)
            answer_all(stage)
            stage.chat(sent(), who=stage.call())
        quick, slow = stages
        assert quick.seen() == slow.seen()


def answer_all(stage: Stage) -> None:
    """Answer what waits for an answer."""
    for _ in range(5):
        if any(connection._attempt for _, connection in stage.loop.made):
            stage.answer(whole())


# -- a real worker


@pytest.fixture
def fresh(upstream: Upstream, tmp_path: Path) -> Iterator[Worker]:
    """A worker whose keys a test changes."""
    with running_worker(tmp_path, [snapshot(upstream.port)]) as running:
        yield running


def told(worker: Worker, caller: Caller, key: str, status: int) -> None:
    """Wait until a request with a new key shows that what was said before was heard."""
    for _ in range(2000):
        if caller.chat(authorization=f"Bearer {key}").status == status:
            return
    raise AssertionError("the worker has not heard")


def test_a_change_of_keys_or_providers_holds_for_the_next_request_of_a_known_head(
    fresh: Worker, upstream: Upstream
) -> None:
    """Revoked, expired, bound to other models, under a new pepper, sent elsewhere: what was the
    same request just now is not (K-20, R-17)."""
    witness = "dd0c_sk_" + "w" * 43
    gone = key_entry(witness).hash
    with Caller(fresh.port) as caller, Caller(fresh.port) as other:

        def hear(message: KeysChanged) -> None:
            fresh.tell(message)
            fresh.tell(KeysChanged(upsert=(key_entry(witness),), remove=()))
            told(fresh, other, witness, 200)
            fresh.tell(KeysChanged(upsert=(), remove=(gone,)))
            told(fresh, other, witness, 401)

        for _ in range(3):
            assert caller.chat().status == 200
        hear(KeysChanged(upsert=(key_entry(models=("gpt-4o",)),), remove=()))
        assert caller.chat().error["code"] == "model_not_allowed"
        hear(KeysChanged(upsert=(key_entry(expires_us=1),), remove=()))
        assert caller.chat().error["code"] == "expired_api_key"
        hear(KeysChanged(upsert=(key_entry(),), remove=()))
        assert [caller.chat().status for _ in range(3)] == [200] * 3
        fresh.tell(ProvidersChanged(providers=(provider(upstream.port, name="other"),)))
        heads = (other.chat(x_number=str(number)).headers for number in range(2000))
        assert any(head["x-dd0c-provider"] == "other" for head in heads)
        assert caller.chat().headers["x-dd0c-provider"] == "other"
        hear(KeysChanged(upsert=(), remove=(key_entry().hash,)))
        assert caller.chat().error["code"] == "invalid_api_key"
        hear(KeysChanged(upsert=(key_entry(),), remove=()))
        assert [caller.chat().status for _ in range(3)] == [200] * 3
        fresh.tell(snapshot(upstream.port, pepper=Secret(bytes(32).hex()), keys=()))
        told(fresh, other, KEY, 401)
        assert caller.chat().status == 401


def test_a_key_expires_though_its_head_is_known(stage: Stage) -> None:
    """The moment is looked at for each request (K-20)."""
    at_us = stage.clock.now_us() + 3_600_000_000
    stage.tell(KeysChanged(upsert=(key_entry(expires_us=at_us),), remove=()))
    stage.chat(sent())
    stage.chat(sent())
    assert b"HTTP/1.1 401 " not in stage.written()
    stage.clock.by_us = 3_601_000_000
    assert is_recalled(stage, sent())
    stage.send(sent())
    assert b"HTTP/1.1 401 " in stage.written()
    assert b"expired_api_key" in stage.written()


def test_requests_of_the_sdk_are_recalled(stage: Stage) -> None:
    """The head that callers of the tests send is a plain one, in lower case (R-41)."""
    data = request("/v1/chat/completions", CHAT_BODY)
    stage.chat(data)
    assert is_recalled(stage, data)
