"""Listening sockets, one a worker, made and kept by the parent.

SO_REUSEPORT sockets spread connections evenly. The parent keeps each and hands it to the worker and
to its replacement: connections that queue while a worker is being replaced wait instead of being
reset. SO_REUSEPORT never reports a port that the same user already holds, so a plain bind asks
first; SO_REUSEADDR on both lets that pass over connections still closing from the last run.

Closing one of them resets what is in its queue, and there is no way to stop only its intake. So a
listening socket is never closed while the gateway serves: with fewer workers than sockets a worker
serves several, and `steer` keeps new connections off those that are one too many.
"""

from __future__ import annotations

import ctypes
import errno
import logging
import os
import socket
import struct
import time
from collections.abc import Sequence

from dd0c.base.errors import SetupError

BACKLOG = 4096  # the kernel lowers it to net.core.somaxconn
SEND_BUFFER_BYTES = 128 * 1024  # inherited; a slow reader then costs 0.3 MB, not 4 MB
UNSENT_BYTES_MAX = 64 * 1024
TCP_NOTSENT_LOWAT = 25

SO_ATTACH_REUSEPORT_CBPF = 51
_LOAD, _MODULO, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x94, 0x15, 0x06  # linux/filter.h
_RANDOM = 0xFFFFF000 + 56  # SKF_AD_OFF + SKF_AD_RANDOM: a pseudo-address to load from

log = logging.getLogger(__name__)


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


def adopt(descriptors: Sequence[int], count: int) -> list[socket.socket]:
    """The sockets of the program before us, and as many more on their port as `count` asks for."""
    listeners = [socket.socket(fileno=descriptor) for descriptor in descriptors]
    host, port = listeners[0].getsockname()[:2]
    listeners += [_listen(host, port) for _ in range(count - len(listeners))]
    return listeners


def steer(listeners: Sequence[socket.socket], chosen: Sequence[int]) -> None:
    """New connections go to the chosen listeners only (by position), evenly and at random.

    `listeners` are all sockets of the port in the order in which they began to listen. What waits
    in the queue of another stays there. Where the system cannot do this, spreading stays as it was.
    """
    code = [(_LOAD, 0, 0, _RANDOM), (_MODULO, 0, 0, len(chosen))]
    for number, position in enumerate(chosen):
        code += [(_JUMP_IF_EQUAL, 0, 1, number), (_RETURN, 0, 0, position)]
    code.append((_RETURN, 0, 0, chosen[0]))
    packed = b"".join(struct.pack("=HBBI", *one) for one in code)
    program = ctypes.create_string_buffer(packed, len(packed))
    given = struct.pack("@HP", len(code), ctypes.addressof(program))
    try:
        listeners[0].setsockopt(socket.SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, given)
    except OSError as error:
        log.warning("connections cannot be steered: %s", os.strerror(error.errno or 0))


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
