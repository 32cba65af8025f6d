"""Seal and open secrets under the data key of their organisation (K-30).

What is stored: a version byte, a nonce, AES-256-GCM output. The associated data is the organisation
and the id of the record that holds the secret, so a ciphertext copied to another row or another
organisation does not open. Secrets of the whole installation use an explicit marker in place of the
organisation; it has another length than an id and can therefore never equal one.

Unwrapped data keys are cached by organisation and id for an hour: a KMS is asked once per data key,
not once per secret, and may be away for that long. Which data key is current is always asked of the
database, in the caller's transaction: a key made in a transaction that rolled back is never used,
and one that is used stays current until the end, so nothing comes in under one that was retired.
"""

from __future__ import annotations

import asyncio
import os
import uuid
from collections import OrderedDict
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from psycopg.rows import tuple_row

from dd0c.base import ids, secrets
from dd0c.base.errors import Internal, NotFound
from dd0c.base.secrets import Secret
from dd0c.kernel.db.pool import Transaction
from dd0c.kernel.vault.keychain import Keychain

VERSION = b"\x01"
NONCE_BYTES = 12
DATA_KEY_BYTES = 32
CACHED_KEYS_MAX = 4096
CACHED_S = 3600.0  # what a KMS may be away, and what it takes until one that was closed to us is so
INSTALLATION = b"dd0c:installation"


@dataclass(frozen=True, slots=True)
class Sealed:
    """A secret as it is stored: the ciphertext and the id of the data key it is under."""

    data_key: uuid.UUID
    ciphertext: bytes


@dataclass(frozen=True, slots=True)
class _Opened:
    """A data key in the clear, and until when it is used without asking again."""

    cipher: AESGCM
    until: float


class Vault:
    """Seals and opens. `org` None: the whole installation; `record`: the id of the holding row."""

    def __init__(self, keys: Keychain, *, cached_s: float = CACHED_S):
        self._keys = keys
        self._cached_s = cached_s
        self._cache: OrderedDict[tuple[uuid.UUID | None, uuid.UUID], _Opened] = OrderedDict()

    async def seal(
        self, tx: Transaction, org: uuid.UUID | None, record: uuid.UUID, secret: Secret
    ) -> Sealed:
        """The secret encrypted under the organisation's current data key, made when it has none."""
        data_key, cipher = await self._current(tx, org)
        nonce = os.urandom(NONCE_BYTES)
        body = cipher.encrypt(nonce, secret.reveal().encode(), VERSION + context(org, record))
        return Sealed(data_key, VERSION + nonce + body)

    async def open(
        self, tx: Transaction, org: uuid.UUID | None, record: uuid.UUID, sealed: Sealed
    ) -> Secret:
        """The secret, known to redaction from now on; Internal when the ciphertext was made for
        another record or is damaged."""
        return secrets.keep(await self.unseal(tx, org, record, sealed))

    async def unseal(
        self, tx: Transaction, org: uuid.UUID | None, record: uuid.UUID, sealed: Sealed
    ) -> Secret:
        """Like `open`, for what is used and dropped at once: there are too many to remember."""
        cipher = self._cached(org, sealed.data_key) or await self._unwrap(tx, org, sealed.data_key)
        version, rest = sealed.ciphertext[:1], sealed.ciphertext[1:]
        try:
            if version != VERSION:
                raise InvalidTag
            text = cipher.decrypt(
                rest[:NONCE_BYTES], rest[NONCE_BYTES:], VERSION + context(org, record)
            )
        except (InvalidTag, ValueError):
            raise Internal(
                "a stored secret does not open: it was changed, or belongs to another record",
                hint="enter the secret again",
            ) from None
        return Secret(text.decode())

    async def renew(self, tx: Transaction, org: uuid.UUID | None) -> None:
        """As owner: a new data key for what is sealed from now on; the others are retired."""
        data_key, _ = await self._make(tx, org)
        await tx.execute(
            "UPDATE kernel.data_keys SET retired_at = now()"
            " WHERE org IS NOT DISTINCT FROM %s AND id <> %s AND retired_at IS NULL",
            (org, data_key),
        )

    async def _current(self, tx: Transaction, org: uuid.UUID | None) -> tuple[uuid.UUID, AESGCM]:
        async with tx.cursor(row_factory=tuple_row) as cursor:
            await cursor.execute(
                "SELECT id FROM kernel.data_keys"
                " WHERE org IS NOT DISTINCT FROM %s AND retired_at IS NULL"
                " ORDER BY created_at DESC, id DESC LIMIT 1 FOR SHARE",
                (org,),
            )
            row = await cursor.fetchone()
        if row is not None:
            return row[0], self._cached(org, row[0]) or await self._unwrap(tx, org, row[0])
        return await self._make(tx, org)

    async def _make(self, tx: Transaction, org: uuid.UUID | None) -> tuple[uuid.UUID, AESGCM]:
        data_key, key = ids.new(), os.urandom(DATA_KEY_BYTES)
        wrapping = self._keys.current()
        wrapped = await wrapping.wrap(key, context(org, data_key))
        await tx.execute(
            "INSERT INTO kernel.data_keys (id, org, wrapped, kek) VALUES (%s, %s, %s, %s)",
            (data_key, org, wrapped, wrapping.name),
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
        key = await self._keys.unwrap(name, wrapped, context(org, data_key))
        return self._keep(org, data_key, AESGCM(key))

    def _cached(self, org: uuid.UUID | None, data_key: uuid.UUID) -> AESGCM | None:
        opened = self._cache.get((org, data_key))
        if opened is None or opened.until <= _now():
            return None
        self._cache.move_to_end((org, data_key))
        return opened.cipher

    def _keep(self, org: uuid.UUID | None, data_key: uuid.UUID, cipher: AESGCM) -> AESGCM:
        self._cache[org, data_key] = _Opened(cipher, _now() + self._cached_s)
        if len(self._cache) > CACHED_KEYS_MAX:
            self._cache.popitem(last=False)
        return cipher


def context(org: uuid.UUID | None, record: uuid.UUID) -> bytes:
    """What binds a ciphertext, or a wrapped data key, to its place."""
    return (INSTALLATION if org is None else org.bytes) + record.bytes


def _now() -> float:
    return asyncio.get_running_loop().time()
