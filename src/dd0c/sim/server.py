"""The process `dd0c sim`: one event loop, one listening socket, stopped by SIGTERM at once."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import signal
import socket
import sys
from pathlib import Path
from typing import Final

import uvloop

from dd0c.base import process
from dd0c.base.errors import SetupError
from dd0c.sim import prose, scenarios
from dd0c.sim.connection import Connection
from dd0c.sim.replay import Recordings
from dd0c.sim.scenarios import Scenario
from dd0c.sim.simulator import Simulator

BACKLOG: Final = 4096
SEND_BUFFER_BYTES: Final = 128 * 1024  # a default socket takes 4 MB before a slow client is seen


def main(
    host: str,
    port: int,
    *,
    listen_fd: int | None = None,
    faults: str = "",
    scenario: Path | None = None,
    replay: Path | None = None,
) -> int:
    """Serve until SIGTERM, SIGINT or the supervisor's end; returns the exit status.

    `faults` is the text of `x-sim-fault` for all requests that neither ask for their own nor are
    struck by the rules of the file `scenario`; `replay` is the folder of recordings. `listen_fd` is
    an inherited listening socket instead of an address. One line with the address is written to
    stdout when requests are accepted.
    """
    rules = Scenario() if scenario is None else scenarios.read_file(scenario)
    simulator = Simulator(scenarios.ended_by(rules, faults), Recordings(replay))
    listener = _listen(host, port, listen_fd)
    _allow_descriptors()
    prose.compose(b"")  # loads the tokenizer now: 0.2 s that the first request must not pay
    gc.freeze()  # what is loaded by now stays; collections look at the rest only
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(simulator, listener))
    return 0


def _listen(host: str, port: int, listen_fd: int | None) -> socket.socket:
    if listen_fd is not None:
        listener = socket.socket(fileno=listen_fd)
    else:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
        except OSError as error:
            raise SetupError(
                f"the simulator cannot listen on {host}:{port}: {os.strerror(error.errno or 0)}",
                hint="choose another port, or 0 for a free one",
            ) from error
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    return listener


def _allow_descriptors() -> None:
    """As many connections as the system lets us have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _serve(simulator: Simulator, listener: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    await loop.create_server(lambda: Connection(simulator), sock=listener, backlog=BACKLOG)
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    sys.stdout.write(f"dd0c sim listens on http://{shown}:{port}\n")
    sys.stdout.flush()
    ends = {asyncio.create_task(stopped.wait()), asyncio.create_task(process.supervisor_gone())}
    _, pending = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
