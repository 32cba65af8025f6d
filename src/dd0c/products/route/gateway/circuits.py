"""Breakers of providers in the gateway's parent: between its workers and all other gateways (K-61).

What workers report goes to the shared breakers one by one, in the order in which it came, and what
comes of it is told to all workers at once. What other gateways find is seen twice a second, by a
number that rises with every change. A worker is told of a provider when it stands differently from
what was told last; of the probe, only who asked is told that it is it.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from dd0c.base import outbound
from dd0c.kernel.guard.breakers import Breakers, Standing
from dd0c.kernel.guard.circuit import Effect, State
from dd0c.products.route.hotpath.snapshot import (
    CircuitTold,
    ProbeWanted,
    Provider,
    Result,
    ToWorker,
)
from dd0c.products.route.models import breaker_of

LOOK_S = 0.5
WAITING_MAX = 10_000
"""Reports that wait. More come only in an outage, when the first few are enough."""
SHOWN_MAX = 100

Tell: TypeAlias = Callable[[ToWorker], None]

_Heard: TypeAlias = tuple[Result | ProbeWanted, Tell]


class Circuits:
    """The breakers of the providers that `providers` gives; `tell` tells all workers."""

    def __init__(
        self,
        breakers: Breakers,
        providers: Callable[[], Sequence[Provider]],
        tell: Tell,
    ):
        self.breakers = breakers
        self._providers = providers
        self._tell_all = tell
        self._heard: asyncio.Queue[_Heard] = asyncio.Queue(WAITING_MAX)
        self._standing: dict[bytes, Standing] = {}
        self._told: dict[bytes, CircuitTold] = {}
        self._seen: tuple[object, ...] = ()

    def hear(self, message: Result | ProbeWanted, reply: Tell) -> None:
        """A worker reports, or asks; `reply` is told to it alone."""
        with contextlib.suppress(asyncio.QueueFull):
            self._heard.put_nowait((message, reply))

    def greeting(self) -> list[ToWorker]:
        """What a worker that starts is told."""
        return [told for told in self._told.values() if told.troubled]

    async def run(self) -> None:
        """Pass on what workers report, and look what others found, until cancelled."""
        look_at = 0.0
        while True:
            heard = None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, look_at - time.monotonic())):
                    heard = await self._heard.get()
            if heard is not None:
                await self._take(*heard)
            if time.monotonic() >= look_at:
                await self._look()
                look_at = time.monotonic() + LOOK_S

    def report(self) -> list[dict[str, Any]]:
        """Those that are not closed, for people."""
        names = {one.id: one.name for one in self._providers()}
        return [
            {
                "name": standing.name,
                "provider": names[provider],
                "state": standing.state.value,
                "tried_again_in_s": max(0.0, self._told[provider].until - time.monotonic()),
            }
            for provider, standing in list(self._standing.items())[:SHOWN_MAX]
            if standing.state is not State.CLOSED and provider in names
        ]

    async def _take(self, message: Result | ProbeWanted, reply: Tell) -> None:
        name = breaker_of(message.provider)
        if isinstance(message, Result):
            outcome = outbound.Outcome(message.outcome)
            standing = await self.breakers.hear(name, outcome, message.epoch)
        else:
            standing = await self.breakers.ask(name)
            reply(_told(message.provider, standing))
        self._note(message.provider, standing)

    async def _look(self) -> None:
        """See what others changed; those of providers that are new, too."""
        providers = self._providers()
        version = await self.breakers.version()
        seen = version, self.breakers.away, providers
        if version is not None and seen == self._seen and not self.breakers.away:
            return
        names = [breaker_of(one.id) for one in providers]
        standings = await self.breakers.look(names)
        known = {one.id for one in providers}
        for gone in self._standing.keys() - known:
            del self._standing[gone], self._told[gone]
        for one, standing in zip(providers, standings, strict=True):
            self._note(one.id, standing)
        self._seen = seen

    def _note(self, provider: bytes, standing: Standing) -> None:
        """Tell the workers, where it is news to them."""
        told, before = _told(provider, standing, probe=False), self._told.get(provider)
        self._standing[provider], self._told[provider] = standing, told
        if before is None and not told.troubled and not told.epoch:
            return
        if before is None or _known(before) != _known(told):
            self._tell_all(told)


def _told(provider: bytes, standing: Standing, *, probe: bool | None = None) -> CircuitTold:
    shut = standing.state is not State.CLOSED
    return CircuitTold(
        provider,
        shut=shut,
        troubled=shut or standing.failures > 0,
        epoch=standing.epoch,
        until=time.monotonic() + standing.wait_s,
        probe=standing.effect is Effect.PROBE if probe is None else probe,
    )


def _known(told: CircuitTold) -> tuple[object, ...]:
    """What is news when it differs."""
    return told.shut, told.troubled, told.epoch
