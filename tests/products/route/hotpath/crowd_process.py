"""Many callers, a process each, that leave amid their streams: run by test_crowd.

    python crowd_process.py PORT KEY < callers

Each line on stdin is a caller as JSON: the `path` and `body` it asks for, after how many `events`
it leaves (-1: before it has read anything), and `how`:

- `close` or `reset` with nothing unread;
- `unread`: closes a small receive buffer, full of what it never read;
- `kill`: stops itself (SIGSTOP) while its kernel goes on receiving, and is killed later.

For each a line is printed: its number and, in base64, all bytes that its socket received.

What a socket received must not change between the last look and the end. So the data that still
comes is thrown away by a packet filter on the socket (attached with SO_ATTACH_FILTER), as if the
network had broken at that moment; nothing thrown away is acknowledged, and what was received before
it is, at once where it was read (TCP_QUICKACK).
"""

from __future__ import annotations

import base64
import ctypes
import json
import os
import random
import signal
import socket
import struct
import sys
import time
from typing import Any

SO_ATTACH_FILTER = 26
WITHIN_S = 30.0
ACKED_WITHIN_S = 0.25  # TCP_DELACK_MAX is 200 ms: who does not read acknowledges later


class _Instruction(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_ushort),
        ("if_true", ctypes.c_ubyte),
        ("if_false", ctypes.c_ubyte),
        ("k", ctypes.c_uint),
    )


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("start", ctypes.POINTER(_Instruction)))


_ONLY_WITHOUT_DATA = (_Instruction * 8)(
    _Instruction(0x30, 0, 0, 12),  # A = data offset and flags of the TCP header
    _Instruction(0x74, 0, 0, 2),  # A >>= 2
    _Instruction(0x54, 0, 0, 0x3C),  # A &= 0x3c: bytes of the header
    _Instruction(0x07, 0, 0, 0),  # X = A
    _Instruction(0x80, 0, 0, 0),  # A = bytes of the packet
    _Instruction(0x1D, 0, 1, 0),  # if A == X
    _Instruction(0x06, 0, 0, 0xFFFF),  # take it
    _Instruction(0x06, 0, 0, 0),  # else throw it away
)


def break_off(sock: socket.socket) -> bytes:
    """Let no more data in; what was received and not read, which stays unread."""
    program = _Program(len(_ONLY_WITHOUT_DATA), _ONLY_WITHOUT_DATA)
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, bytes(program))
    sock.setblocking(False)
    try:
        return sock.recv(1 << 24, socket.MSG_PEEK)
    except BlockingIOError:
        return b""


def read(sock: socket.socket, events: int) -> bytes:
    """What comes until there are so many events."""
    received = b""
    while events >= 0 and received.count(b"\n\n") < events:
        data = sock.recv(65536)
        if not data:
            raise EOFError
        received += data
    return received


def live(sock: socket.socket, caller: dict[str, Any], out: int) -> None:
    """The caller's own process."""
    received = read(sock, caller["events"])
    time.sleep(random.uniform(0, 0.3))
    if caller["how"] == "kill":
        os.write(out, received)
        os.kill(os.getpid(), signal.SIGSTOP)
    rest = break_off(sock)
    if caller["how"] == "unread":
        time.sleep(ACKED_WITHIN_S)
    else:
        if rest:
            sock.recv(1 << 24)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
    if caller["how"] == "reset":
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()
    with os.fdopen(out, "wb") as pipe:
        pipe.write(received + rest)


def begin(port: int, key: str, caller: dict[str, Any]) -> tuple[int, int, socket.socket]:
    """Send its request and start its process; that, the pipe of what it read, and its socket."""
    sock = socket.socket()
    if caller["how"] == "unread":
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.settimeout(WITHIN_S)
    sock.connect(("127.0.0.1", port))
    body = json.dumps(caller["body"]).encode()
    head = (
        f"POST {caller['path']} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    sock.sendall(head.encode() + body)
    inlet, out = os.pipe()
    os.set_blocking(inlet, True)
    child = os.fork()
    if child == 0:
        try:
            os.close(inlet)
            live(sock, caller, out)
        finally:
            os._exit(0)
    os.close(out)
    if caller["how"] != "kill":
        sock.close()
    return child, inlet, sock


def until_stopped(child: int, sock: socket.socket) -> bytes:
    """Wait until a caller has stopped; what its kernel received meanwhile."""
    os.waitpid(child, os.WUNTRACED)
    return break_off(sock)


def drain(inlet: int) -> bytes:
    """All that comes through a pipe."""
    received = b""
    while data := os.read(inlet, 65536):
        received += data
    os.close(inlet)
    return received


def main() -> None:
    port, key = int(sys.argv[1]), sys.argv[2]
    callers = [json.loads(line) for line in sys.stdin]
    started = [begin(port, key, caller) for caller in callers]
    kept = {
        child: until_stopped(child, sock)
        for caller, (child, _, sock) in zip(callers, started, strict=True)
        if caller["how"] == "kill"
    }
    time.sleep(ACKED_WITHIN_S)
    for child, _, sock in started:
        if child in kept:
            sock.close()
            os.kill(child, signal.SIGKILL)
    for number, (child, inlet, _) in enumerate(started):
        received = drain(inlet) + kept.get(child, b"")
        print(number, base64.b64encode(received).decode(), flush=True)


if __name__ == "__main__":
    main()
