"""How verbs reach the API: where it is, with which key, and what its errors mean here.

Address and key come from, first wins: `--profile`; DD0C_URL and DD0C_KEY; the profile of
DD0C_PROFILE, else the one chosen by `dd0c profile use`; the dd0c of this machine, which is where
its `dd0c up` wrote that it listens, with the home's owner.key. Every error says which it was.

A key goes only where it belongs: a profile's to that profile's address, the owner.key to this
machine. A key is no command-line flag: every user of a machine can read the others' flags.
"""

from __future__ import annotations

import codecs
import ipaddress
import json
import os
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
import httpx

from dd0c.base import errors, settings
from dd0c.base.secrets import Secret
from dd0c.cli import output, profiles, progress

DEADLINE_S = 30.0
PAGE = "100"
PANIC = "x-dd0c-panic"
_BY_STATUS = {
    kind.status: kind for kind in errors.Error.__subclasses__() if kind is not errors.SetupError
}


@dataclass(frozen=True, slots=True)
class Target:
    """An API and the key to use it with, and where either was found."""

    url: str
    key: Secret
    url_from: str
    key_from: str


def find_target(environ: Mapping[str, str] | None = None, profile: str | None = None) -> Target:
    """The API these verbs speak to (`profile`: as the flag says); SetupError without a key."""
    env = os.environ if environ is None else environ
    url, key = env.get("DD0C_URL"), env.get("DD0C_KEY")
    if profile is not None:
        return _of_profile(env, profile, f"profile {profile}", None)
    if url:
        url = profiles.check_url(url, "DD0C_URL")
        if key:
            return Target(url, Secret(key.strip()), "DD0C_URL", "DD0C_KEY")
        return _of_host(settings.load(environ=env), url, "DD0C_URL")
    if name := env.get("DD0C_PROFILE"):
        return _of_profile(env, name, f"profile {name} (DD0C_PROFILE)", key)
    if name := profiles.load(env).use:
        return _of_profile(env, name, f"profile {name} (`dd0c profile use`)", key)
    here = settings.load(environ=env)
    url, url_from = _local_url(here)
    if key:
        return Target(url, Secret(key.strip()), url_from, "DD0C_KEY")
    return _of_host(here, url, url_from)


def is_elsewhere(environ: Mapping[str, str], profile: str | None) -> bool:
    """Whether verbs would speak to something else than what this home's settings say."""
    return bool(
        profile
        or environ.get("DD0C_URL")
        or environ.get("DD0C_PROFILE")
        or profiles.load(environ).use
    )


def chosen_profile() -> str | None:
    """What --profile says in the command that runs."""
    context = click.get_current_context(silent=True)
    given = context.find_root().params.get("profile") if context else None
    return given if isinstance(given, str) else None


def call(
    method: str,
    path: str,
    *,
    body: Mapping[str, Any] | None = None,
    query: Mapping[str, str | None] | None = None,
    deadline_s: float = DEADLINE_S,
) -> Any:
    """The decoded JSON answer of `/api/v1{path}`; an error of the tree when it is none."""
    with _connect(deadline_s) as (target, client):
        answer = client.request(method, f"/api/v1{path}", json=body, params=_given(query))
        _check(answer, target)
        return answer.json()


def list_all(path: str, query: Mapping[str, str | None] | None = None) -> list[Any]:
    """The items of every page of `/api/v1{path}`."""
    return list(iterate(path, query))


def iterate(path: str, query: Mapping[str, str | None] | None = None) -> Iterator[Any]:
    """The items of `/api/v1{path}`, page by page as they are asked for."""
    cursor = None
    while True:
        page = call("GET", path, query={"limit": PAGE, **(query or {}), "cursor": cursor})
        yield from page["items"]
        cursor = page.get("next_cursor")
        if cursor is None:
            return


def stream(path: str, query: Mapping[str, str | None], *, quiet: bool = False) -> Iterator[bytes]:
    """The answer of `/api/v1{path}`, piece by piece: exports may be large. `quiet`: the caller says
    itself how far it is."""
    with (
        _connect(DEADLINE_S, quiet=quiet) as (target, client),
        client.stream("GET", f"/api/v1{path}", params=_given(query)) as answer,
    ):
        if answer.is_error:
            answer.read()
        _check(answer, target)
        yield from answer.iter_bytes()


def stream_text(path: str, query: Mapping[str, str | None]) -> Iterator[str]:
    """The answer of `/api/v1{path}` as text, piece by piece."""
    return codecs.iterdecode(stream(path, query), "utf-8")


def server_version() -> str:
    """The version of the dd0c that answers."""
    with _connect(DEADLINE_S) as (target, client):
        answer = client.get("/api/openapi.json")
        _check(answer, target)
        return str(answer.json()["info"]["version"])


