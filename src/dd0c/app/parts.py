"""The parts of an installation on one machine, and how each is launched.

A child gets the environment of the supervisor without its secrets, the reading end of the lifeline,
and a log. Which parts there are is decided here, when they run is up.py's affair.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from dd0c.app import children
from dd0c.app.children import Child
from dd0c.base import logs, notify, process
from dd0c.base import settings as configuration
from dd0c.base.home import Home
from dd0c.base.settings import Settings
from dd0c.kernel.cache.embedded import EmbeddedValkey
from dd0c.kernel.db.embedded import EmbeddedPostgres

PREPARE_DEADLINE_S = 300.0
LOGS = {"PostgreSQL": "postgres", "Valkey": "valkey"}
WITHHELD = frozenset({"OPENAI_API_KEY", "ANTHROPIC_API_KEY", "DD0C_DATABASE_ADMIN_URL", "DD0C_KEY"})
"""What no serving child finds in its environment."""
OF_CONTROL = frozenset(
    {"DD0C_OIDC_ISSUER", "DD0C_OIDC_CLIENT_ID", "DD0C_OIDC_CLIENT_SECRET", "DD0C_OIDC_DOMAINS"}
)
"""What only the control server finds there: nobody else signs people in."""
OF_GATEWAY = frozenset({"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"})
"""What only the gateway finds there: nobody else opens sealed secrets."""
OWN = {"control": OF_CONTROL, "gateway": OF_GATEWAY}

Flags = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Installation:
    """What the supervisor works with: `flags` are for its children too, the sockets it keeps."""

    settings: Settings
    flags: Flags
    home: Home
    console: socket.socket
    simulator: socket.socket
    lifeline: int
    notices: notify.Listener

    @property
    def gateway_url(self) -> str:
        return _url(self.settings.gateway_host, self.settings.gateway_port)

    @property
    def console_url(self) -> str:
        return _url(self.settings.console_host, self.settings.console_port)

    @property
    def simulator_url(self) -> str:
        return _url(*self.simulator.getsockname())


def _url(host: str, port: int) -> str:
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


@dataclass(frozen=True, slots=True)
class Prepared:
    """What `prepare` found: the dialects real providers serve, and what deserves a warning."""

    real: tuple[str, ...]
    warnings: tuple[str, ...]


def stores(here: Installation) -> list[Child]:
    """The embedded services, those that the settings do not place elsewhere."""
    found = []
    if not here.settings.database_url:
        postgres = EmbeddedPostgres(here.home, here.settings)
        found.append(_store(here, "PostgreSQL", postgres, signal.SIGINT))
    if not here.settings.valkey_url:
        valkey = EmbeddedValkey(here.home)
        found.append(_store(here, "Valkey", valkey, signal.SIGTERM))
    return found


def _store(
    here: Installation, name: str, server: EmbeddedPostgres | EmbeddedValkey, ask: signal.Signals
) -> Child:
    def launch() -> subprocess.Popen[bytes]:
        server.launch()
        assert server.child is not None
        return server.child

    log = here.home.log / f"{LOGS[name]}.log"
    return Child(name, log, launch, ask, settle=server.await_ready)


def serving(here: Installation) -> list[Child]:
    """Our own processes. The simulator comes first, as the gateway may call it at once."""
    return [
        _python(here, "sim", here.simulator),
        _python(here, "gateway"),
        _python(here, "control", here.console),
        _python(here, "worker"),
    ]


def _python(here: Installation, verb: str, listener: socket.socket | None = None) -> Child:
    log = here.home.log / f"{verb}.log"
    command = [sys.executable, "-m", "dd0c.cli.main", verb]
    inherited = [here.lifeline]
    if listener is not None:
        command += ["--listen-fd", str(listener.fileno())]
        inherited.append(listener.fileno())

    others = (names for owner, names in OWN.items() if owner != verb)
    withheld = WITHHELD.union(*others)

    def launch() -> subprocess.Popen[bytes]:
        with logs.append_to(log) as output:
            return process.spawn(
                command,
                death_signal=signal.SIGTERM,
                env=_environment(here, withheld),
                pass_fds=inherited,
                output=output,
            )

    return Child(verb, log, launch, is_ready=here.notices.is_ready)


def prepare(here: Installation, meanwhile: Callable[[], None]) -> Prepared:
    """Run the short child that alone may change roles, schema, keys and providers."""
    log = here.home.log / "prepare.log"
    reading, writing = os.pipe()
    with open(reading) as report:

        def launch() -> subprocess.Popen[bytes]:
            with logs.append_to(log) as output, open(writing, "wb"):
                return process.spawn(
                    [sys.executable, "-m", "dd0c.app.prepare", here.simulator_url, str(writing)],
                    death_signal=signal.SIGTERM,
                    env=_environment(here, frozenset()),
                    pass_fds=(here.lifeline, writing),
                    output=output,
                )

        child = Child("prepare", log, launch)
        if children.run(child, PREPARE_DEADLINE_S, meanwhile) != 0:
            raise children.last_words(child)
        found = json.load(report)
    return Prepared(real=tuple(found["real"]), warnings=tuple(found["warnings"]))


def _environment(here: Installation, withheld: frozenset[str]) -> dict[str, str]:
    """Ours without what is withheld, with what flags said, the ports as they were claimed."""
    settings = here.settings
    return {
        **{name: value for name, value in os.environ.items() if name not in withheld},
        **configuration.environment(here.flags),
        "DD0C_HOME": str(here.home.path),
        "DD0C_GATEWAY_PORT": str(settings.gateway_port),
        "DD0C_CONSOLE_PORT": str(settings.console_port),
        process.LIFELINE_FD: str(here.lifeline),
        notify.NOTIFY_SOCKET: here.notices.address,
    }
