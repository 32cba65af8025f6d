"""dd0c's worker with some of its features, to tell what each of them costs.

`python -m tests.bench.featured PORT UPSTREAM_PORT --with=usage,metrics,ledger --on=1`. The worker
is the product's own, with its parser, admission, upstream pool and answers. What is not wanted is
left out of its process before it starts; limits and budgets are rules, which it gets or not. Its
parent is this process, on other processors: it grants whatever the worker asks for, as a bank with
plenty does, and throws away what is in the spool, as nobody ships it.

Without `usage` nothing is read of an answer and nothing is booked: what is left is the key check,
the way to the provider and back.
"""

from __future__ import annotations

import math
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import click
import msgspec

from dd0c.app import gateway_worker
from dd0c.base.settings import Settings
from dd0c.products.route.hotpath import express, frames, limits, relay, server, sse
from dd0c.products.route.hotpath.answers import Passage, Reading, Stream
from dd0c.products.route.hotpath.express import Express
from dd0c.products.route.hotpath.journal import Journal
from dd0c.products.route.hotpath.metrics import Metrics
from dd0c.products.route.hotpath.opening import Opening
from dd0c.products.route.hotpath.received import Received
from dd0c.products.route.hotpath.relay import Relay
from dd0c.products.route.hotpath.snapshot import (
    Ask,
    Dealings,
    FromWorker,
    Grant,
    Granted,
    Rule,
    WorkerReady,
)
from dd0c.products.route.models import Dialect
from tests.bench import calls
from tests.support import worker

FEATURES = ("usage", "metrics", "ledger", "limits", "budgets")
READY = "the worker is ready"
WORKER = "--this-is-the-worker"
PLENTY = 1 << 50
TIDY_S = 0.5
READY_WITHIN_S = 20.0


class Unread(Reading):
    """Nobody asks what an answer says of itself."""

    def __init__(self, *of: Any):
        super().__init__(*of)
        self.final = True

    def whole(self, body: bytes) -> None:
        """Not even a whole one."""


class Passing(Stream):
    """Lets whole events pass as they come; the provider's end is the end."""

    __slots__ = ("_whole",)

    def __init__(self, dialect: Dialect, reading: Reading):
        super().__init__(dialect, reading, strip_usage=False)
        self._whole = sse.Events()

    def feed(self, chunk: bytes) -> Passage:
        """All that is whole."""
        return Passage(self._whole.feed(chunk))

    def end(self) -> Passage:
        """What is left."""
        return Passage(self._whole.rest())


class BareRelay(Relay):
    """Opens nothing, asks nobody and books nothing."""

    def start(self) -> None:
        self.permitted()

    def head(self, status: int, lines: list[bytes], said: dict[bytes, bytes]) -> None:
        super().head(status, lines, said)
        got = self._got
        if got.stream is not None:
            got.stream, got.delivery = Passing(self._route.dialect, got.reading), None

    def _open(self) -> None:
        pass

    def _nothing_received(self) -> Received:
        endpoint = self._route.endpoint
        return Received(Unread(self._route.dialect, endpoint), endpoint)


class BareExpress(Express):
    """Gives the answer as it came."""

    __slots__ = ()

    def answered(
        self, status: int, lines: list[bytes], said: dict[bytes, bytes], body: bytes
    ) -> None:
        """It is there, all of it."""
        self._connection = None
        self._caller.write(
            b"HTTP/1.1 %d OK\r\n%bcontent-length: %d\r\n%bx-dd0c-request-id: %b\r\n%b\r\n%b"
            % (
                status,
                b"".join(lines),
                len(body),
                self._caller.connection_line(self._request),
                self._identity.text.encode(),
                self._lane.about,
                body,
            )
        )
        self._caller.done(status)


def leave_out(unwanted: set[str]) -> None:
    """Have all of this process do without."""
    if "usage" in unwanted:
        vars(server)["Relay"] = vars(express)["Relay"] = BareRelay
        vars(server)["Express"] = BareExpress
        for steps in relay.STEPS.values():
            for event, (state, end, acts) in steps.items():
                steps[event] = state, end, tuple(act for act in acts if act is not Relay._book)
    if "metrics" in unwanted:
        _replace(Metrics, "attempt", lambda *_: None)
    if "ledger" in unwanted:
        _replace(Journal, "open", lambda *_, **__: True)
        _replace(Journal, "close", lambda *_: None)
        _replace(Opening, "frame", lambda *_: b"")


