"""Listening sockets, also where the process before us has not quite gone."""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Callable

LOOK_S = 0.05


def listen(
    host: str,
    port: int,
    *,
    backlog: int | None = None,
    patience_s: float = 0.0,
    waiting: Callable[[], None] = lambda: None,
) -> socket.socket:
    """A listening socket; port 0 picks a free one. OSError when the port stays taken so long;
    `waiting` is called once when it is taken at first."""
    deadline = time.monotonic() + patience_s
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    said = False
    while True:
        try:
            return socket.create_server((host, port), family=family, backlog=backlog)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() >= deadline:
                raise
        if not said:
            waiting()
        said = True
        time.sleep(LOOK_S)
