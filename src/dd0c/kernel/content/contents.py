"""Puts, keeps, opens and deletes contents: the one interface over all places (see the package)."""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from psycopg.rows import class_row

from dd0c.base import ids
from dd0c.base.clock import Clock
from dd0c.base.errors import Internal, NotFound, Timeout, TooLarge, Unavailable
from dd0c.base.process import crash_point
from dd0c.base.secrets import Secret
from dd0c.kernel.content import capture, chunks, policies
from dd0c.kernel.content.chunks import CHUNK_BYTES, Cipher
from dd0c.kernel.content.kinds import Kind, Mode
from dd0c.kernel.content.places import Place, Write
from dd0c.kernel.db import tenancy
from dd0c.kernel.db.pool import Pool, Transaction
from dd0c.kernel.vault.envelope import Sealed, Vault

SIZE_MAX = 1 << 30
PUT_WITHIN_S = 3600.0
KEPT_WITHIN = timedelta(hours=2)  # long before a sweep takes it for an orphan
MEDIA_TYPE = "application/octet-stream"

POINTS = ("content.writing", "content.put", "content.kept", "content.forgotten")
"""Where a drill may kill us (`DD0C_CRASH_AT`)."""

Pieces = AsyncIterator[bytes] | bytes


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes that are stored and belong to nothing yet. `sha256` is of what was stored, in clear;
    the key is in memory only until the blob is kept."""

    id: uuid.UUID
    org: uuid.UUID
    kind: Kind
    place: str
    media_type: str
    size: int
    sha256: bytes
    created_at: datetime
    key: Secret


@dataclass(frozen=True, slots=True)
class Content:
    """A content, as its row tells of it."""

    id: uuid.UUID
    kind: str
    place: str
    media_type: str
    size: int
    sha256: bytes
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class _Row(Content):
    secret: bytes = field(repr=False)
    data_key: uuid.UUID


@dataclass(frozen=True, slots=True)
class Opened:
    """A content that may be read, as often as wanted."""

    content: Content
    _org: uuid.UUID
    _place: Place
    _cipher: Cipher

    async def pieces(self, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """The bytes from `start` to before `end`, a chunk at a time. Internal for bytes that were
        changed; NotFound when it is deleted meanwhile."""
        end = self.content.size if end is None else min(end, self.content.size)
        for number in range(start // CHUNK_BYTES, chunks.number_of(end)):
            chunk, offset = await self._read(number), number * CHUNK_BYTES
            if piece := chunk[max(0, start - offset) : max(0, end - offset)]:
                yield piece

    async def read(self) -> bytes:
        """All of it: for what is known to be small."""
        return b"".join([piece async for piece in self.pieces()])

    async def _read(self, number: int) -> bytes:
        sealed = await self._place.read(self._org, self.content.id, number)
        if sealed is None:
            raise NotFound("the content is gone", hint="it was deleted while it was read")
        last = number == chunks.number_of(self.content.size) - 1
        return self._cipher.open(number, sealed, last=last)


class Contents:
    """The content store of one process; the first of the places is written to."""

    def __init__(self, pool: Pool, vault: Vault, places: Sequence[Place], clock: Clock):
        self._pool = pool
        self._vault = vault
        self._first = places[0]
        self._places = {place.name: place for place in places}
        self._clock = clock

    async def put(
        self,
        org: uuid.UUID,
        kind: Kind,
        pieces: Pieces,
        *,
        media_type: str = MEDIA_TYPE,
        size_max: int = SIZE_MAX,
    ) -> Blob | None:
        """Store the bytes, with a chunk of them in memory at a time; None where the organisation
        never stores this kind: nothing of `pieces` was read. TooLarge beyond `size_max`."""
        async with tenancy.tenant(self._pool, org) as tx:
            mode, _ = await policies.find(tx, kind)
        if mode is Mode.NEVER:
            return None
        source = _of(pieces) if isinstance(pieces, bytes) else pieces
        if mode is Mode.CAPTURE:
            source = capture.scrubbed(source)
        now = self._clock.now()
        blob, key = ids.new(int(now.timestamp() * 1000)), chunks.new_key()
        try:
            async with (
                asyncio.timeout(PUT_WITHIN_S),
                self._first.writing(org, blob) as write,
            ):
                size, digest = await _write(source, write, Cipher(key, org, blob), size_max)
        except TimeoutError:
            raise Timeout(f"a content took longer than {PUT_WITHIN_S:.0f} s") from None
        crash_point("content.put")
        return Blob(blob, org, kind, self._first.name, media_type, size, digest, now, key)

    async def keep(self, tx: Transaction, blob: Blob) -> uuid.UUID:
        """Make a content of a blob, in the transaction that will point to it; its id."""
        if self._clock.now() - blob.created_at > KEPT_WITHIN:
            raise Internal("a blob was put too long ago to be kept: a sweep may be at it")
        _, days = await policies.find(tx, blob.kind)
        sealed = await self._vault.seal(tx, blob.org, blob.id, blob.key)
        await tx.execute(
            "INSERT INTO kernel.contents (id, org, kind, place, media_type, size, sha256,"
            " created_at, expires_at, secret, data_key)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            (
                *(blob.id, blob.org, blob.kind.name, blob.place, blob.media_type, blob.size),
                *(blob.sha256, blob.created_at, blob.created_at + timedelta(days=days)),
                *(sealed.ciphertext, sealed.data_key),
            ),
        )
        crash_point("content.kept")
        return blob.id

    async def discard(self, blob: Blob) -> None:
        """Take away a blob that is not wanted after all: a sweep would, a day later."""
        await self._place(blob.place).delete(blob.org, blob.id)

    async def open(self, org: uuid.UUID, content: uuid.UUID) -> Opened:
        """The content to be read; NotFound where it is another's, was deleted, or is over."""
        async with tenancy.tenant(self._pool, org) as tx:
            row = await self._get(tx, content)
            sealed = Sealed(row.data_key, row.secret)
            key = await self._vault.unseal(tx, org, row.id, sealed)
        place = self._place(row.place)
        return Opened(row, org, place, Cipher(key, org, row.id))

    async def forget(self, tx: Transaction, content: uuid.UUID) -> Content:
        """End a content, in the caller's transaction: from then on nothing opens it. NotFound."""
        row = await self._get(tx, content)
        await tx.execute("DELETE FROM kernel.contents WHERE id = %s", (content,))
        return row

    async def remove(self, org: uuid.UUID, content: Content) -> None:
        """After that transaction: its bytes go too. Who dies before leaves them to the sweep."""
        crash_point("content.forgotten")
        await self._place(content.place).delete(org, content.id)

    async def list_contents(
        self, tx: Transaction, limit: int, kind: str | None = None, after: uuid.UUID | None = None
    ) -> list[Content]:
        """Contents, the newest first; `after` is the last one of the page before."""
        async with tx.cursor(row_factory=class_row(Content)) as cursor:
            await cursor.execute(
                "SELECT id, kind, place, media_type, size, sha256, created_at, expires_at"
                " FROM kernel.contents WHERE expires_at > %(now)s"
                " AND (%(kind)s::text IS NULL OR kind = %(kind)s)"
                " AND (%(after)s::uuid IS NULL OR id < %(after)s)"
                " ORDER BY id DESC LIMIT %(limit)s",
                {"now": self._clock.now(), "kind": kind, "after": after, "limit": limit},
            )
            return await cursor.fetchall()

    async def _get(self, tx: Transaction, content: uuid.UUID) -> _Row:
        async with tx.cursor(row_factory=class_row(_Row)) as cursor:
            await cursor.execute(
                "SELECT id, kind, place, media_type, size, sha256, created_at, expires_at, secret,"
                " data_key FROM kernel.contents WHERE id = %s AND expires_at > %s",
                (content, self._clock.now()),
            )
            row = await cursor.fetchone()
        if row is None:
            raise NotFound("there is no such content", hint="it may be over: dd0c content policy")
        return row

    def _place(self, name: str) -> Place:
        try:
            return self._places[name]
        except KeyError:
            raise Unavailable(
                f"the content lies in {name}, which DD0C_CONTENT does not name",
                hint="list it after a comma, for as long as something lies there",
            ) from None


async def _of(whole: bytes) -> AsyncIterator[bytes]:
    yield whole


async def _write(
    pieces: AsyncIterator[bytes], write: Write, cipher: Cipher, size_max: int
) -> tuple[int, bytes]:
    """Cut, seal and write; the size and the hash. The last chunk is known by what does not follow,
    so the one before it is held until something does."""
    held, size, number, digest = bytearray(), 0, 0, hashlib.sha256()
    async for piece in pieces:
        size += len(piece)
        if size > size_max:
            raise TooLarge(f"a content may have {size_max:,} bytes")
        digest.update(piece)
        held.extend(piece)
        while len(held) > CHUNK_BYTES:
            await write(cipher.seal(number, bytes(held[:CHUNK_BYTES]), last=False))
            del held[:CHUNK_BYTES]
            number += 1
            crash_point("content.writing")
    await write(cipher.seal(number, bytes(held), last=True))
    return size, digest.digest()
