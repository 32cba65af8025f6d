"""`dd0c panic`: the brake.

The API is told, which tells everybody. On its own machine the local file is written too when it
has not answered at once: whoever reaches for a brake neither waits nor is asked to try again. If
the API answers after all, the file is taken back; else only the file takes back what it said.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import click

from dd0c.base import home, settings
from dd0c.base.clock import SystemClock
from dd0c.base.errors import Error, Timeout, Unavailable
from dd0c.cli import client, output
from dd0c.cli.output import Column, How
from dd0c.kernel.autonomy import local
from dd0c.kernel.autonomy.local import Said
from dd0c.kernel.autonomy.states import Panic, State

AT_ONCE_S = 0.5
PATIENCE_S = 4.0
MEANS = {
    Panic.PASSTHROUGH: "requests go as they came; configuration stays as it is",
    Panic.HALT: "gateways refuse all requests",
}
SAYS = {"database": "PostgreSQL", "cache": "Valkey", "file": "local file of the server's machine"}

_reason = click.option("--reason", required=True, help="For those who are told, and the audit log.")
_everywhere = click.option(
    "--everywhere", is_flag=True, help="Of all organisations; needs the role platform."
)
_local = click.option(
    "--local", "locally", is_flag=True, help="By the file in this machine's home; asks no server."
)


@click.group()
def panic() -> None:
    """Put the brake on, release it, see whether it is on. docs/howto/panic.md has more."""


@panic.command("on")
@click.option(
    "--mode",
    type=click.Choice([one.value for one in Panic]),
    default=Panic.PASSTHROUGH.value,
    show_default=True,
    help="passthrough: nothing is decided or changed by itself. halt: nothing is answered.",
)
@_reason
@_everywhere
@_local
@output.formats("json")
def put_on(*, mode: str, reason: str, everywhere: bool, locally: bool, how: How) -> None:
    """Put the brake on. At every gateway within a second; streams that run may end.

    Where the API does not answer, and this is its machine, the local file holds instead.

    \b
    Examples:
      dd0c panic on --reason "odd answers since 02:40"
      dd0c panic on --mode halt --reason "a key leaked" --everywhere
      dd0c panic on --mode halt --reason "nothing answers" --local
    """
    if locally:
        folder = _home()
        _write(folder, Panic(mode), reason)
        return _show(how, None, folder)
    body = {"mode": mode, "reason": reason, "everywhere": everywhere}
    if client.is_elsewhere(os.environ, client.chosen_profile()):
        return _show(how, client.call("POST", "/admin/panic", body=body), None)
    folder = _home()
    found = _ask_or_write(folder, body)
    return _show(how, found, None if found else folder)


@panic.command("off")
@_reason
@_everywhere
@_local
@output.formats("json")
def release(*, reason: str, everywhere: bool, locally: bool, how: How) -> int:
    """Release the brake. The exit status is 1 while somebody still says that it is on.

    \b
    Examples:
      dd0c panic off --reason "the provider is well again"
      dd0c panic off --reason "PostgreSQL is back" --local
    """
    if locally:
        folder = _home()
        _write(folder, None, reason)
        _show(how, None, folder)
        return 0
    body = {"reason": reason, "everywhere": everywhere}
    found = client.call("DELETE", "/admin/panic", body=body)
    _show(how, found, None)
    if found["mode"]:
        for line in _left(found):
            output.tell("still on:", "yellow", line)
    return 1 if found["mode"] else 0


@panic.command()
@_local
@output.formats("json")
def status(*, locally: bool, how: How) -> int:
    """Whether it is on, for whom, since when, and who says so. The exit status is 1 when it is.

    \b
    Examples:
      dd0c panic status
      dd0c panic status --json | jq -r .mode
      dd0c panic status --local
    """
    if locally:
        folder = _home()
        _show(how, None, folder)
        said = local.read(folder)
        return 1 if said is not None and said.panic else 0
    found = client.call("GET", "/admin/panic")
    _show(how, found, None)
    return 1 if found["mode"] else 0


def _ask_or_write(folder: Path, body: dict[str, Any]) -> dict[str, Any] | None:
    """The API's answer; None: it gave none, and the file holds."""
    before = local.read(folder)
    said = left = _said(Panic(body["mode"]), body["reason"])
    with ThreadPoolExecutor(1) as beside:
        asked = beside.submit(_ask, click.get_current_context(), body)
        hurried = bool(wait([asked], AT_ONCE_S).not_done)
        if hurried:
            local.write(folder, said)
        try:
            found, left = asked.result(), before or _said(None, "")
        except (Unavailable, Timeout) as error:
            output.tell("warning:", "yellow", f"{error.message}: the local file holds instead")
            return None
        except Error:
            left = before or _said(None, "")
            raise
        finally:
            if hurried or left is said:
                local.write(folder, left)
    return found


