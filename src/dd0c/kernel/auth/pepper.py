"""The pepper: 32 random bytes of this installation that key the hashes of API keys and sessions."""

from __future__ import annotations

import hashlib
import os

from dd0c.base.errors import SetupError
from dd0c.base.home import Home
from dd0c.base.secrets import Secret
from dd0c.kernel.vault import keyfile

FILE = "pepper"
PEPPER_BYTES = 32


class Pepper:
    """Makes the stored form of keys and tokens. Without it, stored hashes match nothing."""

    def __init__(self, secret: Secret):
        self._secret = secret
        try:
            right = len(self.reveal()) == PEPPER_BYTES
        except ValueError:
            right = False
        if not right:
            raise SetupError(
                f"the key pepper (secrets/{FILE}) is not 64 hexadecimal digits",
                hint=keyfile.RESTORE,
            )

    def digest(self, text: Secret) -> bytes:
        """The keyed hash, 32 bytes, under which the text is stored and found."""
        return hashlib.blake2b(text.reveal().encode(), key=self.reveal(), digest_size=32).digest()

    def derive(self, purpose: bytes) -> bytes:
        """A key of 32 bytes for another purpose (a name of at most 16 bytes)."""
        return hashlib.blake2b(key=self.reveal(), person=purpose, digest_size=32).digest()

    @property
    def secret(self) -> Secret:
        """Its hexadecimal digits, for gateway workers: they check keys without a database."""
        return self._secret

    def reveal(self) -> bytes:
        """The pepper itself."""
        return bytes.fromhex(self._secret.reveal())


def ensure(home: Home) -> Pepper:
    """The pepper of this home, made when it has none yet; only the preparing step calls it."""
    return Pepper(
        keyfile.ensure(home.secrets / FILE, lambda: Secret(os.urandom(PEPPER_BYTES).hex()))
    )


def load(home: Home) -> Pepper:
    """The pepper of this home; SetupError when there is none."""
    return Pepper(keyfile.read(home.secrets / FILE))
