"""Breakers: what failed too often is left alone for a while, by all processes at once (K-61).

    breaker = breakers.named("oidc")
    answer = await outbound.send(request, …, breaker=breaker)

    async with breaker.attempt() as attempt:      # for what has a client of its own
        attempt.outcome = Outcome.FAILURE if failed else Outcome.SUCCESS

Names: `provider:<id>`, `webhook:<id>`, `oidc`, `kms`, `smtp`. The record is in Valkey, where
`breakers.lua` decides in the server's time by the table of `circuit.py`; so of failures all over
the installation exactly the last one opens a breaker, and exactly one call is the probe.

While Valkey is away each process goes on from what it knew last, by the same table. What it found
meanwhile, that a breaker must be open or what became of its probe, it says when Valkey is back; an
answer that was in doubt is harmless said twice, for its epoch is over then. An outage of Valkey is
noticed once a second, not by each call. A probe that is never heard of again holds the others up
until its lease is over.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import msgspec
from valkey.exceptions import ValkeyError

from dd0c.base import telemetry
from dd0c.base.clock import Clock, SystemClock
from dd0c.base.errors import Unavailable
from dd0c.base.outbound import Attempt, Outcome
from dd0c.base.settings import Settings
from dd0c.base.telemetry import Metric
from dd0c.kernel.cache import fitness
from dd0c.kernel.cache.client import Client
from dd0c.kernel.cache.script import Call, Script
from dd0c.kernel.guard import circuit as circuits
from dd0c.kernel.guard.circuit import TABLE, Circuit, Effect, Event, Rules, State

PLACE = "{dd0c:b}"
"""In braces: all keys of breakers are on one node."""
SCRIPT = "breakers.lua"
CALL_WITHIN_S = 0.5
AWAY_S = 1.0
KNOWN_MAX = 1_000
LISTED_MAX = 100
LOOK = "look"

NUMBERS = {State.CLOSED: 0, State.HALF_OPEN: 1, State.OPEN: 2}
CATALOGUE = (
    Metric(
        "dd0c_breaker_state",
        "gauge",
        "How a breaker stands: 0 closed, 1 half-open, 2 open.",
        ("breaker",),
    ),
    Metric(
        "dd0c_breaker_opened_total",
        "counter",
        "Times that this process opened a breaker.",
        ("breaker",),
    ),
)

_Told: TypeAlias = tuple[str, str, int]
"""Of which breaker, what happened, and in which epoch that began."""

_log = logging.getLogger(__name__)
_table = msgspec.json.encode(TABLE).decode()


class Standing(msgspec.Struct, frozen=True):
    """How a breaker stands, after what was done. `wait_s`: until a probe may be sent."""

    name: str
    effect: Effect
    state: State
    epoch: int
    failures: int
    wait_s: float

    def refusal(self) -> Unavailable:
        """What a caller is told that is not let through."""
        wait_s = max(1, math.ceil(self.wait_s))
        return Unavailable(
            f"{self.name} failed too often and is left alone; it is tried again in {wait_s} s",
            hint="`dd0c doctor` lists breakers that are open",
            retry_after_s=wait_s,
        )


class Breakers:
    """All breakers, as one process sees them. Without a client they are its own."""

    def __init__(
        self,
        client: Client | None,
        rules: Rules,
        clock: Clock | None = None,
        *,
        within_s: float = CALL_WITHIN_S,
    ):
        self._client = client
        self._rules = rules
        self._within_s = within_s
        self._clock = clock or SystemClock()
        self._script = Script(__package__, SCRIPT)
        self._known: OrderedDict[str, Circuit] = OrderedDict()
        self._unsaid: dict[str, _Told] = {}  # what was found alone
        self._away_until = -math.inf
        self._away = client is None
        self.opened: Counter[str] = Counter()

    @property
    def away(self) -> bool:
        """Whether nothing is shared right now."""
        return self._away

    def named(self, name: str) -> Breaker:
        """The breaker of that name."""
        return Breaker(self, name)

    async def ask(self, name: str) -> Standing:
        """Whether a call may be made: ADMIT, PROBE or REFUSE. Its result is told to `hear`."""
        return await self._do(name, Event.ASKED, 0)

    async def hear(self, name: str, outcome: Outcome, epoch: int) -> Standing:
        """What became of a call that began in that epoch."""
        return await self._do(name, Event(outcome), epoch)

    async def look(self, names: Sequence[str]) -> list[Standing]:
        """How these stand, without doing anything."""
        found = await self._share([(name, LOOK, 0) for name in names])
        return [self._recall(name) for name in names] if found is None else found

    async def list_open(self) -> list[Standing]:
        """Those that are not closed, the longest open first; a hundred at most."""
        try:
            if self._client is None:
                raise Unavailable
            async with asyncio.timeout(self._within_s):
                raw = await self._client.zrange(f"{PLACE}:open", 0, LISTED_MAX - 1)
            names = [name.decode() for name in raw]
        except (Unavailable, ValkeyError, OSError, TimeoutError):
            names = list(self._known)
        return [one for one in await self.look(names) if one.state is not State.CLOSED]

    async def version(self) -> int | None:
        """Another number after each change that anybody made; None while that cannot be told."""
        if self._client is None:
            return None
        try:
            async with asyncio.timeout(self._within_s):
                return int(await self._client.get(f"{PLACE}:version") or 0)
        except (ValkeyError, OSError, TimeoutError):
            return None

    def list_known(self) -> list[Standing]:
        """The breakers that this process has had to do with, as it knew them last."""
        return [self._recall(name) for name in list(self._known)[-LISTED_MAX:]]

    def samples(self) -> dict[str, float]:
        """The same as metrics."""
        state, opened = CATALOGUE
        found: dict[str, float] = {}
        for known in self.list_known():
            labels = {"breaker": known.name}
            found[telemetry.sample(state.name, labels)] = NUMBERS[known.state]
            found[telemetry.sample(opened.name, labels)] = self.opened[known.name]
        return found

    async def _do(self, name: str, event: Event, epoch: int) -> Standing:
        found = await self._share([(name, event, epoch)])
        standing = self._step(name, event, epoch) if found is None else found[0]
        if standing.effect is Effect.TRIP:
            self.opened[name] += 1
            _log.warning("the breaker of %s is open", name)
        elif standing.effect is Effect.CLOSE:
            _log.warning("the breaker of %s is closed again", name)
        return standing

    # -- shared

    async def _share(self, calls: Sequence[_Told]) -> list[Standing] | None:
        """The server's answers; None while it is away."""
        if self._client is None or time.monotonic() < self._away_until:
            return None
        told = list(self._unsaid.values())
        try:
            async with asyncio.timeout(self._within_s):
                replies = await self._script.run(
                    self._client, [self._call(*call) for call in (*told, *calls)]
                )
        except (ValkeyError, OSError, TimeoutError) as error:
            self._away_until = time.monotonic() + AWAY_S
            if not self._away:
                _log.warning("breakers are not shared: %s", fitness.explain(error))
            self._away = True
            return None
        if self._away:
            _log.warning("breakers are shared again")
        self._away = False
        for one in told:
            if self._unsaid.get(one[0]) == one:
                del self._unsaid[one[0]]
        return [
            self._note(call[0], reply)
            for call, reply in zip(calls, replies[len(told) :], strict=True)
        ]

    def _call(self, name: str, event: str, epoch: int) -> Call:
        keys = f"{PLACE}:{name}", f"{PLACE}:open", f"{PLACE}:version"
        return keys, (_table, name, str(event), epoch, *msgspec.structs.astuple(self._rules))

    def _note(self, name: str, reply: list[Any]) -> Standing:
        effect, state, epoch, failures, wait_ms = reply
        standing = Standing(
            name,
            Effect(effect.decode()),
            State(state.decode()),
            epoch,
            failures,
            wait_ms / 1000,
        )
        now_ms = self._now_ms()
        self._keep(name, Circuit(standing.state, epoch, failures, now_ms, now_ms + wait_ms))
        return standing

    # -- by ourselves

    def _step(self, name: str, event: Event, epoch: int) -> Standing:
        now_ms, before = self._now_ms(), self._known.get(name, Circuit())
        if event is Event.ASKED:
            after, effect = circuits.ask(before, self._rules, now_ms)
        else:
            after, effect = circuits.hear(before, event, epoch, self._rules, now_ms)
        self._keep(name, after)
        if self._client is not None and effect is not Effect.NOTHING:
            if before.state is State.HALF_OPEN and event is not Event.ASKED:
                self._unsaid[name] = name, event.value, epoch
            elif effect is Effect.TRIP:
                self._unsaid[name] = name, Event.TOLD_OPEN.value, 0
        return self._recall(name, effect)

    def _recall(self, name: str, effect: Effect = Effect.NOTHING) -> Standing:
        known = self._known.get(name, Circuit())
        wait_s = max(0, known.until_ms - self._now_ms()) / 1000
        return Standing(name, effect, known.state, known.epoch, known.failures, wait_s)

    def _keep(self, name: str, circuit: Circuit) -> None:
        self._known[name] = circuit
        self._known.move_to_end(name)
        if len(self._known) > KNOWN_MAX:
            gone, _ = self._known.popitem(last=False)
            self._unsaid.pop(gone, None)

    def _now_ms(self) -> int:
        return self._clock.now_us() // 1000


class Breaker:
    """One breaker (`base.outbound.Breaker`)."""

    def __init__(self, breakers: Breakers, name: str):
        self._breakers = breakers
        self._name = name

    @asynccontextmanager
    async def attempt(self) -> AsyncIterator[Attempt]:
        """Around one call, which sets the outcome; Unavailable when it may not be made."""
        asked = await self._breakers.ask(self._name)
        if asked.effect is Effect.REFUSE:
            raise asked.refusal()
        attempt = Attempt()
        try:
            yield attempt
        finally:
            if attempt.outcome is not Outcome.ABANDONED or asked.effect is Effect.PROBE:
                await self._breakers.hear(self._name, attempt.outcome, asked.epoch)


def rules_of(settings: Settings) -> Rules:
    """The rules that are set."""
    return Rules(failures=settings.breaker_failures, rest_ms=round(settings.breaker_rest_s * 1000))
