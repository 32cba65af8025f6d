"""`run/up.json`: what a running supervisor tells the command line about itself and its parts.

    pid, gateway_url, console_url, sim_url
    children   name, pid, state (running, replacing, waiting), since, restarts, failures in a row,
               last_exit and last_words of the one before, log
    reload     number (0: none yet), state (done, running, failed), problem

A clean stop removes the file: one that is there at a start was left by a crash.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from dd0c.app import claims
from dd0c.app.children import Child
from dd0c.app.parts import Installation
from dd0c.app.reload import Reload
from dd0c.base import home as homes
from dd0c.base import redact


class Facts:
    """Writes the file when what it tells has changed."""

    def __init__(self, here: Installation):
        self._here = here
        self._path = claims.facts_path(here.home)
        self._written = ""

    def write(self, children: Sequence[Child], reload: Reload) -> None:
        """Tell; a full disk leaves the file as it was until there is room."""
        text = redact.scrub(json.dumps(self._tell(children, reload))) + "\n"
        if text != self._written:
            with suppress(OSError):
                homes.write_atomically(self._path, text)
                self._written = text

    def _tell(self, children: Sequence[Child], reload: Reload) -> dict[str, Any]:
        return {
            "pid": os.getpid(),
            "gateway_url": self._here.gateway_url,
            "console_url": self._here.console_url,
            "sim_url": self._here.simulator_url,
            "children": [_of(child) for child in children],
            "reload": {
                "number": reload.number,
                "state": reload.state,
                "problem": reload.problem,
            },
        }

    def remove(self) -> None:
        """A clean stop."""
        self._path.unlink(missing_ok=True)


def _of(child: Child) -> dict[str, Any]:
    state = "running" if child.settled else "replacing"
    runs = child.process is not None and child.due_at is None
    return {
        "name": child.name,
        "pid": child.process.pid if child.process is not None and runs else None,
        "state": state if runs else "waiting",
        "since": child.since and child.since.isoformat(timespec="seconds"),
        "restarts": child.restarts,
        "failures": child.failures,
        "last_exit": child.last_exit,
        "last_words": child.last_words,
        "log": str(child.log),
    }
