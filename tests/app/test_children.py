"""Children are kept alive, and stopped: with real processes, and the time as an argument."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dd0c.app import children
from dd0c.app.children import PAUSES_S, STEADY_S, Child
from dd0c.app.signals import Signals
from dd0c.base.errors import SetupError

IGNORES_TERM = "signal.signal(signal.SIGTERM, signal.SIG_IGN)"
ENDS_AT_THE_SECOND_TERM = """
seen = []
def arrived(*_):
    seen.append(1)
    if len(seen) == 2:
        sys.exit(7)
signal.signal(signal.SIGTERM, arrived)
"""


def start_python(tmp_path: Path, code: str) -> Child:
    """A running child that has run `code` and sleeps."""
    ready = tmp_path / "ready"
    program = (
        f"import pathlib, signal, sys, time\n{code}\n"
        f"pathlib.Path({str(ready)!r}).touch()\nwhile True: time.sleep(60)"
    )
    child = child_of(tmp_path, sys.executable, "-c", program)
    child.start()
    deadline = time.monotonic() + 10
    while not ready.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    return child


def child_of(tmp_path: Path, *argv: str) -> Child:
    return Child("thing", tmp_path / "thing.log", lambda: subprocess.Popen(argv))


def ended(child: Child) -> Child:
    """The child, after it was started and has ended."""
    child.start()
    reap(child)
    return child


def reap(child: Child) -> None:
    assert child.process is not None
    child.process.wait(10)


def test_a_dead_child_is_started_again_after_a_pause(tmp_path: Path) -> None:
    """K-6: what ended is told, with its log, and started again; not at once, so it cannot spin."""
    said: list[str] = []
    child = ended(child_of(tmp_path, "false"))
    first, now = child.process, child.started_at + 1
    children.tend(child, now, said.append)
    assert said == [f"thing ended with status 1; starting it again; log: {tmp_path / 'thing.log'}"]
    assert child.process is first
    assert children.pause([child], now) == PAUSES_S[1]
    children.tend(child, now + PAUSES_S[1], said.append)
    assert child.process is not first
    assert children.pause([child], now) is None
    reap(child)


def test_pauses_grow_and_are_forgotten_when_it_ran_steadily(tmp_path: Path) -> None:
    """A child that fails in a row waits longer each time; one that had run for long does not."""
    child = child_of(tmp_path, "false")
    pauses = []
    for _ in range(8):
        ended(child)
        now = child.started_at + 1
        children.tend(child, now, lambda line: None)
        pauses.append(children.pause([child], now))
    assert pauses == pytest.approx([*PAUSES_S[1:], *[PAUSES_S[-1]] * 3])
    ended(child)
    now = child.started_at + STEADY_S + 1
    children.tend(child, now, lambda line: None)
    assert children.pause([child], now) == pytest.approx(PAUSES_S[0])


def test_a_child_that_cannot_be_started_is_tried_again(tmp_path: Path) -> None:
    """A failure to start, a full disk for example, ends no supervisor."""
    said: list[str] = []
    tries = [0]

    def launch() -> subprocess.Popen[bytes]:
        tries[0] += 1
        if tries[0] == 2:
            raise SetupError("no room")
        return subprocess.Popen(["false"])

    child = ended(Child("thing", tmp_path / "log", launch))
    now = child.started_at + 1
    for _ in range(3):
        children.tend(child, now, said.append)
        now += PAUSES_S[-1]
    assert any("thing does not start: no room" in line for line in said)
    assert tries[0] == 3
    reap(child)


def test_a_child_that_runs_is_left_alone(tmp_path: Path) -> None:
    """A living child costs nothing and says nothing."""
    said: list[str] = []
    child = child_of(tmp_path, "sleep", "60")
    child.start()
    children.tend(child, time.monotonic(), said.append)
    assert (said, child.due_at) == ([], None)
    with Signals() as signals:
        children.stop([child], signals, 5.0)
    assert child.ended == -signal.SIGTERM


def test_stopping_ends_even_what_ignores_requests(tmp_path: Path) -> None:
    """K-6: a child that follows no request is killed when its time is over."""
    child = start_python(tmp_path, IGNORES_TERM)
    with Signals() as signals:
        children.stop([child], signals, 0.1, cut_s=0.1)
    assert child.ended == -signal.SIGKILL


def test_a_second_stop_signal_cuts_the_wait(tmp_path: Path) -> None:
    """K-6: a second Ctrl-C ends a drain: the wait of 60 s is over at once."""
    child = start_python(tmp_path, ENDS_AT_THE_SECOND_TERM)
    with Signals() as signals:
        interrupt = subprocess.Popen(["sh", "-c", f"sleep 0.3; kill -INT {os.getpid()}"])
        begun = time.monotonic()
        children.stop([child], signals, 60.0)
        assert time.monotonic() - begun < 10
        interrupt.wait(10)
    assert child.ended == 7


@pytest.mark.parametrize(
    ("log", "message", "hint"),
    [
        ("x\\nerror: port 1 is taken\\nhint: free it\\n", "port 1 is taken", "free it"),
        ("error: old\\nhint: old\\nerror: new\\n", "new", "see "),
        ("some noise\\nlast line\\n\\n", "thing ended with status 3: last line", "see "),
        ("x FATAL:  no room\\nshut down\\n", "thing ended with status 3: no room", "see "),
        ("1:M 21 Nov # no AOF\\n\\n", "thing ended with status 3: no AOF", "see "),
        ("", "thing ended with status 3: it wrote nothing", "see "),
    ],
)
def test_last_words_are_the_error_a_child_told(
    tmp_path: Path, log: str, message: str, hint: str
) -> None:
    """Why a part does not start is told on the terminal; what an earlier run told is not."""
    child = child_of(tmp_path, "sh", "-c", f"printf '{log}' >> {tmp_path}/thing.log; exit 3")
    child.log.write_text("error: of yesterday\nhint: none\n")
    assert children.run(child, 10) == 3
    words = children.last_words(child)
    assert words.message == message
    assert words.hint.startswith(hint)


def test_a_child_that_never_ends_is_ended(tmp_path: Path) -> None:
    """A preparing step that hangs does not hang the start for ever."""
    assert children.run(child_of(tmp_path, "sleep", "60"), 0.1) == -signal.SIGKILL


@pytest.fixture
def old(tmp_path: Path) -> Iterator[Child]:
    """A child that runs, and is ready when the file `ready` is there."""
    ready = tmp_path / "ready"
    child = child_of(tmp_path, "sleep", "60")
    child.is_ready = lambda pid: ready.exists()
    child.start()
    yield child
    for one in child.living:
        one.kill()
        one.wait()


def tend_until(child: Child, done: Callable[[], bool]) -> list[str]:
    """Look after the child until it is so; what was said."""
    said: list[str] = []
    deadline = time.monotonic() + 10
    while not done():
        assert time.monotonic() < deadline
        children.tend(child, time.monotonic(), said.append)
        time.sleep(0.01)
    return said


def test_an_heir_follows_when_it_is_ready(old: Child, tmp_path: Path) -> None:
    """K-7: the old process serves until the new one says that it does, and only then is asked."""
    first = old.process
    assert first is not None
    old.start_heir(time.monotonic())
    heir = old.heir
    children.tend(old, time.monotonic(), print)
    assert (old.process, first.poll()) == (first, None)
    assert children.pause([old], time.monotonic()) is not None, "somebody looks again soon"
    (tmp_path / "ready").touch()
    assert tend_until(old, lambda: old.settled and not old.retired) == []
    assert old.process is heir
    assert first.poll() == -signal.SIGTERM
    assert old.restarts == 0


def test_an_heir_that_fails_leaves_the_old_one(old: Child) -> None:
    """K-7: new code that does not start takes nothing down, and its reason is kept."""
    first = old.process
    old.launch = lambda: subprocess.Popen(
        ["sh", "-c", f"echo error: no such setting >> {old.log}; exit 2"]
    )
    old.start_heir(time.monotonic())
    [line] = tend_until(old, lambda: old.settled)
    assert "the new thing ended with status 2, the old one stays" in line
    assert (old.process, old.ended, old.last_words) == (first, None, "no such setting")


def test_an_heir_that_never_is_ready_is_given_up(old: Child) -> None:
    """K-7: a replacement that hangs does not run beside the old one for ever."""
    old.start_heir(time.monotonic() - children.TAKES_OVER_WITHIN_S)
    heir = old.heir
    assert heir is not None
    [line] = tend_until(old, lambda: old.settled)
    assert "did not become ready in time" in line
    assert heir.poll() == -signal.SIGKILL
    assert old.ended is None


def test_an_heir_takes_over_from_a_dead_one_at_once(old: Child) -> None:
    """K-6: an old process that dies meanwhile is not started a second time."""
    old.start_heir(time.monotonic())
    heir, first = old.heir, old.process
    assert first is not None
    first.kill()
    first.wait()
    assert tend_until(old, lambda: old.settled) == []
    assert (old.process, old.due_at) == (heir, None)


def test_a_renewed_child_is_no_failure(old: Child) -> None:
    """K-7: a worker that finished its job because it was asked to is started again at once."""
    first = old.process
    children.renew(old)
    assert not old.settled
    assert tend_until(old, lambda: old.settled and old.process is not first) == []
    assert (old.failures, old.restarts, old.due_at) == (0, 0, None)


def test_stopping_ends_heirs_and_predecessors_too(old: Child) -> None:
    """K-6: a stop in the middle of a replacement leaves nothing behind."""
    old.start_heir(time.monotonic())
    everything = old.living
    assert len(everything) == 2
    with Signals() as signals:
        children.stop([old], signals, 5.0)
    assert [one.poll() for one in everything] == [-signal.SIGTERM] * 2
