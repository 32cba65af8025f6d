"""Checks that the running dd0c is asked for, over its API and with the caller's key."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import dd0c
from dd0c.base.clock import Clock, SystemClock
from dd0c.base.errors import Error, Forbidden, NotFound
from dd0c.cli import client, output
from dd0c.cli.checks.finding import Bounds, Finding, ok, problem, unknown, warning

CONNECT_S = 2.0
REAL = "start `dd0c up` with OPENAI_API_KEY or ANTHROPIC_API_KEY in its environment"
JUDGES = {"failing": problem, "degraded": warning, "unknown": unknown}


@dataclass(frozen=True, slots=True)
class Answers:
    """What the API said. None: it is for other keys than ours."""

    me: Mapping[str, Any]
    version: str
    health: Sequence[Mapping[str, Any]] | None
    parts: Sequence[Mapping[str, Any]] | None
    keys: Sequence[Mapping[str, Any]] | None
    providers: Sequence[Mapping[str, Any]]
    panic: str | None = None
    gateway_url: str | None = None
    bounds: Bounds = field(default_factory=Bounds)
    clock: Clock = field(default_factory=SystemClock)

    @classmethod
    def ask(cls, bounds: Bounds, gateway_url: str | None) -> Answers:
        """Errors of the tree when nobody answers, or not with this key."""
        return cls(
            me=client.call("GET", "/me"),
            version=client.server_version(),
            health=_allowed(lambda: client.call("GET", "/health")["items"]),
            parts=_allowed(lambda: client.call("GET", "/parts")["items"]),
            keys=_allowed(lambda: client.list_all("/keys")),
            providers=client.call("GET", "/route/providers")["items"],
            panic=_panic(),
            gateway_url=gateway_url,
            bounds=bounds,
        )


def _allowed(ask: Callable[[], list[Any]]) -> list[Any] | None:
    try:
        return ask()
    except (Forbidden, NotFound):  # an older server may not have it
        return None


def _panic() -> str | None:
    try:
        mode: str | None = client.call("GET", "/admin/panic")["mode"]
    except NotFound:  # an older server
        return None
    return mode


Look = Callable[[Answers], Iterator[Finding]]


def look_at_health(said: Answers) -> Iterator[Finding]:
    """Each dependency, exercised by the server, under its own name."""
    for item in said.health or ():
        name, detail = item["name"], item["detail"]
        if judge := JUDGES.get(item["status"]):
            yield judge(detail, item.get("remedy") or "see the logs in the home", name=name)
        else:
            yield ok(detail, name=name)
    if said.health is None:
        yield unknown(
            "how the parts are is not told to this key", "use a key with the role platform"
        )


def look_at_panic(said: Answers) -> Iterator[Finding]:
    """The brake is not on, or somebody knows."""
    if said.panic:
        yield warning(
            f"a panic is on: {said.panic}",
            "`dd0c panic status` says who put it on and why; `dd0c panic off` releases it",
        )
    else:
        yield ok("no panic is on")


def look_at_versions(said: Answers) -> Iterator[Finding]:
    """Everything that runs is the version that asks."""
    others = {f"the server {said.version}"} if said.version != dd0c.__version__ else set()
    others |= {
        f"{part['kind']} on {part['host']} {part['version']}"
        for part in said.parts or ()
        if part["state"] == "alive" and part["version"] != dd0c.__version__
    }
    if others:
        yield warning(
            f"this is dd0c {dd0c.__version__}, but {', '.join(sorted(others))}",
            "start the old ones again with the new version, or use a command line of theirs",
        )
    else:
        yield ok(f"everything is dd0c {said.version}")


def look_at_parts(said: Answers) -> Iterator[Finding]:
    """Every process reports; those that have an item of health are judged there."""
    judged = {item["name"] for item in said.health or ()}
    for part in said.parts or ():
        where = f"{part['kind']} on {part['host']} (process {part['pid']})"
        for worker in part["facts"].get("workers", ()) if part["state"] == "alive" else ():
            if how := worker.get("crash_loop"):
                yield problem(
                    f"worker {worker['slot']} of the {where} dies again and again: {how}",
                    "its log says of what; the gateway goes on with the others",
                )
        if part["state"] == "stale" and part["kind"] not in judged:
            yield warning(
                f"{where} was not heard of for {part['silent_s']:.0f} s",
                "it was killed, hangs, or does not reach the database: see its log",
            )
    if said.parts is not None:
        alive = sum(part["state"] == "alive" for part in said.parts)
        yield ok(f"{alive} gateways, control servers and job workers report")


def look_at_providers(said: Answers) -> Iterator[Finding]:
    """Somebody answers requests who is not made up, and is not this gateway itself."""
    enabled = [one for one in said.providers if one["enabled"]]
    for one in enabled:
        if said.gateway_url and _same_place(one["base_url"] or "", said.gateway_url):
            yield problem(
                f"the provider {one['name']} is this gateway itself: {one['base_url']}",
                "start `dd0c up` with the provider's own address in its environment",
            )
    real = sorted({one["name"] for one in enabled if not one["simulated"]})
    if real:
        yield ok(", ".join(real))
    elif enabled:
        yield warning("only simulated providers answer", REAL)
    else:
        yield problem("there is no provider: every request is refused", REAL)


def look_at_keys(said: Answers) -> Iterator[Finding]:
    """No key ends soon without anybody knowing."""
    until = said.clock.now() + said.bounds.key_ends_warning
    ending = sorted(
        f"{one['name']} ({one['id']}) on {one['expires_at'][:10]}"
        for one in said.keys or [{**said.me["key"], "expires_at": said.me["expires_at"]}]
        if not (one.get("revoked_at") or one.get("followed_by")) and _ends(one, said.clock, until)
    )
    if ending:
        yield warning(
            f"keys end soon: {', '.join(ending)}", "`dd0c key rotate` makes the next ones"
        )
    else:
        yield ok(f"no key ends within {said.bounds.key_ends_warning.days} days")


def look_at_addresses(said: Answers) -> Iterator[Finding]:
    """Only with --deep: each real provider's port can be reached from here. Nothing is sent."""
    for one in said.providers:
        if not one["enabled"] or one["simulated"] or not one["base_url"]:
            continue
        host, port = client.host_and_port(one["base_url"])
        try:
            socket.create_connection((host, port or 0), CONNECT_S).close()
        except OSError as error:
            yield problem(
                f"{one['name']} at {host} port {port}: {error}",
                "does this machine reach it? Firewalls, proxies and DNS are where to look",
            )
        else:
            yield ok(f"{one['name']} at {host} port {port} can be reached")


def _ends(one: Mapping[str, Any], clock: Clock, until: Any) -> bool:
    moment = output.moment(one["expires_at"])
    return moment is not None and clock.now() < moment < until


def _same_place(one: str, other: str) -> bool:
    (here, port), (there, other_port) = client.host_and_port(one), client.host_and_port(other)
    if port != other_port:
        return False
    return here == there or (client.is_loopback(one) and client.is_loopback(other))


CHECKS: Mapping[str, Look] = {
    "health": look_at_health,
    "panic": look_at_panic,
    "versions": look_at_versions,
    "parts": look_at_parts,
    "providers": look_at_providers,
    "keys": look_at_keys,
}
DEEP_CHECKS: Mapping[str, Look] = {"provider addresses": look_at_addresses}


def unreached(error: Error) -> Finding:
    """Nobody answers, or not with this key."""
    return problem(error.message, error.hint, name="api")
