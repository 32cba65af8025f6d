"""Children that are kept alive: what one is, when it is started again, how it is replaced, how all
are stopped.

A child that ends is started again after a pause that grows with each failure in a row and is
forgotten once it ran steadily. While everything starts for the first time nothing is tried twice
where trying is useless: exit status 2 says that the settings are wrong.

A replacement is started beside the child that it follows. Only when it tells that it is ready the
old one is asked to end; if it never is, the old one stays.
"""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from dd0c.app.signals import Signals
from dd0c.base import errors, logs

PAUSES_S = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0)
STEADY_S = 30.0
TAKES_OVER_WITHIN_S = 60.0
CUT_S = 5.0
LOOK_S = 0.05

Say = Callable[[str], None]


@dataclass(slots=True)
class Child:
    """One child: how to start it, where it logs, how often it failed in a row and was restarted.

    `settle` waits after the first start for what the others need; `is_ready` says whether the heir
    of that process id serves. `last_exit` and `last_words` are how it ended, for those who ask why.
    """

    name: str
    log: Path
    launch: Callable[[], subprocess.Popen[bytes]]
    ask: signal.Signals = signal.SIGTERM
    settle: Callable[[], None] = lambda: None
    is_ready: Callable[[int], bool] = lambda pid: True
    process: subprocess.Popen[bytes] | None = None
    failures: int = 0
    restarts: int = 0
    last_exit: str = ""
    last_words: str = ""
    since: datetime | None = None
    started_at: float = 0.0
    due_at: float | None = None
    log_start: int = 0
    renewing: bool = False
    heir: subprocess.Popen[bytes] | None = None
    heir_until: float = 0.0
    retired: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self) -> None:
        """Start it now."""
        self._is(self._launch())

    def start_heir(self, now: float) -> None:
        """Start the process that shall take over."""
        self.heir, self.heir_until = self._launch(), now + TAKES_OVER_WITHIN_S

    def crown(self, heir: subprocess.Popen[bytes]) -> None:
        """The heir is the child now; the old one is asked to finish."""
        if self.process is not None and self.ended is None:
            self.process.send_signal(self.ask)
            self.retired.append(self.process)
        self.heir = None
        self._is(heir)

    def _is(self, process: subprocess.Popen[bytes]) -> None:
        self.process, self.due_at = process, None
        self.started_at, self.since = time.monotonic(), datetime.now(UTC)

    def _launch(self) -> subprocess.Popen[bytes]:
        self.log_start = logs.size_of(self.log)
        return self.launch()

    @property
    def ended(self) -> int | None:
        """The exit status when it has ended; negative for a signal. None: it runs."""
        return self.process.poll() if self.process else None

    @property
    def settled(self) -> bool:
        """Whether no replacement is under way."""
        return self.heir is None and not self.renewing

    @property
    def living(self) -> list[subprocess.Popen[bytes]]:
        """All processes of it that run: one, or more while one takes over from another."""
        known = (self.process, self.heir, *self.retired)
        return [one for one in known if one is not None and one.poll() is None]


def tend(child: Child, now: float, say: Say) -> None:
    """Notice that a child ended and when to start it again; start it when that moment is here."""
    child.retired = [one for one in child.retired if one.poll() is None]
    if child.heir is not None:
        _tend_heir(child, child.heir, now, say)
    if child.due_at is None:
        status = child.ended
        if status is None:
            return
        _note_end(child, status, now, say)
    if child.due_at is not None and child.due_at <= now:
        try:
            child.start()
        except (errors.Error, OSError) as error:
            child.last_words = str(error)
            _put_off(child, child.failures + 1, now)
            say(f"{child.name} does not start: {error}; log: {child.log}")


def _note_end(child: Child, status: int, now: float, say: Say) -> None:
    if child.renewing:
        child.renewing = False
        child.due_at = now
        return
    child.restarts += 1
    child.last_exit = how_it_ended(status)
    child.last_words, _ = logs.last_cause(child.log, child.log_start)
    steady = now - child.started_at > STEADY_S
    _put_off(child, 0 if steady else child.failures + 1, now)
    say(f"{child.name} {child.last_exit}; starting it again; log: {child.log}")


def _put_off(child: Child, failures: int, now: float) -> None:
    child.failures = failures
    child.due_at = now + PAUSES_S[min(failures, len(PAUSES_S) - 1)]


def _tend_heir(child: Child, heir: subprocess.Popen[bytes], now: float, say: Say) -> None:
    """Let the heir take over when it is ready or its predecessor dead; give it up when it fails."""
    if heir.poll() is None and now < child.heir_until:
        if child.is_ready(heir.pid) or child.ended is not None:
            child.crown(heir)
        return
    late = heir.poll() is None
    heir.kill()
    status = heir.wait()
    child.heir = None
    child.last_exit = "did not become ready in time" if late else how_it_ended(status)
    child.last_words, _ = logs.last_cause(child.log, child.log_start)
    say(f"the new {child.name} {child.last_exit}, the old one stays; log: {child.log}")


def renew(child: Child) -> None:
    """Ask a child to finish what it does; it is started again as soon as it ended."""
    if child.process is not None and child.ended is None:
        child.renewing = True
        child.process.send_signal(child.ask)


def pause(children: Sequence[Child], now: float) -> float | None:
    """Seconds until a child is due to be started again or looked at; None when none is."""
    due = [child.due_at for child in children if child.due_at is not None]
    due += [now + LOOK_S for child in children if child.heir is not None]
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
    for one in _living(children):
        one.kill()
        one.wait()


def _living(children: Sequence[Child]) -> list[subprocess.Popen[bytes]]:
    return [one for child in children for one in child.living]


def _ask(children: Sequence[Child]) -> None:
    for child in children:
        for one in child.living:
            one.send_signal(child.ask)


def _wait(
    children: Sequence[Child], within_s: float, cut: Callable[[], bool], signals: Signals
) -> None:
    deadline = time.monotonic() + within_s
    while _living(children) and not cut():
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


def run(child: Child, within_s: float, meanwhile: Callable[[], None] = lambda: None) -> int:
    """Start a child that ends by itself and wait for it; kill it when it takes too long.

    `meanwhile` is called again and again; what it raises ends the child too.
    """
    child.start()
    assert child.process is not None
    deadline = time.monotonic() + within_s
    try:
        while time.monotonic() < deadline:
            meanwhile()
            with suppress(subprocess.TimeoutExpired):
                return child.process.wait(LOOK_S)
    finally:
        if child.ended is None:
            child.process.kill()
            child.process.wait()
    return child.process.wait()


def last_words(child: Child) -> errors.SetupError:
    """Why a child ended: the error it told in its log since it was started, or its last line."""
    cause, hint = logs.last_cause(child.log, child.log_start)
    if not hint:
        cause = f"{child.name} {how_it_ended(child.ended or 0)}: {cause}"
    return errors.SetupError(cause, hint=hint or f"see {child.log}")
