"""The folder with all state of an embedded installation, and where its parts lie.

    home.json   marks the folder as ours     secrets/   0700, files 0600
    owner.key   the first key                postgres/  valkey/   spool/<gateway>/
    run/        facts of what runs now       log/       sockets/  (or a short folder below /tmp)

A folder that holds anything and has no marker is never touched. As root the folder itself is 0711,
not 0700: the account of the embedded services must pass through it; everything inside is closed.

A socket's path may have 107 bytes, and as root its folder must be reachable for the account of the
services. Where the home cannot offer that, the sockets lie in `/tmp/dd0c-<uid>-<hash of the home>`;
every process works that out for itself.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dd0c.base import ids, process
from dd0c.base.errors import SetupError

FORMAT = 1
MARKER = "home.json"
MB = 1024**2
SOCKET_PATH_BYTES_MAX = 107
LONGEST_SOCKET = ".s.PGSQL.5432.lock"
SHORT_ROOT = Path("/tmp")  # noqa: S108 - the folder below is made 0700 and its owner checked
OURS_BEFORE_MARKER = {"dd0c.toml", "secrets", MARKER + ".new"}


@dataclass(frozen=True, slots=True)
class Home:
    """An opened home. Paths inside it are properties; `installation` is its id as text."""

    path: Path
    installation: str

    @property
    def secrets(self) -> Path:
        return self.path / "secrets"

    @property
    def postgres(self) -> Path:
        return self.path / "postgres"

    @property
    def valkey(self) -> Path:
        return self.path / "valkey"

    @property
    def spool(self) -> Path:
        return self.path / "spool"

    @property
    def run(self) -> Path:
        return self.path / "run"

    @property
    def log(self) -> Path:
        return self.path / "log"

    @property
    def owner_key(self) -> Path:
        return self.path / "owner.key"

    @property
    def sockets(self) -> Path:
        """The folder of the services' sockets."""
        inside = self.path / "sockets"
        fits = len(os.fsencode(inside / LONGEST_SOCKET)) <= SOCKET_PATH_BYTES_MAX
        if fits and process.reaches(process.service_account(), self.path):
            return inside
        digest = hashlib.sha256(os.fsencode(self.path)).hexdigest()[:8]
        return SHORT_ROOT / f"dd0c-{os.geteuid()}-{digest}"


def create(path: Path) -> Home:
    """The home at `path`, made when there is none; SetupError when the folder is not ours."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        _refuse_foreign(path)
        path.chmod(0o711 if os.geteuid() == 0 else 0o700)
        if not (path / MARKER).exists():
            write_atomically(path / MARKER, _marker() + "\n")
        home = find(path)
        for folder in (home.secrets, home.spool, home.run, home.log):
            folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        hint = "make room there" if full else "choose another folder with --home"
        raise SetupError(f"{path} cannot be used: {error.strerror}", hint=hint) from error
    return home


def refuse_full(home: Home, bytes_min: int) -> None:
    """SetupError when less is free on the home's disk: what starts would only fall over it."""
    free = shutil.disk_usage(home.path).free
    if free < bytes_min:
        raise SetupError(
            f"only {free // MB} MB are free under {home.path}: a start takes {bytes_min // MB} MB",
            hint="make room there, or choose another folder with --home",
        )


def find(path: Path) -> Home:
    """The home at `path` as it is; SetupError when it is none."""
    try:
        marker: Any = json.loads((path / MARKER).read_text())
        home_format, installation = int(marker["format"]), str(marker["installation"])
    except FileNotFoundError:
        raise SetupError(
            f"{path} is not a home of dd0c", hint="start `dd0c up` first, or set DD0C_HOME"
        ) from None
    except OSError as error:
        raise SetupError(f"{path / MARKER} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError):
        raise SetupError(
            f"{path / MARKER} is damaged: it should say which installation this is",
            hint=f"restore it from a backup, or write into it: {_marker()}",
        ) from None
    if home_format != FORMAT:
        whose = "a newer" if home_format > FORMAT else "an unknown"
        raise SetupError(
            f"{path} was made by {whose} dd0c (format {home_format}, this one reads {FORMAT})",
            hint="start the dd0c that made it, or choose another folder with --home",
        )
    return Home(path, installation)


def _marker() -> str:
    return json.dumps(
        {"format": FORMAT, "installation": ids.text(ids.Kind.INSTALLATION, ids.new())}
    )


def write_atomically(path: Path, text: str, *, mode: int = 0o600) -> None:
    """Replace a file of the home as a whole: a crash leaves the old content or the new."""
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def _refuse_foreign(path: Path) -> None:
    if path.stat().st_uid != os.geteuid():
        raise SetupError(f"{path} belongs to another user", hint="choose another folder: --home")
    names = {entry.name for entry in path.iterdir()}
    if MARKER not in names and names - OURS_BEFORE_MARKER:
        raise SetupError(
            f"{path} is not empty and not a home of dd0c",
            hint="choose an empty or new folder with --home or DD0C_HOME",
        )
