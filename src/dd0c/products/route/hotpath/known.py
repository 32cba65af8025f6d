"""Heads of requests that were read before: a client sends nearly the same one again and again.

What the parser made of a head holds for every request with the same bytes, so it is remembered,
and such a request is not parsed again. Only the digits of Content-Length may differ: they stand
alone on their line, which the parser took for the only one of its name. A request whose body is not
all there yet, or that brings more than its body, goes to the parser like one with an unknown head.

Kept is a keyed hash of the head, which is therefore also the check of the API key in it (K-20); no
text of a key stays behind. Whatever changes what a head means makes all of them unknown. (Eight
lines take 24,000 instructions by callgrind; parser and judge are not asked.)
"""

from __future__ import annotations

from hashlib import blake2b

from dd0c.products.route.hotpath.request import Head, Request

HEADS_MAX = 1024
HEAD_BYTES_MAX = 4096
_END = b"\r\n\r\n"
_LENGTH_BYTES = len(b"\r\nContent-Length: ")
_DIGITS_MAX = 9


class KnownHeads:
    """What heads mean, by their keyed hash."""

    def __init__(self) -> None:
        self._pepper = b""
        self._known: dict[bytes, Head] = {}

    def forget(self, pepper: bytes | None = None) -> None:
        """They may mean something else now."""
        self._known.clear()
        if pepper is not None:
            self._pepper = pepper

    def recall(self, data: bytes) -> Request | None:
        """The request that these bytes are, no more and no less; None: let the parser see."""
        end = data.find(_END, 0, HEAD_BYTES_MAX) + len(_END)
        head = self._known.get(self._mark(data, end)) if end >= len(_END) else None
        if head is None:
            return None
        request, body = Request(head), data[end:]
        request.body.append(body)
        request.body_bytes = len(body)
        return request

    def learn(self, data: bytes, request: Request) -> None:
        """Remember what the parser made of these bytes, where all of it holds for the next one."""
        head = request.head
        plain = request.refusal is None and request.keep_alive and _is_plain(head)
        if not plain or head.length != request.body_bytes:
            return
        end = len(data) - head.length
        if data.find(_END, 0, HEAD_BYTES_MAX) + len(_END) == end and (
            mark := self._mark(data, end)
        ):
            if len(self._known) >= HEADS_MAX:
                self._known.clear()
            self._known[mark] = head

    def _mark(self, data: bytes, end: int) -> bytes:
        """The hash of a head whose Content-Length is that of what follows it; else nothing."""
        at = data.find(b"\r\nContent-Length: ", 0, end)
        if at < 0:
            at = data.find(b"\r\ncontent-length: ", 0, end)
            if at < 0:
                return b""
        at += _LENGTH_BYTES
        stop = data.find(b"\r", at, at + _DIGITS_MAX + 1)
        digits = data[at:stop]
        if stop < 0 or not digits.isdigit() or int(digits) != len(data) - end:
            return b""
        return blake2b(data[:at] + data[stop:end], key=self._pepper).digest()


def _is_plain(head: Head) -> bool:
    """Whether a head says nothing that is about one request only, or about its connection."""
    names = [name for name, _ in head.noted]
    hops = [value.lower() for name, value in head.noted if name == b"connection"]
    return (
        head.entry is not None
        and head.entry.networks is None
        and head.method == "POST"
        and not head.old
        and names.count(b"content-length") == 1
        and hops in ([], [b"keep-alive"])
        and not (head.coding or head.expects or head.tracestate)
        and head.traceparent is None
        and head.caller_key is None
    )
