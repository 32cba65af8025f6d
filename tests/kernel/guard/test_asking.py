"""How often an organisation may ask: together while Valkey is there, each server alone without."""

from __future__ import annotations

import asyncio
import uuid

import pytest

from dd0c.base.errors import LimitExceeded
from dd0c.base.settings import Settings
from dd0c.kernel.cache import client as clients
from dd0c.kernel.guard.counters import Counters
from dd0c.kernel.guard.rates import Rates
from tests.kernel.guard.world import World
from tests.support.control import NO_CACHE

PER_MINUTE = 5


async def refused_for(rates: Rates, org: uuid.UUID, name: str = "x") -> int | None:
    """For how many seconds one more is refused; None: it was let through."""
    try:
        await rates.require(org, name, PER_MINUTE)
    except LimitExceeded as refusal:
        return refusal.retry_after_s
    return None


async def test_servers_count_together(world: World) -> None:
    """Twenty requests at once on two servers: as many as the limit pass, none of them more, and
    another organisation or another name has a minute of its own (K-60, N-15)."""
    org, other = uuid.UUID(bytes=world.org), uuid.uuid4()
    one, two = Rates(world.counters("one")), Rates(world.counters("two"))
    done = await asyncio.gather(*(refused_for(rates, org) for rates in (one, two) * 10))
    assert done.count(None) == PER_MINUTE
    assert all(1 <= seconds <= 61 for seconds in done if seconds is not None)
    assert await refused_for(one, other) is None
    assert await refused_for(two, org, "y") is None


async def test_a_server_counts_alone_without_valkey() -> None:
    """While Valkey is away the limit holds in each server: no free ride, and no outage (K-60)."""
    away = Settings(valkey_url=NO_CACHE)
    client = clients.open_client(away, 1)
    rates, org = Rates(Counters(client, "alone")), uuid.uuid4()
    assert [await refused_for(rates, org) for _ in range(PER_MINUTE)] == [None] * PER_MINUTE
    assert await refused_for(rates, uuid.uuid4()) is None
    await client.aclose()
    with pytest.raises(LimitExceeded, match="5 times a minute"):
        await rates.require(org, "x", PER_MINUTE)
