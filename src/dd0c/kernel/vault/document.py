"""A whole document sealed for a file: what a process must find again while the database is away.

    "dd0c" | format | length of the wrapped key, 2 bytes | wrapped key | nonce | AES-256-GCM output

Each document has a data key of its own, wrapped by the key-encryption key and kept in the file, so
that a KMS is asked once and the file alone opens nothing. Head and context are associated data: a
document of another installation, or of another format, does not open even under the right key.
"""

from __future__ import annotations

import os
import struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from dd0c.kernel.vault.envelope import DATA_KEY_BYTES, NONCE_BYTES, KeyEncryptionKey

FORMAT = 1
_HEAD = struct.Struct(">4sBH")
_MAGIC = b"dd0c"


async def seal(key: KeyEncryptionKey, context: bytes, content: bytes) -> bytes:
    """The content as a document; `context` must be given again to open it."""
    data_key, nonce = os.urandom(DATA_KEY_BYTES), os.urandom(NONCE_BYTES)
    wrapped = await key.wrap(data_key, context)
    head = _HEAD.pack(_MAGIC, FORMAT, len(wrapped))
    body = AESGCM(data_key).encrypt(nonce, content, head + context)
    return b"".join((head, wrapped, nonce, body))


async def unseal(key: KeyEncryptionKey, context: bytes, document: bytes) -> bytes:
    """The content; ValueError, which says why, for anything but what `seal` made."""
    if len(document) < _HEAD.size:
        raise ValueError("it is empty or cut off")
    magic, version, length = _HEAD.unpack_from(document)
    if magic != _MAGIC:
        raise ValueError("it is no document of dd0c")
    if version != FORMAT:
        raise ValueError(f"it has format {version}, this dd0c reads {FORMAT}")
    wrapped = document[_HEAD.size : _HEAD.size + length]
    rest = document[_HEAD.size + length :]
    try:
        data_key = await key.unwrap(wrapped, context)
        body = rest[NONCE_BYTES:]
        head = document[: _HEAD.size]
        return AESGCM(data_key).decrypt(rest[:NONCE_BYTES], body, head + context)
    except (InvalidTag, ValueError):
        raise ValueError(
            "it does not open: it was changed or cut off, or belongs to another installation or key"
        ) from None