def _replace(owner: type, name: str, instead: Any) -> None:
    if name not in vars(owner):
        raise AttributeError(f"{owner.__name__} has no {name} that could be left out")
    setattr(owner, name, instead)


def rules(wanted: Sequence[str]) -> Iterator[Rule]:
    """Limits and hard budgets that are never reached, like those of `dd0c-limits`."""
    number = count(1)

    def rule(scope: str, subject: str, measure: str, window: str) -> Rule:
        id_ = next(number).to_bytes(16, "big")
        return Rule(id_, worker.ORG, scope, subject, measure, window, PLENTY, "UTC", 0)

    whose = (("organisation", ""), ("key", worker.KEY_ID.hex()), ("model", calls.MODEL))
    if "limits" in wanted:
        for scope, subject in whose[:2]:
            yield rule(scope, subject, "requests", "minute")
            yield rule(scope, subject, "tokens", "minute")
    if "budgets" in wanted:
        for scope, subject in whose:
            yield rule(scope, subject, "usd", "month")


class Parent:
    """The other end of the worker's socketpair."""

    def __init__(self, control: socket.socket):
        self._control = control
        self.ready = threading.Event()

    def hear(self) -> None:
        """Answer what the worker asks, until it is gone."""
        decoder = msgspec.msgpack.Decoder(FromWorker)
        received = b""
        while chunk := self._control.recv(1 << 16):
            received += chunk
            while len(received) >= 4 + (size := int.from_bytes(received[:4], "big")):
                self._answer(decoder.decode(received[4 : 4 + size]))
                received = received[4 + size :]
                if len(received) < 4:
                    break

    def _answer(self, message: FromWorker) -> None:
        if isinstance(message, WorkerReady):
            self.ready.set()
        elif isinstance(message, Dealings):
            for ask in message.asks:
                self._control.sendall(frames.encode(granted(ask, time.time(), time.monotonic())))


def granted(ask: Ask, now: float, monotonic: float) -> Granted:
    """All that is wanted, good until the second ends, as a bank's are."""
    second = math.floor(now)
    until = monotonic + 1 - (now - second)
    grants = (Grant(max(w.need, w.want), PLENTY, False, second, until) for w in ask.wants)
    return Granted(ask.id, tuple(grants))


def tidy(folder: Path) -> None:
    """Remove what the worker has finished writing."""
    for path in sorted(folder.glob("*.spool"))[:-1]:
        path.unlink()


@click.command()
@click.argument("port", type=int)
@click.argument("upstream_port", type=int)
@click.option("--with", "wanted", default="")
@click.option("--on", "processors", default="", help="Which the worker runs on.")
def main(port: int, upstream_port: int, wanted: str, processors: str) -> None:
    """Be the parent of one worker, until it ends or we are told to."""
    features = [one for one in wanted.split(",") if one]
    if unknown := set(features) - set(FEATURES):
        raise click.UsageError(f"there is no {', '.join(sorted(unknown))}")
    listener = socket.create_server(("127.0.0.1", port), backlog=4096)
    control, theirs = socket.socketpair()
    bounds = msgspec.json.encode(limits.of(Settings())).decode()
    with tempfile.TemporaryDirectory(prefix="dd0c-featured-") as folder:
        argv = [sys.executable, "-m", "tests.bench.featured", WORKER, wanted]
        argv += ["--slot", "0", "--spool", folder, "--limits", bounds]
        argv += ["--control-fd", str(theirs.fileno()), "--listen-fd", str(listener.fileno())]
        if processors:
            argv = ["taskset", "-c", processors, *argv]
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        child = subprocess.Popen(argv, pass_fds=(theirs.fileno(), listener.fileno()))
        theirs.close()
        try:
            parent = Parent(control)
            made = worker.snapshot(upstream_port, rules=tuple(rules(features)))
            control.sendall(frames.encode(made))
            threading.Thread(target=parent.hear, daemon=True).start()
            if parent.ready.wait(READY_WITHIN_S):
                print(READY, flush=True)
            while child.poll() is None:
                tidy(Path(folder))
                time.sleep(TIDY_S)
        finally:
            with suppress(ProcessLookupError):
                os.kill(child.pid, signal.SIGKILL)
            child.wait(5)


def be_worker() -> int:
    """What runs in the process that is measured."""
    leave_out(set(FEATURES) - set(sys.argv[2].split(",")))
    return gateway_worker.main(sys.argv[3:])


if __name__ == "__main__":
    if sys.argv[1] == WORKER:
        sys.exit(be_worker())
    main()
