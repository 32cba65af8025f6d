"""Children that are kept alive: what one is, when it is started again, how all are stopped.

A child that ends is started again after a pause that grows with each failure in a row and is
forgotten once it ran steadily. While everything starts for the first time nothing is tried twice
where trying is useless: exit status 2 says that the settings are wrong.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from dd0c.app.signals import Signals
from dd0c.base import errors

PAUSES_S = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0)
STEADY_S = 30.0
CUT_S = 5.0
LOG_BYTES_MAX = 8 * 1024 * 1024
TAIL_BYTES = 8192

Say = Callable[[str], None]


@dataclass(slots=True)
class Child:
    """One child: how to start it, where it logs, and how often it failed in a row."""

    name: str
    log: Path
    launch: Callable[[], subprocess.Popen[bytes]]
    ask: signal.Signals = signal.SIGTERM
    process: subprocess.Popen[bytes] | None = None
    failures: int = 0
    started_at: float = 0.0
    due_at: float | None = None
    log_start: int = 0

    def start(self) -> None:
        """Start it now."""
        self.due_at = None
        self.log_start = self.log.stat().st_size if self.log.exists() else 0
        self.started_at = time.monotonic()
        self.process = self.launch()

    @property
    def ended(self) -> int | None:
        """The exit status when it has ended; negative for a signal. None: it runs."""
        return self.process.poll() if self.process else None


def tend(child: Child, now: float, say: Say) -> None:
    """Notice that a child ended and when to start it again; start it when that moment is here."""
    if child.due_at is None:
        status = child.ended
        if status is None:
            return
        steady = now - child.started_at > STEADY_S
        child.failures = 0 if steady else child.failures + 1
        child.due_at = now + PAUSES_S[min(child.failures, len(PAUSES_S) - 1)]
        say(f"{child.name} {how_it_ended(status)}; starting it again; log: {child.log}")
    if child.due_at <= now:
        try:
            child.start()
        except (errors.Error, OSError) as error:
            child.failures += 1
            child.due_at = now + PAUSES_S[min(child.failures, len(PAUSES_S) - 1)]
            say(f"{child.name} does not start: {error}; log: {child.log}")


def pause(children: Sequence[Child], now: float) -> float | None:
    """Seconds until a child is due to be started again; None when none is."""
    due = [child.due_at for child in children if child.due_at is not None]
    return max(0.0, min(due) - now) if due else None


def stop(
    children: Sequence[Child], signals: Signals, within_s: float, *, cut_s: float = CUT_S
) -> None:
    """Ask children to end and wait for them; one more stop signal, or the time, cuts them short.

    Cut short, they get a second request, which tells a gateway to end what is open and book it, and
    are killed when they do not follow even that.
    """
    stops = signals.stops
    _ask(children)
    _wait(children, within_s, lambda: signals.stops > stops, signals)
    _ask(children)
    _wait(children, cut_s, lambda: False, signals)
    for child in children:
        if child.process and child.ended is None:
            child.process.kill()
            child.process.wait()


def _ask(children: Sequence[Child]) -> None:
    for child in children:
        if child.process and child.ended is None:
            child.process.send_signal(child.ask)


def _wait(
    children: Sequence[Child], within_s: float, cut: Callable[[], bool], signals: Signals
) -> None:
    deadline = time.monotonic() + within_s
    while any(c.process and c.ended is None for c in children) and not cut():
        left = deadline - time.monotonic()
        if left <= 0:
            return
        signals.wait(left)


def how_it_ended(status: int) -> str:
    """An exit status in words."""
    if status >= 0:
        return f"ended with status {status}"
    try:
        return f"was ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"was ended by signal {-status}"


def run(child: Child, within_s: float) -> int:
    """Start a child that ends by itself, wait for it, kill it when it takes too long."""
    child.start()
    assert child.process is not None
    try:
        return child.process.wait(within_s)
    except subprocess.TimeoutExpired:
        child.process.kill()
        return child.process.wait()


def open_log(path: Path) -> BinaryIO:
    """The log opened for appending; large, it is set aside first."""
    bound_log(path)
    return open(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab", buffering=0)


def bound_log(path: Path) -> None:
    """Set a large log aside as `.1`, in place: whoever writes appends, and goes on at the start."""
    if path.exists() and path.stat().st_size > LOG_BYTES_MAX:
        shutil.copyfile(path, path.with_name(path.name + ".1"))
        os.truncate(path, 0)


def last_words(child: Child) -> errors.SetupError:
    """Why a child ended: the error it told in its log since it was started, or its last line."""
    with child.log.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(min(size, max(child.log_start, size - TAIL_BYTES)))
        lines = [line.decode(errors="replace").strip() for line in file.read().splitlines()]
    told = [i for i, line in enumerate(lines) if line.startswith("error: ")]
    if not told:
        how = how_it_ended(child.ended or 0)
        last = next((line for line in reversed(lines) if line), "it wrote nothing")
        return errors.SetupError(f"{child.name} {how}: {last}", hint=f"see {child.log}")
    message = lines[told[-1]].removeprefix("error: ")
    after = "".join(lines[told[-1] + 1 : told[-1] + 2])
    hint = after.removeprefix("hint: ") if after.startswith("hint: ") else ""
    return errors.SetupError(message, hint=hint or f"see {child.log}")
