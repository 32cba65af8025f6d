"""Listening sockets, one a worker, made and kept by the parent.

SO_REUSEPORT sockets spread connections evenly. The parent keeps each and hands it to the worker and
to its replacement: connections that queue while a worker is being replaced wait instead of being
reset. SO_REUSEPORT never reports a port that the same user already holds, so a plain bind asks
first; SO_REUSEADDR on both lets that pass over connections still closing from the last run.
"""

from __future__ import annotations

import errno
import socket
import time

from dd0c.base.errors import SetupError

BACKLOG = 4096  # the kernel lowers it to net.core.somaxconn
SEND_BUFFER_BYTES = 128 * 1024  # inherited; a slow reader then costs 0.3 MB, not 4 MB
UNSENT_BYTES_MAX = 64 * 1024
TCP_NOTSENT_LOWAT = 25


def open_listeners(
    host: str, port: int, count: int, *, patience_s: float = 0.0
) -> list[socket.socket]:
    """`count` listening sockets on one port (0: a free one); SetupError when it is taken.

    `patience_s`: how long to ask again, for workers of a killed gateway that are still closing.
    """
    deadline = time.monotonic() + patience_s
    while (taken := _probe(host, port)) is not None and time.monotonic() < deadline:
        time.sleep(0.05)
    if taken is not None:
        raise taken
    listeners: list[socket.socket] = []
    for _ in range(count):
        listeners.append(_listen(host, port))
        port = port or listeners[0].getsockname()[1]
    return listeners


def _probe(host: str, port: int) -> SetupError | None:
    with _unbound(host) as probe:
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return SetupError(
                    f"port {port} on {host} is taken",
                    hint="stop what uses it, or choose another with --gateway-port",
                )
            raise _unusable(host, port, error) from error
    return None


def _listen(host: str, port: int) -> socket.socket:
    listener = _unbound(host)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    listener.setsockopt(socket.IPPROTO_TCP, TCP_NOTSENT_LOWAT, UNSENT_BYTES_MAX)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.setblocking(False)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise _unusable(host, port, error) from error
    return listener


def _unbound(host: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    result = socket.socket(family, socket.SOCK_STREAM)
    result.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return result


def _unusable(host: str, port: int, error: OSError) -> SetupError:
    return SetupError(
        f"cannot listen on {host} port {port}: {error.strerror}",
        hint="choose an address of this machine with DD0C_GATEWAY_HOST",
    )
