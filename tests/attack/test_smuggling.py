"""Requests whose end can be read in two ways, sent to both ports: one of the readings would be a
request that nobody checked."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.control import Served
from tests.support.upstream import Upstream, running_upstream
from tests.support.wire import CHAT_BODY, Caller
from tests.support.worker import KEY, running_worker, snapshot

HIDDEN = b"GET /hidden HTTP/1.1\r\nhost: x\r\n\r\n"
CHUNKED = b"transfer-encoding: chunked\r\n"
NOTHING = b"0\r\n\r\n"

AMBIGUOUS = {
    "both lengths": CHUNKED + b"content-length: 5\r\n\r\n" + NOTHING,
    "both, the other way": b"content-length: 5\r\n" + CHUNKED + b"\r\n" + NOTHING,
    "two lengths": b"content-length: 2\r\ncontent-length: 37\r\n\r\n{}",
    "a signed length": b"content-length: +2\r\n\r\n{}",
    "a length below zero": b"content-length: -1\r\n\r\n",
    "a length in hex": b"content-length: 0x2\r\n\r\n{}",
    "a blank before the colon": b"content-length : 2\r\n\r\n{}",
    "another coding": b"transfer-encoding: xchunked\r\n\r\n" + NOTHING,
    "chunked in the middle": b"transfer-encoding: chunked, identity\r\n\r\n" + NOTHING,
    "chunked at the end": b"transfer-encoding: gzip, chunked\r\n\r\n" + NOTHING,
    "chunked twice": CHUNKED + CHUNKED + b"\r\n" + NOTHING,
    "a bare carriage return": b"x: a\rcontent-length: 37\r\n\r\n",
    "a zero byte": b"x: a\x00b\r\n\r\n",
    "a chunk in hex with a sign": CHUNKED + b"\r\n0x2\r\n{}\r\n" + NOTHING,
    "a chunk without its end": CHUNKED + b"\r\n2\r\n{}XX" + NOTHING,
    "two hosts": b"host: y\r\ncontent-length: 0\r\n\r\n",
}


@dataclass(frozen=True, slots=True)
class Door:
    """A port, and the head of a request with a key that it takes as far as the framing."""

    port: int
    head: bytes


@pytest.fixture(scope="module")
def provider() -> Iterator[Upstream]:
    """What is behind the gateway."""
    with running_upstream() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(provider: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """A worker of the gateway."""
    folder: Path = tmp_path_factory.mktemp("spool")
    with running_worker(folder, [snapshot(provider.port)]) as worker:
        yield Door(worker.port, _head("/v1/chat/completions", KEY))


@pytest.fixture(scope="module")
def console(served: Served) -> Door:
    """The control server."""
    return Door(urlsplit(served.url).port or 0, _head("/api/v1/teams", served.acme))


def _head(path: str, key: str) -> bytes:
    lines = (f"POST {path} HTTP/1.1", "host: x", f"authorization: Bearer {key}", "")
    return "\r\n".join(lines).encode() + b"content-type: application/json\r\n"


@pytest.mark.parametrize("door", ["gateway", "console"])
@pytest.mark.parametrize("sent", AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_what_has_two_ends_has_none(
    request: pytest.FixtureRequest, provider: Upstream, door: str, sent: bytes
) -> None:
    """It is refused and its connection closed: what follows on it is nobody's request (R-33)."""
    place: Door = request.getfixturevalue(door)
    provider.received.clear()
    with Caller(place.port) as caller:
        caller.send(place.head + sent + HIDDEN)
        answer = caller.answer()
        assert answer.status == 400, answer
        assert caller.rest() == b""
    assert provider.received == []


@pytest.mark.parametrize("door", ["gateway", "console"])
def test_a_body_is_no_request(
    request: pytest.FixtureRequest, provider: Upstream, door: str
) -> None:
    """A refused or an ignored body is read or the connection ends: it is never the next request."""
    place: Door = request.getfixturevalue(door)
    length = b"content-length: %d\r\n\r\n" % len(HIDDEN)
    for head in (place.head, place.head.replace(b"Bearer ", b"Basic "), b"GET /livez HTTP/1.1\r\n"):
        host = b"" if b"host:" in head else b"host: x\r\n"
        with Caller(place.port) as caller:
            caller.send(head + host + b"connection: close\r\n" + length + HIDDEN)
            answer = caller.answer()
            assert answer.status in (200, 400, 401), answer
            assert b"HTTP/1.1" not in caller.rest()
    assert provider.received == []


@pytest.mark.parametrize(
    "model", ["gpt-5-mini", "gpt-5-mini\r\nx-injected: 1\r\n\r\nGET / HTTP/1.1"]
)
def test_no_value_ends_its_line(gateway: Door, provider: Upstream, model: str) -> None:
    """Neither towards the provider nor back: no header that nobody sent, no second request."""
    provider.received.clear()
    body = json.dumps(CHAT_BODY | {"model": model}).encode()
    odd = b"user-agent: a%0d%0ax-injected: 1\r\n"
    with Caller(gateway.port) as caller:
        caller.send(gateway.head + odd + b"content-length: %d\r\n\r\n" % len(body) + body)
        answer = caller.answer()
    assert answer.status == 200
    assert "x-injected" not in answer.headers
    assert [each.line for each in provider.received] == ["POST /v1/chat/completions HTTP/1.1"]
    assert not [each for each in provider.received if "x-injected" in each.headers]


@pytest.mark.parametrize(
    "path",
    [
        *("/console/static/../../../../etc/passwd", "/console/static/..%2f..%2f..%2fetc%2fpasswd"),
        *("/%2e%2e/%2e%2e/etc/passwd", "/console/static//etc/passwd", "//etc/passwd"),
        *("/console/static/%00", "/console/templates/frame.html", "/.git/config", "/owner.key"),
    ],
)
def test_no_path_leads_out(console: Door, path: str) -> None:
    """Files are served by the names that were read at the start, as they come over the wire."""
    with socket.create_connection(("127.0.0.1", console.port), timeout=20) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert answer.startswith(b"HTTP/1.1 404 "), answer
