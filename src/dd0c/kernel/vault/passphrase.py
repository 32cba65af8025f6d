"""Key material sealed under a passphrase, for a place that is not the home.

    "dd0c keys 1" | salt | nonce | AES-256-GCM output, with the head as associated data

The key comes from scrypt with N=2^17, r=8, p=1 (128 MB, about half a second), the first choice of
OWASP's Password Storage Cheat Sheet for scrypt: a stolen backup can be guessed at without end.
"""

from __future__ import annotations

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from dd0c.base.errors import InvalidInput
from dd0c.base.secrets import Secret

HEAD = b"dd0c keys 1"
LENGTH_MIN = 12
SALT_BYTES, NONCE_BYTES, KEY_BYTES = 16, 12, 32
N, R, P = 2**17, 8, 1


def refuse_short(passphrase: Secret) -> None:
    """InvalidInput for one that would soon be guessed."""
    if len(passphrase) < LENGTH_MIN:
        raise InvalidInput(f"a passphrase has at least {LENGTH_MIN} characters")


def seal(passphrase: Secret, content: bytes) -> bytes:
    """The content, which only this passphrase opens."""
    salt, nonce = os.urandom(SALT_BYTES), os.urandom(NONCE_BYTES)
    head = HEAD + salt
    return head + nonce + AESGCM(_derive(passphrase, salt)).encrypt(nonce, content, head)


def unseal(passphrase: Secret, sealed: bytes) -> bytes:
    """The content; ValueError for another passphrase, or for anything but what `seal` made."""
    head, rest = sealed[: len(HEAD) + SALT_BYTES], sealed[len(HEAD) + SALT_BYTES :]
    if not head.startswith(HEAD) or len(rest) <= NONCE_BYTES:
        raise ValueError("these are no keys of dd0c")
    cipher = AESGCM(_derive(passphrase, head[len(HEAD) :]))
    try:
        return cipher.decrypt(rest[:NONCE_BYTES], rest[NONCE_BYTES:], head)
    except InvalidTag:
        raise ValueError("another passphrase, or changed") from None


def _derive(passphrase: Secret, salt: bytes) -> bytes:
    kdf = Scrypt(salt=salt, length=KEY_BYTES, n=N, r=R, p=P)
    return kdf.derive(passphrase.reveal().encode())
