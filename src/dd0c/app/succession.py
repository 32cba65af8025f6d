"""A gateway replaces itself: same process, new program and settings, nobody notices (K-7).

    SIGHUP ─► rehearse: a child of the new program says whether it could start
           ─► save the configuration, wait until workers have taken what they were told
           ─► execve; the new program takes over sockets, workers and claim (gateway/handover.py)

To the workers, execve is a parent that is silent for a second. To everything else it is like a
kill -9 followed by a start: what was in flight to PostgreSQL is repeated from the spool. Whatever
goes wrong before execve leaves the old program serving, and is said.

Signals that arrive in between wait: `receive` lets them in when the new program listens to them.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from dd0c.app.signals import has_terminal
from dd0c.base import notify, process
from dd0c.base.errors import Error, SetupError, Unavailable
from dd0c.products.route.gateway import handover
from dd0c.products.route.gateway.handover import Handover

CHECK = "--check"
REHEARSAL_MAX_S = 30.0
SIGNALS = (signal.SIGHUP, signal.SIGTERM, signal.SIGINT)

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Succession:
    """Hands the process over when asked to. `settle` brings everything to rest, `leave` says what
    there is to take over, `refused` hears why it did not come to that."""

    settle: Callable[[], Awaitable[bool]]
    leave: Callable[[], Handover]
    refused: Callable[[Error], None]
    at_terminal: bool = field(default_factory=has_terminal)
    _asked: asyncio.Event = field(default_factory=asyncio.Event)

    def ask(self) -> bool:
        """A hang-up: take over what is new; False: the terminal is gone, that is a stop."""
        if self.at_terminal and not has_terminal():
            return False
        self._asked.set()
        return True

    async def run(self) -> None:
        """Wait for being asked; does not return from a success."""
        while True:
            await self._asked.wait()
            self._asked.clear()
            notify.reloading()
            try:
                await self._rehearse()
                if self._asked.is_set():  # once more meanwhile: settings may be others by now
                    continue
                if not await self.settle():
                    raise Unavailable("a worker does not listen", hint="try again in a moment")
                _become(self.leave())
            except (Error, OSError) as error:
                log.warning("not reloaded, everything goes on as it was: %s", error)
                self.refused(error if isinstance(error, Error) else SetupError(str(error)))
                notify.ready()

    async def _rehearse(self) -> None:
        """Have a child of the new program look at everything that a start needs."""
        left = handover.leave(self.leave())
        try:
            child = process.spawn(
                [*_command(), CHECK],
                death_signal=signal.SIGKILL,
                env=os.environ | {handover.VARIABLE: str(left)},
                pass_fds=(left,),
                output=subprocess.PIPE,
            )
        finally:
            os.close(left)
        assert child.stdout is not None
        with child.stdout as said:
            deadline = time.monotonic() + REHEARSAL_MAX_S
            while child.poll() is None:
                if time.monotonic() > deadline:
                    child.kill()
                await asyncio.sleep(0.02)
            words = said.read().decode(errors="replace").strip().splitlines()
        if child.returncode != 0:
            raise _failed(words)


def receive() -> None:
    """Let in the signals that were held back while one program followed the other."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def _become(left: Handover) -> None:
    """Replace this program. Returns only as an OSError: everything is as before then."""
    descriptor = handover.leave(left)
    inherited = [left.lock, left.admin, *left.listeners, *(one.control for one in left.workers)]
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        for one in inherited:
            os.set_inheritable(one, True)
        command = _command()
        environment = os.environ | {handover.VARIABLE: str(descriptor)}
        os.execve(command[0], command, environment)  # noqa: S606 - our own program
    finally:
        for one in inherited:
            os.set_inheritable(one, False)
        os.close(descriptor)
        receive()


def _command() -> list[str]:
    """How this program was started."""
    return [sys.executable, *sys.orig_argv[1:]]


def _failed(words: list[str]) -> SetupError:
    """What the child said last."""
    told = [number for number, line in enumerate(words) if line.startswith("error: ")]
    if not told:
        return SetupError(words[-1] if words else "the new program ends without a word")
    hint = "".join(words[told[-1] + 1 : told[-1] + 2])
    return SetupError(words[told[-1]].removeprefix("error: "), hint=hint.removeprefix("hint: "))
