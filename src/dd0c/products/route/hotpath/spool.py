"""The spool: records of attempts on local disk until the ledger has them (R-15).

A record is one frame, written by one write(2) to a file that only this worker appends to:

    0xD0 | length, 3 bytes | CRC-32 of the payload, 4 bytes | payload: msgpack of a SpoolRecord

What write(2) took survives kill -9 of every process; a power cut loses at most `sync_ms` of it. A
frame that could be written only in part is cut off again, so that a full disk leaves no torn record
in the middle. Files are named `<slot>-<pid>-<chance>-<seq>.spool`; a new one is begun at
`rotate_bytes`. The chance tells a worker from the one that had its pid before: after a restart of a
container that is the rule, and no clock that may be set back can tell. `decode` is pure: the
shipper reads with it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import struct
import zlib
from pathlib import Path
from typing import NamedTuple

import msgspec

from dd0c.base.errors import Unavailable
from dd0c.products.route.models import SpoolRecord

MAGIC = 0xD0
HEADER_BYTES = 8
ROTATE_BYTES = 64 * 1024 * 1024

_HEADER = struct.Struct(">II")
_log = logging.getLogger(__name__)
_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[SpoolRecord] = msgspec.msgpack.Decoder(SpoolRecord)


class Decoded(NamedTuple):
    """Whole records, how many bytes they took, and what is wrong with the bytes after them.

    No error and bytes left over: the last frame is not (yet) complete.
    """

    records: list[SpoolRecord]
    consumed: int
    error: str | None


def encode(record: SpoolRecord) -> bytes:
    """The frame of a record."""
    return frame(_encoder.encode(record))


def frame(payload: bytes) -> bytes:
    """The same for a record that is packed already."""
    return _HEADER.pack(MAGIC << 24 | len(payload), zlib.crc32(payload)) + payload


def decode(buffer: bytes | memoryview) -> Decoded:
    """The records at the beginning of a buffer, up to the first frame that is torn or bad."""
    view = memoryview(buffer)
    records: list[SpoolRecord] = []
    at = 0
    while len(view) - at >= HEADER_BYTES:
        if view[at] != MAGIC:
            return Decoded(records, at, "no frame begins here")
        start = at + HEADER_BYTES
        end = start + int.from_bytes(view[at + 1 : at + 4], "big")
        if end > len(view):
            break
        if zlib.crc32(view[start:end]) != int.from_bytes(view[at + 4 : start], "big"):
            return Decoded(records, at, "the checksum is wrong")
        try:
            records.append(_decoder.decode(view[start:end]))
        except msgspec.DecodeError as error:
            return Decoded(records, at, f"whole, but not of this version: {error}")
        at = end
    return Decoded(records, at, None)


class SpoolWriter:
    """Appends records to this worker's spool files. `write` raises Unavailable and leaves no trace
    when the disk does not take a record."""

    def __init__(self, folder: Path, slot: int, sync_ms: int, rotate_bytes: int = ROTATE_BYTES):
        self._folder = folder
        self._stem = f"{slot}-{os.getpid()}-{os.urandom(4).hex()}"
        self._rotate_bytes = rotate_bytes
        self._sequence = 1
        self._fd = -1
        self._size = 0
        self._dirty = False
        self._sync_s = sync_ms / 1000
        self.records = 0

    def write(self, record: SpoolRecord, *, durable: bool = False) -> None:
        """One record, one write(2). `durable`: synced before we return if syncs are not timed."""
        self.append(encode(record), durable=durable)

    def append(self, frame: bytes, *, durable: bool = False) -> None:
        """The same for a record that is a frame already."""
        if self._fd < 0 or self._size + len(frame) > self._rotate_bytes:
            self._rotate()
        try:
            written = os.write(self._fd, frame)
        except OSError as error:
            raise Unavailable("the spool takes no more records") from error
        if written != len(frame):
            os.ftruncate(self._fd, self._size)
            raise Unavailable("the spool takes no more records")
        self._size += written
        self._dirty = True
        self.records += 1
        if durable and not self._sync_s:
            os.fdatasync(self._fd)
            self._dirty = False

    async def keep_synced(self) -> None:
        """Sync what was written every `sync_ms`, in a thread; runs until cancelled."""
        loop = asyncio.get_running_loop()
        while self._sync_s:
            await asyncio.sleep(self._sync_s)
            if self._dirty:
                self._dirty = False
                fd = os.dup(self._fd)  # a rotation may close ours meanwhile
                try:
                    await loop.run_in_executor(None, os.fdatasync, fd)
                except OSError:
                    _log.exception("the spool cannot be synced")
                finally:
                    os.close(fd)

    def close(self) -> None:
        """Sync and close; the next write would begin a new file."""
        if self._fd >= 0:
            os.fdatasync(self._fd)
            os.close(self._fd)
            self._fd = -1

    def _rotate(self) -> None:
        try:
            self.close()
            path = self._folder / f"{self._stem}-{self._sequence:013d}.spool"
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
            self._fd = os.open(path, flags, 0o600)
        except OSError as error:
            raise Unavailable("the spool takes no more records") from error
        self._sequence += 1
        self._size = 0
