"""Bad input through real sockets: the dialect's own 4xx, while a bystander's stream goes on."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support.product import Product

pytestmark = pytest.mark.e2e

CHAT, MESSAGES = "/v1/chat/completions", "/v1/messages"
GOOD = b'{"model":"gpt-5-mini","messages":[{"role":"user","content":"hi"}]}'
BYSTANDER_EVENTS = 150
LEAK = re.compile(r"Traceback|\.py\b|asyncio|dd0c_sk_\w")


@dataclass(frozen=True, slots=True)
class Answer:
    """A status with the decoded body."""

    status: int
    body: dict[str, object]
    text: str


def head(path: str, key: str, length: int, *extra: str, method: str = "POST") -> bytes:
    lines = [
        f"{method} {path} HTTP/1.1",
        "Host: gateway",
        f"Authorization: Bearer {key}",
        "Content-Type: application/json",
        f"Content-Length: {length}",
        *extra,
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def exchange(product: Product, request: bytes) -> Answer:
    """Send bytes, read one answer until its declared end or the close."""
    url = urlsplit(product.gateway_url)
    with socket.create_connection((url.hostname, url.port), timeout=15.0) as connection:
        with suppress(BrokenPipeError, ConnectionResetError):  # refused before all was sent
            connection.sendall(request)
        data = b""
        while True:
            before, separator, body = data.partition(b"\r\n\r\n")
            lengths = [
                int(line.split(b":")[1])
                for line in before.lower().split(b"\r\n")
                if line.startswith(b"content-length:")
            ]
            if separator and lengths and len(body) >= lengths[0]:
                break
            piece = connection.recv(65536)
            if not piece:
                break
            data += piece
    status = int(data.split(b" ", 2)[1])
    return Answer(status, json.loads(body), body.decode())


def check_dialect(answer: Answer, path: str) -> None:
    """The error has the envelope of the path's dialect, a message, and nothing of our insides."""
    error = answer.body["error"]
    assert isinstance(error, dict)
    assert isinstance(error["message"], str)
    assert len(error["message"]) > 10
    if path == MESSAGES:
        assert answer.body["type"] == "error"
        assert "type" in error
    else:
        assert {"message", "type", "param", "code"} <= error.keys()
    assert not LEAK.search(answer.text)


@pytest.fixture(scope="module")
def bystander(product: Product) -> Iterator[None]:
    """A stream that runs during all tests of this module, and must arrive whole."""
    lines: list[str] = []
    failed: list[Exception] = []

    def listen() -> None:
        body = json.loads(GOOD) | {"stream": True}
        headers = {
            "Authorization": f"Bearer {product.owner_key}",
            "x-sim-fault": f"events={BYSTANDER_EVENTS};pace=40",
        }
        try:
            with httpx.stream(
                "POST", product.gateway_url + CHAT, json=body, headers=headers, timeout=30.0
            ) as answer:
                lines.extend(line for line in answer.iter_lines() if line)
        except httpx.HTTPError as error:
            failed.append(error)

    thread = threading.Thread(target=listen)
    thread.start()
    yield
    thread.join(60)
    assert not failed
    assert lines[-1] == "data: [DONE]"
    contents = [
        event["choices"][0]["delta"].get("content")
        for event in (json.loads(x[6:]) for x in lines if x.startswith("data: {"))
        if event["choices"]
    ]
    assert sum(1 for content in contents if content) == BYSTANDER_EVENTS


BODIES = {
    "not JSON": b"{what?",
    "not an object": b"[1, 2]",
    "empty": b"",
    "no model": b'{"messages":[]}',
    "model is no text": b'{"model":7,"messages":[]}',
    "model twice": b'{"model":"gpt-5-nano","messages":[],"model":"gpt-5"}',
    "model twice, escaped": b'{"model":"gpt-5-nano","messages":[],"mod\\u0065l":"gpt-5"}',
    "not UTF-8": b'{"model":"gpt-5-mini","messages":[{"role":"user","content":"\xff\xfe"}]}',
    "nested deeper than any stack": b'{"model":"gpt-5-mini","x":' + b"[" * 100_000 + b"}",
}


