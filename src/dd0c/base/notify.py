"""Readiness as systemd wants it told: one datagram for each change, to where NOTIFY_SOCKET says.

    READY=1 · RELOADING=1 · STOPPING=1 · MAINPID=…

A unit of `Type=notify` waits for it. The supervisor speaks the same to its own children: it listens
where they report, and so knows which process is ready, not only that somebody answers on a port.
"""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress

NOTIFY_SOCKET = "NOTIFY_SOCKET"
DATAGRAM_BYTES_MAX = 4096


def ready() -> None:
    """This process serves, or serves again after a reload."""
    _tell("READY=1", f"MAINPID={os.getpid()}")


def reloading() -> None:
    """It takes over new settings and will tell when it is ready again."""
    _tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")


def stopping() -> None:
    """It finishes what is open and ends."""
    _tell("STOPPING=1")


def _tell(*lines: str) -> None:
    address = os.environ.get(NOTIFY_SOCKET, "")
    if not address:
        return
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
        out.setblocking(False)
        out.sendto("\n".join(lines).encode(), _path(address))


def _path(address: str) -> str:
    return "\0" + address[1:] if address.startswith("@") else address


class Listener:
    """Hears which processes are ready. `address` is the value of NOTIFY_SOCKET for them."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind("")  # the kernel picks an abstract name, so there is no file to clean up
        self.address = "@" + self._socket.getsockname()[1:].decode()
        self._ready: set[int] = set()

    def is_ready(self, pid: int) -> bool:
        """Whether that process has told so since it was last asked about."""
        with suppress(BlockingIOError):
            while True:
                lines = self._socket.recv(DATAGRAM_BYTES_MAX).decode(errors="replace").split("\n")
                if "READY=1" in lines:
                    self._ready |= {int(x[8:]) for x in lines if _is_pid(x)}
        told = pid in self._ready
        self._ready.discard(pid)
        return told

    def close(self) -> None:
        """Hear no more."""
        self._socket.close()


def _is_pid(line: str) -> bool:
    return line.startswith("MAINPID=") and line[8:].isdecimal()
