"""One request of a caller as the parser delivers it, and what its headers mean to us.

Headers that are the caller's business travel on as they came, as `lines`. The others are `noted`
and stop here: those about one hop only, the caller's key (ours, never a provider's), cookies (a
browser would send the console's session), what proxies say of the caller (a provider is not told
who asks), what we say ourselves upstream (length, encoding, trace), and our own `x-dd0c-…`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dd0c.products.route.hotpath import facts
from dd0c.products.route.hotpath.dialects import Refusal, Route
from dd0c.products.route.hotpath.snapshot import KeyEntry
from dd0c.products.route.models import Dialect, Endpoint

if TYPE_CHECKING:
    from dd0c.products.route.hotpath.lanes import Lane

NOTED = frozenset(
    (
        b"accept-encoding",
        b"authorization",
        b"connection",
        b"content-encoding",
        b"content-length",
        b"cookie",
        b"expect",
        b"forwarded",
        b"host",
        b"keep-alive",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"traceparent",
        b"tracestate",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"via",
        b"x-api-key",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-port",
        b"x-forwarded-proto",
        b"x-real-ip",
    )
)
OWN = b"x-dd0c-"
TOLD = frozenset((b"idempotency-key", b"x-stainless-retry-count"))
"""What the ledger wants to know too; these travel on."""
NOTED_OR_TOLD = NOTED | TOLD
_AUTHORITY = re.compile(rb"^[^:]*://[^/?]*")  # a query may follow it at once
PIECES_MAX = 64  # of a body; the rest is gathered in one, for each piece costs 60 bytes


class Head:
    """What the head of a request says, and what was found out about it: who asks (`entry`), for
    what (`route`), and the lanes that its models take. Requests may share it."""

    __slots__ = (
        *("caller_key", "caller_retry", "coding", "content_coding", "entry", "expects"),
        *("given_keys", "hosts", "lanes", "length", "lines", "method", "noted", "old", "path"),
        *("query", "route", "tags", "traceparent", "tracestate", "url"),
    )

    def __init__(self) -> None:
        self.url = self.path = self.query = b""
        self.method = ""
        self.old = False
        self.lines: list[bytes] = []
        self.noted: list[tuple[bytes, bytes]] = []
        self.given_keys: list[tuple[bytes, bytes]] = []
        self.hosts = self.length = 0
        self.coding = self.content_coding = b""
        self.traceparent: bytes | None = None
        self.tracestate = b""
        self.expects = False
        self.tags: tuple[str, ...] = ()
        self.caller_key: str | None = None
        self.caller_retry: int | None = None
        self.route: Route | None = None
        self.entry: KeyEntry | None = None
        self.lanes: dict[bytes, Lane] = {}

    def understand(self, method: str, version: str) -> None:
        """Read what was noted, once the head is complete."""
        self.method = method
        self.old = version == "1.0"
        url = self.url
        if not url.startswith(b"/") and b"://" in url:  # absolute form, as for a proxy
            url = _AUTHORITY.sub(b"", url, 1)
            url = url if url.startswith(b"/") else b"/" + url
        self.path, _, self.query = url.partition(b"?")
        for name, value in self.noted:
            if name == b"host":
                self.hosts += 1
            elif name == b"content-length":
                self.length = int(value)
            elif name in (b"authorization", b"x-api-key"):
                self.given_keys.append((name, value))
            elif name != b"accept-encoding":
                self._note(name, value)

    def dialect(self) -> Dialect:
        """Whose dialect the caller speaks, as far as the path or the headers tell."""
        if self.route is not None and self.route.endpoint is not Endpoint.MODELS:
            return self.route.dialect
        told = any(line.startswith(b"anthropic-version:") for line in self.lines)
        path = self.path or self.url  # a head that breaks off was never understood
        anthropic = told or path.startswith((b"/v1/messages", b"/v1/complete"))
        return Dialect.ANTHROPIC if anthropic else Dialect.OPENAI

    def head_bytes(self) -> int:
        """How long the head is, as far as it came."""
        stopped = (pair for pair in self.noted if pair[0] not in TOLD)
        noted = sum(len(name) + len(value) + 4 for name, value in stopped)
        return len(self.url) + noted + sum(map(len, self.lines))

    def is_last(self) -> bool:
        """Whether `close` is said in HTTP/1.0, where the parser hears no more than `keep-alive`."""
        return self.old and any(
            name == b"connection" and b"close" in value.lower() for name, value in self.noted
        )

    def _note(self, name: bytes, value: bytes) -> None:
        match name:
            case b"connection":
                for one in value.lower().split(b","):
                    self._forget(one.strip())
            case b"x-dd0c-tags":
                self.tags = tuple(dict.fromkeys((*self.tags, *facts.split_tags(value))))
            case b"idempotency-key":
                self.caller_key = facts.text_of(value)
            case b"x-stainless-retry-count":
                self.caller_retry = facts.count_of(value)
            case b"expect":
                self.expects = value.lower() == b"100-continue"
            case b"transfer-encoding":
                self.coding += value
            case b"content-encoding":
                self.content_coding += value.lower()
            case b"traceparent":  # a second one makes both void
                self.traceparent = value.strip() if self.traceparent is None else b""
            case b"tracestate":
                self.tracestate += (b"," if self.tracestate else b"") + value

    def _forget(self, name: bytes) -> None:
        """Drop a header that `Connection` says is about this hop only."""
        if name not in (b"keep-alive", b"close", b""):
            self.lines = [line for line in self.lines if not line.startswith(name + b":")]


class Request:
    """Head, then body, of one request; `refusal` when the answer is already known to be no."""

    __slots__ = ("body", "body_bytes", "head", "keep_alive", "refusal")

    def __init__(self, head: Head | None = None):
        self.head = Head() if head is None else head
        self.body: list[bytes | bytearray] = []
        self.body_bytes = 0
        self.keep_alive = True
        self.refusal: Refusal | None = None

    def content(self) -> bytes:
        """The whole body."""
        first = self.body[0] if len(self.body) == 1 else b"".join(self.body)
        return first if type(first) is bytes else bytes(first)

    def add(self, piece: bytes) -> None:
        """Take a piece of the body."""
        last = self.body[-1] if len(self.body) > PIECES_MAX else None
        if isinstance(last, bytearray):
            last += piece
        else:
            self.body.append(piece if len(self.body) < PIECES_MAX else bytearray(piece))