@pytest.mark.usefixtures("bystander")
@pytest.mark.parametrize("path", [CHAT, MESSAGES])
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_a_bad_body_is_the_dialects_400(product: Product, path: str, body: bytes) -> None:
    """R-4, R-33: a body that is wrong gets a 400 in the caller's dialect that says why."""
    answer = exchange(product, head(path, product.owner_key, len(body)) + body)
    assert answer.status == 400
    check_dialect(answer, path)


KEYS = {
    "empty": "",
    "blank": "   ",
    "too short": "dd0c_sk_short",
    "unknown": "dd0c_sk_" + "A" * 43,
    "another system's": "sk-proj-abcdefgh",
    "with a NUL's neighbour": "dd0c_sk_\x01",
    "latin-1": "dd0c_sk_\xe9",
    "long": "dd0c_sk_" + "A" * 8000,
}


@pytest.mark.usefixtures("bystander")
@pytest.mark.parametrize("path", [CHAT, MESSAGES])
@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS.keys())
def test_an_odd_key_is_a_clear_401(product: Product, path: str, key: str) -> None:
    """K-20: odd keys get a 401, or a 400 where the header itself is broken; never a 500."""
    request = head(path, "KEY", len(GOOD)).replace(b"KEY", key.encode("latin-1")) + GOOD
    answer = exchange(product, request)
    assert answer.status in ((400, 401) if not key.isascii() or "\x01" in key else (401,))
    check_dialect(answer, path)


@pytest.mark.usefixtures("bystander")
def test_an_unknown_path_says_what_there_is(product: Product) -> None:
    """R-4: a path that is none is a 404 that names what there is."""
    answer = exchange(product, head("/v1/nope", product.owner_key, len(GOOD)) + GOOD)
    assert answer.status == 404
    assert "There is no /v1/nope here" in answer.text
    assert CHAT in answer.text


@pytest.mark.usefixtures("bystander")
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
@pytest.mark.parametrize("path", [CHAT, MESSAGES])
def test_a_wrong_method_is_refused(product: Product, path: str, method: str) -> None:
    """R-33: another method is a 405 in the path's dialect."""
    answer = exchange(product, head(path, product.owner_key, 0, method=method))
    assert answer.status == 405
    check_dialect(answer, path)


@pytest.mark.usefixtures("bystander")
def test_an_unknown_method_is_refused(product: Product) -> None:
    """R-33: a method that HTTP does not have is a 400, told before there is a path to go by."""
    answer = exchange(product, head(CHAT, product.owner_key, 0, method="BREW"))
    assert answer.status == 400
    check_dialect(answer, CHAT)


@pytest.mark.usefixtures("bystander")
@pytest.mark.parametrize("path", [CHAT, MESSAGES])
def test_50_megabytes_are_refused_before_they_are_read(product: Product, path: str) -> None:
    """R-33: a body over the bound is a 413, told from its declared length."""
    answer = exchange(product, head(path, product.owner_key, 50_000_000) + b"x" * 1_000_000)
    assert answer.status == 413
    check_dialect(answer, path)


@pytest.mark.usefixtures("bystander")
@pytest.mark.parametrize("path", [CHAT, MESSAGES])
def test_a_header_of_100_kilobytes_is_refused(product: Product, path: str) -> None:
    """R-33: headers over the bound are a 431."""
    answer = exchange(
        product, head(path, product.owner_key, len(GOOD), "X-Long: " + "x" * 100_000) + GOOD
    )
    assert answer.status == 431
    check_dialect(answer, path)


@pytest.mark.usefixtures("bystander")
@pytest.mark.parametrize("path", [CHAT, MESSAGES])
def test_a_body_that_does_not_come_is_a_408(product: Product, path: str) -> None:
    """R-33: a body that stays away is given up with a 408; the product here waits two seconds."""
    answer = exchange(product, head(path, product.owner_key, len(GOOD)) + GOOD[:10])
    assert answer.status == 408
    check_dialect(answer, path)
