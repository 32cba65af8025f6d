"""How a content is cut into chunks and sealed: no I/O.

Each content has a random key of its own, so the number of a chunk can be its nonce: it opens in no
other place. Organisation, content and whether it is the last one are associated data: what is
another's does not open, nor the end where more should follow, nor more behind the end. All chunks
but the last have the same size, so a range is found by reckoning.
"""

from __future__ import annotations

import os
import uuid

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from dd0c.base.errors import Internal
from dd0c.base.secrets import Secret

VERSION = b"\x01"
KEY_BYTES = 32
CHUNK_BYTES = 1_048_576
TAG_BYTES = 16
SEALED_BYTES = CHUNK_BYTES + TAG_BYTES
NONCE_BYTES = 12


def new_key() -> Secret:
    """A key for one content."""
    return Secret(os.urandom(KEY_BYTES).hex())


def number_of(size: int) -> int:
    """How many chunks a content of that size has: at least one, so that its end can be seen."""
    return max(1, -(-size // CHUNK_BYTES))


class Cipher:
    """Seals and opens the chunks of one content."""

    def __init__(self, key: Secret, org: uuid.UUID, content: uuid.UUID):
        self._gcm = AESGCM(bytes.fromhex(key.reveal()))
        self._bound = VERSION + org.bytes + content.bytes

    def seal(self, number: int, chunk: bytes, *, last: bool) -> bytes:
        """The chunk sealed, `TAG_BYTES` longer."""
        return self._gcm.encrypt(_nonce(number), chunk, self._bound + bytes((last,)))

    def open(self, number: int, sealed: bytes, *, last: bool) -> bytes:
        """The chunk; Internal for one that was changed or stood elsewhere."""
        try:
            return self._gcm.decrypt(_nonce(number), sealed, self._bound + bytes((last,)))
        except InvalidTag:
            raise Internal(
                f"chunk {number} of a content does not open: it was changed, moved or cut off",
                hint="restore it from a backup, or delete the content",
            ) from None


def _nonce(number: int) -> bytes:
    return number.to_bytes(NONCE_BYTES, "big")
