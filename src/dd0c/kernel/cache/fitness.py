"""What is wrong with a Valkey or Redis: why it does not let us in, what it would forget.

Nothing that is served today needs the cache, so neither stops a start: the control server says it
in its log, and health for as long as it lasts.
"""

from __future__ import annotations

from valkey.asyncio import Valkey
from valkey.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    ValkeyError,
)

from dd0c.base.errors import Unavailable

KEEPS = "noeviction"

_CAUSES: tuple[tuple[type[Exception], str, str], ...] = (
    (BusyLoadingError, "is loading its data", "wait for it"),
    (ReadOnlyError, "is a read-only replica", "DD0C_VALKEY_URL must name the primary"),
    (OutOfMemoryError, "is full", "give it more memory: it must not forget what it was given"),
    (NoPermissionError, "does not let our account do that", "allow it all commands on its keys"),
    (TimeoutError, "gives no answer in time", "is it running, and is the address right?"),
)


def explain(error: Exception) -> Unavailable:
    """What an error of the client means, in one line."""
    for kind, words, hint in _CAUSES:
        if isinstance(error, kind):
            return Unavailable(f"the cache {words}", hint=hint)
    if isinstance(error, AuthenticationError):  # its text is the server's, without a password
        return Unavailable(
            f"the cache does not let us in: {str(error).rstrip('.')}",
            hint="check user and password in DD0C_VALKEY_URL",
        )
    cause = error.__cause__ or error
    return Unavailable(
        f"the cache does not answer: {type(cause).__name__}",
        hint="is it running, and is DD0C_VALKEY_URL right?",
    )


async def judge(client: Valkey) -> None:
    """Unavailable when the server refuses us, cannot be written to, or throws things away."""
    try:
        role = (await client.info("replication"))["role"]
        policy = (await client.info("memory")).get("maxmemory_policy", KEEPS)
    except (ValkeyError, OSError, TimeoutError) as error:
        raise explain(error) from error
    if role != "master":
        raise explain(ReadOnlyError())
    if policy != KEEPS:
        raise Unavailable(
            f"the cache forgets what it holds when it is full (maxmemory-policy {policy})",
            hint=f"set maxmemory-policy {KEEPS}",
        )
