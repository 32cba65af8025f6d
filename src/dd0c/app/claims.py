"""What a supervisor claims before it starts anything: the home for itself alone, and the ports.

The home is claimed by a flock, which the kernel drops with the process: a kill -9 leaves nothing
to clean up. Ports are tried by plain binds, because SO_REUSEPORT, which the gateway uses, never
reports a port as taken to the same user. The children of a killed supervisor need a few seconds to
finish; a next start that finds their ports taken waits so long before it complains.
"""

from __future__ import annotations

import fcntl
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from dd0c.base.errors import SetupError
from dd0c.base.home import Home
from dd0c.base.settings import Settings

PREDECESSOR_S = 6.0
LOOK_S = 0.05


def facts_path(home: Home) -> Path:
    """Where the running supervisor tells who it is and where its parts listen."""
    return home.run / "up.json"


@contextmanager
def alone(home: Home) -> Iterator[bool]:
    """Keep other supervisors off the home; tells whether the one before had no time to clean up."""
    with (home.run / "up.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise SetupError(
                f"dd0c already runs on {home.path} (process {lock.read().strip() or 'unknown'})",
                hint="stop that one, or choose another home with --home",
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield facts_path(home).exists()


def ports(settings: Settings, *, after_crash: bool) -> Settings:
    """The settings with ports that nobody listens on; a port of 0 becomes a free one."""
    patience_s = PREDECESSOR_S if after_crash else 0.0
    gateway = _free(settings.gateway_host, settings.gateway_port, "gateway", patience_s)
    console = _free(settings.console_host, settings.console_port, "console", patience_s)
    return replace(settings, gateway_port=gateway, console_port=console)


def _free(host: str, port: int, name: str, patience_s: float) -> int:
    deadline = time.monotonic() + patience_s
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    while True:
        try:
            with socket.create_server((host, port), family=family) as probe:
                return int(probe.getsockname()[1])
        except OSError as error:
            if time.monotonic() < deadline:
                time.sleep(LOOK_S)
                continue
            raise SetupError(
                f"the {name} cannot listen on {host} port {port}: {os.strerror(error.errno or 0)}",
                hint=f"stop what listens there, or choose another with --{name}-port",
            ) from None