@contextmanager
def _connect(deadline_s: float, *, quiet: bool = False) -> Iterator[tuple[Target, httpx.Client]]:
    target = find_target(profile=chosen_profile())
    try:
        with (
            nullcontext() if quiet else progress.working(f"asking {target.url} …"),
            httpx.Client(
                base_url=target.url,
                headers={"Authorization": f"Bearer {target.key.reveal()}"},
                timeout=deadline_s,
                verify=_trusted(target.url),
                trust_env=not is_loopback(target.url),  # no proxy stands before this machine
            ) as client,
        ):
            yield target, client
    except httpx.TimeoutException:
        raise errors.Timeout(
            f"{target.url} ({target.url_from}) did not answer within {deadline_s:.0f} s",
            hint="dd0c doctor",
        ) from None
    except httpx.TransportError as error:
        raise errors.Unavailable(
            f"no dd0c answers at {target.url} ({target.url_from}): {error}",
            hint="start it with `dd0c up`, or say where it is with DD0C_URL or a profile; "
            "`dd0c doctor` finds out more",
        ) from None
    except UnicodeEncodeError:
        raise errors.Unauthenticated(
            f"the key of {target.key_from} has a character that keys do not use"
        ) from None


def _trusted(url: str) -> bool | ssl.SSLContext:
    """The machine's certificates, or nobody's where none is shown: reading them takes 20 ms."""
    return urlsplit(url).scheme == "https" or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _check(answer: httpx.Response, target: Target) -> None:
    _note_panic(answer.headers.get(PANIC))
    if not answer.is_error:
        return
    try:
        problem = answer.json()
    except (json.JSONDecodeError, UnicodeDecodeError):
        problem = None
    if not isinstance(problem, dict) or "detail" not in problem:
        problem = {"detail": f"HTTP {answer.status_code} from {answer.url}: is that a dd0c?"}
    kind = _BY_STATUS.get(answer.status_code, errors.Internal)
    message = str(problem["detail"])
    if kind in (errors.Unauthenticated, errors.Forbidden):
        message = f"{message} (key of {target.key_from} at {target.url})"
    raise kind(message, hint=_hint(problem))


def _note_panic(mode: str | None) -> None:
    """One line, once, by every verb but those that are about it."""
    context = click.get_current_context(silent=True)
    if mode is None or context is None or context.command_path.startswith("dd0c panic"):
        return
    if not context.find_root().meta.setdefault(PANIC, False):
        context.find_root().meta[PANIC] = True
        output.tell("panic:", "red", f"{mode} is on: `dd0c panic status` says since when and why")


def _hint(problem: dict[str, Any]) -> str:
    """What to do. Who types a command is told of its words, not of HTTP's."""
    hint = str(problem.get("hint") or "")
    if "/api/openapi.json" not in hint:
        return hint
    context = click.get_current_context(silent=True)
    return f"{context.command_path} --help" if context else ""


def _given(query: Mapping[str, str | None] | None) -> dict[str, str]:
    return {name: value for name, value in (query or {}).items() if value is not None}


def read_facts(home: Path) -> dict[str, Any] | None:
    """What the `dd0c up` of this home wrote down, maybe long ago; None when it is not readable."""
    try:
        facts = json.loads((home / "run" / "up.json").read_text())
    except (OSError, ValueError):
        return None
    return facts if isinstance(facts, dict) else None


def _of_profile(env: Mapping[str, str], name: str, source: str, key: str | None) -> Target:
    one = profiles.load(env).get(name)
    if key:
        return Target(one.url, Secret(key.strip()), source, "DD0C_KEY")
    read = one.read_key()
    if read is None:
        raise errors.SetupError(
            f"{source} has no key", hint=f"dd0c profile add {name} --url {one.url}"
        )
    return Target(one.url, read, source, source)


def _of_host(here: settings.Settings, url: str, url_from: str) -> Target:
    """With the owner.key of this home, which no other machine ever gets."""
    if not is_loopback(url):
        raise errors.SetupError(
            f"there is no key for {url}",
            hint="set DD0C_KEY; the owner key of this machine is not sent to others",
        )
    path = here.home / "owner.key"
    try:
        return Target(url, Secret(path.read_text().strip()), url_from, str(path))
    except FileNotFoundError:
        hint = "start dd0c here with `dd0c up`, or set DD0C_URL and DD0C_KEY, or add a profile"
        raise errors.SetupError(f"there is no dd0c in {here.home}", hint=hint) from None
    except OSError as error:
        hint = "run as the user that started dd0c, or set DD0C_KEY"
        raise errors.SetupError(f"owner.key cannot be read: {error.strerror}", hint=hint) from None


def _local_url(here: settings.Settings) -> tuple[str, str]:
    if url := (read_facts(here.home) or {}).get("console_url"):
        return str(url), f"the dd0c of {here.home}"
    return f"http://127.0.0.1:{here.console_port}", "the settings of this machine"


def is_loopback(url: str) -> bool:
    """Whether the address is this machine itself."""
    host, _ = host_and_port(url)
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def host_and_port(url: str) -> tuple[str, int | None]:
    """Where an address leads to; nowhere when it is none."""
    try:
        address = urlsplit(url)
        return address.hostname or "", address.port or {"http": 80, "https": 443}.get(
            address.scheme
        )
    except ValueError:
        return "", None
