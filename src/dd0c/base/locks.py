"""Who has something for itself: a flock on a file, which the kernel drops with its last holder.

A child that inherits the descriptor holds the lock too. So it is free when the last of a family of
processes is gone, however it went, a kill -9 leaves nothing to clean up, and a start that waits for
the lock never meets a half-dead predecessor. The file holds the number of the process that took it.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dd0c.base.errors import SetupError

LOOK_S = 0.05


@contextmanager
def held(path: Path, *, within_s: float, taken: str, hint: str) -> Iterator[int]:
    """Hold the lock in the block, which gets its descriptor.

    SetupError with the text `taken`, the holder and the hint when it stays another's for so long.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        deadline = time.monotonic() + within_s
        while not _take(descriptor):
            if time.monotonic() >= deadline:
                holder = os.pread(descriptor, 20, 0).decode(errors="replace").strip()
                who = f" (process {holder})" if holder else ""
                raise SetupError(f"{taken}{who}", hint=hint)
            time.sleep(LOOK_S)
        _sign(descriptor)
        yield descriptor
    finally:
        os.close(descriptor)


def _take(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sign(descriptor: int) -> None:
    os.ftruncate(descriptor, 0)
    with suppress(OSError):  # a full disk takes no number, and needs no other reason to stop us
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
