"""Secret files on this machine: made once, whole or not at all, readable by their owner only.

The key-encryption key, the key pepper and the first owner key live in such files. Reading refuses
a file that others may read: a secret that was open for a while must be replaced, not tightened.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dd0c.base import secrets
from dd0c.base.errors import SetupError
from dd0c.base.secrets import Secret

SIZE_BYTES_MAX = 4096
RESTORE = "restore it from a backup of the home; nothing was changed here"


def read(path: Path, *, remedy: str = RESTORE) -> Secret:
    """The secret in the file, without the line end; SetupError when missing, open or no secret.

    `remedy` is the hint where the file is damaged.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        raise SetupError(
            f"{path} is missing", hint="`dd0c up` makes it; restore it from a backup if you had one"
        ) from None
    except OSError as error:
        raise SetupError(f"{path} cannot be read: {error.strerror}") from error
    try:
        mode = os.fstat(descriptor).st_mode
        content = os.read(descriptor, SIZE_BYTES_MAX + 1) if stat.S_ISREG(mode) else b""
    finally:
        os.close(descriptor)
    if broader := stat.S_IMODE(mode) & 0o077:
        raise SetupError(
            f"{path} can be used by others (mode bits {broader:03o})",
            hint=f"replace the secret if somebody may have read it, then: chmod 600 {path}",
        )
    if not content or len(content) > SIZE_BYTES_MAX or not content.isascii():
        what = "does not hold a secret of dd0c" if content else "is empty"
        raise SetupError(f"{path} {what}", hint=remedy)
    return secrets.keep(Secret(content.decode("ascii").strip()))


def ensure(path: Path, make: Callable[[], Secret], *, remedy: str = RESTORE) -> Secret:
    """The secret in the file; where there is none, `make()` is written to it first.

    The file appears under its name complete and synced, so a crash leaves none or a whole one, and
    of two processes that start at once one wins and both read the same secret.
    """
    if path.exists():
        return read(path, remedy=remedy)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(FileExistsError), _draft(path, make()) as draft:
        os.link(draft, path)  # unlike rename, never replaces a file that came meanwhile
    return read(path, remedy=remedy)


def replace(path: Path, secret: Secret) -> None:
    """The file holds this secret instead: after a crash the old content or the new, whole."""
    if len(secret) >= SIZE_BYTES_MAX:
        raise SetupError(
            f"{path} has no room for one more", hint="take out lines that nothing is under any more"
        )
    with _draft(path, secret) as draft:
        draft.replace(path)


@contextmanager
def _draft(path: Path, secret: Secret) -> Iterator[Path]:
    """A synced file beside `path` that the block gives its name; the folder is synced then."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with open(os.open(draft, flags, 0o600), "wb") as file:
            file.write(secret.reveal().encode("ascii") + b"\n")
            file.flush()
            os.fsync(file.fileno())
        yield draft
        _sync_folder(path.parent)
    finally:
        draft.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
