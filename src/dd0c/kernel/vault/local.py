"""The key-encryption key kept in a file of the home: the default where there is no KMS.

The file has a line a key, the newest first. Older ones stay, as a KMS keeps its older versions:
what they wrapped opens until it is wrapped anew, and so does a backup of then.
"""

from __future__ import annotations

import hashlib
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from dd0c.base import secrets
from dd0c.base.errors import SetupError
from dd0c.base.home import Home
from dd0c.base.secrets import Secret
from dd0c.kernel.vault import keyfile
from dd0c.kernel.vault.keychain import Keychain

FILE = "kek.key"
KEY_BYTES = 32
NONCE_BYTES = 12


class LocalKey:
    """Wraps data keys with AES-256-GCM under one key read from a file.

    `name` tells which key wrapped a data key: `local:` and a digest of the key, so that a restored
    database beside the wrong key file is recognised instead of failing to decrypt without a word.
    """

    def __init__(self, secret: Secret):
        try:
            key = bytes.fromhex(secret.reveal())
        except ValueError:
            key = b""
        if len(key) != KEY_BYTES:
            raise SetupError(
                f"the key-encryption key (secrets/{FILE}) is not 64 hexadecimal digits",
                hint=keyfile.RESTORE,
            )
        digest = hashlib.blake2b(key, digest_size=8, person=b"dd0c kek name").hexdigest()
        self.name = f"local:{digest}"
        self._cipher = AESGCM(key)

    async def wrap(self, data_key: bytes, context: bytes) -> bytes:
        """The data key encrypted; `context` must be given again to unwrap it."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, data_key, context)

    async def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """The data key; ValueError when the key, the context or a byte is another."""
        nonce, sealed = wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:]
        try:
            return self._cipher.decrypt(nonce, sealed, context)
        except InvalidTag:
            raise ValueError("does not decrypt") from None


def ensure(home: Home) -> Keychain:
    """The keys of this home, made when it has none yet; only the preparing step calls it."""
    keyfile.ensure(home.secrets / FILE, _make)
    return load(home)


def load(home: Home) -> Keychain:
    """The keys of this home; SetupError when there is none."""

    async def renew() -> None:
        add(home)

    return Keychain(lambda: read(home), renew)


def read(home: Home) -> list[LocalKey]:
    """The keys in the file, the newest first; SetupError when it is missing or damaged."""
    lines = keyfile.read(home.secrets / FILE).reveal().split("\n")
    return [LocalKey(secrets.keep(Secret(line))) for line in lines]


def add(home: Home) -> None:
    """A new key before the others. The caller sees to it that nobody else does the same."""
    path = home.secrets / FILE
    known = keyfile.read(path).reveal()
    keyfile.replace(path, Secret(f"{_make().reveal()}\n{known}"))


def _make() -> Secret:
    return Secret(os.urandom(KEY_BYTES).hex())
