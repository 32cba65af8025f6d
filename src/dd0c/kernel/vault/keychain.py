"""The key-encryption keys of this installation: one wraps, every one that is listed still unwraps.

What was wrapped keeps the name of its key beside it, so that a change of key, or of the KMS, needs
no moment at which all is done: old and new are both here until nothing is left under the old one
(K-31). A name alone brings no key in: a row of the database must not make us call an address.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Protocol

from dd0c.base.errors import Internal


class KeyEncryptionKey(Protocol):
    """Where data keys are wrapped: a local file, or a KMS behind the same three names."""

    @property
    def name(self) -> str:
        """Which key this is, stored beside what it wrapped."""
        ...

    async def wrap(self, data_key: bytes, context: bytes) -> bytes:
        """The data key encrypted, bound to the context; Unavailable when the KMS is away."""
        ...

    async def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """The data key; ValueError when key, context or bytes are not those of `wrap`, Unavailable
        when the KMS is away."""
        ...


Keys = Sequence[KeyEncryptionKey]


class Keychain:
    """`read` gives the keys, the one that wraps first; it is asked again before one wraps and for a
    name that is not known, as another process may have added a key. `renew` makes a newer one."""

    def __init__(self, read: Callable[[], Keys], renew: Callable[[], Awaitable[None]]):
        self._read = read
        self._renew = renew
        self._keys = read()

    def __iter__(self) -> Iterator[KeyEncryptionKey]:
        return iter(self._keys)

    def current(self) -> KeyEncryptionKey:
        """The key that wraps now."""
        self._keys = self._read()
        return self._keys[0]

    async def renew(self) -> None:
        """The current key is a newer one, or a newer version of the same."""
        await self._renew()

    def find(self, name: str) -> KeyEncryptionKey | None:
        """The key of that name."""
        found = self._known(name)
        if found is None:
            self._keys = self._read()
            found = self._known(name)
        return found

    async def unwrap(self, name: str, wrapped: bytes, context: bytes) -> bytes:
        """The data key that the key `name` has wrapped; Internal where it does not open."""
        key = self.find(name)
        if key is None:
            raise Internal(
                f"a data key was wrapped by {name}, which this home does not have",
                hint="restore secrets/kek.key, or list that key in DD0C_VAULT",
            )
        try:
            return await key.unwrap(wrapped, context)
        except ValueError:
            raise Internal(
                f"a data key does not open with {name}: it was changed, or is another record's",
                hint="restore the database from a backup",
            ) from None

    def _known(self, name: str) -> KeyEncryptionKey | None:
        return next((key for key in self._keys if key.name == name), None)
