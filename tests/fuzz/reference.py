"""What h11 makes of bytes: the second opinion that ours is held against."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import h11

INCOMPLETE_BYTES_MAX = 1 << 22


class Mismatch(AssertionError):
    """We and the reference do not agree."""


class Undecided(Exception):
    """The reference cannot say."""


@dataclass(frozen=True)
class Message:
    """A request as h11 reads it."""

    method: bytes
    target: bytes
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes
    version: bytes

    def values(self, name: bytes) -> list[bytes]:
        """What is said under a name."""
        return [value for given, value in self.headers if given == name]


@dataclass(frozen=True)
class Reading:
    """What h11 makes of a caller's bytes: whole requests, an error after them, and what is left."""

    messages: Sequence[Message]
    error: str = ""
    rest: bytes = b""


def read(sent: bytes) -> Reading:
    """What a server on h11 takes these bytes for."""
    messages: list[Message] = []
    rest = sent
    while True:
        rest = _as_allowed(rest)
        if not rest:
            return Reading(messages)
        server = h11.Connection(h11.SERVER, INCOMPLETE_BYTES_MAX)
        server.receive_data(rest)
        try:
            message = _next_request(server)
        except h11.RemoteProtocolError as error:
            return Reading(messages, str(error), rest)
        if message is None:
            return Reading(messages, rest=rest)
        messages.append(message)
        rest = server.trailing_data[0]
        if message.method == b"CONNECT" or not is_kept(message):
            return Reading(messages)


def _as_allowed(sent: bytes) -> bytes:
    """The bytes without what RFC 9112 lets a server take and h11 does not: empty lines before a
    request, also such as end with LF alone (2.2), and more than one space between the parts of its
    first line (3). Our parser takes them."""
    line, end, rest = sent.lstrip(b"\r\n").partition(b"\r\n")
    return re.sub(rb" +", b" ", line) + end + rest


def read_one(sent: bytes) -> Message:
    """The one request that a provider was sent; a Mismatch if it is not exactly one."""
    found = read(sent)
    if len(found.messages) != 1 or found.rest or found.error:
        raise Mismatch(f"the provider does not see one request in {sent!r} but {found}")
    return found.messages[0]


def _next_request(server: h11.Connection) -> Message | None:
    event = server.next_event()
    if not isinstance(event, h11.Request):
        return None
    request, body = event, bytearray()
    while not isinstance(event, h11.EndOfMessage):
        try:
            following: Any = server.next_event()
        except h11.RemoteProtocolError as error:
            if in_trailers(error):
                raise Undecided from None
            raise
        if following is h11.NEED_DATA:
            return None
        if isinstance(following, h11.Data):
            body += following.data
        event = following
    headers = list(request.headers)
    return Message(request.method, request.target, headers, bytes(body), request.http_version)


def in_trailers(error: h11.RemoteProtocolError) -> bool:
    """Whether h11, after a good head, found that trailers frame the message again; we do not look
    at what they say (RFC 9110, 6.5.1)."""
    return "Transfer-Encoding" in str(error) or "Content-Length" in str(error)


def is_kept(message: Message) -> bool:
    """Whether the connection goes on after a request (RFC 9112, 9.3)."""
    said = b",".join(message.values(b"connection")).lower().split(b",")
    options = [option.strip() for option in said]
    if b"close" in options:
        return False
    return message.version != b"1.0" or b"keep-alive" in options


@dataclass(frozen=True)
class Answered:
    """An answer that the caller got; `forwarded`: which of the provider's requests it is for."""

    status: int
    forwarded: int | None
    closes: bool


def answers(written: bytes, methods: Sequence[bytes]) -> list[Answered]:
    """The final answers in what a caller got for requests with these methods."""
    found: list[Answered] = []
    rest = written
    while rest:
        asked = methods[len(found)] if len(found) < len(methods) else b""
        rest = rest.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
        if not rest:
            break
        bodiless = not rest.partition(b"\r\n\r\n")[2].startswith(b"{")
        client = h11.Connection(h11.CLIENT, INCOMPLETE_BYTES_MAX)
        method = b"HEAD" if bodiless and asked in (b"HEAD", b"") else b"GET"
        client.send(h11.Request(method=method, target="/", headers=[("host", "x")]))
        client.send(h11.EndOfMessage())
        client.receive_data(rest)
        found.append(_next_answer(client, rest))
        if asked == b"HEAD" and method != b"HEAD" and not found[-1].closes:
            raise Mismatch(f"an answer to HEAD has a body: {written!r}")
        rest = client.trailing_data[0]
    return found


def _next_answer(client: h11.Connection, written: bytes) -> Answered:
    event: Any = None
    head: h11.Response | None = None
    while not isinstance(event, h11.EndOfMessage):
        event = client.next_event()
        if event is h11.NEED_DATA:
            raise Mismatch(f"the caller got half an answer: {written!r}")
        if isinstance(event, h11.Response):
            head = event
    assert head is not None
    told = dict(head.headers)
    number = int(told[b"x-number"]) if b"x-number" in told else None
    return Answered(head.status_code, number, told.get(b"connection") == b"close")
