"""A request as received and an answer as planned; how an answer's head is written. No I/O."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Final

import msgspec

encode = msgspec.json.Encoder().encode
EVENT_STREAM: Final = b"text/event-stream; charset=utf-8"
JSON: Final = b"application/json"
REASONS: Final = {s.value: s.phrase.encode() for s in HTTPStatus} | {529: b"Overloaded"}


class Request(msgspec.Struct):
    """One request without its body. `headers` are as received: order, case and repetition kept."""

    id: str
    method: str
    target: str
    headers: list[tuple[bytes, bytes]]
    keep_alive: bool = True
    chunks: bool = True  # false for HTTP/1.0, which knows no chunked answers
    path: str = ""
    fields: dict[bytes, bytes] = {}

    def __post_init__(self) -> None:
        self.path = self.target.partition("?")[0]
        self.fields = {name.lower(): value for name, value in self.headers}

    def field(self, name: bytes) -> str:
        """The value of the header with that lower-case name; empty when there is none."""
        return self.fields.get(name, b"").decode("latin-1")


class Run(msgspec.Struct, frozen=True):
    """Content events that differ only in their text: `before`, the text as JSON, `after`.

    With `first_number` they are numbered too: `after` then holds a `%d` for the number.
    """

    before: bytes
    pieces: tuple[str, ...]
    after: bytes
    first_number: int | None = None

    def events(self) -> Iterator[bytes]:
        """Every event with the blank line that ends it."""
        before, after, number = self.before, self.after, self.first_number
        for piece in self.pieces:
            if number is None:
                yield b"%b%b%b" % (before, encode(piece), after)
            else:
                yield b"%b%b%b" % (before, encode(piece), after % number)
                number += 1


class Stream(msgspec.Struct, frozen=True):
    """The events of a streamed answer. Content is rendered as it is sent, not before: a thousand
    long streams would otherwise be held in memory as a thousand copies of their framing."""

    parts: tuple[bytes | Run, ...]
    finish: bytes = b""  # the part that says why the answer ends
    failure: bytes = b""  # the provider's own error event

    @property
    def garbage(self) -> bytes:
        """A content event that breaks off amid its JSON."""
        runs = (part.before for part in self.parts if isinstance(part, Run))
        return next(runs, b"data: {") + b"\n\n"

    def events(self) -> Iterator[bytes]:
        """Every event with the blank line that ends it."""
        for part in self.parts:
            if isinstance(part, Run):
                yield from part.events()
            else:
                yield part


class Answer(msgspec.Struct, frozen=True):
    """What is to be sent: a body or a stream, under a status and the provider's own headers.

    `tokens` is what a model would have had to write, the measure of how long that takes.
    """

    status: int
    headers: bytes  # whole lines, each ended by CRLF
    id_header: bytes  # under which name the provider sends its request id
    body: bytes = b""
    stream: Stream | None = None
    media_type: bytes = JSON
    tokens: int = 0
    chunked: bool = False  # a body in chunks; a stream always is


class Refusal(Exception):
    """The simulated provider refuses a request, with that status."""

    def __init__(self, status: int, message: str, *, param: str | None = None, code: str = ""):
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code


@lru_cache(maxsize=2)
def _date(second: int) -> bytes:
    return time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(second)).encode()


def head(answer: Answer, request: Request, now_s: int) -> bytes:
    """The status line and headers of an answer."""
    if answer.stream is None and not answer.chunked:
        length = b"content-length: %d\r\n" % len(answer.body)
    else:
        length = b"transfer-encoding: chunked\r\n" if request.chunks else b""
    return (
        b"HTTP/1.1 %d %b\r\ndate: %b\r\ncontent-type: %b\r\n%bconnection: %b\r\n%b%b: %b\r\n\r\n"
    ) % (
        answer.status,
        REASONS.get(answer.status, b"Unknown"),
        _date(now_s),
        answer.media_type,
        length,
        b"keep-alive" if request.keep_alive else b"close",
        answer.headers,
        answer.id_header,
        request.id.encode(),
    )


def data_event(value: Any) -> bytes:
    """One unnamed server-sent event with a JSON value."""
    return b"data: %b\n\n" % encode(value)
