"""Signals that a loop can wait for."""

from __future__ import annotations

import os
import signal
import subprocess
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


def test_a_supervisor_under_nohup_outlives_its_terminal() -> None:
    """`nohup dd0c up &` goes on when the terminal goes: an ignored hang-up stays ignored."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Signals() as signals:
            os.kill(os.getpid(), signal.SIGHUP)
            signals.wait(0.05)
            assert signals.stops == 0
    finally:
        signal.signal(signal.SIGHUP, before)
