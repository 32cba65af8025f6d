"""Who this gateway is: an id that stays with the home, and the right to its spool.

The claim is a flock on a descriptor that every worker inherits, so it lasts until the last process
of a killed gateway is gone. Whoever holds it knows that all spool files that are there belong to
dead workers.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dd0c.base import ids, locks
from dd0c.base.errors import InvalidInput, SetupError
from dd0c.base.home import Home, write_atomically


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
    right = locks.held(
        home.run / "gateway.lock",
        within_s=patience_s,
        taken=f"another gateway runs on {home.path}",
        hint="stop that one, or give this one a home of its own with --home",
    )
    with _kept(inherited) if inherited else right as descriptor:
        gateway = _id(home.spool / "gateway.id")
        spool = home.spool / gateway
        spool.mkdir(mode=0o700, exist_ok=True)
        yield Identity(gateway, spool, descriptor)


@contextmanager
def _kept(descriptor: int) -> Iterator[int]:
    try:
        yield descriptor
    finally:
        os.close(descriptor)


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
