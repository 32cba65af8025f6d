"""The configuration on disk, sealed: what a gateway serves from that starts without PostgreSQL
(K-8).

It is written when something changed, at most every `EVERY_S`, and now and then to say that it is
still true. `as_of_us` is when PostgreSQL last said so, not when the file was written. The pepper is
not in it: it lies in the home already.

A file that is of no use (empty, cut off, changed, of another installation, key or format, too old)
is named and left alone; the next save replaces it.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import msgspec

from dd0c.base.clock import Clock
from dd0c.base.errors import Error, Unavailable
from dd0c.base.home import Home
from dd0c.kernel.autonomy.brake import Word
from dd0c.kernel.vault import document
from dd0c.kernel.vault.keychain import Keychain
from dd0c.products.route.hotpath import snapshot
from dd0c.products.route.hotpath.snapshot import KeyEntry, Price, Provider, Rule, Terms

FILE = "gateway.snapshot"
FORMAT = 1
BYTES_MAX = 512 * 1024 * 1024


class Saved(msgspec.Struct, frozen=True):
    """What is kept. Fields are only ever added, with a default; else `FORMAT` is raised."""

    as_of_us: int
    keys: tuple[KeyEntry, ...]
    providers: tuple[Provider, ...]
    prices: tuple[Price, ...]
    rules: tuple[Rule, ...] = ()
    terms: tuple[Terms, ...] = ()
    overrides: tuple[Price, ...] = ()
    panics: tuple[Word, ...] = ()

    def __repr__(self) -> str:
        return f"Saved(as_of_us={self.as_of_us}, keys={len(self.keys)})"


_encoder = msgspec.msgpack.Encoder(enc_hook=snapshot.reveal)
_decoder = msgspec.msgpack.Decoder(Saved, dec_hook=snapshot.conceal)


class Unusable(Error):
    """There is no configuration on disk that may be served from."""


class Shelf:
    """Where the configuration of one home is kept."""

    def __init__(self, home: Home, keys: Keychain, clock: Clock):
        self.path = home.path / FILE
        self._keys = keys
        self._clock = clock
        self._context = b"gateway snapshot %d of %b" % (FORMAT, home.installation.encode())

    async def put(self, saved: Saved) -> None:
        """Replace what is kept, as a whole.

        OSError: the disk does not take it; Unavailable: the KMS is away.
        """
        content = await asyncio.to_thread(_encoder.encode, saved)
        sealed = await document.seal(self._keys, self._context, content)
        await asyncio.to_thread(_replace, self.path, sealed)

    async def take(self, age_max_s: float) -> tuple[Saved, float]:
        """What is kept, and its age in seconds; Unusable says why it cannot be served from."""
        try:
            sealed = await asyncio.to_thread(_read, self.path)
            content = await document.unseal(self._keys, self._context, sealed)
            saved = _decoder.decode(content)
        except FileNotFoundError:
            raise Unusable(f"{self.path} is not there yet") from None
        except (OSError, ValueError, Unavailable) as error:  # msgspec's errors are ValueErrors
            raise Unusable(f"{self.path} is ignored: {error}") from None
        age_s = (self._clock.now_us() - saved.as_of_us) / 1_000_000
        if age_s > age_max_s:
            raise Unusable(
                f"{self.path} is ignored: it is {age_s / 3600:.1f} hours old, and max_stale_s "
                f"allows {age_max_s / 3600:.1f}"
            )
        return saved, age_s


def _read(path: Path) -> bytes:
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
        return file.read(BYTES_MAX)


def _replace(path: Path, content: bytes) -> None:
    beside = path.with_name(path.name + ".new")
    beside.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        with open(os.open(beside, flags, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
