"""Children that go with their parent, a lifeline that tells, and crash points that hit (K-6)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from dd0c.base import embedded, process
from dd0c.base.errors import Internal, SetupError
from tests.support import processes, servers

_SPAWNS_A_CHILD = """
import signal, sys, time
from dd0c.base import process
child = process.spawn(["/bin/sleep", "60"], death_signal=signal.SIGKILL, env={})
print(child.pid, flush=True)
time.sleep(60)
"""

_HANGS_ON_A_LIFELINE = """
import asyncio, sys, threading
from dd0c.base import process
if sys.argv[1] == "thread":
    gone = threading.Event()
    process.watch_lifeline(gone.set)
    print("ready", flush=True)
    gone.wait()
else:
    async def main():
        print("ready", flush=True)
        await process.supervisor_gone()
    asyncio.run(main())
print("gone", flush=True)
"""

_CRASHES = """
from dd0c.base import process
process.crash_point("elsewhere")
print("before", flush=True)
process.crash_point("here")
print("after", flush=True)
process.crash_point("here")
print("again", flush=True)
"""


def test_a_child_dies_with_its_parent() -> None:
    """K-6: kill -9 of the parent takes the child along."""
    with subprocess.Popen(
        [sys.executable, "-c", _SPAWNS_A_CHILD], stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert processes.lives(pid)
        parent.kill()
        assert servers.gone([pid])


def test_a_child_knows_nothing_of_our_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """K-32: the child's environment is what it was given; a provider key of ours is not in it."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary")
    child = process.spawn(["/bin/sleep", "60"], death_signal=signal.SIGKILL, env={"A": "b"})
    try:
        assert servers.eventually(lambda: "sleep" in processes.argv(child.pid)[0], within_s=5)
        assert processes.environment(child.pid) == "A=b\0"
    finally:
        process.stop(child, ask=signal.SIGTERM, within_s=5)


def test_only_the_main_thread_spawns() -> None:
    """K-6: the signal follows the thread that forked, so a child of another thread is refused."""
    found: list[BaseException] = []

    def spawn() -> None:
        try:
            process.spawn(["/bin/true"], death_signal=signal.SIGKILL, env={})
        except Internal as error:
            found.append(error)

    thread = threading.Thread(target=spawn)
    thread.start()
    thread.join(10)
    assert len(found) == 1


def test_a_child_that_does_not_listen_is_killed() -> None:
    """K-6: a stop asks first and takes no longer than it may."""
    deaf = process.spawn(
        ["/bin/sh", "-c", "trap '' TERM; echo; while :; do sleep 1; done"],
        death_signal=signal.SIGKILL,
        env={},
        output=subprocess.PIPE,
    )
    assert deaf.stdout is not None
    with deaf.stdout:
        deaf.stdout.readline()
        assert process.stop(deaf, ask=signal.SIGTERM, within_s=0.2) == -signal.SIGKILL
        assert process.stop(deaf, ask=signal.SIGTERM, within_s=0.2) == -signal.SIGKILL


@pytest.mark.parametrize("form", ["thread", "task"])
def test_a_lifeline_tells_that_the_supervisor_is_gone(form: str) -> None:
    """K-6: a Python child learns of it at once, and goes on undisturbed before."""
    reading, writing = os.pipe()
    with subprocess.Popen(
        [sys.executable, "-c", _HANGS_ON_A_LIFELINE, form],
        env=os.environ | {process.LIFELINE_FD: str(reading)},
        pass_fds=[reading],
        stdout=subprocess.PIPE,
    ) as child:
        os.close(reading)
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        assert child.poll() is None
        os.close(writing)
        assert child.wait(5) == 0
        assert child.stdout.read() == b"gone\n"


def test_a_crash_point_is_where_it_is_named() -> None:
    """Proofs 4: the process dies at the named point by SIGKILL, and at no other; where a number is
    behind it, at that pass."""
    for name, status, printed in (
        ("here", -signal.SIGKILL, b"before\n"),
        ("here@2", -signal.SIGKILL, b"before\nafter\n"),
        ("", 0, b"before\nafter\nagain\n"),
    ):
        run = subprocess.run(
            [sys.executable, "-c", _CRASHES],
            env=os.environ | {"DD0C_CRASH_AT": name},
            stdout=subprocess.PIPE,
            timeout=30,
            check=False,
        )
        assert (run.returncode, run.stdout) == (status, printed)


def test_an_account_reaches_what_its_modes_allow(tmp_path: Path) -> None:
    """K-6: one closed folder on the way is enough to be unreachable; its owner passes."""
    tmp_path.chmod(0o755)
    inner = tmp_path / "closed" / "open"
    inner.mkdir(parents=True)
    stranger = process.Account("stranger", 64_321, 64_321)
    owner = process.Account("owner", os.geteuid(), os.getegid())
    (tmp_path / "closed").chmod(0o700)
    assert not process.reaches(stranger, inner)
    assert process.reaches(owner, inner) == process.reaches(owner, tmp_path)
    assert process.reaches(None, inner)
    assert process.reaches(stranger, Path("/usr/bin"))


def test_a_lock_is_held_by_whoever_inherits_it(tmp_path: Path) -> None:
    """K-6: it stays taken while a child lives that inherited it, and is free when that is gone."""
    path = tmp_path / "lock"
    with embedded.lock(path) as descriptor:
        child = process.spawn(
            ["/bin/sleep", "60"], death_signal=signal.SIGKILL, env={}, pass_fds=[descriptor]
        )
    try:
        with (
            pytest.raises(SetupError, match="held by a process that still runs"),
            embedded.lock(path, within_s=0.1),
        ):
            pytest.fail("two holders")
    finally:
        process.stop(child, ask=signal.SIGKILL, within_s=5)
    with embedded.lock(path, within_s=0):
        pass
