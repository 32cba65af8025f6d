"""Breakers of providers between the workers of several gateways (K-61, R-31)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import msgspec
import pytest

from dd0c.base import ids
from dd0c.base.settings import Settings
from dd0c.kernel.cache import client as clients
from dd0c.kernel.cache.embedded import EmbeddedValkey
from dd0c.kernel.guard.breakers import Breakers
from dd0c.kernel.guard.circuit import Rules
from dd0c.products.route.gateway.circuits import Circuits
from dd0c.products.route.hotpath.snapshot import (
    CircuitTold,
    Outcome,
    ProbeWanted,
    Provider,
    Result,
    ToWorker,
)
from tests.support import servers
from tests.support.worker import provider

PATIENCE_S = 10.0
WITHIN_S = 20.0
ENOUGH = 3
HOUR_MS = 3_600_000
RULES = Rules(failures=ENOUGH, rest_ms=0, lease_ms=HOUR_MS, memory_ms=HOUR_MS)


@dataclass
class Gateway:
    """What a parent has to do with breakers. `told`: what all its workers heard; `replies`: what
    the one that asked did."""

    providers: list[Provider]
    circuits: Circuits
    told: list[CircuitTold]
    replies: list[CircuitTold] = field(default_factory=list)

    def report(self, outcome: Outcome, epoch: int, times: int = 1) -> None:
        for _ in range(times):
            self.circuits.hear(Result(self.providers[0].id, epoch, outcome), self.reply)

    def ask(self, times: int = 1) -> None:
        for _ in range(times):
            self.circuits.hear(ProbeWanted(self.providers[0].id), self.reply)

    def reply(self, message: ToWorker) -> None:
        assert isinstance(message, CircuitTold)
        self.replies.append(message)

    def knows(self, *, shut: bool) -> bool:
        return bool(self.told) and self.told[-1].shut == shut


@pytest.fixture(scope="module")
def settings() -> Iterator[Settings]:
    with servers.temporary_folder() as folder:
        place, found = servers.open_home(folder)
        server = EmbeddedValkey(place)
        server.start()
        yield found
        server.stop()


@asynccontextmanager
async def gateway(settings: Settings, one: Provider) -> AsyncIterator[Gateway]:
    """One gateway of those that share this Valkey."""
    client = clients.open_client(settings, 2, PATIENCE_S)
    providers, told = [one], list[CircuitTold]()

    def tell(message: ToWorker) -> None:
        assert isinstance(message, CircuitTold)
        told.append(message)

    breakers = Breakers(client, RULES, within_s=PATIENCE_S)
    circuits = Circuits(breakers, lambda: tuple(providers), tell)
    running = asyncio.create_task(circuits.run())
    try:
        yield Gateway(providers, circuits, told)
    finally:
        running.cancel()
        await asyncio.wait([running])
        await client.aclose()


async def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not true():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def test_one_probe_over_two_gateways(settings: Settings) -> None:
    """K-61: failures at two gateways add up, both learn that the breaker is open, of all who then
    ask at both one is the probe, and its success opens the way at both."""
    one = provider(1, id=ids.new_bytes())
    async with gateway(settings, one) as left, gateway(settings, one) as right:
        left.report("failure", 0, ENOUGH - 1)
        await until(lambda: bool(right.told))
        assert not right.told[-1].shut
        right.report("failure", 0)
        await until(lambda: left.knows(shut=True) and right.knows(shut=True))
        assert [standing["state"] for standing in left.circuits.report()] == ["open"]
        left.ask(5)
        right.ask(5)
        await until(lambda: len(left.replies) + len(right.replies) == 10)
        (probe,) = [told for told in [*left.replies, *right.replies] if told.probe]
        right.report("success", left.told[0].epoch)  # it began before the trip
        left.report("success", probe.epoch)
        await until(lambda: left.knows(shut=False) and right.knows(shut=False))
        assert left.circuits.greeting() == []


async def test_a_provider_that_comes_later(settings: Settings) -> None:
    """K-61: a provider that was just added, and is left alone already, is known to be; one that was
    taken away is forgotten."""
    one = provider(1, id=ids.new_bytes())
    other = msgspec.structs.replace(one, id=ids.new_bytes(), name="other")
    async with gateway(settings, one) as left, gateway(settings, other) as right:
        left.report("failure", 0, ENOUGH)
        await until(lambda: left.knows(shut=True))
        right.providers.append(one)
        await until(lambda: right.knows(shut=True))
        (greeted,) = right.circuits.greeting()
        assert isinstance(greeted, CircuitTold)
        assert (greeted.provider, greeted.probe) == (one.id, False)
        right.providers.remove(one)
        await until(lambda: right.circuits.greeting() == [])
