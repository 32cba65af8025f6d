"""Breakers of providers as a worker holds to them (K-61, R-31).

The parent keeps them, in common with all gateways, and tells how each stands. A provider that has
failed too often is *shut*: its requests are refused at once, until it has rested. Then the first
request asks the parent whether it is the probe; the others are refused until that is answered.

Failures are told as they come. A success is told only where failures are counted (`troubled`), and
once: an ordinary request costs one look at that flag, and nothing is said of it. A result counts in
the epoch in which its attempt began; every change that the parent tells begins another, so a late
word about before the trip changes nothing.

A failure is: no connection, silence or an end before the head of an answer, and a status of 5xx. A
4xx is an answer, 429 too: the provider works, and says so. Once the head of an answer is there, it
has succeeded, whatever becomes of the rest.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from typing import Protocol

from dd0c.products.route.hotpath.dialects import Refusal
from dd0c.products.route.hotpath.exchange import Event
from dd0c.products.route.hotpath.snapshot import (
    CircuitTold,
    FromWorker,
    Outcome,
    ProbeWanted,
    Provider,
    Result,
)

BREAKER_OPEN = "breaker_open"
FAILING = 500
ANSWER_WITHIN_S = 2.0
UNTIMELY = -1
"""The epoch of what began while nothing should have."""

FAILURES = (Event.NOT_CONNECTED, Event.SILENT, Event.BROKEN_OFF)
"""Of an attempt without an answer."""


class Passenger(Protocol):
    """A request on its way (`relay.Relay`)."""

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        ...

    def start(self) -> None:
        """It may go on."""
        ...

    def refused(self, refusal: Refusal) -> None:
        """It may not."""
        ...


class Circuit:
    """The breaker of one provider. `until`: when it has rested, on the monotonic clock."""

    __slots__ = (
        *("_known_ns", "_reported", "_tell", "asked", "asking", "epoch", "name", "probe"),
        *("provider", "shut", "troubled", "until"),
    )

    def __init__(self, provider: bytes, name: str, tell: Callable[[FromWorker], None]):
        self.provider = provider
        self.name = name
        self.shut = False
        self.troubled = False  # shut, or failures are counted
        self.epoch = 0
        self.until = 0.0
        self.asking: Passenger | None = None  # has asked to be the probe
        self.asked = 0.0
        self.probe: Passenger | None = None
        self._known_ns = 0
        self._reported = False
        self._tell = tell

    def begin(self, passenger: Passenger) -> int:
        """An attempt begins: in which epoch, for what is told of it."""
        return UNTIMELY if self.shut and passenger is not self.probe else self.epoch

    def epoch_of(self, begun_ns: int) -> int:
        """The epoch of an attempt that began unnoticed."""
        return self.epoch if begun_ns >= self._known_ns and not self.shut else UNTIMELY

    def answered(self, epoch: int, status: int) -> None:
        """The head of an answer came."""
        if self.troubled or status >= FAILING:
            self._report(epoch, "failure" if status >= FAILING else "success")

    def unanswered(self, epoch: int, event: Event) -> None:
        """An attempt ended without one."""
        if event in FAILURES:
            self._report(epoch, "failure")
        elif self.probe is not None and event is not Event.STALE:  # which is tried again
            self._report(epoch, "abandoned")

    def give_up(self) -> None:
        """The probe has ended without a word."""
        self._report(self.epoch, "abandoned")

    def enter(self, passenger: Passenger) -> None:
        """Let a request go on, refuse it, or ask whether it is the probe."""
        now = time.monotonic()
        if not self.shut:
            passenger.start()
        elif now < self.until or self.asking is not None:
            passenger.refused(self._refusal(now))
        else:
            self.asking, self.asked = passenger, now
            self._tell(ProbeWanted(self.provider))

    def hear(self, told: CircuitTold) -> None:
        """How it stands."""
        if told.epoch != self.epoch:
            self._known_ns = time.monotonic_ns()
            self.probe = None
        self.epoch, self.until, self._reported = told.epoch, told.until, False
        self.shut, self.troubled = told.shut, told.troubled
        asking, self.asking = self.asking, None
        if told.probe:
            if asking is None or asking.over:
                self.give_up()
                return
            self.probe = asking
            asking.start()
        elif asking is not None:
            if self.shut:
                asking.refused(self._refusal(time.monotonic()))
            else:
                asking.start()

    def sweep(self, now: float) -> None:
        """Nobody waits for long, and a probe does not end unheard of."""
        if self.asking is not None and now >= self.asked + ANSWER_WITHIN_S:
            asking, self.asking = self.asking, None
            asking.refused(self._refusal(now))
        if self.probe is not None and self.probe.over:
            self.probe = None
            self.give_up()

    def _report(self, epoch: int, result: Outcome) -> None:
        if epoch != self.epoch or (self._reported and result == "success"):
            return
        self._reported = result == "success"
        self.probe = None
        self._tell(Result(self.provider, epoch, result))

    def _refusal(self, now: float) -> Refusal:
        wait_s = max(1, math.ceil(self.until - now))
        told = (
            f"The provider {self.name} has failed too often and is left alone for a while. It is "
            f"tried again in {wait_s} s."
        )
        return Refusal(503, BREAKER_OPEN, told, ((b"retry-after", b"%d" % wait_s),))


class Circuits:
    """The breakers of all providers that a worker knows."""

    def __init__(self, tell: Callable[[FromWorker], None]):
        self._tell = tell
        self._by_provider: dict[bytes, Circuit] = {}

    def replace_providers(self, providers: Iterable[Provider]) -> dict[bytes, Circuit]:
        """One for each of these; those that were known stay as they are."""
        known = self._by_provider
        self._by_provider = {
            one.id: known.get(one.id) or Circuit(one.id, one.name, self._tell) for one in providers
        }
        return self._by_provider

    def hear(self, told: CircuitTold) -> None:
        """What the parent says of one."""
        if (circuit := self._by_provider.get(told.provider)) is not None:
            circuit.hear(told)

    def sweep(self, now: float) -> None:
        """What is past its time."""
        for circuit in self._by_provider.values():
            if circuit.shut:
                circuit.sweep(now)
