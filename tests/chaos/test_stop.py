"""Ctrl-C, once and twice, and what a next start finds."""

from __future__ import annotations

import json
import signal
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support import processes
from tests.support.product import Product, running, until

pytestmark = pytest.mark.chaos


class Stream:
    """One streamed answer, read in a thread of its own."""

    def __init__(self, product: Product, fault: str):
        self.request_id = ""
        self.lines: list[str] = []
        self.failed = False
        self._request: dict[str, Any] = {
            "url": f"{product.gateway_url}/v1/chat/completions",
            "headers": {"Authorization": f"Bearer {product.owner_key}", "x-sim-fault": fault},
            "json": {
                "model": "gpt-5-mini",
                "stream": True,
                "messages": [{"role": "user", "content": "Hello"}],
            },
        }
        self.thread = threading.Thread(target=self._read)
        self.thread.start()
        until(lambda: len(self.lines) > 5, "the stream flows")

    def _read(self) -> None:
        try:
            with httpx.stream("POST", timeout=60.0, **self._request) as answer:
                self.request_id = answer.headers["x-dd0c-request-id"]
                self.lines.extend(line for line in answer.iter_lines() if line)
        except httpx.HTTPError:
            self.failed = True


@pytest.fixture(scope="module")
def immortal() -> Iterator[Product]:
    """A dd0c that is stopped again and again."""
    with running() as one:
        yield one


@pytest.fixture
def mortal(immortal: Product) -> Product:
    """It runs, also when a test ended it and failed."""
    if immortal.process.poll() is not None:
        immortal.restart()
    return immortal


def attempts(product: Product, request_id: str) -> list[dict[str, Any]]:
    """The ledger's attempts of a request, as a next start finds them."""
    product.restart()
    found: list[dict[str, Any]] = product.get_json(f"/route/requests/{request_id}")["attempts"]
    return found


def test_ctrl_c_lets_an_open_stream_finish(mortal: Product) -> None:
    """K-6: the stream arrives whole, nobody new is let in, its row is there, nothing is left."""
    stream = Stream(mortal, "events=100;pace=30")
    everything = processes.descendants(mortal.process.pid)
    mortal.process.send_signal(signal.SIGINT)
    until(lambda: not _listens(mortal.gateway_url), "the door is closed", within_s=2.0)
    assert stream.thread.is_alive()
    stream.thread.join(30)
    assert stream.lines[-1] == "data: [DONE]"
    assert mortal.process.wait(15) == 0
    assert not any(processes.lives(pid) for pid in everything)
    until(lambda: "stopped" in mortal.lines, "its last word is read")
    [row] = attempts(mortal, stream.request_id)
    assert (row["final"], row["end_reason"]) == (True, "complete")


def test_a_second_ctrl_c_cuts_and_books(mortal: Product) -> None:
    """K-6: the second Ctrl-C ends a stream of minutes, in words, with a row that says why."""
    stream = Stream(mortal, "events=2000;pace=30")
    mortal.process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    assert mortal.process.poll() is None
    mortal.process.send_signal(signal.SIGINT)
    assert mortal.process.wait(10) == 0
    stream.thread.join(10)
    assert "data: [DONE]" not in stream.lines
    assert any("gateway_stopping" in line for line in stream.lines[-3:])
    [row] = attempts(mortal, stream.request_id)
    assert (row["end_reason"], row["error_code"]) == ("lost", "gateway_stopping")
    assert row["upstream_status"] == 200


def test_the_second_start_keeps_key_and_ledger(mortal: Product) -> None:
    """K-1: a second start finds the same owner key and everything that was there."""
    key = mortal.owner_key
    request_id = mortal.chat().headers["x-dd0c-request-id"]
    assert mortal.stop() == 0
    [row] = attempts(mortal, request_id)
    assert row["end_reason"] == "complete"
    assert mortal.owner_key == key
    assert json.loads(mortal.cli("doctor", "--json").stdout)["status"] == "warning"


def _listens(url: str) -> bool:
    parts = urlsplit(url)
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((parts.hostname, parts.port)) == 0
