"""Heads of HTTP messages, put together by hand: to the provider and back to the caller. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from urllib.parse import quote

from dd0c.products.route.hotpath.request import Request
from dd0c.products.route.hotpath.routes import Target
from dd0c.products.route.hotpath.trace import Trace

Header = tuple[bytes, bytes]

PHRASES = {status.value: status.phrase.encode() for status in HTTPStatus} | {529: b"Overloaded"}

# Of one hop only, said by ourselves (length, framing), or about the provider's own host.
STOPPED = frozenset(
    (
        b"alt-svc",
        b"connection",
        b"content-length",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-connection",
        b"set-cookie",
        b"strict-transport-security",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    )
)


def to_provider(request: Request, target: Target, trace: Trace, length: int) -> bytes:
    """The head of a request: the caller's headers, the provider's key, our trace."""
    route = request.route
    assert route is not None
    lines = [b"%b: %b\r\n" % header for header in request.passed]
    if trace.continued and request.tracestate:
        lines.append(b"tracestate: %b\r\n" % request.tracestate)
    if request.method == "POST":
        lines.append(b"content-length: %d\r\n" % length)
    return (
        b"%b %b%b%b HTTP/1.1\r\nhost: %b\r\n%baccept-encoding: identity\r\n"
        b"traceparent: %b\r\n%b\r\n"
    ) % (
        request.method.encode(),
        target.prefix,
        route.suffix,
        b"?" + request.query if request.query else b"",
        target.host,
        target.auth,
        trace.traceparent,
        b"".join(lines),
    )


def status_line(status: int) -> bytes:
    """`HTTP/1.1 …`; for a status without a known phrase it is left empty."""
    return b"HTTP/1.1 %d %b\r\n" % (status, PHRASES.get(status, b""))


def to_caller(status: int, headers: Iterable[Header], ours: bytes) -> bytes:
    """The head of an answer that came from a provider; `ours` are whole lines of our own."""
    lines = [
        b"%b: %b\r\n" % header
        for header in headers
        if header[0] not in STOPPED and not header[0].startswith(b"x-dd0c-")
    ]
    return b"%b%b%b\r\n" % (status_line(status), b"".join(lines), ours)


def own(status: int, body: bytes, headers: Iterable[Header], extra: bytes) -> bytes:
    """The head of an answer of our own in JSON; `extra` are whole lines."""
    lines = b"".join(b"%b: %b\r\n" % header for header in headers)
    return b"%bcontent-type: application/json\r\ncontent-length: %d\r\n%b%b\r\n" % (
        status_line(status),
        len(body),
        lines,
        extra,
    )


def content_of(headers: Iterable[Header]) -> tuple[bytes, bytes]:
    """Media type and coding of a body, in lower case."""
    kind = coding = b""
    for name, value in headers:
        if name == b"content-type":
            kind = value.lower()
        elif name == b"content-encoding":
            coding = value.lower()
    return kind, coding


def request_id_of(headers: Iterable[Header]) -> str | None:
    """The provider's own id of the request."""
    for name, value in headers:
        if name in (b"x-request-id", b"request-id"):
            return value[:200].decode("latin-1")
    return None


def quoted(text: str) -> bytes:
    """Text as a header value: what is not printable ASCII is percent-encoded."""
    if text.isascii() and text.isprintable():
        return text.encode()
    return quote(text, safe=" /:.,@+").encode()


def dollars(pico: int) -> str:
    """Pico-dollars as an exact decimal number of dollars."""
    whole, rest = divmod(pico, 10**12)
    return f"{whole}.{rest:012d}".rstrip("0").rstrip(".")
