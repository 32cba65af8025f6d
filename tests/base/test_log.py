"""The log: one line a record, no secret in it."""

from __future__ import annotations

import io
import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from dd0c.base import log
from dd0c.base.secrets import Secret
from tests.house import tree

LOGGER = logging.getLogger("dd0c.test")
MARK = "[secret:"
UNMASKED = tree.TESTS / "support" / "unmasked"


CANARY = "canary 4711/Fx"
PLACES = ("in a thread", "in a task", "in a finalizer", "a warning", "a log", "a fault of")
CHILD = f"""
import asyncio, faulthandler, gc, logging, resource, sys, threading, warnings
from dd0c.base import log, secrets
from dd0c.base.secrets import Secret
from tests.house import tree

resource.setrlimit(resource.RLIMIT_CORE, (resource.getrlimit(resource.RLIMIT_CORE)[1],) * 2)
%s
canary = secrets.keep(Secret("{CANARY}")).reveal()
warnings.warn("a warning " + canary)
logging.getLogger("x").warning("a log %%s", canary)
logging.getLogger("x").warning("a fault of logging itself %%d", canary)

class Broken:
    def __str__(self):
        raise RuntimeError("a broken argument")

logging.getLogger("x").warning("%%s %%s", canary, Broken())

def fail(where):
    raise ValueError(where + canary)

thread = threading.Thread(target=fail, args=["in a thread "])
thread.start()
thread.join()

class Finalized:
    def __del__(self):
        fail("in a finalizer ")

del (one := [Finalized()])[0]

async def main():
    task = asyncio.create_task(asyncio.to_thread(fail, "in a task "))
    await asyncio.wait([task])

asyncio.run(main())
gc.collect()
%s
"""
PRINTS = """
for name in ("stdout", "stderr"):
    for part in ("printed on ", name, " ", canary[:5], canary[5:], chr(10)):
        print(part, end="", file=getattr(sys, name))
sys.stderr.write(f"core {resource.getrlimit(resource.RLIMIT_CORE)[0]}" + chr(10))
for stream in (sys.stdout, sys.stderr):
    stream.flush()
faulthandler._sigsegv()
"""


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    hooks = (sys.excepthook, threading.excepthook, sys.unraisablehook)
    before = (root.handlers[:], root.level)
    stream = io.StringIO()
    log.configure("gateway", stream=stream)
    yield stream
    logging.captureWarnings(False)
    root.handlers[:], root.level = before
    sys.excepthook, threading.excepthook, sys.unraisablehook = hooks


def test_a_record_is_one_line_with_its_fields(lines: io.StringIO) -> None:
    """Time, level, process, message and fields stand on one line, whatever they hold."""
    LOGGER.warning("worker died\nagain", extra={"slot": 1, "why": 'it said "no"\nand left'})
    moment, rest = lines.getvalue().split(" ", 1)
    assert moment.endswith("Z")
    assert moment[10] == "T"
    assert rest == (
        'warning gateway worker died\\nagain slot=1 why="it said \\"no\\"\\nand left"\n'
    )


def test_a_living_secret_is_masked_in_message_field_and_traceback(lines: io.StringIO) -> None:
    """K-40: the text of every secret the process holds is replaced wherever it occurs."""
    secret = Secret('odd"pass word')
    LOGGER.info("one %s", secret.reveal(), extra={"two": secret.reveal()})
    try:
        raise ValueError(secret.reveal())
    except ValueError:
        LOGGER.exception("three")
    assert "pass word" not in lines.getvalue()
    assert lines.getvalue().count(MARK) == 4
    assert lines.getvalue().count("\n") == 2


def test_an_unset_or_short_secret_changes_nothing(lines: io.StringIO) -> None:
    """An unset secret, or one shorter than a word, does not blank out the log."""
    unset, short = Secret(""), Secret("info")
    LOGGER.info("an info line")
    assert "an info line" in lines.getvalue()
    del unset, short


def test_as_json_a_line_is_an_object(lines: io.StringIO) -> None:
    """K-40: the same names and masks, for machines; numbers stay numbers."""
    log.configure("gateway", stream=lines, form="json")
    try:
        raise ValueError("sk-proj-abcdefgh12345678")
    except ValueError:
        LOGGER.exception("died\nagain", extra={"slot": 1, "who": None})
    line = json.loads(lines.getvalue())
    trace = line.pop("trace")
    assert line.pop("time").endswith("Z")
    assert line.pop("error").startswith("ValueError: [secret:24:")
    assert line == {
        "level": "error",
        "process": "gateway",
        "message": "died\nagain",
        "slot": 1,
        "who": None,
    }
    assert "sk-proj" not in trace


def told_by(child: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", child],
        env=os.environ | env,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def carriers(text: str) -> set[str]:
    """The places whose line holds the canary."""
    lines = [line for line in text.splitlines() if CANARY in line]
    return {place for place in (*PLACES, "stdout", "stderr") if any(place in x for x in lines)}


def test_nobody_writes_past_the_mask() -> None:
    """K-40: a part that prints, warns, fails in a thread, a task, a finalizer or in logging writes
    no secret; it dies natively with the frames of its threads, and leaves no core file."""
    child = CHILD % ('log.configure("child")', PRINTS)
    plain = told_by(child, PYTHONPATH=str(UNMASKED))
    assert carriers(plain.stdout + plain.stderr) == {*PLACES, "stdout", "stderr"}
    masked = told_by(child)
    assert masked.returncode == plain.returncode == -signal.SIGSEGV
    said = masked.stdout + masked.stderr
    assert CANARY not in said
    assert [place for place in (*PLACES, "stdout", "stderr") if place not in said] == []
    assert "Segmentation fault" in said
    assert "core 1\n" in said
    assert "core 1\n" not in plain.stderr


def test_a_verb_shows_no_secret_beside_what_it_says() -> None:
    """K-40: on the command line, too, what nobody caught and what libraries warn of is masked, and
    what a verb prints is left alone: a new key is meant to be seen."""
    child = CHILD % (
        'log.configure("child", "warning", sys.stderr)',
        'print("shown on stdout", canary); fail("at last ")',
    )
    plain = told_by(child, PYTHONPATH=str(UNMASKED))
    assert carriers(plain.stdout + plain.stderr) == {*PLACES, "stdout"}
    masked = told_by(child)
    assert masked.returncode == 1
    assert masked.stdout == f"shown on stdout {CANARY}\n"
    assert CANARY not in masked.stderr
    assert [place for place in (*PLACES, "at last") if place not in masked.stderr] == []
