"""Profiles: installations by name, each with its address and key.

    use = "staging"                        what is used where nothing else is said

    [profiles.staging]
    url = "https://dd0c.staging.example.net"
    key_file = "/run/secrets/dd0c"         or `key`, in the file itself

The file is `$XDG_CONFIG_HOME/dd0c/config.toml` (default `~/.config`). `dd0c profile` writes it
whole. A key that others may read is not used: neither the file that holds one nor a `key_file` may
be open to them.
"""

from __future__ import annotations

import json
import re
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dd0c.base import home as homes
from dd0c.base.errors import InvalidInput, NotFound, SetupError
from dd0c.base.secrets import Secret

NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
FIELDS = {"url", "key", "key_file"}


@dataclass(frozen=True, slots=True)
class Profile:
    """An installation. The key is here or in a file of its own, or nowhere yet."""

    url: str
    key: Secret | None = None
    key_file: Path | None = None

    def read_key(self) -> Secret | None:
        """The key; SetupError where its file cannot be read, or others can read it."""
        if self.key_file is None:
            return self.key
        try:
            _refuse_open(self.key_file)
            return Secret(self.key_file.read_text().strip())
        except OSError as error:
            raise SetupError(f"{self.key_file} cannot be read: {error.strerror}") from None


@dataclass(frozen=True, slots=True)
class Profiles:
    """What the file holds; `use` is the name of the one that is used by default."""

    path: Path
    by_name: Mapping[str, Profile]
    use: str | None = None

    def get(self, name: str) -> Profile:
        """The profile of that name; NotFound names those that there are."""
        if name not in self.by_name:
            known = ", ".join(sorted(self.by_name)) or "none"
            raise NotFound(
                f"{self.path} has no profile {name!r}",
                hint=f"it has: {known}; `dd0c profile add {name} --url …` makes one",
            )
        return self.by_name[name]


def load(environ: Mapping[str, str]) -> Profiles:
    """The profiles of this user, none where there is no file; SetupError says what is wrong."""
    folder = environ.get("XDG_CONFIG_HOME") or "~/.config"
    path = Path(folder).expanduser().absolute() / "dd0c" / "config.toml"
    try:
        content = tomllib.loads(path.read_text())
        found = {name: _read(one) for name, one in content.get("profiles", {}).items()}
        use = content.get("use")
        if use is not None and use not in found:
            raise ValueError(f"`use` names {use!r}, which is no profile of it")
        if any(one.key for one in found.values()):
            _refuse_open(path)
    except FileNotFoundError:
        return Profiles(path, {})
    except OSError as error:
        raise SetupError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, TypeError, AttributeError) as error:
        raise SetupError(f"{path} is not what it should be: {error}", hint="mend it") from None
    return Profiles(path, found, use)


def save(profiles: Profiles) -> None:
    """Write the file whole, for nobody else to read."""
    lines = [f"use = {_quoted(profiles.use)}", ""] if profiles.use else []
    for name, one in sorted(profiles.by_name.items()):
        lines += [f"[profiles.{name}]", f"url = {_quoted(one.url)}"]
        if one.key is not None:
            lines.append(f"key = {_quoted(one.key.reveal())}")
        if one.key_file is not None:
            lines.append(f"key_file = {_quoted(str(one.key_file))}")
        lines.append("")
    profiles.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    homes.write_atomically(profiles.path, "\n".join(lines))


def check_name(name: str) -> str:
    """The name when it can be one."""
    if not NAME.fullmatch(name):
        raise InvalidInput(f"{name!r} is no name: letters, digits, - and _ make one, up to 64")
    return name


def check_url(url: str, what: str) -> str:
    """The address without its last slash, when it is one of HTTP."""
    try:
        address = urlsplit(url)
        right = address.scheme in ("http", "https") and address.hostname and url.isprintable()
    except ValueError:
        right = False
    if not right:
        raise SetupError(f"{what} must start with http:// or https://, not {url!r}")
    return url.rstrip("/")


def _read(one: Mapping[str, Any]) -> Profile:
    if unknown := sorted(set(one) - FIELDS):
        raise ValueError(f"a profile has no {unknown[0]!r}")
    if "url" not in one or not all(isinstance(value, str) for value in one.values()):
        raise ValueError("a profile has a url, and a key or a key_file, all of them texts")
    key, key_file = one.get("key"), one.get("key_file")
    return Profile(
        url=check_url(one["url"], "the url of a profile"),
        key=None if key is None else Secret(key),
        key_file=None if key_file is None else Path(key_file).expanduser(),
    )


def _refuse_open(path: Path) -> None:
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise SetupError(
            f"{path} holds a key and others may read it",
            hint=f"chmod 600 {path}; then make a new key, as this one may be known",
        )


def _quoted(text: str) -> str:
    """Printable text as TOML: its basic strings are those of JSON."""
    return json.dumps(text, ensure_ascii=False)
