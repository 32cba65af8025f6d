"""A whole document sealed for a file: what a process must find again while the database is away.

    "dd0c" | format | two lengths, 2 bytes each | name of the key-encryption key | wrapped key
           | nonce | AES-256-GCM output

Each document has a data key of its own, wrapped by the key-encryption key and kept in the file, so
that a KMS is asked once and the file alone opens nothing. Head and context are associated data: a
document of another installation, or of another format, does not open even under the right key.
"""

from __future__ import annotations

import os
import struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from dd0c.base.errors import Internal
from dd0c.kernel.vault.envelope import DATA_KEY_BYTES, NONCE_BYTES
from dd0c.kernel.vault.keychain import Keychain

FORMAT = 2
_HEAD = struct.Struct(">4sBHH")
_MAGIC = b"dd0c"


async def seal(keys: Keychain, context: bytes, content: bytes) -> bytes:
    """The content as a document; `context` must be given again to open it."""
    data_key, nonce = os.urandom(DATA_KEY_BYTES), os.urandom(NONCE_BYTES)
    key = keys.current()
    name, wrapped = key.name.encode(), await key.wrap(data_key, context)
    head = _HEAD.pack(_MAGIC, FORMAT, len(name), len(wrapped)) + name
    body = AESGCM(data_key).encrypt(nonce, content, head + context)
    return b"".join((head, wrapped, nonce, body))


async def unseal(keys: Keychain, context: bytes, document: bytes) -> bytes:
    """The content; ValueError, which says why, for anything but what `seal` made."""
    if len(document) < _HEAD.size:
        raise ValueError("it is empty or cut off")
    magic, version, of_name, of_wrapped = _HEAD.unpack_from(document)
    if magic != _MAGIC:
        raise ValueError("it is no document of dd0c")
    if version != FORMAT:
        raise ValueError(f"it has format {version}, this dd0c reads {FORMAT}")
    named = _HEAD.size + of_name
    head, rest = document[:named], document[named + of_wrapped :]
    wrapped = document[named : named + of_wrapped]
    try:
        name = head[_HEAD.size :].decode()
        data_key = await keys.unwrap(name, wrapped, context)
        return AESGCM(data_key).decrypt(rest[:NONCE_BYTES], rest[NONCE_BYTES:], head + context)
    except (InvalidTag, ValueError, Internal):
        raise ValueError(
            "it does not open: it was changed or cut off, or belongs to another installation or key"
        ) from None
