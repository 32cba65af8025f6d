"""What a caller says of itself reaches the ledger, and never changes what is sent (R-10)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.upstream import Upstream
from tests.support.wire import CHAT_BODY, Caller
from tests.support.worker import Worker

MESSAGES_BODY = {**CHAT_BODY, "model": "claude-sonnet-4-5", "max_tokens": 10}


@pytest.mark.parametrize(
    ("path", "given", "expected"),
    [
        ("chat/completions", {"user": "ann"}, "ann"),
        ("chat/completions", {"user": "ann", "safety_identifier": "hash"}, "hash"),
        ("chat/completions", {"user": 'q"\\u00e9\n'}, 'q"\\u00e9\n'),
        ("chat/completions", {"user": 7}, None),
        ("chat/completions", {"user": ""}, None),
        ("chat/completions", {"metadata": {"user_id": "ann"}}, None),
        ("chat/completions", {"user": "x" * 1000}, "x" * 256),
        ("messages", {"metadata": {"user_id": "ann", "more": [1]}}, "ann"),
        ("messages", {"metadata": {"user_id": None}}, None),
        ("messages", {"metadata": "ann", "user": "bob"}, None),
        ("messages", {"metadata": {"user_id": "ann", "x": "y" * 20_000}}, None),
    ],
)
def test_the_end_user_is_found(
    worker: Worker, upstream: Upstream, path: str, given: dict[str, Any], expected: str | None
) -> None:
    """Each dialect's own field at the top level tells the end user; nonsense is nobody."""
    body = {**(CHAT_BODY if path.startswith("chat") else MESSAGES_BODY), **given}
    with Caller(worker.port) as caller:
        assert caller.call(f"/v1/{path}", body).status == 200
    assert worker.opened()[0].end_user == expected
    assert json.loads(upstream.last.body) == body


def test_what_headers_tell_is_kept_and_travels_on(worker: Worker, upstream: Upstream) -> None:
    """Idempotency key and the SDK's retry count stay headers; tags are ours and stop here."""
    told = {"idempotency_key": "k-1", "x_stainless_retry_count": "2"}
    with Caller(worker.port) as caller:
        caller.chat(**told, x_dd0c_tags="team:a, svc=b,,svc=b")
    (opened,) = worker.opened()
    assert (opened.caller_key, opened.caller_retry) == ("k-1", 2)
    assert upstream.last.headers["idempotency-key"] == "k-1"
    assert upstream.last.headers["x-stainless-retry-count"] == "2"
    assert "x-dd0c-tags" not in upstream.last.headers
    assert opened.tags == ("team:a", "svc=b")


@pytest.mark.parametrize("count", ["", "-1", "two", "1e3", "9" * 30])
def test_a_retry_count_that_is_none_is_unknown(
    worker: Worker, upstream: Upstream, count: str
) -> None:
    """Nonsense in a header that is not ours is no reason to refuse."""
    with Caller(worker.port) as caller:
        assert caller.chat(x_stainless_retry_count=count).status == 200
    assert worker.opened()[0].caller_retry is None
    assert upstream.last.headers.get("x-stainless-retry-count", "") == count


@pytest.mark.parametrize(
    "tags", ["a b", "x" * 65, "a,b;c", ",".join(f"t{n}" for n in range(17)), "a,?"]
)
def test_wrong_tags_are_refused(worker: Worker, upstream: Upstream, tags: str) -> None:
    """Budgets hang on tags: 400 with what is right, and nothing is sent."""
    with Caller(worker.port) as caller:
        got = caller.chat(x_dd0c_tags=tags)
        assert (got.status, got.error["code"]) == (400, "bad_tags")
        assert caller.chat(x_dd0c_tags=",".join(f"t{n}" for n in range(16))).status == 200
    assert len(upstream.received) == 1
