"""Seal and open secrets under the data key of their organisation (K-30).

What is stored: a version byte, a nonce, AES-256-GCM output. The associated data is the organisation
and the id of the record that holds the secret, so a ciphertext copied to another row or another
organisation does not open. Secrets of the whole installation use an explicit marker in place of the
organisation; it has another length than an id and can therefore never equal one.

Unwrapped data keys are cached by organisation and id: a KMS is asked once per data key, not once
per secret. Which data key is current is always asked of the database, in the caller's transaction,
so a key made in a transaction that rolled back is never used.
"""

from __future__ import annotations

import os
import uuid
from collections import OrderedDict
from dataclasses import dataclass
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from psycopg.rows import tuple_row

from dd0c.base import ids, secrets
from dd0c.base.errors import Internal, NotFound
from dd0c.base.secrets import Secret
from dd0c.kernel.db.pool import Transaction

VERSION = b"\x01"
NONCE_BYTES = 12
DATA_KEY_BYTES = 32
CACHED_KEYS_MAX = 4096
INSTALLATION = b"dd0c:installation"


class KeyEncryptionKey(Protocol):
    """Where data keys are wrapped: a local file now, a KMS behind the same three names."""

    @property
    def name(self) -> str:
        """Which key this is, stored beside what it wrapped."""
        ...

    async def wrap(self, data_key: bytes, context: bytes) -> bytes:
        """The data key encrypted, bound to the context."""
        ...

    async def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """The data key; ValueError when key, context or bytes are not those of `wrap`."""
        ...


@dataclass(frozen=True, slots=True)
class Sealed:
    """A secret as it is stored: the ciphertext and the id of the data key it is under."""

    data_key: uuid.UUID
    ciphertext: bytes


class Vault:
    """Seals and opens. `org` None: the whole installation; `record`: the id of the holding row."""

    def __init__(self, key: KeyEncryptionKey):
        self._key = key
        self._cache: OrderedDict[tuple[uuid.UUID | None, uuid.UUID], AESGCM] = OrderedDict()

    async def seal(
        self, tx: Transaction, org: uuid.UUID | None, record: uuid.UUID, secret: Secret
    ) -> Sealed:
        """The secret encrypted under the organisation's current data key, made when it has none."""
        data_key, cipher = await self._current(tx, org)
        nonce = os.urandom(NONCE_BYTES)
        body = cipher.encrypt(nonce, secret.reveal().encode(), VERSION + _context(org, record))
        return Sealed(data_key, VERSION + nonce + body)

    async def open(
        self, tx: Transaction, org: uuid.UUID | None, record: uuid.UUID, sealed: Sealed
    ) -> Secret:
        """The secret; Internal when the ciphertext was made for another record or is damaged."""
        cipher = self._cached(org, sealed.data_key) or await self._unwrap(tx, org, sealed.data_key)
        version, rest = sealed.ciphertext[:1], sealed.ciphertext[1:]
        try:
            if version != VERSION:
                raise InvalidTag
            text = cipher.decrypt(
                rest[:NONCE_BYTES], rest[NONCE_BYTES:], VERSION + _context(org, record)
            )
        except (InvalidTag, ValueError):
            raise Internal(
                "a stored secret does not open: it was changed, or belongs to another record",
                hint="enter the secret again",
            ) from None
        return secrets.keep(Secret(text.decode()))

    async def _current(self, tx: Transaction, org: uuid.UUID | None) -> tuple[uuid.UUID, AESGCM]:
        async with tx.cursor(row_factory=tuple_row) as cursor:
            await cursor.execute(
                "SELECT id FROM kernel.data_keys"
                " WHERE org IS NOT DISTINCT FROM %s AND retired_at IS NULL AND kek = %s"
                " ORDER BY created_at DESC, id DESC LIMIT 1",
                (org, self._key.name),
            )
            row = await cursor.fetchone()
        if row is not None:
            return row[0], self._cached(org, row[0]) or await self._unwrap(tx, org, row[0])
        return await self._make(tx, org)

    async def _make(self, tx: Transaction, org: uuid.UUID | None) -> tuple[uuid.UUID, AESGCM]:
        data_key, key = ids.new(), os.urandom(DATA_KEY_BYTES)
        wrapped = await self._key.wrap(key, _context(org, data_key))
        await tx.execute(
            "INSERT INTO kernel.data_keys (id, org, wrapped, kek) VALUES (%s, %s, %s, %s)",
            (data_key, org, wrapped, self._key.name),
        )
        return data_key, AESGCM(key)

    async def _unwrap(self, tx: Transaction, org: uuid.UUID | None, data_key: uuid.UUID) -> AESGCM:
        async with tx.cursor(row_factory=tuple_row) as cursor:
            await cursor.execute(
                "SELECT wrapped, kek FROM kernel.data_keys"
                " WHERE id = %s AND org IS NOT DISTINCT FROM %s",
                (data_key, org),
            )
            row = await cursor.fetchone()
        if row is None:
            raise NotFound("the data key of a stored secret is gone")
        wrapped, name = row
        try:
            key = await self._key.unwrap(wrapped, _context(org, data_key))
        except ValueError:
            raise Internal(
                f"a data key wrapped by {name} does not open with {self._key.name}",
                hint="restore the key file that belongs to this database",
            ) from None
        return self._keep(org, data_key, AESGCM(key))

    def _cached(self, org: uuid.UUID | None, data_key: uuid.UUID) -> AESGCM | None:
        if (cipher := self._cache.get((org, data_key))) is not None:
            self._cache.move_to_end((org, data_key))
        return cipher

    def _keep(self, org: uuid.UUID | None, data_key: uuid.UUID, cipher: AESGCM) -> AESGCM:
        self._cache[org, data_key] = cipher
        if len(self._cache) > CACHED_KEYS_MAX:
            self._cache.popitem(last=False)
        return cipher


def _context(org: uuid.UUID | None, record: uuid.UUID) -> bytes:
    return (INSTALLATION if org is None else org.bytes) + record.bytes
