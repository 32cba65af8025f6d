"""`dd0c reload`: new settings and new code for what runs, without a refused connection.

    prepare     schema and providers first: old parts work on a newer schema, new ones need it
    gateway     gets a hang-up and replaces its workers behind its own listeners
    control     a second one starts on the same listening socket; ready, it follows the first
    worker      finishes the job it runs, then starts again

Stores and simulator go on as they are. What cannot be prepared or does not become ready leaves the
old parts serving, and says so.
"""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import Literal

from dd0c.app import children, parts
from dd0c.app.children import Child, Say
from dd0c.app.parts import Installation
from dd0c.base import errors, notify

State = Literal["done", "running", "failed"]


class Reload:
    """How many were asked for, and how the last one stands."""

    def __init__(self, here: Installation, serving: Sequence[Child], say: Say):
        self.number = 0
        self.state: State = "done"
        self.problem = ""
        self._here = here
        self._child = {child.name: child for child in serving}
        self._say = say
        self._before: subprocess.Popen[bytes] | None = None

    def begin(self, meanwhile: Callable[[], None]) -> None:
        """Prepare, and set off what replaces the parts; `look` sees it through."""
        self.number, self.state, self.problem = self.number + 1, "running", ""
        self._before = None
        notify.reloading()
        self._say("reloading …")
        try:
            for warning in parts.prepare(self._here, meanwhile).warnings:
                self._say(f"warning: {warning}")
            self._replace()
        except (errors.Error, OSError) as error:
            self._end(str(error))

    def _replace(self) -> None:
        gateway, control = self._child["gateway"], self._child["control"]
        control.start_heir(time.monotonic())
        self._before = control.process
        if gateway.process is not None and gateway.ended is None:
            gateway.process.send_signal(signal.SIGHUP)
        children.renew(self._child["worker"])

    def look(self) -> None:
        """Notice that the new parts have taken over, or could not."""
        control, worker = self._child["control"], self._child["worker"]
        if self.state != "running" or self._before is None:  # still preparing
            return
        if not (control.settled and worker.settled):
            return
        stays = control.process is self._before
        self._end(f"control {control.last_exit}: {control.last_words}" if stays else "")

    def _end(self, problem: str) -> None:
        self.problem = problem
        self.state = "failed" if problem else "done"
        self._say(f"not reloaded: {problem}" if problem else "reloaded")
        notify.ready()
