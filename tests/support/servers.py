"""Homes for tests that start the embedded servers themselves, and a parent to kill."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dd0c.base import home, process, settings
from dd0c.base.errors import SetupError
from dd0c.base.home import MARKER, SHORT_ROOT, Home
from dd0c.base.settings import Settings
from tests.support import processes

GONE_WITHIN_S = 5.0

_PARENT = """
import sys, time
from pathlib import Path
from dd0c.base import home, settings
from dd0c.kernel.db.embedded import EmbeddedPostgres
from dd0c.kernel.cache.embedded import EmbeddedValkey
found = settings.load({"home": sys.argv[2]}, {})
place = home.create(found.home)
server = EmbeddedPostgres(place, found) if sys.argv[1] == "postgres" else EmbeddedValkey(place)
server.start()
print(server.child.pid, flush=True)
time.sleep(600)
"""


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A new folder right below /tmp, with a short path; short folders for sockets go with it."""
    folder = Path(tempfile.mkdtemp(prefix="dd0c-test-"))
    before = set(SHORT_ROOT.glob("dd0c-*"))
    try:
        yield folder
    finally:
        for marker in folder.rglob(MARKER):
            sockets = home.find(marker.parent).sockets
            if sockets not in before:
                shutil.rmtree(sockets, ignore_errors=True)
        shutil.rmtree(folder)


def open_home(folder: Path, **flags: object) -> tuple[Home, Settings]:
    """The home in a folder and settings for it, whatever the environment of the tests says."""
    found = settings.load({"home": str(folder), **flags}, {})
    return home.create(found.home), found


@contextmanager
def parent_of(server: str, folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Another process that started `postgres` or `valkey`, and the server's pid."""
    parent = subprocess.Popen(
        [sys.executable, "-c", _PARENT, server, str(folder)], stdout=subprocess.PIPE
    )
    assert parent.stdout is not None
    try:
        yield parent, int(parent.stdout.readline())
    finally:
        parent.stdout.close()
        parent.kill()
        parent.wait()


def family(pid: int) -> list[int]:
    """A server's process and all below it."""
    return [pid, *processes.descendants(pid)]


def gone(pids: list[int], *, within_s: float = GONE_WITHIN_S) -> bool:
    """Whether all of them end in time."""
    return eventually(lambda: not any(processes.lives(pid) for pid in pids), within_s=within_s)


def eventually(true: Callable[[], bool], *, within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def reaches_closed_folders() -> bool:
    """Whether a server gets below a folder that only we may enter.

    An ordinary user's does; root's does where the system lets it have a private mount namespace.
    """
    if process.service_account() is None:
        return True
    whole = Path("/")
    try:
        child = process.spawn(
            ["/bin/true"],
            death_signal=signal.SIGKILL,
            env={},
            binds=[process.Bind(whole, whole)],
        )
    except SetupError:
        return False
    return child.wait(10) == 0
