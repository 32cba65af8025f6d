"""One request of a caller as the parser delivers it, and what its headers mean to us.

Headers that are the caller's business travel on as they came. The others stop here: those about one
hop only, the caller's key (ours, never a provider's), cookies (a browser would send the console's
session), what we say ourselves upstream (length, encoding, trace), and our own `x-dd0c-…`.
"""

from __future__ import annotations

from enum import IntEnum

from dd0c.products.route.hotpath.dialects import Refusal, Route
from dd0c.products.route.hotpath.snapshot import KeyEntry


class Note(IntEnum):
    """What a header that stops here is for."""

    DROP = 0
    HOST = 1
    KEY = 2
    CONNECTION = 3
    EXPECT = 4
    LENGTH = 5
    CODING = 6
    CONTENT_CODING = 7
    TRACEPARENT = 8
    TRACESTATE = 9


_NOTES: dict[bytes, Note] = {
    b"host": Note.HOST,
    b"authorization": Note.KEY,
    b"x-api-key": Note.KEY,
    b"connection": Note.CONNECTION,
    b"expect": Note.EXPECT,
    b"content-length": Note.LENGTH,
    b"transfer-encoding": Note.CODING,
    b"content-encoding": Note.CONTENT_CODING,
    b"traceparent": Note.TRACEPARENT,
    b"tracestate": Note.TRACESTATE,
    b"accept-encoding": Note.DROP,
    b"cookie": Note.DROP,
    b"keep-alive": Note.DROP,
    b"proxy-authorization": Note.DROP,
    b"proxy-connection": Note.DROP,
    b"te": Note.DROP,
    b"trailer": Note.DROP,
    b"upgrade": Note.DROP,
}


class Request:
    """Head, then body, of one request; `refusal` when the answer is already known to be no."""

    __slots__ = (
        "body",
        "body_bytes",
        "coding",
        "connection",
        "content_coding",
        "entry",
        "expects",
        "given_keys",
        "head_bytes",
        "headers",
        "hosts",
        "keep_alive",
        "length",
        "method",
        "old",
        "passed",
        "path",
        "query",
        "refusal",
        "route",
        "traceparents",
        "tracestate",
        "understood",
        "url",
    )

    def __init__(self) -> None:
        self.understood = False
        self.url = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.head_bytes = 0
        self.body: list[bytes] = []
        self.body_bytes = 0
        self.keep_alive = True
        self.refusal: Refusal | None = None
        self.route: Route | None = None
        self.entry: KeyEntry | None = None

    def understand(self, method: str, version: str) -> None:
        """Sort the headers once all are there."""
        self.understood = True
        self.method = method
        self.old = version == "1.0"
        url = self.url
        if not url.startswith(b"/") and b"://" in url:  # absolute form, as for a proxy
            rest = url.partition(b"://")[2]
            url = b"/" + rest.partition(b"/")[2]
        self.path, _, self.query = url.partition(b"?")
        self.passed: list[tuple[bytes, bytes]] = []
        self.given_keys: list[tuple[bytes, bytes]] = []
        self.traceparents: list[bytes] = []
        self.hosts = 0
        self.length = 0
        self.connection = self.coding = self.content_coding = self.tracestate = b""
        self.expects = False
        for header in self.headers:
            name = header[0]
            note = _NOTES.get(name)
            if note is None:
                if not name.startswith(b"x-dd0c-"):
                    self.passed.append(header)
            elif note:
                self._take(note, header)
        if self.connection:
            named = {token.strip() for token in self.connection.lower().split(b",")}
            self.passed = [header for header in self.passed if header[0] not in named]

    @property
    def traceparent(self) -> bytes | None:
        """The caller's trace context; several of them are none."""
        return self.traceparents[0] if len(self.traceparents) == 1 else None

    def content(self) -> bytes:
        """The whole body."""
        return self.body[0] if len(self.body) == 1 else b"".join(self.body)

    def _take(self, note: Note, header: tuple[bytes, bytes]) -> None:
        value = header[1]
        match note:
            case Note.HOST:
                self.hosts += 1
            case Note.KEY:
                self.given_keys.append(header)
            case Note.CONNECTION:
                self.connection += b"," + value
            case Note.EXPECT:
                self.expects = value.lower() == b"100-continue"
            case Note.LENGTH:
                self.length = int(value)
            case Note.CODING:
                self.coding += value
            case Note.CONTENT_CODING:
                self.content_coding += value.lower()
            case Note.TRACEPARENT:
                self.traceparents.append(value.strip())
            case Note.TRACESTATE:
                self.tracestate += (b"," if self.tracestate else b"") + value
            case Note.DROP:
                pass
