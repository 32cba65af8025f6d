"""A scripted provider: a real server with control of each byte, for what no polite server does.

It runs on a loop of its own in a thread. A `Script` gets each request and writes what it likes to
the socket; the default answers every request with one small JSON and keeps the connection.
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

CHAT = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "model": "gpt-5-mini",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}}],
    "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
}


@dataclass
class Received:
    """One request as the provider saw it."""

    head: bytes
    body: bytes
    connection: int

    @property
    def headers(self) -> dict[str, str]:
        """Headers by lower-case name."""
        lines = self.head.decode("latin-1").split("\r\n")[1:]
        return {n.lower(): v.strip() for n, _, v in (x.partition(":") for x in lines if x)}

    @property
    def line(self) -> str:
        """The request line."""
        return self.head.split(b"\r\n", 1)[0].decode()


class Peer:
    """The connection that a script answers on."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int):
        self.reader = reader
        self.writer = writer
        self.number = number
        self.sent = 0

    async def send(self, data: bytes) -> None:
        """Write bytes and wait until the kernel took them."""
        self.writer.write(data)
        await self.writer.drain()
        self.sent += len(data)

    async def send_json(self, body: Any, status: str = "200 OK", headers: str = "") -> None:
        """A whole JSON answer."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        await self.send(
            f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(content)}\r\n{headers}\r\n".encode()
            + content
        )

    async def send_stream_head(self, headers: str = "") -> None:
        """The head of a chunked event stream."""
        await self.send(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
            b"transfer-encoding: chunked\r\n" + headers.encode() + b"\r\n"
        )

    async def send_chunk(self, data: bytes) -> None:
        """One HTTP chunk; an empty one ends the message."""
        await self.send(b"%x\r\n%b\r\n" % (len(data), data))

    def gone(self) -> bool:
        """Whether the gateway has left."""
        return self.reader.at_eof() or self.writer.transport.is_closing()

    def reset(self) -> None:
        """Cut the connection."""
        self.writer.transport.abort()


Script = Callable[[Peer, Received], Awaitable[None]]


async def answer_chat(peer: Peer, _: Received) -> None:
    """The default script."""
    await peer.send_json(CHAT)


@dataclass
class Upstream:
    """The running provider: `script` may be exchanged at any time."""

    loop: asyncio.AbstractEventLoop
    port: int = 0
    script: Script = answer_chat
    received: list[Received] = field(default_factory=list)
    open: int = 0
    accepted: int = 0
    peers: list[Peer] = field(default_factory=list)
    small_buffers: bool = False

    @property
    def last(self) -> Received:
        """The last request."""
        return self.received[-1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        self.accepted += 1
        peer = Peer(reader, writer, self.accepted)
        if self.small_buffers:  # else a test measures what our own kernel takes
            writer.transport.set_write_buffer_limits(0)
            sock = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        self.peers.append(peer)
        try:
            while request := await _read(reader, peer.number):
                self.received.append(request)
                await self.script(peer, request)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open -= 1
            writer.close()


async def _read(reader: asyncio.StreamReader, connection: int) -> Received | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    request = Received(head[:-4], b"", connection)
    request.body = await reader.readexactly(int(request.headers.get("content-length", "0")))
    return request


@contextmanager
def running_upstream(tls: ssl.SSLContext | None = None) -> Iterator[Upstream]:
    """Starts a scripted provider on a free loopback port, and ends it."""
    loop = asyncio.new_event_loop()
    upstream = Upstream(loop)
    stop = asyncio.Event()
    ready = threading.Event()

    async def run() -> None:
        server = await asyncio.start_server(upstream._serve, "127.0.0.1", 0, limit=2**20, ssl=tls)
        upstream.port = server.sockets[0].getsockname()[1]
        ready.set()
        await stop.wait()
        server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),), daemon=True)
    thread.start()
    assert ready.wait(20)
    try:
        yield upstream
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(20)
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
