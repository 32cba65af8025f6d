"""What a gateway leaves to the program that replaces it in its own process (K-7).

A reload ends in `execve`: the process, its listening sockets, its workers and its claim of the home
stay, the program and its settings are new. Descriptors are inherited by number; this says which is
which. It travels in an anonymous file in memory, so nothing of it is in arguments, environment or
on disk, and a crash leaves nothing behind.
"""

from __future__ import annotations

import os

import msgspec

from dd0c.base.errors import SetupError
from dd0c.products.route.gateway.leases import Kept

FORMAT = 1
VARIABLE = "DD0C_HANDOVER_FD"
BYTES_MAX = 64 * 1024 * 1024


class Predecessor(msgspec.Struct, frozen=True):
    """A worker of the program before: its process, our end of its socketpair, what it speaks, and
    the beginning of a message that it was sending."""

    pid: int
    control: int
    protocol: int
    received: bytes


class Handover(msgspec.Struct, frozen=True):
    """Descriptors, the row among the parts, counts that must not begin anew, and what workers have
    of limits.

    Fields are only ever added, with a default; else `FORMAT` is raised, and the new program asks
    for a restart.
    """

    format: int
    version: str
    generation: int
    host: str
    port: int
    lock: int
    admin: int
    listeners: tuple[int, ...]
    part: bytes
    started_us: int
    workers: tuple[Predecessor, ...] = ()
    counters: dict[str, float] = {}
    restarts: int = 0
    leases: tuple[Kept, ...] = ()


def leave(handover: Handover) -> int:
    """A descriptor to read it from; it is inherited."""
    descriptor = os.memfd_create("dd0c handover", 0)
    os.write(descriptor, msgspec.msgpack.encode(handover))
    return descriptor


def find() -> Handover | None:
    """What was left to this program; None when it was started afresh. SetupError: not readable."""
    descriptor = os.environ.get(VARIABLE)
    if descriptor is None:
        return None
    content = os.pread(int(descriptor), BYTES_MAX, 0)
    try:
        found = msgspec.msgpack.decode(content, type=Handover)
    except msgspec.DecodeError as error:
        raise _too_different(str(error)) from None
    if found.format != FORMAT:
        raise _too_different(f"it hands over in format {found.format}, not {FORMAT}")
    return found


def take() -> Handover | None:
    """As `find`, once: children and later programs of this process do not see it."""
    found = find()
    if (descriptor := os.environ.pop(VARIABLE, None)) is not None:
        os.close(int(descriptor))
    if found is not None:
        for inherited in (found.lock, found.admin, *found.listeners):
            os.set_inheritable(inherited, False)
        for worker in found.workers:
            os.set_inheritable(worker.control, False)
    return found


def _too_different(why: str) -> SetupError:
    return SetupError(
        f"the running gateway is of a version that cannot hand over to this one: {why}",
        hint="stop it and start it again",
    )
