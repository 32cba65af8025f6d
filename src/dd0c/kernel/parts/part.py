"""What a part is, and in which state the others see it."""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import dd0c
from dd0c.base import ids
from dd0c.base.clock import Clock

STALE_AFTER = timedelta(seconds=20)


class State(StrEnum):
    """How a part is, judged by its row."""

    ALIVE = "alive"
    STALE = "stale"  # killed, hung, or cut off from the database
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Part:
    """One process. `kind` is the verb that started it."""

    id: uuid.UUID
    kind: str
    host: str
    pid: int
    version: str
    started_at: datetime


@dataclass(frozen=True, slots=True)
class Seen:
    """A part as it last reported, `silent` ago."""

    part: Part
    silent: timedelta
    stopped_at: datetime | None
    facts: Mapping[str, Any]

    @property
    def state(self) -> State:
        """Alive while it reports. A report from the future is one from before the clock was set
        back: whoever lives has reported since."""
        if self.stopped_at is not None:
            return State.STOPPED
        return State.STALE if abs(self.silent) > STALE_AFTER else State.ALIVE


def this(kind: str, clock: Clock) -> Part:
    """This process, from now on."""
    host, pid = socket.gethostname(), os.getpid()
    return Part(ids.new(), kind, host, pid, dd0c.__version__, clock.now())
