"""Checks of what runs from this home, as its supervisor and the system tell."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping

from dd0c.cli.checks import listeners
from dd0c.cli.checks.finding import Finding, ok, problem, warning
from dd0c.cli.checks.host import Host, Look

LOOPS_FROM = 2  # failures in a row


def look_at_supervisor(host: Host) -> Iterator[Finding]:
    """`dd0c up` runs, or left nothing behind."""
    if is_up(host):
        assert host.facts is not None
        yield ok(f"`dd0c up` runs (process {host.facts['pid']})")
    elif host.facts is not None:
        yield problem(
            f"the last `dd0c up` here (process {host.facts.get('pid')}) was killed",
            "dd0c up: it waits for what is left of the last one and cleans up",
        )
    else:
        yield problem("dd0c is not running on this home", "dd0c up")


def look_at_ports(host: Host) -> Iterator[Finding]:
    """Nobody else has the ports that we want."""
    if is_up(host):
        yield ok("the ports are ours")
        return
    found = False
    for name, at, port in (
        ("gateway", host.settings.gateway_host, host.settings.gateway_port),
        ("console", host.settings.console_host, host.settings.console_port),
    ):
        if port == 0 or not _listens(at, port):
            continue
        found = True
        yield problem(
            f"{listeners.who_listens(port) or 'something else'} listens on port {port},"
            f" which the {name} wants",
            f"stop it, or start dd0c with --{name}-port",
        )
    if not found:
        yield ok("the ports are free")


def look_at_children(host: Host) -> Iterator[Finding]:
    """No part ends again and again."""
    if not is_up(host):
        return
    assert host.facts is not None
    restarts = 0
    for child in host.facts.get("children", []):
        restarts += child["restarts"]
        loops = child["failures"] >= LOOPS_FROM
        if child["state"] != "waiting" and not loops:
            continue
        often = f" {child['failures']} times in a row" if loops else ""
        yield problem(
            f"{child['name']} {child['last_exit'] or 'ended'}{often}: {child['last_words']}",
            f"mend the cause; it is started again by itself; more in {child['log']}",
        )
    reload = host.facts.get("reload", {})
    if reload.get("state") == "failed":
        yield warning(
            f"the last reload failed, the old settings hold: {reload['problem']}",
            "mend it, then `dd0c reload`",
        )
    yield ok(f"parts were started again {restarts} times" if restarts else "no part ended")


def is_up(host: Host) -> bool:
    """Whether the supervisor that wrote its facts lives; its number may be another's by now."""
    pid = (host.facts or {}).get("pid")
    if not isinstance(pid, int):
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    argv = listeners.command(pid)
    return not argv or "dd0c" in argv


def _listens(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((host, port)) == 0


CHECKS: Mapping[str, Look] = {
    "supervisor": look_at_supervisor,
    "ports": look_at_ports,
    "children": look_at_children,
}
