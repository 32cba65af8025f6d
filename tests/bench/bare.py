"""dd0c's worker as a bare relay: what the sockets, the key check and the way of an answer cost.

`python -m tests.bench.bare PORT UPSTREAM_PORT`. The worker is the product's own, with its parser,
admission, upstream pool and answers; a key, a provider and no price reach it as from a parent. But
what its relay does for money is left out: nobody asks limits or budgets, no record is written, no
usage is read, nothing is kept of a stream to tell what was delivered. What the product's worker
achieves beside it is what limits, budgets and meter cost.
"""

from __future__ import annotations

import socket
import sys
import tempfile
import threading
from typing import Any

import msgspec

from dd0c.app import gateway_worker
from dd0c.base.settings import Settings
from dd0c.products.route.hotpath import frames, limits, relay, server, sse
from dd0c.products.route.hotpath.answers import Passage, Reading, Stream
from dd0c.products.route.hotpath.received import Received
from dd0c.products.route.hotpath.relay import Relay
from dd0c.products.route.models import Dialect
from tests.support import worker


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


def make_bare() -> None:
    """Have every connection of this process use such a relay, by a table that never books."""
    vars(server)["Relay"] = BareRelay
    for steps in relay.STEPS.values():
        for event, (state, end, acts) in steps.items():
            steps[event] = state, end, tuple(act for act in acts if act is not Relay._book)


def main() -> int:
    """Be the worker, and the parent that greets it."""
    make_bare()
    port, upstream_port = map(int, sys.argv[1:])
    listener = socket.create_server(("127.0.0.1", port), backlog=1024)
    control, parents = socket.socketpair()
    parents.sendall(frames.encode(worker.snapshot(upstream_port, prices=())))
    threading.Thread(target=_hear, args=(parents,), daemon=True).start()
    bounds = msgspec.json.encode(limits.of(Settings())).decode()
    with tempfile.TemporaryDirectory(prefix="dd0c-bare-") as folder:
        argv = ["--slot", "0", "--spool", folder, "--limits", bounds]
        argv += ["--control-fd", str(control.detach()), "--listen-fd", str(listener.detach())]
        return gateway_worker.main(argv)


def _hear(parents: socket.socket) -> None:
    """What the worker tells once a second has to go somewhere."""
    while parents.recv(65536):
        pass


if __name__ == "__main__":
    sys.exit(main())
