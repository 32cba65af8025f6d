"""The client of Valkey: every call has a deadline, every pool a size, every failure one name."""

from __future__ import annotations

import os
from typing import Any, TypeAlias

from valkey.asyncio import BlockingConnectionPool, UnixDomainSocketConnection, Valkey
from valkey.exceptions import ValkeyError

from dd0c.base import home
from dd0c.base.errors import SetupError, Unavailable
from dd0c.base.settings import Settings
from dd0c.kernel.cache import fitness
from dd0c.kernel.cache.embedded import SOCKET, read_password

Client: TypeAlias = Valkey

CALL_TIMEOUT_S = 1.0
TLS = ("valkeys://", "rediss://")
TRIED = "dd0c:health"
TRIED_KEPT_S = 60


def open_client(settings: Settings, size: int, within_s: float = CALL_TIMEOUT_S) -> Client:
    """A client with up to `size` connections, made when they are needed. End it with `aclose()`.

    `within_s` bounds the wait for a free connection, for a new one, and for an answer, each.
    """
    options: dict[str, Any] = {
        "max_connections": size,
        "timeout": within_s,
        "socket_timeout": within_s,
        "socket_connect_timeout": within_s,
    }
    if settings.valkey_url:
        url = settings.valkey_url.reveal()
        if settings.ca_bundle and url.startswith(TLS):
            options["ssl_ca_certs"] = settings.ca_bundle
        try:
            pool = BlockingConnectionPool.from_url(url, **options)
        except ValueError:  # its message repeats the text, password included
            raise SetupError(
                "DD0C_VALKEY_URL is not an address of Valkey",
                hint="valkey://:…@host:6379/0, or valkeys:// for TLS",
            ) from None
    else:
        place = home.find(settings.home)
        pool = BlockingConnectionPool(
            connection_class=UnixDomainSocketConnection,
            path=str(place.sockets / SOCKET),
            password=read_password(place).reveal(),
            **options,
        )
    return Valkey.from_pool(pool)


async def write_and_read(client: Client) -> None:
    """The server gives back what it was given; Unavailable when it does not in time."""
    given = os.urandom(8)
    try:
        await client.set(TRIED, given, ex=TRIED_KEPT_S)
        found = await client.get(TRIED)
    except (ValkeyError, OSError, TimeoutError) as error:
        raise fitness.explain(error) from error
    if found is None:
        raise Unavailable("the cache has lost what it was given a moment ago")
