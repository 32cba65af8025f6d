"""Checks of this machine and this home that need nothing to run."""

from __future__ import annotations

import os
import resource
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dd0c.base import home as homes
from dd0c.base.clock import Clock, SystemClock
from dd0c.base.home import Home
from dd0c.base.settings import Settings
from dd0c.cli import client
from dd0c.cli.checks.finding import Bounds, Finding, ok, problem, warning

LOOPS = {"OPENAI_BASE_URL": "OPENAI_API_KEY", "ANTHROPIC_BASE_URL": "ANTHROPIC_API_KEY"}
FILES_FREE_MIN = 1000
OWN_FILES = 200  # what a gateway worker holds open besides connections
MEMINFO = Path("/proc/meminfo")


@dataclass(frozen=True, slots=True)
class Host:
    """What the checks of this machine look at. `facts`: what its `dd0c up` wrote down, if any."""

    settings: Settings
    home: Home
    environ: Mapping[str, str]
    facts: Mapping[str, Any] | None = None
    bounds: Bounds = field(default_factory=Bounds)
    clock: Clock = field(default_factory=SystemClock)

    @classmethod
    def of(cls, settings: Settings, environ: Mapping[str, str], bounds: Bounds) -> Host:
        """SetupError where the settings' home is none."""
        home = homes.find(settings.home)
        return cls(settings, home, environ, client.read_facts(home.path), bounds)


Look = Callable[[Host], Iterator[Finding]]


def look_at_modes(host: Host) -> Iterator[Finding]:
    """Others must not read what is secret."""
    home = host.home
    private = [home.owner_key, home.secrets, *home.secrets.glob("*")]
    open_ones = [p for p in private if p.exists() and stat.S_IMODE(p.stat().st_mode) & 0o077]
    if open_ones:
        yield problem(
            f"other users may read {', '.join(p.name for p in open_ones)}",
            f"chmod go= {' '.join(map(str, open_ones))}; then make new keys, as these may be known",
        )
    else:
        yield ok(f"{home.path} is closed to others")


def look_at_owner(host: Host) -> Iterator[Finding]:
    """The home is ours."""
    if host.home.path.stat().st_uid != os.geteuid():
        yield problem(
            f"{host.home.path} belongs to another user",
            "run dd0c as that user, or choose another home with DD0C_HOME",
        )
    else:
        yield ok("the home belongs to this user")


def look_at_room(host: Host) -> Iterator[Finding]:
    """There is room to write."""
    room = os.statvfs(host.home.path)
    free = room.f_bavail * room.f_frsize
    found = f"{free // 1024**2} MB free under {host.home.path}"
    remedy = "make room: without it neither database nor ledger can write"
    if free < host.bounds.disk_problem_bytes:
        yield problem(found, remedy)
    elif room.f_files and room.f_favail < FILES_FREE_MIN:
        yield problem(f"the file system can hold {room.f_favail} more files only", remedy)
    elif free < host.bounds.disk_warning_bytes:
        yield warning(found, remedy)
    else:
        yield ok(found)


def look_at_memory(host: Host) -> Iterator[Finding]:
    """There is memory to work with; where the system does not say how much, nothing is known."""
    try:
        lines = MEMINFO.read_text().splitlines()
    except OSError:
        return
    told = {name: value for name, _, value in (line.partition(":") for line in lines)}
    available = int(told["MemAvailable"].split()[0]) * 1024
    found = f"{available // 1024**2} MB of memory are available"
    if available < host.bounds.memory_warning_bytes:
        yield warning(found, "free some, or lower DD0C_MEMORY_MB and DD0C_WORKERS")
    else:
        yield ok(found)


def look_at_open_files(host: Host) -> Iterator[Finding]:
    """A gateway worker may open as many connections as it is to serve; it raises its own limit."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = host.settings.connections_max
    room = max(0, (most - OWN_FILES) // 2)  # one to the caller, one to the provider
    if most == resource.RLIM_INFINITY or room >= wanted:
        yield ok(f"a worker can hold {wanted} requests at once")
        return
    found = f"a worker can hold about {room} requests at once: `ulimit -Hn` is {most}"
    if most < host.bounds.open_files_warning:
        yield warning(found, "raise the limit: LimitNOFILE= of systemd, `nofile` of a container")
    else:
        yield ok(found)


def look_at_environment(host: Host) -> Iterator[Finding]:
    """The gateway is not its own provider."""
    found = False
    for base_url, key in LOOPS.items():
        url = host.environ.get(base_url, "")
        _, port = client.host_and_port(url)
        if not client.is_loopback(url) or port != host.settings.gateway_port:
            continue
        if host.environ.get(key, "").startswith("dd0c_sk_"):
            continue  # a program's own settings; `dd0c up` takes no provider from them
        found = True
        yield warning(
            f"{base_url} points at this gateway, {key} is no key of dd0c",
            f"unset {base_url} where dd0c is started: the gateway cannot be its own provider",
        )
    if not found:
        yield ok("no provider address of the environment points at this gateway")


CHECKS: Mapping[str, Look] = {
    "modes": look_at_modes,
    "owner": look_at_owner,
    "room": look_at_room,
    "memory": look_at_memory,
    "open files": look_at_open_files,
    "environment": look_at_environment,
}
