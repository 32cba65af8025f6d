"""Sinks that no failure of a whole dd0c fills at will, filled one by one (K-41)."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from tests.base.test_log import UNMASKED

CANARY = "canary-in-a-sink-4711"


def fill(**env: str) -> dict[str, str]:
    """What each sink shows, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.e2e.sinks_process", CANARY],
        env=os.environ | env,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    said: dict[str, str] = json.loads(done.stdout)
    return said


def test_no_sink_shows_a_secret() -> None:
    """K-41: metrics, readiness, health, the doctor, last words of the stores and Valkey's own log
    show it with redaction off, and a mark or nothing with it on."""
    plain = fill(PYTHONPATH=os.pathsep.join((str(UNMASKED), os.getcwd())))
    assert [sink for sink, text in plain.items() if CANARY not in text] == []
    masked = fill()
    assert masked.keys() == plain.keys()
    assert [sink for sink, text in masked.items() if CANARY in text] == []
    assert [sink for sink, text in masked.items() if "[secret:" not in text] == ["valkey.log"]
