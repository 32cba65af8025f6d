"""The local file: the brake for the day when neither PostgreSQL nor Valkey can be told (K-63).

`$DD0C_HOME/panic.json` holds for everybody whom the processes of this home serve. It is written as
a whole by `dd0c panic on --local`. It is over when `dd0c panic off --local` has written that: a
file that is merely gone says nothing. One that is there and cannot be read was meant as a brake by
somebody in a hurry: it halts.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dd0c.base import home
from dd0c.base.errors import SetupError
from dd0c.kernel.autonomy.states import Panic, State

FILE = "panic.json"
BYTES_MAX = 64 * 1024
UNREADABLE = "the file cannot be read"


@dataclass(frozen=True, slots=True)
class Said:
    """What the file says."""

    panic: State
    reason: str
    at: str


def write(folder: Path, said: Said) -> None:
    """Say it to all processes of the home; SetupError when the home cannot be written to."""
    path = folder / FILE
    content = {"mode": said.panic or "off", "reason": said.reason, "at": said.at}
    try:
        home.write_atomically(path, json.dumps(content, indent=1) + "\n")
        if os.geteuid() == 0:  # those who serve may be another account
            owner = folder.stat()
            os.chown(path, owner.st_uid, owner.st_gid)
    except OSError as error:
        raise SetupError(
            f"{path} cannot be written: {error.strerror}", hint="run as the user that started dd0c"
        ) from error


def read(folder: Path) -> Said | None:
    """What the file says; None: it is not there."""
    try:
        with open(os.open(folder / FILE, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
            found: Any = json.loads(file.read(BYTES_MAX))
        mode = found["mode"]
        panic = None if mode == "off" else Panic(mode)
        return Said(panic, str(found.get("reason", "")), str(found.get("at", "")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return Said(Panic.HALT, UNREADABLE, "")
