"""`dd0c reload`: new settings and new code for what runs, without a refused connection.

    prepare     schema and providers first: old parts work on a newer schema, new ones need it
    gateway     gets a hang-up and replaces its workers behind its own listeners
    control     a second one starts on the same listening socket; ready, it follows the first
    worker      finishes the job it runs, then starts again

Stores and simulator go on as they are. What cannot be prepared or does not become ready leaves the
old parts serving, and says so. The gateway tells in run/gateway.json whether it followed: by its
generation, or by the reason for which it stays what it was.
"""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from dd0c.app import children, parts
from dd0c.app.children import TAKES_OVER_WITHIN_S, Child, Say
from dd0c.app.parts import Installation
from dd0c.base import errors, notify
from dd0c.base.home import Home

State = Literal["done", "running", "failed"]


@dataclass(frozen=True, slots=True)
class Stand:
    """How far a gateway has come: which program of its process it is, what it last refused."""

    generation: int = 1
    refusals: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """A gateway that was asked to reload, how it stood then, and how long it may take."""

    process: subprocess.Popen[bytes]
    before: Stand
    until: float


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
        self._asked: Asked | None = None

    def begin(self, meanwhile: Callable[[], None]) -> None:
        """Prepare, and set off what replaces the parts; `look` sees it through."""
        self.number, self.state, self.problem = self.number + 1, "running", ""
        self._before = self._asked = None
        notify.reloading()
        self._say("reloading …")
        try:
            for warning in parts.prepare(self._here, meanwhile).warnings:
                self._say(f"warning: {warning}")
            self._replace()
        except (errors.Error, OSError) as error:
            self._end(str(error))

    def _replace(self) -> None:
        gateway, control = self._child["gateway"].process, self._child["control"]
        now = time.monotonic()
        control.start_heir(now)
        self._before = control.process
        if gateway is not None and gateway.poll() is None:
            before = stand(self._here.home, gateway.pid)
            self._asked = Asked(gateway, before, now + TAKES_OVER_WITHIN_S)
            gateway.send_signal(signal.SIGHUP)
        children.renew(self._child["worker"])

    def look(self) -> None:
        """Notice that the new parts have taken over, or could not."""
        control, worker = self._child["control"], self._child["worker"]
        if self.state != "running" or self._before is None:  # still preparing
            return
        refused = self._gateway_stays()
        if refused is None or not (control.settled and worker.settled):
            return
        stays = control.process is self._before
        own = f"control {control.last_exit}: {control.last_words}" if stays else ""
        self._end("; ".join(problem for problem in (refused, own) if problem))

    def _gateway_stays(self) -> str | None:
        """Why the gateway stays what it was; empty when it followed, None while that is open."""
        asked = self._asked
        if asked is None or asked.process.poll() is not None:
            return ""  # who is started anew is new
        now = stand(self._here.home, asked.process.pid)
        if now.refusals > asked.before.refusals:
            return f"gateway: {now.reason}"
        if now.generation > asked.before.generation:
            return ""
        late = time.monotonic() > asked.until
        return f"gateway did not answer within {TAKES_OVER_WITHIN_S:.0f} s" if late else None

    def _end(self, problem: str) -> None:
        self.problem = problem
        self.state = "failed" if problem else "done"
        self._say(f"not reloaded: {problem}" if problem else "reloaded")
        notify.ready()


def stand(home: Home, pid: int) -> Stand:
    """What the gateway of that process id last wrote; that of a new one while it wrote nothing."""
    try:
        told = json.loads((home.run / "gateway.json").read_text())
        if told["pid"] != pid:
            return Stand()
        refused = told["refused"]
        return Stand(told["generation"], refused["number"], refused["message"])
    except (OSError, ValueError, KeyError, TypeError):
        return Stand()
