"""Valkey's word: one hash with a field for whoever ever was in panic, and a hint beside it."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable
from typing import Any, cast

from valkey.exceptions import ValkeyError

from dd0c.base.errors import Unavailable
from dd0c.kernel.autonomy.brake import Scope
from dd0c.kernel.autonomy.states import Panic, State
from dd0c.kernel.cache import fitness
from dd0c.kernel.cache.client import Client

KEY = CHANNEL = "dd0c:panic"
EVERYWHERE, OFF = "everywhere", "off"


async def tell(client: Client, scope: Scope, panic: State) -> None:
    """Say it to all who listen; Unavailable."""
    field = EVERYWHERE if scope is None else str(scope)
    try:
        async with client.pipeline(transaction=True) as both:
            both.hset(KEY, field, panic or OFF)
            both.publish(CHANNEL, field)
            await both.execute()
    except (ValkeyError, OSError, TimeoutError) as error:
        raise fitness.explain(error) from error


async def ask(client: Client) -> dict[Scope, State]:
    """What is said there; Unavailable."""
    try:
        found: dict[bytes, bytes] = await cast(Awaitable[Any], client.hgetall(KEY))
        return {
            None if field == EVERYWHERE.encode() else uuid.UUID(field.decode()): _panic(value)
            for field, value in found.items()
        }
    except (ValkeyError, OSError, TimeoutError) as error:
        raise fitness.explain(error) from error
    except ValueError as error:  # written by somebody else: no word of ours
        raise Unavailable(f"{KEY} in Valkey is not what dd0c wrote") from error


def _panic(value: bytes) -> State:
    return None if value == OFF.encode() else Panic(value.decode())
