"""What the embedded servers share: an account, folders they can reach, a lock they hold.

The lock is one of locks.py that a server and all its processes inherit.
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from dd0c.base import locks, process
from dd0c.base.errors import SetupError
from dd0c.base.home import Home

ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
LOCK_WITHIN_S = 30.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server runs: `data` and `packages` are paths as the server sees them."""

    account: process.Account | None
    data: Path
    packages: Path
    binds: tuple[process.Bind, ...] = ()


def place(home: Home, data: Path, packages: Path) -> Place:
    """Make the folders of a server. `packages` is where the wheel with its binaries is installed.

    What the server's account cannot reach is bound below the folder of the sockets.
    """
    account = process.service_account()
    _own(home.sockets, account)
    _own(data, account)
    if process.reaches(account, home.path) and process.reaches(account, packages):
        return Place(account, data, packages)
    seen_data, seen_packages = home.sockets / "data", home.sockets / "packages"
    for target in (seen_data, seen_packages):
        target.mkdir(exist_ok=True)
    binds = (process.Bind(data, seen_data), process.Bind(packages, seen_packages))
    return Place(account, seen_data, seen_packages, binds)


def _own(folder: Path, account: process.Account | None) -> None:
    """The folder exists, closed, and belongs to the account; SetupError when it is another's."""
    uid = os.geteuid() if account is None else account.uid
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        state = folder.lstat()
        if state.st_uid == uid and state.st_mode == 0o40700:
            return
        if state.st_uid != os.geteuid() or any(folder.iterdir()):
            raise SetupError(
                f"{folder} belongs to another account or is open to others",
                hint="start dd0c as the user who started it first, or choose another DD0C_HOME",
            ) from None
    folder.chmod(0o700)
    if account is not None:
        os.chown(folder, account.uid, account.gid)


def lock(path: Path, *, within_s: float = LOCK_WITHIN_S) -> AbstractContextManager[int]:
    """Hold the lock of a server in the block; all its processes inherit the descriptor."""
    return locks.held(
        path,
        within_s=within_s,
        taken=f"{path} is held by a process that still runs",
        hint="another dd0c uses this home: stop it, or choose another DD0C_HOME",
    )
