"""What all connections of one worker share, and what happens to it from outside.

The parent's messages change it (`apply`); one sweep every `SWEEP_S` stands in for all timers, so
that a request arms none; `drain` and `cut` end it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from dd0c.base.clock import Clock
from dd0c.products.route.hotpath.circuits import Circuits
from dd0c.products.route.hotpath.counts import Counts
from dd0c.products.route.hotpath.delivery import Room
from dd0c.products.route.hotpath.entropy import Entropy
from dd0c.products.route.hotpath.journal import Journal
from dd0c.products.route.hotpath.keys import Keys
from dd0c.products.route.hotpath.known import KnownHeads
from dd0c.products.route.hotpath.limits import Limits
from dd0c.products.route.hotpath.metrics import Metrics
from dd0c.products.route.hotpath.pricelist import PriceList
from dd0c.products.route.hotpath.purse import Purse
from dd0c.products.route.hotpath.routes import Routes
from dd0c.products.route.hotpath.snapshot import (
    CircuitTold,
    Counted,
    Drain,
    FromWorker,
    Granted,
    Halted,
    KeysChanged,
    OverridesChanged,
    Price,
    PricesChanged,
    PriceWanted,
    Provider,
    ProvidersChanged,
    Recall,
    RulesChanged,
    Short,
    Snapshot,
    SpoolFull,
    Stale,
    StoreAway,
    Terms,
    ToWorker,
    Unasked,
    WorkerStats,
)
from dd0c.products.route.hotpath.spool import SpoolWriter
from dd0c.products.route.hotpath.upstream import Pool

if TYPE_CHECKING:
    from dd0c.products.route.hotpath.relay import Relay
    from dd0c.products.route.hotpath.server import Caller

SWEEP_S = 0.1
HANDED_OVER_IDLE_S = 5.0  # for a kept connection to bring the request that may be on its way
PRICES_WANTED_MAX = 1000  # models asked for; a caller may invent names without end


class DataPlane:
    """Keys, providers, prices, connections and counters of a worker."""

    def __init__(
        self,
        limits: Limits,
        clock: Clock,
        spool: SpoolWriter,
        loop: asyncio.AbstractEventLoop,
        tell: Callable[[FromWorker], None],
    ):
        self.limits = limits
        self.clock = clock
        self.spool = spool
        self.now = loop.time
        self.keys = Keys()
        self.known = KnownHeads()
        self.circuits = Circuits(tell)
        self.routes = Routes()
        self._providers: tuple[Provider, ...] = ()
        self._halted = Halted()
        self.metrics = Metrics()
        self.entropy = Entropy()
        self.pool = Pool(limits, loop)
        self.callers: set[Caller] = set()
        self.unsure: set[Caller] = set()  # wait for news of a key
        self.drains: set[Relay] = set()  # read on though their callers have left
        self.room = Room()
        self.counts = Counts(tell, loop.time)
        self.terms: dict[bytes, Terms] = {}
        self.loaded = False
        self.draining = False
        self.handed_over = False
        self.idle_s = limits.idle_timeout_s
        self.journal = Journal(spool)
        self.purse = Purse(tell, loop.call_soon, self.find_prices)
        self._tell = tell
        self.prices_told = 0  # how often
        self._prices = PriceList()
        self._wanted: set[tuple[str, str]] = set()

    @property
    def ready(self) -> bool:
        """Whether requests can be served."""
        return self.loaded and not self.ending and self.journal.ready

    @property
    def ending(self) -> bool:
        """Whether the whole gateway ends, not only this worker."""
        return self.draining and not self.handed_over

    @property
    def busy(self) -> int:
        """Requests that are being served."""
        return sum(caller.busy for caller in self.callers)

    @property
    def unfinished(self) -> bool:
        """Whether anybody is left to serve, or anything to book."""
        return bool(self.callers or self.drains or len(self.counts))

    def apply(self, message: ToWorker) -> None:
        """Take in what the parent says; `Drain` is the process's business."""
        if isinstance(message, Snapshot | PricesChanged | OverridesChanged):
            self.prices_told += 1
        match message:
            case Snapshot():
                pepper = bytes.fromhex(message.pepper.reveal())
                self.keys.replace(pepper, message.keys)
                self.known.forget(pepper)
                self._providers = message.providers
                self._route()
                self._prices.replace(message.prices)
                self._prices.replace_overrides(message.overrides)
                self._take_terms(message.terms)
                self.purse.replace_rules(message.rules, message.terms)
                self.purse.ask_again()
                self.loaded = True
            case KeysChanged():
                self.keys.change(message.upsert, message.remove)
                self.known.forget()
                for caller in list(self.unsure):
                    caller.look_again()
            case ProvidersChanged():
                self._providers = message.providers
                self._route()
            case Halted():
                self._halted = message
                self._route()
            case PricesChanged():
                self._prices.add(message.prices)
                self.purse.prices_changed()
            case OverridesChanged():
                self._prices.replace_overrides(message.prices)
                self.purse.prices_changed()
            case SpoolFull():
                self.journal.full = message.full
            case Stale():
                self.keys.stale = message.stale
            case RulesChanged():
                self._take_terms(message.terms)
                self.purse.replace_rules(message.rules, message.terms)
            case Granted() | Short() | Unasked() | Recall() | StoreAway():
                self.purse.hear(message)
            case Counted():
                self.counts.heard(message)
            case CircuitTold():
                self.circuits.hear(message)
            case Drain():
                pass

    def find_price(self, provider: str, model: str, org: bytes | None = None) -> Price | None:
        """The price of a model for an organisation; one that is missing is asked for, once."""
        price = self._prices.find(provider, model, org)
        if price is None and model and len(self._wanted) < PRICES_WANTED_MAX:
            wanted = (provider, model)
            if wanted not in self._wanted:
                self._wanted.add(wanted)
                self._tell(PriceWanted(provider, model))
        return price

    def find_prices(self, provider: str, model: str, org: bytes) -> Sequence[Price]:
        """All prices that an answer to a request for a model may get; one that is missing is asked
        for."""
        found = self._prices.find_all(provider, model, org)
        if not found:
            self.find_price(provider, model, org)
        return found

    def _route(self) -> None:
        """Whoever was on a known way asks for it anew: it may lead elsewhere, or nowhere."""
        circuits = self.circuits.replace_providers(self._providers)
        self.routes = Routes(self._providers, circuits, self._halted)
        self.known.forget()

    def _take_terms(self, terms: Iterable[Terms]) -> None:
        self.terms = {one.org: one for one in terms}
        self.journal.unbilled = frozenset(
            one.org for one in self.terms.values() if one.spool_full == "open"
        )

    def sweep(self) -> None:
        """Expire what is past its deadline."""
        self.journal.pay()
        now = self.now()
        self.counts.sweep(now)
        self.purse.sweep()
        self.circuits.sweep(time.monotonic())
        self.pool.sweep(now)
        for caller in [c for c in self.callers if c.deadline <= now]:
            caller.expire(now)

    def drain(self, *, handed_over: bool) -> None:
        """Every answer from now on is the last of its connection, and connections without a request
        are closed; where others serve on, only after a while in which a request still may come."""
        self.draining, self.handed_over = True, handed_over
        if handed_over:
            self.idle_s = min(self.idle_s, HANDED_OVER_IDLE_S)
        for caller in list(self.callers):
            caller.drain()

    def cut(self) -> None:
        """End and book every request now."""
        self.counts.give_up()
        for caller in list(self.callers):
            caller.cut()
        for relay in list(self.drains):
            relay.cut()
        self.pool.close()

    def stats(self) -> WorkerStats:
        """Counters and gauges for the parent."""
        return WorkerStats(
            counters=self.metrics.counters()
            | self.purse.counters()
            | {
                "dd0c_route_spool_records_total": self.spool.records,
                "dd0c_route_requests_unrecorded_total": self.journal.unrecorded,
            },
            gauges={
                "dd0c_route_connections": len(self.callers),
                "dd0c_route_requests_open": self.busy,
                "dd0c_route_upstream_connections": self.pool.open,
                "dd0c_route_upstream_connections_idle": self.pool.idle,
            },
        )
