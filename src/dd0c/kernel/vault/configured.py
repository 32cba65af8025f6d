"""The keychain that DD0C_VAULT asks for: `local`, `aws-kms:ARN`, `vault-transit:URL/MOUNT/KEY`.

The first one wraps. The others after commas open what they wrapped, which is how an installation
moves from one to the next: list both, `dd0c vault rewrap`, take the old one out.
"""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, Iterator
from typing import Protocol

from dd0c.base.errors import SetupError
from dd0c.base.home import Home
from dd0c.base.outbound import UNGUARDED, Breaker, Outbound
from dd0c.base.settings import Settings
from dd0c.kernel.vault import aws, local, transit
from dd0c.kernel.vault.keychain import Keychain, KeyEncryptionKey

LOCAL = "local"

Breakers = Callable[[str], Breaker]


def _unguarded(_: str) -> Breaker:
    return UNGUARDED


class Managed(KeyEncryptionKey, Protocol):
    """A key of a KMS, which keeps its versions."""

    async def renew(self) -> None:
        """A new version wraps from now on."""
        ...


def names(settings: Settings) -> list[str]:
    """What DD0C_VAULT lists; SetupError when that is nothing."""
    found = [part.strip() for part in settings.vault.split(",") if part.strip()]
    if not found:
        raise SetupError("DD0C_VAULT is empty", hint=f"leave it out, or set it to {LOCAL}")
    return found


def uses_file(settings: Settings) -> bool:
    """Whether a key is in secrets/kek.key."""
    return LOCAL in names(settings)


def wraps_by_file(settings: Settings) -> bool:
    """Whether it is a key in that file that wraps."""
    return names(settings)[0] == LOCAL


def load(settings: Settings, home: Home, breakers: Breakers = _unguarded) -> Keychain:
    """The keys, none of them asked yet; SetupError for a name that says nothing, or a bad file.

    The breaker of the first is named `kms`, of the others `kms:2` and so on: one that is away must
    not keep us from another.
    """
    listed: list[Managed | None] = [
        None
        if name == LOCAL
        else _managed(name, settings, breakers(f"kms:{at}" if at > 1 else "kms"))
        for at, name in enumerate(names(settings), 1)
    ]

    def read() -> list[KeyEncryptionKey]:
        return [key for one in listed for key in (local.read(home) if one is None else [one])]

    return Keychain(read, _renewal(listed[0], home))


def ensure(settings: Settings, home: Home) -> Keychain:
    """The keys; the file is made where it is wanted and missing. For the preparing step."""
    if uses_file(settings):
        local.ensure(home)
    return load(settings, home)


def _breaker_names() -> Iterator[str]:
    yield "kms"
    yield from (f"kms:{number}" for number in itertools.count(2))


def _managed(name: str, settings: Settings, breaker: Breaker) -> Managed:
    if name.startswith(aws.PREFIX):
        return aws.AwsKey(name.removeprefix(aws.PREFIX), settings, breaker)
    if name.startswith(transit.PREFIX):
        address = name.removeprefix(transit.PREFIX)
        return transit.TransitKey(address, settings.vault_token_file, Outbound(settings), breaker)
    raise SetupError(
        f"DD0C_VAULT: {name!r} is no place for a key-encryption key",
        hint="local, aws-kms:ARN, or vault-transit:URL/MOUNT/KEY",
    )


def _renewal(first: Managed | None, home: Home) -> Callable[[], Awaitable[None]]:
    async def renew() -> None:
        if first is None:
            local.add(home)
        else:
            await first.renew()

    return renew
