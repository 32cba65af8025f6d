"""How verbs reach the API: where it is, with which key, and what its errors mean here.

The address is DD0C_URL, else what the `dd0c up` of this home wrote down, else the console port of
the settings. The key is DD0C_KEY, else the home's owner.key, which is never sent to another
machine. A key is no command-line flag: every user of a machine can read the others' flags.
"""

from __future__ import annotations

import ipaddress
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from dd0c.base import errors, settings
from dd0c.base.secrets import Secret

DEADLINE_S = 30.0
PAGE = "100"
_BY_STATUS = {
    kind.status: kind for kind in errors.Error.__subclasses__() if kind is not errors.SetupError
}


@dataclass(frozen=True, slots=True)
class Target:
    """An API and the key to use it with."""

    url: str
    key: Secret


def find_target(environ: Mapping[str, str] | None = None) -> Target:
    """The API these verbs speak to; SetupError when there is no key for it."""
    env = os.environ if environ is None else environ
    here = settings.load(environ=env)
    url = (env.get("DD0C_URL") or _local_url(here)).rstrip("/")
    if not url.startswith(("http://", "https://")):
        raise errors.SetupError(f"DD0C_URL must start with http:// or https://, not {url!r}")
    if key := env.get("DD0C_KEY"):
        return Target(url, Secret(key.strip()))
    if not _is_loopback(url):
        raise errors.SetupError(
            f"there is no key for {url}",
            hint="set DD0C_KEY; the owner key of this machine is not sent to others",
        )
    try:
        return Target(url, Secret((here.home / "owner.key").read_text().strip()))
    except FileNotFoundError:
        hint = "start dd0c here with `dd0c up`, or set DD0C_URL and DD0C_KEY"
        raise errors.SetupError(f"there is no dd0c in {here.home}", hint=hint) from None
    except OSError as error:
        hint = "run as the user that started dd0c, or set DD0C_KEY"
        raise errors.SetupError(f"owner.key cannot be read: {error.strerror}", hint=hint) from None


def call(
    method: str,
    path: str,
    *,
    body: Mapping[str, Any] | None = None,
    query: Mapping[str, str | None] | None = None,
) -> Any:
    """The decoded JSON answer of `/api/v1{path}`; an error of the tree when it is none."""
    with _connect() as client:
        answer = client.request(method, path, json=body, params=_given(query))
        _check(answer)
        return answer.json()


def list_all(path: str) -> list[Any]:
    """The items of every page of `/api/v1{path}`."""
    items: list[Any] = []
    cursor = None
    while True:
        page = call("GET", path, query={"cursor": cursor, "limit": PAGE})
        items += page["items"]
        cursor = page.get("next_cursor")
        if cursor is None:
            return items


def stream_text(path: str, query: Mapping[str, str | None]) -> Iterator[str]:
    """The answer of `/api/v1{path}` as text, piece by piece: exports may be large."""
    with _connect() as client, client.stream("GET", path, params=_given(query)) as answer:
        if answer.is_error:
            answer.read()
        _check(answer)
        yield from answer.iter_text()


@contextmanager
def _connect() -> Iterator[httpx.Client]:
    target = find_target()
    try:
        with httpx.Client(
            base_url=f"{target.url}/api/v1",
            headers={"Authorization": f"Bearer {target.key.reveal()}"},
            timeout=DEADLINE_S,
            trust_env=not _is_loopback(target.url),  # no proxy stands before this machine
        ) as client:
            yield client
    except httpx.TimeoutException:
        raise errors.Timeout(
            f"{target.url} did not answer within {DEADLINE_S:.0f} s", hint="dd0c doctor"
        ) from None
    except httpx.TransportError as error:
        raise errors.Unavailable(
            f"no dd0c answers at {target.url} ({error})",
            hint="start it with `dd0c up`, or set DD0C_URL; `dd0c doctor` finds out more",
        ) from None


def _check(answer: httpx.Response) -> None:
    if not answer.is_error:
        return
    try:
        problem = answer.json()
    except (json.JSONDecodeError, UnicodeDecodeError):
        problem = None
    if not isinstance(problem, dict) or "detail" not in problem:
        problem = {"detail": f"HTTP {answer.status_code} from {answer.url}: is that a dd0c?"}
    kind = _BY_STATUS.get(answer.status_code, errors.Internal)
    raise kind(str(problem["detail"]), hint=str(problem.get("hint") or ""))


def _given(query: Mapping[str, str | None] | None) -> dict[str, str]:
    return {name: value for name, value in (query or {}).items() if value is not None}


def read_facts(home: Path) -> dict[str, Any] | None:
    """What the `dd0c up` of this home wrote down, maybe long ago; None when it is not readable."""
    try:
        facts = json.loads((home / "run" / "up.json").read_text())
    except (OSError, ValueError):
        return None
    return facts if isinstance(facts, dict) else None


def _local_url(here: settings.Settings) -> str:
    facts = read_facts(here.home) or {}
    return str(facts.get("console_url") or f"http://127.0.0.1:{here.console_port}")


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
