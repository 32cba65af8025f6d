"""Passwords: what one must be, and how it is kept (K-21).

argon2id with what the OWASP Password Storage Cheat Sheet recommends: 19 MiB, two passes, one lane.
(The second choice of RFC 9106, 4 takes five times the work and four threads: this server shares a
small machine with a gateway.) It is still much to be made to do by strangers, so two run at once,
a bounded number waits, and the rest is told to come back. Whether an account exists is not to be
read from the time an answer takes: where there is no hash, one of nobody's is verified.

No rules of composition: NIST SP 800-63B, 3.1.1.2 wants length and no guessable context.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

from dd0c.base.errors import InvalidInput, Unavailable
from dd0c.base.secrets import Secret

LENGTH_MIN = 12
BYTES_MAX = 1024
MEMORY_KIB, PASSES, LANES = 19 * 1024, 2, 1
AT_ONCE = 2
WAITING_MAX = 32
CONTEXT_LENGTH_MIN = 4  # shorter names are part of too many words
NOBODYS = (
    "$argon2id$v=19$m=19456,t=2,p=1$ZGQwYyBoYXMgbm9ib2R5IQ"
    "$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
)
"""No password has this hash; verifying one costs what any other costs."""


class Passwords:
    """Hashes and verifies, a few at once."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher(PASSES, MEMORY_KIB, LANES)
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    async def hash(self, password: Secret) -> str:
        """The text to keep: hash, salt and parameters. It does not hold the password."""
        return await self._work(password, None) or ""

    async def verify(self, password: Secret, kept: str | None) -> bool:
        """Whether it is the password that was kept; the same work where none was."""
        return await self._work(password, kept or NOBODYS) is not None

    async def _work(self, password: Secret, kept: str | None) -> str | None:
        if self._waiting >= WAITING_MAX:
            raise Unavailable("too many people sign in at this moment", retry_after_s=5)
        self._waiting += 1
        try:
            async with self._turn:
                return await asyncio.to_thread(self._compute, password, kept)
        finally:
            self._waiting -= 1

    def _compute(self, password: Secret, kept: str | None) -> str | None:
        given = password.reveal().encode(errors="surrogatepass")[: BYTES_MAX + 1]
        if kept is None:
            return self._hasher.hash(given)
        try:
            self._hasher.verify(kept, given)
        except VerificationError:
            return None
        return kept


def check(password: Secret, context: Iterable[str]) -> None:
    """InvalidInput unless it may be a password. `context` is what a stranger tries first: the
    e-mail address, the names of person and organisation."""
    text = password.reveal()
    if len(text) < LENGTH_MIN:
        raise InvalidInput(
            f"a password has {LENGTH_MIN} characters or more",
            hint="four words that nobody else would put together do well",
        )
    if len(text.encode(errors="surrogatepass")) > BYTES_MAX:
        raise InvalidInput(f"a password has {BYTES_MAX} bytes at most")
    if len(set(text)) < LENGTH_MIN // 3:
        raise InvalidInput("this password repeats a few characters")
    rest = text.casefold()
    for name in sorted(_names(context), key=len, reverse=True):
        rest = rest.replace(name, "")
    if len(rest) < LENGTH_MIN // 2:
        raise InvalidInput("this password is little more than a name that strangers would try")


def _names(context: Iterable[str]) -> set[str]:
    """Each text, and the parts of an address, that are long enough to mean something."""
    parts = {
        part
        for text in context
        for part in (text, *text.split("@"), *text.replace("@", ".").split("."))
    }
    return {part.casefold() for part in parts if len(part) >= CONTEXT_LENGTH_MIN}
