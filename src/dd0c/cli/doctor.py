"""`dd0c doctor`: what is wrong, why, and what to do.

Two rounds. On the host the home is looked at: modes, disk, what runs and what takes its ports, and
whether the environment would send the gateway to itself. Then the running dd0c is asked over its
API to exercise its own dependencies. Each finding names a cause and a remedy; nothing is changed.
"""

from __future__ import annotations

import os
import shutil
import socket
import stat
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Literal
from urllib.parse import urlsplit

import click

from dd0c.base import home as homes
from dd0c.base import settings
from dd0c.base.errors import Error
from dd0c.base.home import Home
from dd0c.base.settings import Settings
from dd0c.cli import client, output

DISK_PROBLEM_BYTES = 256 * 1024**2
DISK_WARNING_BYTES = 2 * 1024**3

REMEDIES = {
    "database": "see log/postgres.log in the home; `dd0c up` starts it again by itself",
    "cache": "see log/valkey.log in the home; `dd0c up` starts it again by itself",
    "gateway": "see log/gateway.log in the home; its port may be taken",
    "worker": "see log/worker.log in the home",
    "spool": "the ledger falls behind: see log/gateway.log and whether the database is slow",
}
LOOPS = {"OPENAI_BASE_URL": "OPENAI_API_KEY", "ANTHROPIC_BASE_URL": "ANTHROPIC_API_KEY"}

State = Literal["ok", "warning", "problem"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `cause` says what was seen, `remedy` what to do about it."""

    name: str
    state: State
    cause: str
    remedy: str = ""


@click.command()
@output.formats("json")
def doctor(how: output.How) -> int:
    """Find out what is wrong, why, and what to do. The exit status is 1 when something is.

    \b
    Examples:
      dd0c doctor
      dd0c doctor --json | jq '.findings[] | select(.state != "ok")'
    """
    findings = list(examine(os.environ))
    worst = next((s for s in ("problem", "warning") if any(f.state == s for f in findings)), "ok")
    if how == "json":
        output.write_json({"status": worst, "findings": [asdict(f) for f in findings]})
    else:
        for finding in findings:
            click.echo(f"{finding.state:<8} {finding.name}: {finding.cause}")
            if finding.remedy:
                click.echo(f"{'':<8} -> {finding.remedy}")
    return 1 if worst == "problem" else 0


def examine(environ: Mapping[str, str]) -> Iterator[Finding]:
    """All findings; the host is left out where DD0C_URL names another dd0c."""
    if not environ.get("DD0C_URL"):
        try:
            here = settings.load(environ=environ)
            home = homes.find(here.home)
        except Error as error:
            yield Finding("home", "problem", error.message, error.hint)
            return
        yield from _look_at_home(home)
        yield from _look_at_disk(home)
        yield from _look_at_environment(here, environ)
        yield from _look_at_ports(here, home)
    yield from _ask_api()


def _look_at_home(home: Home) -> Iterator[Finding]:
    private = [home.owner_key, home.secrets, *home.secrets.glob("*")]
    open_ones = [p for p in private if p.exists() and stat.S_IMODE(p.stat().st_mode) & 0o077]
    if open_ones:
        paths = " ".join(str(p) for p in open_ones)
        yield Finding(
            "home",
            "problem",
            f"other users may read {', '.join(p.name for p in open_ones)}",
            f"chmod go= {paths}; then make new keys, as these may be known",
        )
    elif home.path.stat().st_uid != os.geteuid():
        yield Finding(
            "home", "warning", f"{home.path} belongs to another user", "run dd0c as that user"
        )
    else:
        yield Finding("home", "ok", f"{home.path} is closed to others")


def _look_at_disk(home: Home) -> Iterator[Finding]:
    free = shutil.disk_usage(home.path).free
    state: State = "ok"
    if free < DISK_WARNING_BYTES:
        state = "problem" if free < DISK_PROBLEM_BYTES else "warning"
    yield Finding(
        "disk",
        state,
        f"{free // 1024**2} MB free under {home.path}",
        "" if state == "ok" else "make room: without it neither database nor ledger can write",
    )


def _look_at_environment(here: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    for base_url, key in LOOPS.items():
        address = urlsplit(environ.get(base_url, ""))
        if address.hostname not in ("127.0.0.1", "localhost", "::1"):
            continue
        if _port(address.netloc) != here.gateway_port:
            continue
        if environ.get(key, "").startswith("dd0c_sk_"):
            continue  # a program's own settings; `dd0c up` takes no provider from them
        yield Finding(
            "environment",
            "warning",
            f"{base_url} points at this gateway, {key} is no key of dd0c",
            f"unset {base_url} where dd0c is started: the gateway cannot be its own provider",
        )


def _port(netloc: str) -> int | None:
    _, _, port = netloc.rpartition(":")
    return int(port) if port.isdigit() else None


def _look_at_ports(here: Settings, home: Home) -> Iterator[Finding]:
    facts = client.read_facts(home.path)
    if facts is not None and _lives(facts.get("pid")):
        yield Finding("processes", "ok", f"`dd0c up` runs (process {facts['pid']})")
        return
    yield Finding("processes", "problem", "dd0c is not running on this home", "dd0c up")
    for name, port in (("gateway", here.gateway_port), ("console", here.console_port)):
        with socket.socket() as probe:
            probe.settimeout(1.0)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                yield Finding(
                    "ports",
                    "problem",
                    f"something else listens on port {port}, which the {name} wants",
                    f"stop it, or start dd0c with --{name}-port",
                )


def _lives(pid: object) -> bool:
    if not isinstance(pid, int):
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _ask_api() -> Iterator[Finding]:
    try:
        report = client.call("GET", "/health")
        offered = client.call("GET", "/route/providers")["items"]
    except Error as error:
        yield Finding("api", "problem", error.message, error.hint)
        return
    for item in report["items"]:
        failing = item["status"] != "ok"
        yield Finding(
            item["name"],
            "problem" if failing else "ok",
            item["detail"],
            REMEDIES.get(item["name"], "see the logs in the home") if failing else "",
        )
    real = [one["name"] for one in offered if one["enabled"] and not one["simulated"]]
    if real:
        yield Finding("providers", "ok", ", ".join(real))
    elif any(one["enabled"] for one in offered):
        yield Finding(
            "providers",
            "warning",
            "only simulated providers answer",
            "start `dd0c up` with OPENAI_API_KEY or ANTHROPIC_API_KEY in its environment",
        )
    else:
        yield Finding(
            "providers",
            "problem",
            "there is no provider: every request is refused",
            "start `dd0c up` with OPENAI_API_KEY or ANTHROPIC_API_KEY in its environment",
        )
