"""Blobs as files below the home: for one machine, or a shared file system.

    content/3f/0197a0c0-…     the chunks one after the other        ….part   being written

Folders are 0700, files 0600. A file gets its name when all of it is on the disk, and the name is on
the disk before anybody is told of it.
"""

from __future__ import annotations

import asyncio
import errno
import os
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import ParamSpec, TypeVar

from dd0c.base.errors import Unavailable
from dd0c.kernel.content.chunks import SEALED_BYTES
from dd0c.kernel.content.places import Write

NAME = "files"
PART = ".part"

P = ParamSpec("P")
T = TypeVar("T")


class Files:
    """Files in a folder, in subfolders by the last two digits of their id, which are random."""

    name = NAME

    def __init__(self, folder: Path):
        self._folder = folder

    @asynccontextmanager
    async def writing(self, org: uuid.UUID, blob: uuid.UUID) -> AsyncIterator[Write]:
        part = self._path(blob, PART)
        descriptor = await _calmly(_create, part)

        async def write(sealed: bytes) -> None:
            await _calmly(_write_all, descriptor, sealed)

        try:
            yield write
            await _calmly(os.fsync, descriptor)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        finally:
            os.close(descriptor)
        await _calmly(_publish, part, self._path(blob))

    async def read(self, org: uuid.UUID, blob: uuid.UUID, number: int) -> bytes | None:
        return await _calmly(_read, self._path(blob), number * SEALED_BYTES)

    async def delete(self, org: uuid.UUID, blob: uuid.UUID) -> None:
        await self.delete_orphan(blob)

    async def delete_orphan(self, blob: uuid.UUID) -> None:
        for ending in ("", PART):
            await _calmly(self._path(blob, ending).unlink, missing_ok=True)

    async def list_blobs(self) -> AsyncIterator[uuid.UUID]:
        for folder in await _calmly(_names, self._folder):
            for name in await _calmly(_names, self._folder / folder):
                try:
                    yield uuid.UUID(name.removesuffix(PART))
                except ValueError:
                    continue  # not ours: somebody put it there

    def _path(self, blob: uuid.UUID, ending: str = "") -> Path:
        return self._folder / blob.hex[-2:] / f"{blob}{ending}"


async def _calmly(do: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """In a thread; a disk that refuses is Unavailable."""
    try:
        return await asyncio.to_thread(do, *arguments, **named)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise Unavailable(
            f"content cannot be kept in files: {error.strerror}",
            hint="make room on the disk of the home" if full else "see DD0C_CONTENT",
        ) from error


def _create(part: Path) -> int:
    for folder in (part.parent.parent, part.parent):
        folder.mkdir(mode=0o700, exist_ok=True)
    return os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _publish(part: Path, path: Path) -> None:
    part.rename(path)
    for folder in (path.parent, path.parent.parent, path.parent.parent.parent):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _read(path: Path, offset: int) -> bytes | None:
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(SEALED_BYTES) or None
    except FileNotFoundError:
        return None


def _names(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []
