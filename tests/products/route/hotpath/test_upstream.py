"""Answers of a provider in any reads: what the attempt hears, and when a connection is kept."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dd0c.products.route.hotpath import upstream
from dd0c.products.route.hotpath.heads import LIMITS_SAID
from tests.products.route.hotpath.stage import Stage, both, plain, staged, whole
from tests.support.wire import CHAT_BODY, request

SENT = request("/v1/chat/completions", CHAT_BODY)
ANSWER = whole(headers="x-thing: a\r\nX-Thing: b\r\nx-request-id: up_1\r\n")
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"


def given_to_caller(stage: Stage, *reads: bytes) -> bytes:
    """What a caller gets when its provider's answer comes in these reads."""
    who = stage.call()
    stage.send(SENT, who)
    for data in reads:
        stage.answer(data)
    return plain(stage.written(who))


@settings(max_examples=80, deadline=None)
@given(st.lists(st.integers(0, len(INTERIM + ANSWER)), max_size=5), st.booleans())
def test_an_answer_is_the_same_in_any_reads(cuts: list[int], interim: bool) -> None:
    """Cut anywhere, with interim answers before it or without: the same bytes to the caller, but
    for the order of nothing (R-3)."""
    answer = INTERIM + ANSWER if interim else ANSWER
    borders = sorted({0, len(answer), *(min(cut, len(answer)) for cut in cuts)})
    with staged() as stage:
        at_once = given_to_caller(stage, ANSWER)
        parts = [answer[start:end] for start, end in itertools.pairwise(borders)]
        assert given_to_caller(stage, *parts) == at_once
        assert len(stage.loop.made) == 1, "its connection is kept"


@pytest.mark.parametrize(
    "line",
    [
        *(b"x-a: 1", b"X-A:1", b"x-a:\t 1 \t", b"x-a:", b"content-type: text/plain"),
        *(b"Content-Encoding: GZIP", b"Transfer-Encoding: chunked", b"Content-Length: 5"),
        *(b"Set-Cookie: a=b", b"x-dd0c-model: forged", b"X-RateLimit-Limit-Tokens: 5"),
        *(b"x-long: " + b"y" * 300, b"X-Request-Id: up_1", b"anthropic-ratelimit-x: 1"),
    ],
)
def test_a_line_that_is_remembered_says_what_it_said(line: bytes) -> None:
    """Read for the first time or again, with others in between (R-41)."""
    fresh = upstream._read(line)
    again = upstream._lines.get(line) or upstream._read(line)
    assert again == fresh
    assert (upstream._lines.get(line) is not None) == (len(line) <= upstream.LINE_BYTES_MAX)


def test_lines_are_remembered_within_bounds() -> None:
    """A provider that says another number each time fills nothing (R-33)."""
    for number in range(2 * upstream.LINES_MAX):
        upstream._read(b"x-number: %d" % number)
        assert len(upstream._lines) <= upstream.LINES_MAX
    assert upstream._read(b"x-ratelimit-limit-tokens: 1").name == LIMITS_SAID


def test_each_answer_has_its_own_lines() -> None:
    """What was said before and is remembered is no part of an answer that does not say it (R-3)."""
    with staged() as stage:
        first = given_to_caller(stage, whole(headers="x-one: 1\r\nx-request-id: up_1\r\n"))
        other = given_to_caller(stage, whole(headers="x-one: 2\r\n"))
        again = given_to_caller(stage, whole(headers="x-one: 1\r\nx-request-id: up_1\r\n"))
        assert first == again
        assert b"x-one: 2\r\n" in other
        assert b"up_1" not in other
        ids = [one.upstream_request_id for one in stage.closed()]
        assert ids == ["up_1", None, "up_1"]


@pytest.mark.parametrize("warm", [False, True])
def test_an_answer_without_a_length_ends_with_its_connection(warm: bool) -> None:
    """All that came until the provider closed is the answer, complete and billed; one that says its
    length is not complete before (R-30)."""
    with staged() as stage:
        if warm:
            stage.chat(SENT)
            stage.chat(SENT)
        for data, status in ((ANSWER.replace(b"Content-Length", b"X-L"), 200), (ANSWER[:-1], 502)):
            who = stage.call()
            stage.send(SENT, who)
            stage.answer(data)
            assert stage.written(who) == b""
            stage.provider_leaves()
            assert stage.written(who).startswith(b"HTTP/1.1 %d " % status)
        assert [one.end_reason for one in stage.closed()][-2:] == ["complete", "upstream_cut"]


BEHIND = [
    *(ANSWER, ANSWER[:20], b"HTTP/1.1 200 OK\r\n", b"H", b"x", b"\r\nx", b"0\r\n\r\n"),
    b"HTTP/1.1 500 x\r\ncontent-length: 0\r\n\r\n",
]


@pytest.mark.parametrize("behind", BEHIND)
@pytest.mark.parametrize("later", [False, True])
def test_what_comes_behind_an_answer_is_nobodys(behind: bytes, later: bool) -> None:
    """An answer is given though more comes behind it; the connection is not kept, so that it cannot
    be taken for the answer to the next request, perhaps of another organisation (R-30, R-33)."""
    with both() as stages:
        for stage in stages:
            stage.chat(SENT)
            stage.send(SENT)
            if later:
                wire, connection = stage.busiest()
                stage.answer(ANSWER)
                connection.data_received(behind)
            else:
                wire, connection = stage.busiest()
                stage.answer(ANSWER + behind)
            assert wire.is_closing()
            who = stage.call()
            stage.chat(SENT, who=who)
            assert stage.written(who).startswith(b"HTTP/1.1 200 OK\r\n")
            assert stage.loop.made[-1][0] is not wire
            assert [one.status for one in stage.closed()] == [200, 200, 200]
        assert stages[0].seen() == stages[1].seen()


def test_lines_before_an_answer_are_not_its_head() -> None:
    """Empty lines before a status line mean nothing: the header lines behind it count (R-3)."""
    with staged() as stage:
        at_once = given_to_caller(stage, ANSWER)
        assert given_to_caller(stage, b"\r\n\r\n" + ANSWER) == at_once
        assert given_to_caller(stage, b"\r\n", b"\r\n\r\n" + ANSWER) == at_once
