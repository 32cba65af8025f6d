"""A caller in a process of its own that leaves in a given way: run by test_leaving.

    python caller_process.py PORT KEY BODY CHUNKS HOW

It sends the request, reads CHUNKS chunks of the answer's body (-1: not even the head), prints a
line, and waits to be told by a line on stdin to leave: `close`, `reset`, `shut` (its sending side
only; it then reads to the end and prints the last line) or `unread`: it closes a small buffer that
is full of what it never read. Then it prints when it began to leave.
"""

from __future__ import annotations

import socket
import struct
import sys
import time


def main() -> None:
    port, key, body, chunks = int(sys.argv[1]), sys.argv[2], sys.argv[3].encode(), int(sys.argv[4])
    how = sys.argv[5]
    sock = socket.socket()
    if how == "unread":
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect(("127.0.0.1", port))
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    sock.sendall(head.encode() + body)
    received = b""
    while chunks >= 0 and received.count(b"\n\n") < chunks:
        received += sock.recv(65536)
    print("ready", flush=True)
    sys.stdin.readline()
    if how == "reset":
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    elif how == "shut":
        sock.shutdown(socket.SHUT_WR)
        while data := sock.recv(65536):
            received += data
        print(received.strip().splitlines()[-1].decode(), flush=True)
    at = time.monotonic()  # the same clock for every process
    sock.close()
    print(at, flush=True)
    sys.stdin.readline()


if __name__ == "__main__":
    main()
