"""Child processes that never outlive us, and the places where a drill kills us.

A child asks the kernel for a signal at its parent's death (PR_SET_PDEATHSIG), so that `kill -9` of
a supervisor leaves nothing behind. The signal follows the *thread* that forked: `spawn` therefore
belongs to the main thread. It is set after setuid, which clears it, and checked against a parent
that died in between.

PostgreSQL refuses to run as root, so as root the embedded services run under an account without
rights. Where that account cannot pass through a folder (`/root` is 0700) no mode is changed: the
child gets a private mount namespace in which what it needs is bound below a folder it can reach.

Python children get a lifeline besides: the read end of a pipe whose write end only the supervisor
holds. End of file means that the supervisor is gone, and leaves time to finish.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import pwd
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from dd0c.base.errors import Internal, SetupError

PR_SET_PDEATHSIG = 1
CLONE_NEWNS = 0x00020000
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000

SERVICE_ACCOUNTS = ("postgres", "nobody")
"""Accounts for embedded services when we are root, in order of preference."""

LIFELINE_FD = "DD0C_LIFELINE_FD"

_CRASH_AT, _, _times = os.environ.get("DD0C_CRASH_AT", "").partition("@")
_passes = iter(range(int(_times or 1) - 1))
DRILLED = bool(_CRASH_AT)
"""Whether a drill will kill this process somewhere; where every microsecond counts, ask first."""


@dataclass(frozen=True, slots=True)
class Account:
    """An account of this machine."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Bind:
    """A folder that a child shall find at another place."""

    source: Path
    target: Path


def service_account() -> Account | None:
    """The account embedded services run as; None: ours, because we are not root."""
    if os.geteuid() != 0:
        return None
    for name in SERVICE_ACCOUNTS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid)
    raise SetupError(
        "as root the database runs under an account without rights, and there is none",
        hint="create a user named `postgres`, or run dd0c as an ordinary user",
    )


def reaches(account: Account | None, folder: Path) -> bool:
    """Whether `account` (None: we ourselves) may pass through the folder and all above it."""
    if account is None:
        return True
    resolved = folder.resolve()
    return all(_may_pass(account, f.stat()) for f in (resolved, *resolved.parents))


def _may_pass(account: Account, state: os.stat_result) -> bool:
    if state.st_uid == account.uid:
        return bool(state.st_mode & 0o100)
    if state.st_gid == account.gid:
        return bool(state.st_mode & 0o010)
    return bool(state.st_mode & 0o001)


def spawn(
    argv: Sequence[str | Path],
    *,
    death_signal: signal.Signals,
    env: Mapping[str, str],
    account: Account | None = None,
    binds: Sequence[Bind] = (),
    pass_fds: Sequence[int] = (),
    stdin: int | IO[bytes] = subprocess.DEVNULL,
    output: int | IO[bytes] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a child in a session of its own; it gets `death_signal` when we die.

    The whole environment is `env`: nothing of ours (provider keys!) leaks into it. `output` takes
    stdout and stderr. SetupError where a private mount namespace is needed and refused.
    """
    if threading.current_thread() is not threading.main_thread():
        raise Internal("spawn from the main thread: the parent-death signal follows the thread")
    try:
        return subprocess.Popen(
            [str(a) for a in argv],
            env=dict(env),
            stdin=stdin,
            stdout=output,
            stderr=None if output is None else subprocess.STDOUT,
            cwd="/",
            umask=0o077,
            pass_fds=pass_fds,
            start_new_session=True,
            preexec_fn=_child_setup(death_signal, account, binds),  # noqa: PLW1509 - one thread
        )
    except subprocess.SubprocessError as error:
        if not binds:
            raise
        raise SetupError(
            f"the account {account.name if account else 'of the child'!r} cannot reach "
            f"{binds[0].source}, and this system refuses a private mount namespace",
            hint="choose a DD0C_HOME that others may pass through, or run as an ordinary user",
        ) from error


def _child_setup(
    death_signal: signal.Signals, account: Account | None, binds: Sequence[Bind]
) -> Callable[[], None]:
    libc = ctypes.CDLL(None, use_errno=True)  # loaded before the fork
    parent = os.getpid()
    pairs = [(os.fsencode(b.source), os.fsencode(b.target)) for b in binds]

    def must(result: int) -> None:
        if result != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    def setup() -> None:
        if pairs:
            must(libc.unshare(CLONE_NEWNS))
            must(libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None))
        for source, target in pairs:
            must(libc.mount(source, target, None, MS_BIND | MS_REC, None))
        if account is not None:
            os.setgroups([])
            os.setgid(account.gid)
            os.setuid(account.uid)
        must(libc.prctl(PR_SET_PDEATHSIG, int(death_signal)))
        if os.getppid() != parent:
            os._exit(1)

    return setup


def stop(child: subprocess.Popen[bytes], *, ask: signal.Signals, within_s: float) -> int:
    """Ask a child to end, kill it when it does not within `within_s`; returns its exit status."""
    if child.poll() is None:
        child.send_signal(ask)
    try:
        return child.wait(within_s)
    except subprocess.TimeoutExpired:
        child.kill()
        return child.wait()


def watch_lifeline(callback: Callable[[], None]) -> None:
    """Call `callback` from a thread once the supervisor is gone; no-op without a lifeline."""
    descriptor = _lifeline()
    if descriptor is None:
        return

    def wait() -> None:
        os.read(descriptor, 1)
        callback()

    threading.Thread(target=wait, name="lifeline", daemon=True).start()


async def supervisor_gone() -> None:
    """Return once the supervisor is gone; never, when started without a lifeline."""
    gone = asyncio.Event()
    descriptor = _lifeline()
    if descriptor is None:
        await gone.wait()
        return
    loop = asyncio.get_running_loop()
    loop.add_reader(descriptor, gone.set)
    try:
        await gone.wait()
    finally:
        loop.remove_reader(descriptor)


def _lifeline() -> int | None:
    value = os.environ.get(LIFELINE_FD, "")
    return int(value) if value else None


def crash_point(name: str) -> None:
    """Die here by SIGKILL when a drill named this point in DD0C_CRASH_AT; with `@3` behind it when
    we are here for the third time."""
    if name == _CRASH_AT and next(_passes, None) is None:
        os.kill(os.getpid(), signal.SIGKILL)
