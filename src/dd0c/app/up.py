"""`dd0c up`: everything on this machine, started in order, kept alive, stopped in order.

    PostgreSQL, Valkey ─► prepare (roles, schema, first key, providers) ─► simulator
                                                   └─► gateway, control, worker ─► "dd0c is ready"

The supervisor holds no database driver and no web framework: it claims the home and the ports
(claims.py), starts children, and starts again what ended (children.py). Only `prepare` sees
administrative credentials and provider keys, and it is gone before anything serves. Children die
with their supervisor: the stores by a signal from the kernel, the others by their lifeline.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from dd0c.app import children, claims
from dd0c.app.children import Child, Say
from dd0c.app.signals import Signals
from dd0c.base import home as homes
from dd0c.base import process
from dd0c.base.errors import SetupError, Unavailable
from dd0c.base.home import Home
from dd0c.base.settings import Settings
from dd0c.kernel.cache.embedded import EmbeddedValkey
from dd0c.kernel.db.embedded import EmbeddedPostgres

PREPARE_DEADLINE_S = 300.0
READY_DEADLINE_S = 60.0
LOOK_S = 0.05
BOOKING_S = 3.0  # after the last request ended its record is still to be shipped
STORES_STOP_S = 20.0
WITHHELD = frozenset({"OPENAI_API_KEY", "ANTHROPIC_API_KEY", "DD0C_DATABASE_ADMIN_URL", "DD0C_KEY"})
"""What no serving child finds in its environment."""


class Stopped(Exception):
    """A stop was asked for before everything was up."""


@dataclass(frozen=True, slots=True)
class Installation:
    """What the supervisor works with."""

    settings: Settings
    home: Home
    simulator: socket.socket
    lifeline: int

    @property
    def gateway_url(self) -> str:
        return f"http://{self.settings.gateway_host}:{self.settings.gateway_port}"

    @property
    def console_url(self) -> str:
        return f"http://{self.settings.console_host}:{self.settings.console_port}"

    @property
    def simulator_url(self) -> str:
        host, port = self.simulator.getsockname()
        return f"http://{host}:{port}"


@dataclass(frozen=True, slots=True)
class Prepared:
    """What `prepare` found: the dialects real providers serve, and what deserves a warning."""

    real: tuple[str, ...]
    warnings: tuple[str, ...]


def main(settings: Settings, say: Say) -> int:
    """Run until a stop is asked for; returns the exit status. SetupError when it cannot start."""
    home = homes.create(settings.home)
    with claims.alone(home) as crashed, Signals() as signals, _lifeline() as lifeline:
        settings = claims.ports(settings, after_crash=crashed)
        with socket.create_server(("127.0.0.1", 0)) as simulator:
            here = Installation(settings, home, simulator, lifeline)
            stores = _stores(here)
            serving = _serving(here)
            try:
                _start(here, stores, serving, signals, say)
                _keep_alive((*stores, *serving), signals, say)
            except Stopped:
                pass
            finally:
                _stop(here, stores, serving, signals, say)
    return 0


def _start(
    here: Installation, stores: list[Child], serving: list[Child], signals: Signals, say: Say
) -> None:
    say("starting PostgreSQL and Valkey …")
    for store in stores:
        store.start()
        _go_on(signals)
    say("preparing the database …")
    prepared = _prepare(here)
    for warning in prepared.warnings:
        say(f"warning: {warning}")
    _go_on(signals)
    say("starting gateway, console and worker …")
    for child in serving:
        child.start()
    _await_ready(here, serving, signals)
    facts = {
        "pid": os.getpid(),
        "gateway_url": here.gateway_url,
        "console_url": here.console_url,
        "sim_url": here.simulator_url,
    }
    homes.write_atomically(claims.facts_path(here.home), json.dumps(facts) + "\n")
    for line in _ready_lines(here, prepared):
        say(line)


def _keep_alive(everything: Sequence[Child], signals: Signals, say: Say) -> None:
    while not signals.stops:
        now = time.monotonic()
        for child in everything:
            children.tend(child, now, say)
        signals.wait(children.pause(everything, now))


def _stop(
    here: Installation, stores: list[Child], serving: list[Child], signals: Signals, say: Say
) -> None:
    """Gateway, control and worker first; the simulator they may still stream from; the stores."""
    drain_s = here.settings.drain_s
    if signals.stops:
        say(f"stopping; open requests get up to {drain_s:.0f} s, Ctrl-C again cuts them")
    simulator = [child for child in serving if child.name == "sim"]
    children.stop([c for c in serving if c not in simulator], signals, drain_s + BOOKING_S)
    children.stop(simulator, signals, STORES_STOP_S)
    children.stop(stores, signals, STORES_STOP_S)
    claims.facts_path(here.home).unlink(missing_ok=True)
    if signals.stops:
        say("stopped")


def _stores(here: Installation) -> list[Child]:
    """The embedded services, those that the settings do not place elsewhere."""
    found = []
    if not here.settings.database_url:
        postgres = EmbeddedPostgres(here.home, here.settings)
        found.append(_store(here, "postgres", postgres, signal.SIGINT))
    if not here.settings.valkey_url:
        valkey = EmbeddedValkey(here.home)
        found.append(_store(here, "valkey", valkey, signal.SIGTERM))
    return found


def _store(
    here: Installation, name: str, server: EmbeddedPostgres | EmbeddedValkey, ask: signal.Signals
) -> Child:
    def launch() -> subprocess.Popen[bytes]:
        server.start()
        assert server.child is not None
        return server.child

    return Child(name, here.home.log / f"{name}.log", launch, ask)


def _serving(here: Installation) -> list[Child]:
    found = [_python(here, name) for name in ("gateway", "control", "worker")]
    listen = str(here.simulator.fileno())
    return [_python(here, "sim", "--listen-fd", listen, fds=(int(listen),)), *found]


def _python(here: Installation, verb: str, *flags: str, fds: tuple[int, ...] = ()) -> Child:
    log = here.home.log / f"{verb}.log"

    def launch() -> subprocess.Popen[bytes]:
        output = children.open_log(log)
        try:
            return process.spawn(
                [sys.executable, "-m", "dd0c.cli.main", verb, *flags],
                death_signal=signal.SIGTERM,
                env=_environment(here, WITHHELD),
                pass_fds=(here.lifeline, *fds),
                output=output,
            )
        finally:
            os.close(output)

    return Child(verb, log, launch)


def _prepare(here: Installation) -> Prepared:
    """Run the short child that alone may change roles, schema, keys and providers."""
    log = here.home.log / "prepare.log"
    reading, writing = os.pipe()
    output = children.open_log(log)
    try:
        child = process.spawn(
            [sys.executable, "-m", "dd0c.app.prepare", here.simulator_url, str(writing)],
            death_signal=signal.SIGTERM,
            env=_environment(here, frozenset()),
            pass_fds=(here.lifeline, writing),
            output=output,
        )
    finally:
        os.close(writing)
        os.close(output)
    try:
        status = child.wait(PREPARE_DEADLINE_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
        raise SetupError(
            f"preparing the database took more than {PREPARE_DEADLINE_S:.0f} s", hint=f"see {log}"
        ) from None
    with open(reading) as report:
        if status != 0:
            raise children.last_words(log)
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


def _await_ready(here: Installation, serving: list[Child], signals: Signals) -> None:
    settings = here.settings
    waiting = {
        "gateway": (settings.gateway_host, settings.gateway_port),
        "control": (settings.console_host, settings.console_port),
    }
    deadline = time.monotonic() + READY_DEADLINE_S
    while waiting:
        _go_on(signals)
        for child in serving:
            if child.ended is not None:
                raise children.last_words(child.log)
        waiting = {name: at for name, at in waiting.items() if not _is_ready(*at)}
        if waiting and time.monotonic() > deadline:
            name = next(iter(waiting))
            raise Unavailable(
                f"{name} did not become ready within {READY_DEADLINE_S:.0f} s",
                hint=f"see {here.home.log / name}.log",
            )
        signals.wait(LOOK_S)


def _is_ready(host: str, port: int) -> bool:
    request = f"GET /readyz HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n"
    try:
        with socket.create_connection((host, port), timeout=2.0) as connection:
            connection.sendall(request.encode())
            return b" 200 " in connection.recv(64)
    except OSError:
        return False


def _ready_lines(here: Installation, prepared: Prepared) -> list[str]:
    key = here.home.owner_key
    url = here.gateway_url
    if prepared.real and "openai" not in prepared.real:
        path, model, limit = "/v1/messages", "claude-haiku-4-5", '"max_tokens":256,'
    else:
        path, model, limit = "/v1/chat/completions", "gpt-5-mini", ""
    body = f'{{"model":"{model}",{limit}"messages":[{{"role":"user","content":"Hello"}}]}}'
    providers = (
        ", ".join(prepared.real)
        if prepared.real
        else "simulated; set OPENAI_API_KEY or ANTHROPIC_API_KEY for real ones"
    )
    return [
        "dd0c is ready",
        f"  gateway    {url}",
        f"  console    {here.console_url}",
        f"  owner key  {key}",
        f"  providers  {providers}",
        f"  logs       {here.home.log}",
        "",
        "try it:",
        f'  curl -s {url}{path} -H "Authorization: Bearer $(cat {key})"'
        f" -H 'Content-Type: application/json' -d '{body}'",
        "",
        "Ctrl-C stops it.",
    ]


@contextmanager
def _lifeline() -> Iterator[int]:
    """The reading end for children. The writing end is ours alone and closes with us."""
    reading, writing = os.pipe()
    try:
        yield reading
    finally:
        os.close(reading)
        os.close(writing)


def _go_on(signals: Signals) -> None:
    if signals.stops:
        raise Stopped
