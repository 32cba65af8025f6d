"""A caller with control of each byte: raw sockets, and answers read as HTTP says."""

from __future__ import annotations

import json
import socket
import struct
from dataclasses import dataclass
from typing import Any

from tests.support.worker import KEY

CHAT_BODY = {"model": "gpt-5-mini", "messages": [{"role": "user", "content": "Hello"}]}


@dataclass(frozen=True)
class Answer:
    """One whole answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def error(self) -> Any:
        """The error object of either dialect."""
        return self.json["error"]


class Caller:
    """One connection to a worker."""

    def __init__(self, port: int, receive_bytes: int | None = None):
        self.socket = socket.socket()
        if receive_bytes is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.socket.settimeout(20)
        self.socket.connect(("127.0.0.1", port))
        self.buffer = b""

    def __enter__(self) -> Caller:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.socket.sendall(data)

    def post(self, path: str, body: Any, **headers: str) -> None:
        """Send a request with our key; `_` in header names stands for `-`."""
        self.send(request(path, body, **headers))

    def call(self, path: str, body: Any, **headers: str) -> Answer:
        """Send a request and read its answer."""
        self.post(path, body, **headers)
        return self.answer()

    def chat(self, body: Any = None, **headers: str) -> Answer:
        """A chat completion."""
        return self.call("/v1/chat/completions", CHAT_BODY if body is None else body, **headers)

    def answer(self, *, to_head: bool = False) -> Answer:
        """The next answer; interim ones are skipped."""
        head = self.head()
        while head.status == 100:
            head = self.head()
        if to_head or head.status in (204, 304):
            return head
        if head.headers.get("transfer-encoding") == "chunked":
            parts = []
            while part := self.chunk():
                parts.append(part)
            return Answer(head.status, head.headers, b"".join(parts))
        if "content-length" in head.headers:
            body = self.take(int(head.headers["content-length"]))
        else:
            body = self.rest()
        return Answer(head.status, head.headers, body)

    def head(self) -> Answer:
        """The head of the next answer."""
        text = self.until(b"\r\n\r\n").decode("latin-1")
        first, *lines = text.removesuffix("\r\n\r\n").split("\r\n")
        pairs = (line.partition(":") for line in lines)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        assert first.startswith("HTTP/1.1 "), first
        return Answer(int(first[9:12]), headers, b"")

    def chunk(self) -> bytes:
        """The next chunk of a chunked body; empty at its end."""
        size = int(self.until(b"\r\n"), 16)
        data = self.take(size + 2)
        assert data.endswith(b"\r\n")
        return data[:-2]

    def until(self, mark: bytes) -> bytes:
        """Bytes up to and with a mark."""
        while mark not in self.buffer:
            self._receive()
        found, _, self.buffer = self.buffer.partition(mark)
        return found + mark

    def take(self, size: int) -> bytes:
        """So many bytes."""
        while len(self.buffer) < size:
            self._receive()
        taken, self.buffer = self.buffer[:size], self.buffer[size:]
        return taken

    def rest(self) -> bytes:
        """Everything until the connection ends."""
        while data := self.socket.recv(65536):
            self.buffer += data
        rest, self.buffer = self.buffer, b""
        return rest

    def reset(self) -> None:
        """Cut the connection with a reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def _receive(self) -> None:
        data = self.socket.recv(65536)
        if not data:
            raise EOFError(f"the connection ended after {self.buffer!r}")
        self.buffer += data


def request(path: str, body: Any, method: str = "POST", **headers: str) -> bytes:
    """The bytes of a request with our key; a header given as "" is left out."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    fields = {"host": "gateway", "authorization": f"Bearer {KEY}"}
    if method == "POST":
        fields["content-length"] = str(len(content))
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items() if value)
    return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode("latin-1") + content
