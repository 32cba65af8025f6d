"""`dd0c up`: everything on this machine, started in order, kept alive, stopped in order.

    PostgreSQL, Valkey ─► prepare (roles, schema, first key, providers) ─► simulator
                                                   └─► gateway, control, worker ─► "dd0c is ready"

The supervisor holds no database driver and no web framework: it claims the home and the ports
(claims.py), starts children, and starts again what ended (children.py). Only `prepare` sees
administrative credentials and provider keys, and it is gone before anything serves. Children die
with their supervisor: the stores by a signal from the kernel, the others by their lifeline.

A hang-up reloads: see reload.py. How the parts fare stands in run/up.json: see facts.py.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import replace

from dd0c.app import children, claims, parts
from dd0c.app.children import Child, Say
from dd0c.app.facts import Facts
from dd0c.app.parts import Flags, Installation, Prepared
from dd0c.app.reload import Reload
from dd0c.app.signals import Signals
from dd0c.base import crashes, logs, notify, redact
from dd0c.base import home as homes
from dd0c.base.errors import Unavailable
from dd0c.base.home import Home
from dd0c.base.settings import Settings

READY_DEADLINE_S = 60.0
LOOK_S = 0.05
LOGS_LOOK_S = 60.0
BOOKING_S = 3.0  # after the last request ended its record is still to be shipped
STORES_STOP_S = 20.0
ROOM_BYTES = 32 * 1024**2  # two segments of PostgreSQL's log
NEW_ROOM_BYTES = 128 * 1024**2  # a new cluster takes 40 MB, its log soon as much


class Stopped(Exception):
    """A stop was asked for before everything was up."""


def main(settings: Settings, flags: Flags, say: Say) -> int:
    """Run until a stop is asked for; returns the exit status. SetupError when it cannot start.

    `flags`: those of the command line, for the children.
    """
    crashes.contain()  # children inherit it, PostgreSQL and Valkey too
    say = _to_whoever_listens(say)
    home = homes.create(settings.home)
    homes.refuse_full(home, ROOM_BYTES if home.postgres.exists() else NEW_ROOM_BYTES)
    with claims.alone(home) as crashed, Signals() as signals:
        if crashed:
            say("the last dd0c here did not end by itself; waiting for what it left …")
        with _claimed(settings, flags, home, after_crash=crashed) as here:
            _Supervisor(here, signals, say).run()
    return 0


class _Supervisor:
    """The life of an installation on this machine, once everything was claimed."""

    def __init__(self, here: Installation, signals: Signals, say: Say):
        self._here, self._signals, self._say = here, signals, say
        self._stores = parts.stores(here)
        self._serving = parts.serving(here)
        self._facts = Facts(here)
        self._reload = Reload(here, self._serving, say)

    def run(self) -> None:
        """Until a stop is asked for."""
        try:
            self._start()
            notify.ready()
            self._keep_alive()
        except Stopped:
            pass
        finally:
            self._stop()

    def _start(self) -> None:
        self._write_facts()
        if self._stores:
            self._say(f"starting {' and '.join(store.name for store in self._stores)} …")
        for store in self._stores:
            store.start()
            store.settle()
            self._go_on()
        self._say("preparing the database …")
        prepared = parts.prepare(self._here, self._go_on)
        for warning in prepared.warnings:
            self._say(f"warning: {warning}")
        self._say("starting gateway, console and worker …")
        for child in self._serving:
            child.start()
        self._await_ready()
        self._write_facts()
        for line in _ready_lines(self._here, prepared):
            self._say(line)

    def _await_ready(self) -> None:
        """The gateway answers that it is ready, control and worker tell it."""
        gateway = (self._here.settings.gateway_host, self._here.settings.gateway_port)
        waiting = [child for child in self._serving if child.name in ("gateway", "control")]
        deadline = time.monotonic() + READY_DEADLINE_S
        while waiting:
            self._go_on()
            for child in self._serving:
                if child.ended is not None:
                    raise children.last_words(child)
            waiting = [one for one in waiting if not _is_ready(one, gateway)]
            if waiting and time.monotonic() > deadline:
                raise Unavailable(
                    f"{waiting[0].name} did not become ready within {READY_DEADLINE_S:.0f} s",
                    hint=f"see {waiting[0].log}",
                )
            self._signals.wait(LOOK_S)

    def _keep_alive(self) -> None:
        everything = (*self._stores, *self._serving)
        while not self._signals.stops:
            self._tend()
            if self._reload.state != "running" and self._signals.reloads > self._reload.number:
                self._reload.begin(self._tend)
                self._tend()
            longest_s = LOOK_S if self._reload.state == "running" else LOGS_LOOK_S
            pause_s = children.pause(everything, time.monotonic())
            self._signals.wait(longest_s if pause_s is None else min(longest_s, pause_s))

    def _tend(self) -> None:
        now = time.monotonic()
        for child in (*self._stores, *self._serving):
            children.tend(child, now, self._say)
            logs.bound(child.log)
        self._reload.look()
        self._write_facts()

    def _write_facts(self) -> None:
        self._facts.write((*self._stores, *self._serving), self._reload)

    def _stop(self) -> None:
        """Gateway, control and worker first; the simulator they may still stream from; the stores.

        The console's door is closed with them: nobody shall wait behind a control that is gone.
        """
        notify.stopping()
        drain_s = self._here.settings.drain_s
        if self._signals.stops:
            self._say(f"stopping; open requests get up to {drain_s:.0f} s, Ctrl-C again cuts them")
        self._here.console.close()
        simulator = [child for child in self._serving if child.name == "sim"]
        others = [child for child in self._serving if child.name != "sim"]
        children.stop(others, self._signals, drain_s + BOOKING_S)
        children.stop(simulator, self._signals, STORES_STOP_S)
        children.stop(self._stores, self._signals, STORES_STOP_S)
        self._facts.remove()
        if self._signals.stops:
            self._say("stopped")

    def _go_on(self) -> None:
        if self._signals.stops:
            raise Stopped


def _to_whoever_listens(say: Say) -> Say:
    """A terminal that went away is no reason to stop serving; one that is there sees no secret."""

    def careful(line: str) -> None:
        with suppress(OSError):
            say(redact.scrub(line))

    return careful


@contextmanager
def _claimed(
    settings: Settings, flags: Flags, home: Home, *, after_crash: bool
) -> Iterator[Installation]:
    """What the supervisor holds while it runs: both ports, the simulator's, a lifeline, an ear."""
    with ExitStack() as stack:
        console = stack.enter_context(
            claims.listen(
                settings.console_host, settings.console_port, "console", after_crash=after_crash
            )
        )
        gateway_port = claims.free_port(
            settings.gateway_host, settings.gateway_port, "gateway", after_crash=after_crash
        )
        yield Installation(
            settings=replace(
                settings, gateway_port=gateway_port, console_port=console.getsockname()[1]
            ),
            flags=flags,
            home=home,
            console=console,
            simulator=stack.enter_context(socket.create_server(("127.0.0.1", 0))),
            lifeline=stack.enter_context(_lifeline()),
            notices=stack.enter_context(closing(notify.Listener())),
        )


def _is_ready(child: Child, gateway: tuple[str, int]) -> bool:
    """The gateway's workers answer for it; the others tell us."""
    if child.name == "gateway":
        return _answers(*gateway)
    return child.process is not None and child.is_ready(child.process.pid)


def _answers(host: str, port: int) -> bool:
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
        f"  owner key  {key if key.exists() else 'in the home in which dd0c migrate ran'}",
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
