"""Heads of HTTP messages, put together by hand: to the provider and back to the caller. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import quote

from dd0c.products.route.hotpath.request import Request
from dd0c.products.route.hotpath.trace import Trace

if TYPE_CHECKING:
    from dd0c.products.route.hotpath.routes import Target

Header = tuple[bytes, bytes]

PHRASES = {status.value: status.phrase.encode() for status in HTTPStatus} | {529: b"Overloaded"}

_STATUS_LINES = {code: b"HTTP/1.1 %d %b\r\n" % (code, told) for code, told in PHRASES.items()}

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

PROVIDERS_LIMITS = (b"x-ratelimit-", b"anthropic-ratelimit-")
LIMITS_SAID = b"limits"
"""Under this an answer is noted to have such lines."""


def to_provider(request: Request, target: Target) -> bytes:
    """The head of a request up to the trace: the caller's headers and the provider's key."""
    route = request.head.route
    assert route is not None
    return (b"%b %b%b%b HTTP/1.1\r\nhost: %b\r\n%baccept-encoding: identity\r\n%btraceparent: ") % (
        request.head.method.encode(),
        target.prefix,
        route.suffix,
        b"?" + request.head.query if request.head.query else b"",
        target.host,
        target.auth,
        b"".join(request.head.lines),
    )


def onward(outward: bytes, request: Request, trace: Trace, length: int) -> bytes:
    """The whole of it."""
    state = b""
    if trace.continued and request.head.tracestate:
        state = b"\r\ntracestate: " + request.head.tracestate
    if request.head.method != "POST":
        return b"%b%b%b\r\n\r\n" % (outward, trace.traceparent, state)
    return b"%b%b%b\r\ncontent-length: %d\r\n\r\n" % (outward, trace.traceparent, state, length)


def status_line(status: int) -> bytes:
    """`HTTP/1.1 …`; for a status without a known phrase it is left empty."""
    return _STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status


def without_limits(lines: Sequence[bytes]) -> list[bytes]:
    """Header lines without what a provider says about its own limits of requests and tokens."""
    return [line for line in lines if not line.startswith(PROVIDERS_LIMITS)]


def about(model: str, reason: str) -> bytes:
    """Lines of our own about where an answer came from."""
    return b"x-dd0c-model: %b\r\nx-dd0c-route-reason: %b\r\n" % (quoted(model), reason.encode())


def about_request(request_id: str, about_way: bytes, cost_pico: int | None) -> bytes:
    """All lines of our own: which request it was, where its answer came from, what it costs."""
    if cost_pico is None:
        return b"x-dd0c-request-id: %b\r\n%b" % (request_id.encode(), about_way)
    return b"x-dd0c-request-id: %b\r\n%bx-dd0c-cost-usd: %b\r\n" % (
        request_id.encode(),
        about_way,
        dollars(cost_pico),
    )


def to_caller(status: int, lines: bytes, framing: bytes, ours: bytes) -> bytes:
    """The head of an answer that came from a provider; all but the status are whole lines."""
    return b"%b%b%b%b\r\n" % (status_line(status), lines, framing, ours)


def own(status: int, body: bytes, headers: Iterable[Header], extra: bytes) -> bytes:
    """The head of an answer of our own in JSON; `extra` are whole lines."""
    lines = b"".join(b"%b: %b\r\n" % header for header in headers)
    return b"%bcontent-type: application/json\r\ncontent-length: %d\r\n%b%b\r\n" % (
        status_line(status),
        len(body),
        lines,
        extra,
    )


def quoted(text: str) -> bytes:
    """Text as a header value: what is not printable ASCII is percent-encoded."""
    if text.isascii() and text.isprintable():
        return text.encode()
    return quote(text, safe=" /:.,@+").encode()


def told_cost(pico: int, request_id: str) -> bytes:
    """What a stream says of its request at its end."""
    return b"dd0c cost_usd=%b request=%b" % (dollars(pico), request_id.encode())


def dollars(pico: int) -> bytes:
    """Pico-dollars as an exact decimal number of dollars."""
    return (b"%d.%012d" % divmod(pico, 10**12)).rstrip(b"0").rstrip(b".")
