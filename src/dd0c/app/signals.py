"""Signals as something a plain loop can wait for.

The handlers only count; Python writes a byte to a socket at each signal, and `wait` sleeps on it. A
stop that arrives between two looks is never slept over.

A hang-up means two things. From a terminal that went away it is a stop, or nothing at all under
`nohup`; sent by somebody else it asks for a reload, as daemons have it.
"""

from __future__ import annotations

import os
import select
import signal
import socket
from types import FrameType, TracebackType
from typing import Self

STOPS = (signal.SIGINT, signal.SIGTERM)
WATCHED = (*STOPS, signal.SIGHUP, signal.SIGCHLD)
TERMINAL = "/dev/tty"


class Signals:
    """Counts requests to stop and to reload; wakes `wait` for them and for ended children."""

    def __init__(self) -> None:
        self.stops = 0
        self.reloads = 0

    def __enter__(self) -> Self:
        self._woken, self._wake = socket.socketpair()
        for end in (self._woken, self._wake):
            end.setblocking(False)
        self._at_terminal = has_terminal()
        self._outlives_terminal = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN  # nohup
        self._previous = {one: signal.signal(one, self._arrived) for one in WATCHED}
        self._previous_fd = signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        signal.set_wakeup_fd(self._previous_fd)
        for one, handler in self._previous.items():
            signal.signal(one, handler)
        self._woken.close()
        self._wake.close()

    def _arrived(self, number: int, frame: FrameType | None) -> None:
        if number in STOPS:
            self.stops += 1
        elif number == signal.SIGHUP and self._at_terminal and not has_terminal():
            self._at_terminal = False
            self.stops += not self._outlives_terminal
        elif number == signal.SIGHUP:
            self.reloads += 1

    def wait(self, seconds: float | None) -> None:
        """Sleep until a watched signal arrives, at most `seconds` (None: without end)."""
        ready, _, _ = select.select([self._woken], [], [], seconds)
        if ready:
            self._woken.recv(4096)


def has_terminal() -> bool:
    """Whether this process has a terminal that controls it: none under a service manager."""
    try:
        os.close(os.open(TERMINAL, os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True
