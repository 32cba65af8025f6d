"""Signals as something a plain loop can wait for.

The handlers only count; Python writes a byte to a socket at each signal, and `wait` sleeps on it. A
stop that arrives between two looks is never slept over, and nothing else runs inside a handler.
"""

from __future__ import annotations

import select
import signal
import socket
from types import FrameType, TracebackType
from typing import Self

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
WATCHED: tuple[signal.Signals, ...] = (*STOPS, signal.SIGCHLD)


class Signals:
    """Counts requests to stop, and wakes `wait` for them and for ended children."""

    def __init__(self) -> None:
        self.stops = 0

    def __enter__(self) -> Self:
        self._woken, self._wake = socket.socketpair()
        for end in (self._woken, self._wake):
            end.setblocking(False)
        watched = WATCHED
        if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:  # nohup: the terminal may go
            watched = tuple(one for one in watched if one != signal.SIGHUP)
        self._previous = {one: signal.signal(one, self._arrived) for one in watched}
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
        self.stops += number in STOPS

    def wait(self, seconds: float | None) -> None:
        """Sleep until a watched signal arrives, at most `seconds` (None: without end)."""
        ready, _, _ = select.select([self._woken], [], [], seconds)
        if ready:
            self._woken.recv(4096)
