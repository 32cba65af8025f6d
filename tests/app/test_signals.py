"""Signals that a loop can wait for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from dd0c.app.signals import STOPS, Signals


@pytest.mark.parametrize("stop", STOPS)
def test_a_stop_is_counted_and_ends_a_wait(stop: signal.Signals) -> None:
    """K-6: a stop that arrived before the wait is not slept over, and none is lost."""
    with Signals() as signals:
        os.kill(os.getpid(), stop)
        os.kill(os.getpid(), stop)
        begun = time.monotonic()
        signals.wait(30)
        assert time.monotonic() - begun < 5
        assert signals.stops == 2


def test_an_ended_child_ends_a_wait() -> None:
    """A child's end is noticed at once, not at the next look."""
    with Signals() as signals:
        child = subprocess.Popen(["true"])
        begun = time.monotonic()
        signals.wait(30)
        assert time.monotonic() - begun < 5
        assert (child.wait(5), signals.stops) == (0, 0)


def test_handlers_are_given_back() -> None:
    """Whoever had the signals before has them again afterwards."""
    before = [signal.getsignal(one) for one in STOPS]
    with Signals():
        assert [signal.getsignal(one) for one in STOPS] != before
    assert [signal.getsignal(one) for one in STOPS] == before


def test_a_hang_up_sent_by_somebody_is_a_reload() -> None:
    """K-7: `kill -HUP`, as `dd0c reload` and service managers send it, stops nothing."""
    with Signals() as signals:
        os.kill(os.getpid(), signal.SIGHUP)
        signals.wait(5)
        assert (signals.stops, signals.reloads) == (0, 1)


LOSES_ITS_TERMINAL = """
import fcntl, os, signal, sys, termios
from dd0c.app.signals import Signals
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
signal.signal(signal.SIGHUP, getattr(signal, sys.argv[1]))
with Signals() as signals:
    print("ready", flush=True)
    signals.wait(10)
    print(signals.stops, signals.reloads, flush=True)
    os.kill(os.getpid(), signal.SIGHUP)
    signals.wait(10)
    print(signals.stops, signals.reloads, flush=True)
"""


@pytest.mark.parametrize(("before", "stops"), [("SIG_DFL", 1), ("SIG_IGN", 0)])
def test_a_terminal_that_goes_is_a_stop(before: str, stops: int) -> None:
    """K-6: closing the terminal stops what runs in it, not under `nohup`; later ones reload."""
    ours, theirs = os.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", LOSES_ITS_TERMINAL, before],
        stdin=theirs,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as child:
        os.close(theirs)
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        os.close(ours)
        assert child.stdout.readline() == f"{stops} 0\n".encode()
        assert child.stdout.readline() == f"{stops} 1\n".encode()