def _ask(context: click.Context, body: dict[str, Any]) -> dict[str, Any]:
    with context.scope(cleanup=False):  # a thread has none
        found: dict[str, Any] = client.call(
            "POST", "/admin/panic", body=body, deadline_s=PATIENCE_S
        )
    return found


def _home() -> Path:
    return home.find(settings.load().home).path


def _write(folder: Path, wanted: State, reason: str) -> None:
    local.write(folder, _said(wanted, reason))


def _said(wanted: State, reason: str) -> Said:
    return Said(wanted, reason, SystemClock().now().isoformat(timespec="seconds"))


def _show(how: How, found: dict[str, Any] | None, folder: Path | None) -> None:
    """What the API says, or else the local file."""
    if folder is not None:
        said = local.read(folder) or Said(None, "", "")
        if how == "json":
            output.write_json({"mode": said.panic, "reason": said.reason, "file": str(folder)})
        else:
            output.write_facts(_facts_of_file(said, folder))
    elif found is not None and how == "json":
        output.write_json(found)
    elif found is not None:
        output.write_facts(_facts(found))
        output.write_table(CHANNELS, found["channels"], head=False)


CHANNELS = (
    Column("channel", lambda said: f"  {SAYS[said['channel']]}", "whole"),
    Column("says", lambda said: said["mode"] or "no panic"),
    Column("", lambda said: "" if said["answers"] else "away: its last word holds"),
)


def _facts(found: dict[str, Any]) -> list[tuple[str, Any]]:
    facts: list[tuple[str, Any]] = [("panic", _words(found["mode"]))]
    for who in ("organisation", "everywhere"):
        if (one := found[who]) and one["mode"]:
            since = output.moment(one["changed_at"])
            facts += [(who, one["mode"]), ("  since", since), ("  by", one["changed_by"])]
            facts += [("  reason", one["reason"])]
    return [*facts, ("who says so", "")]


def _facts_of_file(said: Said, folder: Path) -> list[tuple[str, Any]]:
    return [
        ("panic", _words(said.panic)),
        ("said by", str(folder / local.FILE)),
        ("holds for", "everybody whom the gateways of this machine serve, and for nobody else"),
        ("since", said.at or None),
        ("reason", said.reason or None),
        ("release", 'dd0c panic off --local --reason "…"' if said.panic else None),
    ]


def _words(mode: str | None) -> str:
    return f"{mode} is on: {MEANS[Panic(mode)]}" if mode else "none"


def _left(found: dict[str, Any]) -> list[str]:
    """Who has not taken it back, and what to do."""
    if (everywhere := found["everywhere"]) and everywhere["mode"]:
        return [f"{everywhere['mode']} everywhere: `dd0c panic off --everywhere`, as platform"]
    if (own := found["organisation"]) and own["mode"]:
        return [f"{own['mode']} of this organisation: `dd0c panic off` without --everywhere"]
    lines = []
    for said in found["channels"]:
        if said["mode"] and said["channel"] == "file":
            lines.append("the local file: `dd0c panic off --local` on the server's machine")
        elif said["mode"]:
            lines.append(f"{SAYS[said['channel']]} could not be told: say it again when it is back")
    return lines
