"""What this gateway has out of each counter, and with which of its workers. No I/O.

A counter in Valkey knows one number of us: what is outstanding (`posted`). Behind it is what
workers have, from the grant on until the row of an attempt is in the ledger; what rows in the
ledger have cost that is not yet spent in the counter (`pending`); and what may be spent there or
not, until the ledger was counted anew (`doubtful`). `posted` is made equal to their sum, up before
down: outstanding too long only costs somebody a moment, too short lets a budget be overshot.

Valkey counts money in nano-dollars, workers and the ledger in pico-dollars. What is outstanding is
rounded up, what is spent is rounded down, and the rest waits for the next row of that counter.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from dd0c.kernel.guard.limits import AMOUNT_MAX, Ask, Counter, Kind
from dd0c.kernel.guard.windows import window_of
from dd0c.products.route.hotpath.allowances import Key
from dd0c.products.route.hotpath.rules import Rules, Traits
from dd0c.products.route.hotpath.snapshot import Rule
from dd0c.products.route.shipper.listener import Charge

KINDS = {
    "usd": Kind.MONEY,
    "requests": Kind.RATE,
    "tokens": Kind.RATE,
    "concurrency": Kind.CONCURRENCY,
}
PICO_PER_NANO = 1_000
RECALLED_S = 5.0
CHARGES_MAX = 10_000  # transactions of the ledger that wait to be settled


class Lease:
    """A counter and what is out of it. Amounts are those of workers: `unit` is one of Valkey's."""

    __slots__ = (
        "counter",
        "doubtful",
        "kind",
        "out",
        "pending",
        "posted",
        "queued",
        "recalled_at",
        "rule",
        "spare",
        "unit",
    )

    def __init__(self, rule: Rule, from_s: int):
        self.kind = KINDS[rule.measure]
        self.unit = PICO_PER_NANO if self.kind is Kind.MONEY else 1
        self.rule = rule
        expires_s = None
        if self.kind is Kind.MONEY:
            expires_s = window_of(rule.window, from_s, ZoneInfo(rule.time_zone)).until_s
        cap = min(rule.amount // self.unit, AMOUNT_MAX)
        self.counter = Counter(rule.org, rule.id, self.kind, cap, from_s, expires_s)
        self.out: dict[int, int] = {}  # by worker
        self.pending = 0
        self.doubtful = 0
        self.queued = 0  # of what is pending, in Valkey's units: has its settlement
        self.posted = 0
        self.recalled_at = -1e9
        self.spare: dict[int, float] = {}  # of a rate: workers that may have some, and until when

    @property
    def key(self) -> Key:
        """As workers name it."""
        return (self.counter.rule, self.counter.window_from_s)

    @property
    def owed(self) -> int:
        """What has to be outstanding, in Valkey's units."""
        out = sum(amount for amount in self.out.values() if amount > 0)
        return -(-(out + self.pending + self.doubtful) // self.unit)

    @property
    def held(self) -> int:
        """What of it is with workers, in Valkey's units."""
        return max(0, self.posted + (-self.pending - self.doubtful) // self.unit)

    def give(self, worker: int, amount: int) -> int:
        """A worker has this much of Valkey's units now; what that is to the worker."""
        self.posted += amount
        self.out[worker] = self.out.get(worker, 0) + amount * self.unit
        return amount * self.unit

    def take(self, worker: int, amount: int) -> None:
        """A worker has less now, or with a negative amount more."""
        self.out[worker] = self.out.get(worker, 0) - amount

    def drop(self, workers: Collection[int]) -> bool:
        """Nothing is with these workers any more; whether something was."""
        dropped = [self.out.pop(worker, 0) for worker in workers]
        return any(dropped)

    def forgive(self) -> None:
        """What workers have less than nothing of, they have nothing of: no word came."""
        for worker, amount in self.out.items():
            if amount < 0:
                self.out[worker] = 0

    def idle(self, worker: int, now: float) -> set[int]:
        """Who may have something that this worker needs; of a rate also itself: it takes all that
        it needs in one second, or nothing."""
        if self.kind is Kind.RATE:
            return {spared for spared, until in self.spare.items() if until > now}
        return {other for other, amount in self.out.items() if amount > 0 and other != worker}

    def ask(self, need: int, want: int) -> Ask:
        """What to take for a worker that lacks `need`."""
        needed = -(-need // self.unit)
        return Ask(self.counter, needed, max(needed, min(want // self.unit, AMOUNT_MAX)))

    def doubt(self) -> None:
        """What is pending and not queued may be spent in the counter, or not."""
        doubtful = self.pending - self.queued * self.unit
        self.doubtful += doubtful
        self.pending -= doubtful

    def spend(self, worker: int, amount: int) -> None:
        """A row is in the ledger: what it cost is no longer with the worker, but pending. Where it
        cost more than was granted the worker's word of that may come later, so this may leave it
        with less than nothing for a moment."""
        self.take(worker, amount)
        self.pending += amount


class Settlement(NamedTuple):
    """What the rows of one transaction are to be settled with, in Valkey's units."""

    number: int
    xid: int
    amounts: list[tuple[Lease, int]]


class Kept(msgspec.Struct, frozen=True, array_like=True):
    """A lease for the program that takes our place, which has no other way to know what workers
    have. What was pending is in doubt then."""

    rule: Rule
    from_s: int
    out: dict[int, int]
    doubtful: int


class Leases:
    """All leases of a gateway, and what waits to be settled."""

    def __init__(self) -> None:
        self._leases: dict[Key, Lease] = {}
        self._settlements: dict[bytes, deque[Settlement]] = {}
        self._numbers: dict[bytes, int] = {}

    def __iter__(self) -> Iterator[Lease]:
        return iter(self._leases.values())

    def open(self, rule: Rule, from_s: int) -> Lease:
        """The lease of a rule in a window, with the rule as it is now."""
        lease = self._leases.get((rule.id, from_s))
        if lease is None:
            lease = self._leases[rule.id, from_s] = Lease(rule, from_s)
        elif lease.rule is not rule:
            fresh = Lease(rule, from_s)
            lease.rule, lease.counter = rule, fresh.counter
        return lease

    def find(self, key: Key) -> Lease | None:
        """The lease, if there is one."""
        return self._leases.get(key)

    def at(self, rule: Rule, at_s: int) -> Lease:
        """The lease of a budget in the window that a moment (Unix seconds) lies in."""
        return self.open(rule, window_of(rule.window, at_s, ZoneInfo(rule.time_zone)).from_s)

    @property
    def any(self) -> bool:
        """Whether there are any."""
        return bool(self._leases)

    @property
    def unsettled(self) -> int:
        """Transactions of the ledger that wait to be settled."""
        return sum(map(len, self._settlements.values()))

    def settle(self, org: bytes, xid: int, leases: Collection[Lease]) -> bool:
        """Have what is pending of these settled; False: too much waits already, count anew."""
        queue = self._settlements.setdefault(org, deque())
        if len(queue) >= CHARGES_MAX:
            return False
        amounts = []
        for lease in leases:
            if (amount := lease.pending // lease.unit - lease.queued) > 0:
                lease.queued += amount
                amounts.append((lease, amount))
        if amounts:
            number = self._numbers[org] = self._numbers.get(org, 0) + 1
            queue.append(Settlement(number, xid, amounts))
        return True

    def due(self) -> dict[bytes, int]:
        """Organisations with something to settle, and the number of their last."""
        return {org: queue[-1].number for org, queue in self._settlements.items() if queue}

    def first_settlement(self, org: bytes) -> Settlement | None:
        """The oldest of an organisation: they are settled in order."""
        queue = self._settlements.get(org)
        return queue[0] if queue else None

    def settled(self, org: bytes) -> None:
        """The oldest is settled."""
        for lease, amount in self._settlements[org].popleft().amounts:
            lease.posted = max(0, lease.posted - amount)
            lease.queued -= amount
            lease.pending -= amount * lease.unit
        if not self._settlements[org]:
            del self._settlements[org]

    def forget_idle(self, now: float) -> None:
        """Drop leases of which nothing is out: a counter that is needed again is opened again. One
        that was just called in is known as such until all who wait for it have their answer."""
        for key, lease in list(self._leases.items()):
            called_in = now - lease.recalled_at < RECALLED_S
            if not (lease.owed or lease.posted or called_in or lease.idle(0, now)):
                del self._leases[key]

    def keep(self) -> tuple[Kept, ...]:
        """What is out, for the program that takes our place."""
        return tuple(
            Kept(lease.rule, lease.counter.window_from_s, out, lease.pending + lease.doubtful)
            for lease in self
            if (out := {worker: n for worker, n in lease.out.items() if n > 0}) or lease.pending
        )

    def restore(self, kept: Iterable[Kept]) -> None:
        """Go on with what the program before us had out."""
        for one in kept:
            lease = self.open(one.rule, one.from_s)
            lease.out, lease.doubtful = dict(one.out), one.doubtful


def budgets_of(rules: Rules, charge: Charge) -> list[Rule]:
    """The budgets that an attempt counts for."""
    opened = charge.opened
    if not charge.charged_pico or not rules.concern(opened.org):
        return []
    traits = Traits(
        opened.key_id, opened.team, opened.requested_model, opened.sent_model, opened.tags
    )
    return [rule for rule in rules.match(opened.org, traits) if rule.measure == "usd"]


def time_s(request_id: bytes) -> int:
    """When an attempt was begun: in Unix seconds, as its id says."""
    return int.from_bytes(request_id[:6], "big") // 1000
