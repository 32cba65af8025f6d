"""A backup's file: a zip whose last member says what the others are.

    database.dump   pg_dump's own format        spool/…   what gateways had not shipped yet
    keys.sealed     key material under a passphrase, where it was asked for
    manifest.json   format, version, time, fingerprints, rows by table, SHA-256 of each member

It gets its name when it is whole and on the disk. The hashes find damage, not malice: whoever can
write the file can write them too.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from dd0c.base.errors import SetupError

FORMAT = 1
DUMP, KEYS, MANIFEST, SPOOL = "database.dump", "keys.sealed", "manifest.json", "spool"
PIECE_BYTES = 1 << 20
MANIFEST_BYTES_MAX = 16 * 1024**2


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup says of itself. `migrations` by schema; `counts` are rows by table."""

    format: int
    version: str
    made_at: str
    installation: str
    fingerprints: Mapping[str, str]
    migrations: Mapping[str, list[str]]
    counts: Mapping[str, int]
    members: Mapping[str, str]

    @property
    def has_keys(self) -> bool:
        """Whether the key material is in it."""
        return KEYS in self.members


class Writer:
    """A file that is being written."""

    def __init__(self, file: IO[bytes]):
        self._zip = zipfile.ZipFile(file, "w", zipfile.ZIP_STORED)
        self.members: dict[str, str] = {}

    @contextmanager
    def member(self, name: str) -> Iterator[Callable[[bytes], object]]:
        """A member; the block gets what takes its content piece by piece."""
        digest = hashlib.sha256()
        with self._zip.open(name, "w", force_zip64=True) as inside:

            def take(piece: bytes) -> None:
                digest.update(piece)
                inside.write(piece)

            yield take
        self.members[name] = digest.hexdigest()

    def finish(self, manifest: Manifest) -> None:
        """Nothing is added any more."""
        self._zip.writestr(MANIFEST, json.dumps(asdict(manifest), indent=1) + "\n")
        self._zip.close()


@contextmanager
def create(path: Path) -> Iterator[Writer]:
    """A new file, for its owner only; it is there at the end of the block, or not at all."""
    if path.exists():
        raise SetupError(f"{path} is there already", hint="choose another name, or move it away")
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        with open(os.open(beside, flags, 0o600), "wb") as file:
            yield Writer(file)
            file.flush()
            os.fsync(file.fileno())
        os.link(beside, path)  # unlike rename, never replaces a file that came meanwhile
    except OSError as error:
        raise SetupError(f"{path} cannot be written: {error.strerror}") from error
    finally:
        beside.unlink(missing_ok=True)


class Reader:
    """A backup that is whole."""

    def __init__(self, inside: zipfile.ZipFile, manifest: Manifest):
        self._zip = inside
        self.manifest = manifest

    def read(self, name: str) -> bytes:
        """A small member."""
        return self._zip.read(name)

    def extract(self, name: str, path: Path) -> None:
        """A member as a new file, for its owner only."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with self._zip.open(name) as source, open(os.open(path, flags, 0o600), "wb") as target:
            while piece := source.read(PIECE_BYTES):
                target.write(piece)

    def list_spool(self) -> list[PurePosixPath]:
        """Where the members of the spool lie in a spool."""
        names = [PurePosixPath(name) for name in self.manifest.members]
        found = [name.relative_to(SPOOL) for name in names if name.parts[0] == SPOOL]
        return [name for name in found if ".." not in name.parts and not name.is_absolute()]


@contextmanager
def read(path: Path) -> Iterator[Reader]:
    """A file for the block; SetupError for one that is damaged, no backup, or a newer format."""
    try:
        with zipfile.ZipFile(path) as inside:
            manifest = _manifest(inside, path)
            for name, digest in manifest.members.items():
                if _digest(inside, name) != digest:
                    raise SetupError(f"{path} is damaged: {name} has changed", hint=HINT)
            yield Reader(inside, manifest)
    except zipfile.BadZipFile as error:
        raise SetupError(f"{path} is damaged or no backup: {error}", hint=HINT) from None
    except OSError as error:
        raise SetupError(f"{path} cannot be read: {error.strerror}") from error


HINT = "use another backup: this one cannot be relied on"


def _manifest(inside: zipfile.ZipFile, path: Path) -> Manifest:
    try:
        with inside.open(MANIFEST) as file:
            said = json.loads(file.read(MANIFEST_BYTES_MAX))
        found_format = int(said["format"])
        if found_format == FORMAT:
            return Manifest(**said)
    except (KeyError, ValueError, TypeError):
        raise SetupError(f"{path} is no backup of dd0c", hint=HINT) from None
    raise SetupError(
        f"{path} has format {found_format}, this dd0c reads {FORMAT}",
        hint="restore it with the dd0c that made it, or a newer one",
    )


def _digest(inside: zipfile.ZipFile, name: str) -> str | None:
    digest = hashlib.sha256()
    try:
        with inside.open(name) as file:
            while piece := file.read(PIECE_BYTES):
                digest.update(piece)
    except KeyError:
        return None
    return digest.hexdigest()
