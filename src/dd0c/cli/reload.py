"""`dd0c reload`: new settings and new code for what runs on this machine, without a refused call.

It sends a hang-up to `dd0c up`, or to a gateway that runs alone, and waits for what they write into
`run/up.json` and `run/gateway.json` of the home.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click
import httpx

from dd0c.base import home as homes
from dd0c.base import settings
from dd0c.base.errors import Forbidden, SetupError, Timeout, Unavailable
from dd0c.base.home import Home
from dd0c.cli import output, progress

WITHIN_S = 120.0  # `dd0c up` may have migrations to run
LOOK_S = 0.05
ANSWER_S = 2.0
STAYS = "what ran before goes on serving"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Running:
    """What `dd0c up` (None: it does not run) and the gateway (None: likewise) last wrote."""

    supervisor: dict[str, Any] | None
    gateway: dict[str, Any] | None

    @property
    def pid(self) -> int:
        """Whom to send the hang-up."""
        first = self.supervisor or self.gateway
        if first is None:
            raise Unavailable(
                "neither `dd0c up` nor `dd0c gateway` runs on this home",
                hint="start one; a console or job worker that runs alone is simply restarted",
            )
        return int(first["pid"])


@click.command()
@click.option(
    "--home",
    type=click.Path(path_type=Path),
    help="Folder with all state (DD0C_HOME; default ~/.dd0c).",
)
@output.formats("json")
def reload(*, home: Path | None, how: output.How) -> None:
    """Take over new settings (dd0c.toml) and new code, without a refused or cut connection.

    Streams that are open go on for at most DD0C_DRAIN_S. When the new settings are wrong, nothing
    changes and the exit status says so. What was given as a flag or in the environment stays; so do
    addresses, ports and the home.

    \b
    Examples:
      echo 'workers = 8' >> ~/.dd0c/dd0c.toml; dd0c reload
      systemctl reload dd0c        with ExecReload=kill -HUP $MAINPID it is the same
    """
    place = homes.find(settings.load({"home": home}).home)
    before = look(place)
    try:
        os.kill(before.pid, signal.SIGHUP)
    except PermissionError:
        raise Forbidden(
            f"process {before.pid} belongs to another user", hint="run this as that user"
        ) from None
    with progress.working("reloading …"):
        now = _until(lambda: outcome(before, look(place)))
        workers = _until(lambda: _ready_workers(now)) if now.gateway is not None else 0
    generation = now.gateway["generation"] if now.gateway is not None else None
    if how == "json":
        output.write_json({"pid": now.pid, "generation": generation, "workers": workers})
    else:
        click.echo(f"reloaded: {workers} gateway workers serve (process {now.pid})")


def look(place: Home) -> Running:
    """Who runs on the home."""
    return Running(_read(place.run / "up.json"), _read(place.run / "gateway.json"))


def outcome(before: Running, now: Running) -> Running | None:
    """What runs once everything has been replaced; None: not yet. SetupError: refused."""
    if before.supervisor is not None and now.supervisor is not None:
        told = now.supervisor["reload"]
        if told["number"] == before.supervisor["reload"]["number"] or told["state"] == "running":
            return None
        if told["state"] == "failed":
            raise SetupError(f"not reloaded: {told['problem']}", hint=_hint(_refusal(before, now)))
    if now.gateway is None or before.gateway is None:
        if now.supervisor is None:
            raise Unavailable("the gateway ended", hint="see its log")
        return None if before.gateway is not None else now
    if refused := _refusal(before, now):
        raise SetupError(f"not reloaded: {refused['message']}", hint=_hint(refused))
    return now if now.gateway["generation"] > before.gateway["generation"] else None


def _refusal(before: Running, now: Running) -> dict[str, Any]:
    """Why the gateway refused this reload; empty when it did not."""
    if now.gateway is None or before.gateway is None:
        return {}
    refused: dict[str, Any] = now.gateway["refused"]
    return refused if refused["number"] > before.gateway["refused"]["number"] else {}


def _hint(refused: dict[str, Any]) -> str:
    return "; ".join(part for part in (refused.get("hint"), STAYS) if part)


def _ready_workers(now: Running) -> int | None:
    """How many workers serve, once all do."""
    assert now.gateway is not None
    try:
        answer = httpx.get(f"{now.gateway['admin_url']}/readyz", timeout=ANSWER_S, trust_env=False)
        return len(answer.json()["workers"]) if answer.status_code == 200 else None
    except (httpx.TransportError, ValueError):
        return None


def _until(found: Callable[[], T | None]) -> T:
    deadline = time.monotonic() + WITHIN_S
    while (result := found()) is None:
        if time.monotonic() > deadline:
            raise Timeout(
                f"not everything was replaced within {WITHIN_S:.0f} s", hint="see `dd0c doctor`"
            )
        time.sleep(LOOK_S)
    return result


def _read(path: Path) -> dict[str, Any] | None:
    """What is written there, if its process lives."""
    try:
        facts: dict[str, Any] = json.loads(path.read_text())
        os.kill(int(facts["pid"]), 0)
    except PermissionError:
        return facts
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return facts
