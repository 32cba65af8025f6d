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
from dataclasses import dataclass

from dd0c.app import children
from dd0c.app.children import Child
from dd0c.base import process
from dd0c.base.home import Home
from dd0c.base.settings import Settings
from dd0c.kernel.cache.embedded import EmbeddedValkey
from dd0c.kernel.db.embedded import EmbeddedPostgres

PREPARE_DEADLINE_S = 300.0
WITHHELD = frozenset({"OPENAI_API_KEY", "ANTHROPIC_API_KEY", "DD0C_DATABASE_ADMIN_URL", "DD0C_KEY"})
"""What no serving child finds in its environment."""


@dataclass(frozen=True, slots=True)
class Installation:
    """What the supervisor works with."""

    settings: Settings
    home: Home
    simulator: socket.socket
    lifeline: int

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
        server.start()
        assert server.child is not None
        return server.child

    return Child(name, here.home.log / f"{name.lower()}.log", launch, ask)


def serving(here: Installation) -> list[Child]:
    """Our own processes. The simulator comes first, as the gateway may call it at once."""
    found = [_python(here, name) for name in ("gateway", "control", "worker")]
    listen = str(here.simulator.fileno())
    return [_python(here, "sim", "--listen-fd", listen, fds=(int(listen),)), *found]


def _python(here: Installation, verb: str, *flags: str, fds: tuple[int, ...] = ()) -> Child:
    log = here.home.log / f"{verb}.log"

    def launch() -> subprocess.Popen[bytes]:
        with children.open_log(log) as output:
            return process.spawn(
                [sys.executable, "-m", "dd0c.cli.main", verb, *flags],
                death_signal=signal.SIGTERM,
                env=_environment(here, WITHHELD),
                pass_fds=(here.lifeline, *fds),
                output=output,
            )

    return Child(verb, log, launch)


def prepare(here: Installation) -> Prepared:
    """Run the short child that alone may change roles, schema, keys and providers."""
    log = here.home.log / "prepare.log"
    reading, writing = os.pipe()
    with open(reading) as report:

        def launch() -> subprocess.Popen[bytes]:
            with children.open_log(log) as output, open(writing, "wb"):
                return process.spawn(
                    [sys.executable, "-m", "dd0c.app.prepare", here.simulator_url, str(writing)],
                    death_signal=signal.SIGTERM,
                    env=_environment(here, frozenset()),
                    pass_fds=(here.lifeline, writing),
                    output=output,
                )

        child = Child("prepare", log, launch)
        if children.run(child, PREPARE_DEADLINE_S) != 0:
            raise children.last_words(child)
        found = json.load(report)
    return Prepared(real=tuple(found["real"]), warnings=tuple(found["warnings"]))


def _environment(here: Installation, withheld: frozenset[str]) -> dict[str, str]:
    """Ours without what is withheld, with the settings that flags may have given."""
    settings = here.settings
    return {name: value for name, value in os.environ.items() if name not in withheld} | {
        "DD0C_HOME": str(here.home.path),
        "DD0C_GATEWAY_PORT": str(settings.gateway_port),
        "DD0C_CONSOLE_PORT": str(settings.console_port),
        "DD0C_WORKERS": str(settings.workers),
        process.LIFELINE_FD: str(here.lifeline),
    }
