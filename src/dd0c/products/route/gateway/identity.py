"""Who this gateway is: an id that stays with the home, and the right to its spool.

The claim is a flock on a descriptor that every worker inherits, so it lasts until the last process
of a killed gateway is gone. Whoever holds it knows that all spool files that are there belong to
dead workers.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dd0c.base import ids
from dd0c.base.errors import InvalidInput, SetupError
from dd0c.base.home import Home, write_atomically

LOOK_EVERY_S = 0.05


@dataclass(frozen=True, slots=True)
class Identity:
    """`lock` is the descriptor to hand to workers."""

    id: str
    spool: Path
    lock: int


@contextmanager
def claim(home: Home, *, patience_s: float, inherited: int | None = None) -> Iterator[Identity]:
    """Be the gateway of this home for the block; SetupError when another is, and stays.

    `inherited`: the descriptor of a claim that this process has already.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
    descriptor = inherited or os.open(home.run / "gateway.lock", flags, 0o600)
    try:
        if not inherited:
            _lock(descriptor, home, patience_s)
        gateway = _id(home.spool / "gateway.id")
        spool = home.spool / gateway
        spool.mkdir(mode=0o700, exist_ok=True)
        yield Identity(gateway, spool, descriptor)
    finally:
        os.close(descriptor)


def _lock(descriptor: int, home: Home, patience_s: float) -> None:
    deadline = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise SetupError(
                    f"another gateway runs on {home.path}",
                    hint="stop that one, or give this one a home of its own with --home",
                ) from None
            time.sleep(LOOK_EVERY_S)
        else:
            return


def _id(path: Path) -> str:
    try:
        return ids.text(ids.Kind.GATEWAY, ids.parse(ids.Kind.GATEWAY, path.read_text().strip()))
    except FileNotFoundError:
        gateway = ids.text(ids.Kind.GATEWAY, ids.new())
        write_atomically(path, gateway + "\n")
        return gateway
    except InvalidInput:
        raise SetupError(
            f"{path} does not say which gateway this is",
            hint="remove it: the gateway gets a new id, and ships what it left under the old one",
        ) from None
