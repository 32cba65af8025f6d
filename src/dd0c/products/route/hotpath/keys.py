"""Who is calling: the key check, in memory (K-20).

The text is hashed with a keyed BLAKE2b and the hash looked up in a dict. An attacker who measures
the time of the look-up learns about hashes under a pepper that he does not have, so the compare
leaks nothing about keys. A removed key is gone with the next message of the parent. That a key was
let in is one entry in a set, which the parent is told now and then.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from dd0c.products.route.hotpath.dialects import Refusal
from dd0c.products.route.hotpath.snapshot import KeyEntry

KEY_BYTES_MAX = 512
PREFIX = b"dd0c_sk_"
REVOKED_MAX = 10_000  # hashes of ended keys that are remembered
_CHALLENGE = ((b"www-authenticate", b'Bearer realm="dd0c"'),)

_HOW = "Send it as `Authorization: Bearer dd0c_sk_…` or as `x-api-key`."
MISSING = Refusal(401, "missing_api_key", f"This gateway needs a dd0c key. {_HOW}", _CHALLENGE)
_UNKNOWN = (
    401,
    "invalid_api_key",
    "The key is not valid here: it is unknown, was revoked, or lacks the scope `gateway`. "
    "Create one with `dd0c key create`.",
    _CHALLENGE,
)
UNKNOWN = Refusal(*_UNKNOWN)
UNHEARD_OF = Refusal(*_UNKNOWN)
"""The same to the caller, but the key looks like ours and may be so new that its news are on the
way: people use a key in the moment that they get it."""
EXPIRED = Refusal(
    401,
    "expired_api_key",
    "The key has expired. Create a new one with `dd0c key create`.",
    _CHALLENGE,
)
TWO = Refusal(
    401, "ambiguous_api_key", f"The request carries two different keys. {_HOW}", _CHALLENGE
)
UNSURE = Refusal(
    503,
    "keys_not_current",
    "The key is unknown, but the list of keys may be out of date because the database is away. "
    "Try again shortly.",
    ((b"retry-after", b"2"),),
)


class Keys:
    """All keys that may use the gateway, by hash."""

    def __init__(self) -> None:
        self._pepper = b""
        self._entries: dict[bytes, KeyEntry] = {}
        self._revoked: dict[bytes, None] = {}
        self.stale = False
        self.used: set[bytes] = set()  # own ids of the keys that were let in

    def replace(self, pepper: bytes, entries: Iterable[KeyEntry]) -> None:
        """Forget all keys and take these."""
        self._pepper = pepper
        self._entries = {entry.hash: entry for entry in entries}

    def change(self, upsert: Iterable[KeyEntry], remove: Iterable[bytes]) -> None:
        """Add or replace keys, and forget others."""
        for key_hash in remove:
            self._entries.pop(key_hash, None)
            self._revoked[key_hash] = None
        while len(self._revoked) > REVOKED_MAX:
            del self._revoked[next(iter(self._revoked))]
        for entry in upsert:
            self._entries[entry.hash] = entry

    def check(self, given: list[tuple[bytes, bytes]], now_us: int) -> KeyEntry | Refusal:
        """The key in the `authorization` and `x-api-key` headers given, or why it is refused."""
        if len(given) == 1:
            text = _text(*given[0])
        else:
            texts = {text for header in given if (text := _text(*header))}
            ours = {text for text in texts if text.startswith(b"dd0c_")}
            texts = ours or texts  # some callers send a provider's key beside ours
            if len(texts) > 1:
                return TWO
            text = texts.pop() if texts else b""
        if not text:
            return MISSING
        if len(text) > KEY_BYTES_MAX:
            return UNKNOWN
        digest = hashlib.blake2b(text, key=self._pepper, digest_size=32).digest()
        entry = self._entries.get(digest)
        if entry is None:
            return self._why_not(text, digest)
        if entry.expires_us is not None and entry.expires_us <= now_us:
            return EXPIRED
        return entry

    def take_used(self) -> tuple[bytes, ...]:
        """What was used since this was last asked."""
        used, self.used = self.used, set()
        return tuple(used)

    def _why_not(self, text: bytes, digest: bytes) -> Refusal:
        if digest in self._revoked or not text.startswith(PREFIX):
            return UNKNOWN
        return UNSURE if self.stale else UNHEARD_OF


def _text(name: bytes, value: bytes) -> bytes:
    if name == b"x-api-key":
        return value.strip()
    if value.startswith(b"Bearer "):
        return value[7:].strip()
    scheme, _, text = value.strip().partition(b" ")
    return text.strip() if scheme.lower() == b"bearer" else b""
