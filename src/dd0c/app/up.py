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
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from dd0c.app import children, claims, parts
from dd0c.app.children import Child, Say
from dd0c.app.parts import Installation, Prepared
from dd0c.app.signals import Signals
from dd0c.base import home as homes
from dd0c.base.errors import Unavailable
from dd0c.base.settings import Settings

READY_DEADLINE_S = 60.0
LOOK_S = 0.05
LOGS_LOOK_S = 60.0
BOOKING_S = 3.0  # after the last request ended its record is still to be shipped
STORES_STOP_S = 20.0


class Stopped(Exception):
    """A stop was asked for before everything was up."""


def main(settings: Settings, say: Say) -> int:
    """Run until a stop is asked for; returns the exit status. SetupError when it cannot start."""
    say = _to_whoever_listens(say)
    home = homes.create(settings.home)
    with claims.alone(home) as crashed, Signals() as signals, _lifeline() as lifeline:
        if crashed:
            say("the last dd0c here did not end by itself; waiting for what it left …")
        settings = claims.ports(settings, after_crash=crashed)
        with socket.create_server(("127.0.0.1", 0)) as simulator:
            here = Installation(settings, home, simulator, lifeline)
            stores = parts.stores(here)
            serving = parts.serving(here)
            try:
                _start(here, stores, serving, signals, say)
                _keep_alive((*stores, *serving), signals, say)
            except Stopped:
                pass
            finally:
                _stop(here, stores, serving, signals, say)
    return 0


def _to_whoever_listens(say: Say) -> Say:
    """A terminal that went away is no reason to stop serving."""

    def careful(line: str) -> None:
        with suppress(OSError):
            say(line)

    return careful


def _start(
    here: Installation, stores: list[Child], serving: list[Child], signals: Signals, say: Say
) -> None:
    homes.write_atomically(claims.facts_path(here.home), _facts(here))
    if stores:
        say(f"starting {' and '.join(store.name for store in stores)} …")
    for store in stores:
        store.start()
        _go_on(signals)
    say("preparing the database …")
    prepared = parts.prepare(here)
    for warning in prepared.warnings:
        say(f"warning: {warning}")
    _go_on(signals)
    say("starting gateway, console and worker …")
    for child in serving:
        child.start()
    _await_ready(here, serving, signals)
    for line in _ready_lines(here, prepared):
        say(line)


def _keep_alive(everything: Sequence[Child], signals: Signals, say: Say) -> None:
    while not signals.stops:
        now = time.monotonic()
        for child in everything:
            children.tend(child, now, say)
            children.bound_log(child.log)
        signals.wait(min(LOGS_LOOK_S, children.pause(everything, now) or LOGS_LOOK_S))


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
                raise children.last_words(child)
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


def _facts(here: Installation) -> str:
    """Who runs and where its parts listen, for the command line. A clean stop removes it."""
    facts = {
        "pid": os.getpid(),
        "gateway_url": here.gateway_url,
        "console_url": here.console_url,
        "sim_url": here.simulator_url,
    }
    return json.dumps(facts) + "\n"


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
