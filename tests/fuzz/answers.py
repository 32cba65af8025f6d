"""A provider's bytes: our connections beside h11's client (R-33).

An answer that we take for complete is one for h11 too, with the same status, headers and body; and
a connection that we keep is one that h11 would keep: nothing of this answer can be taken for the
beginning of the next one.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import h11

from dd0c.base.settings import Settings
from dd0c.products.route.hotpath import limits
from dd0c.products.route.hotpath.routes import Origin
from dd0c.products.route.hotpath.upstream import Connection, Pool
from tests.fuzz.reference import INCOMPLETE_BYTES_MAX, Mismatch, in_trailers
from tests.fuzz.requests import cut
from tests.fuzz.wires import Wire

# Written down here once more, not taken from the gateway (see `hotpath/heads.py` for why).
STOPPED = {
    *(b"alt-svc", b"connection", b"content-encoding", b"content-length", b"keep-alive"),
    *(b"proxy-authenticate", b"proxy-connection", b"set-cookie", b"strict-transport-security"),
    *(b"te", b"trailer", b"transfer-encoding", b"upgrade"),
}
_REASON = re.compile(rb"^(HTTP/1\.[01] \d{3})[^\r\n]*")
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:[ \t]*chunked[ \t]*(?=\r\n)", re.IGNORECASE)
_FRAMING = re.compile(rb"\r\n(?:content-length|transfer-encoding):[^\r\n]*(?=\r\n)", re.IGNORECASE)
_ORIGIN = Origin("http", "127.0.0.1", 9)


@dataclass
class Answer:
    """An answer as one side takes it; `kept`: the connection may serve another."""

    status: int = 0
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""
    complete: bool = False
    kept: bool = False
    surplus: bool = field(default=False, compare=False)  # empty lines follow it, which do no harm


class Asking:
    """Who holds the connection (`upstream.Attempt`); notes what it is told."""

    def __init__(self) -> None:
        self.got = Answer()
        self.over = 0  # how often it was told the end

    def head(self, status: int, lines: list[bytes], said: dict[bytes, bytes]) -> None:
        pairs = (line.removesuffix(b"\r\n").partition(b": ") for line in lines)
        self.got.status, self.got.headers = status, [(name, value) for name, _, value in pairs]
        self._readable = said.get(b"content-encoding", b"") in (b"", b"identity")

    def answered(
        self, status: int, lines: list[bytes], said: dict[bytes, bytes], body: bytes
    ) -> None:
        self.head(status, lines, said)
        self.data(body)
        self.ended()

    def data(self, chunk: bytes) -> None:
        self.got.body += chunk

    def ended(self) -> None:
        self.got.complete = self._readable
        self.over += 1

    def lost(self, *, answered: bool) -> None:
        self.over += 1

    def silent(self) -> None:
        raise Mismatch("nobody said that time had passed")


class Provider:
    """Makes connections without sockets, one for each input."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._sock = socket.socket()

    def close(self) -> None:
        """Give back what is open."""
        self._loop.close()
        self._sock.close()

    def ask(self, chunks: Sequence[bytes]) -> Answer:
        """What we make of an answer in these portions, after which the connection ends."""
        pool = Pool(limits.of(Settings()), self._loop)
        connection, wire, asking = Connection(pool, _ORIGIN), Wire(self._sock), Asking()
        connection.connection_made(wire)
        connection.send(asking, b"POST / HTTP/1.1\r\n\r\n", [b""])
        for chunk in filter(None, chunks):
            if wire.closing:
                break
            connection.data_received(chunk)
        asking.got.kept = pool.next_idle(_ORIGIN) is connection
        connection.eof_received()
        connection.connection_lost(None)
        if asking.over != 1:
            raise Mismatch(f"the end was told {asking.over} times")
        return asking.got


def check(provider: Provider, sent: bytes) -> None:
    """Raise Mismatch where we and h11 do not agree on an answer with these bytes."""
    reference = read(sent)
    whole, portions = provider.ask([sent]), provider.ask(cut(sent))
    portions.kept |= whole.kept and reference.surplus  # which may come when nothing is asked
    if (whole.complete or portions.complete) and whole != portions:
        raise Mismatch(f"portions make a difference: {whole} and {portions}")
    if whole.complete:
        got = (whole.status, whole.headers, whole.body)
        theirs = (reference.status, reference.headers, reference.body)
        if not reference.complete or got != theirs:
            raise Mismatch(f"h11 sees {reference}, we {whole}")
    if whole.complete and whole.kept and not (reference.kept or reference.surplus):
        raise Mismatch(f"a connection is kept that h11 would not keep: {reference}")


def read(sent: bytes) -> Answer:
    """What a client on h11 makes of an answer after which the connection ends."""
    client, found = h11.Connection(h11.CLIENT, INCOMPLETE_BYTES_MAX), Answer()
    may_be_kept = False
    client.send(h11.Request(method="POST", target="/", headers=[("host", "x")]))
    client.send(h11.EndOfMessage())
    client.receive_data(_as_allowed(sent))
    try:
        event: Any = client.next_event()
        while not isinstance(event, h11.EndOfMessage):
            if isinstance(event, h11.Response):
                found.status = event.status_code
                found.headers = [(n, v) for n, v in event.headers if _travels(n)]
                may_be_kept = _keeps_an_old_one(event)
            elif isinstance(event, h11.Data):
                found.body += event.data
            elif event is h11.NEED_DATA:
                client.receive_data(b"")
            elif not isinstance(event, h11.InformationalResponse):
                return found
            event = client.next_event()
    except h11.RemoteProtocolError as error:
        found.complete = bool(found.status) and in_trailers(error)
        return found
    found.complete = True
    rest, ended = client.trailing_data
    found.kept = (client.their_state is h11.DONE or may_be_kept) and not (rest or ended)
    found.surplus = (client.their_state is h11.DONE or may_be_kept) and not rest.strip(b"\r\n")
    return found


def _as_allowed(sent: bytes) -> bytes:
    """The bytes without what h11 refuses and a client need not look at: empty lines before an
    answer, the reason after a status, which we never pass on (RFC 9112, 4), the framing of an
    answer that has no body (6.3), and that it is chunked where that is said twice."""
    head, end, rest = sent.lstrip(b"\r\n").partition(b"\r\n\r\n")
    head = _REASON.sub(rb"\1", head)
    head += b"\r\n"
    if head[9:12] in (b"204", b"304"):
        head = _FRAMING.sub(b"", head)
    for again in reversed(list(_CHUNKED.finditer(head))[1:]):
        head = head[: again.start()] + head[again.end() :]
    head = head.removesuffix(b"\r\n")
    return head + end + (_as_allowed(rest) if head[9:10] == b"1" else rest)


def _keeps_an_old_one(head: h11.Response) -> bool:
    """Whether an HTTP/1.0 answer keeps its connection, which h11 never does (RFC 9112, 9.3)."""
    said = b",".join(value for name, value in head.headers if name == b"connection")
    return head.http_version == b"1.0" and b"keep-alive" in said.lower()


def _travels(name: bytes) -> bool:
    return name not in STOPPED and not name.startswith(b"x-dd0c-")
