"""What a supervisor claims before it starts anything: the home for itself alone, and the ports.

The console's socket it opens itself and keeps: the control server and its replacement inherit it,
so that no connection is refused while one takes over from the other. The gateway, which opens its
own, has its port tried by a plain bind, because SO_REUSEPORT never reports a port as taken to the
same user. The children of a killed supervisor need a few seconds to finish; a next start that finds
their ports taken waits so long before it complains.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dd0c.base import locks, sockets
from dd0c.base.errors import SetupError
from dd0c.base.home import Home

PREDECESSOR_S = 6.0
BACKLOG = 512


def facts_path(home: Home) -> Path:
    """Where the running supervisor tells who it is and how its parts fare."""
    return home.run / "up.json"


@contextmanager
def alone(home: Home) -> Iterator[bool]:
    """Keep other supervisors off the home; tells whether the one before had no time to clean up."""
    with locks.held(
        home.run / "up.lock",
        within_s=0,
        taken=f"dd0c already runs on {home.path}",
        hint="stop that one, or choose another home with --home",
    ):
        yield facts_path(home).exists()


def listen(host: str, port: int, name: str, *, after_crash: bool) -> socket.socket:
    """A listening socket; `name` is the part in words, and of its flag. A port of 0: a free one."""
    try:
        return sockets.listen(
            host, port, backlog=BACKLOG, patience_s=PREDECESSOR_S if after_crash else 0.0
        )
    except OSError as error:
        raise SetupError(
            f"the {name} cannot listen on {host} port {port}: {os.strerror(error.errno or 0)}",
            hint=f"stop what listens there, or choose another with --{name}-port",
        ) from None


def free_port(host: str, port: int, name: str, *, after_crash: bool) -> int:
    """The port, which nobody listens on, or a free one for 0."""
    with listen(host, port, name, after_crash=after_crash) as probe:
        return int(probe.getsockname()[1])
