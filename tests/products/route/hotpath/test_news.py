"""A key in its first moments: the news of it may reach a worker after its first request (K-20)."""

from __future__ import annotations

import threading
import time

import pytest

from dd0c.products.route.hotpath.snapshot import KeysChanged
from tests.support.upstream import Upstream
from tests.support.wire import Caller
from tests.support.worker import Worker, key_entry

NEW = "dd0c_sk_" + "n" * 43
NEWS_AFTER_S = 0.1


def chat_with(caller: Caller, key: str) -> tuple[int, float]:
    """The status of a request with a key, and how long it took."""
    begun = time.monotonic()
    status = caller.chat(authorization=f"Bearer {key}").status
    return status, time.monotonic() - begun


def test_a_key_may_be_used_before_the_worker_has_heard_of_it(
    worker: Worker, upstream: Upstream
) -> None:
    """A request that overtakes the news of its key waits for them, and then goes through."""
    entry = key_entry(NEW)
    news = threading.Timer(NEWS_AFTER_S, worker.tell, [KeysChanged((entry,), ())])
    with Caller(worker.port) as caller:
        news.start()
        status, took_s = chat_with(caller, NEW)
        assert status == 200
        assert took_s > NEWS_AFTER_S * 0.9
        worker.tell(KeysChanged((), (entry.hash,)))
        time.sleep(0.1)
        status, took_s = chat_with(caller, NEW)  # revoked, so no news are to come
        assert status == 401
        assert took_s < 0.3
    assert len(upstream.received) == 1


@pytest.mark.parametrize(
    ("key", "waits"), [("dd0c_sk_" + "u" * 43, True), ("sk-of-somebody", False)]
)
def test_a_key_that_nobody_made_is_refused_in_the_end(
    worker: Worker, upstream: Upstream, key: str, *, waits: bool
) -> None:
    """Only what looks like ours is waited for, half a second, and its neighbours go on."""
    with Caller(worker.port) as caller, Caller(worker.port) as neighbour:
        caller.send(
            f"POST /v1/embeddings HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n"
            "content-length: 2\r\n\r\n{}".encode()
        )
        begun = time.monotonic()
        assert neighbour.chat().status == 200
        assert caller.answer().status == 401
        assert (time.monotonic() - begun > 0.4) == waits
        assert caller.chat().status == 200  # the connection goes on
    assert len(upstream.received) == 2


def test_who_leaves_while_waiting_is_forgotten(worker: Worker) -> None:
    """A caller that is gone before the news come harms nobody."""
    with Caller(worker.port) as caller:
        caller.send(
            b"POST /v1/embeddings HTTP/1.1\r\nhost: x\r\n"
            b"authorization: Bearer dd0c_sk_" + b"g" * 43 + b"\r\ncontent-length: 2\r\n\r\n{}"
        )
    worker.tell(KeysChanged((key_entry("dd0c_sk_" + "g" * 43),), ()))
    time.sleep(0.7)
    with Caller(worker.port) as other:
        assert other.chat().status == 200
