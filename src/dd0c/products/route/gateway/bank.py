"""Gives the workers permission out of the counters that all gateways share (R-16).

Workers ask for what they lack (`Ask`); the counters in Valkey give it or not, all of it at once.
Where one is short, what is idle elsewhere is called in before a worker hears no. What the shipper
has brought into the ledger is then spent in the counters. One task does all this in order: first
what comes back, then what was spent, then what is wanted.

A call that got no answer may have been done. The bank then says anew all that is out (`post`),
which ends the doubt. While that fails the store is away: workers are told, and each organisation's
terms say whether its requests go on. What they use meanwhile is kept here and posted later.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from dd0c.base.errors import Error, Unavailable
from dd0c.kernel.guard import limits
from dd0c.kernel.guard.counters import Counters
from dd0c.kernel.guard.limits import LEASE_S, TICK_S, Kind, Superseded, Tick, Uncounted
from dd0c.products.route.gateway.leases import Kept, Lease, Leases, budgets_of, time_s
from dd0c.products.route.hotpath.rules import Rules
from dd0c.products.route.hotpath.snapshot import (
    Ask,
    Dealings,
    Grant,
    Granted,
    Recall,
    Returned,
    Rule,
    Short,
    StoreAway,
    ToWorker,
    Unasked,
)
from dd0c.products.route.models import PICO_PER_DOLLAR
from dd0c.products.route.shipper.listener import Charge, Shipment

ASKS_MAX = 20_000
ASKS_AT_ONCE = 16  # between two looks at what comes back
ASK_MAX_S = 4.0  # with counts and recalls in between
FAILURES_MAX = 3  # calls in a row without an answer: then the store is away
RECALL_S = 0.1  # for our workers to answer
RECALL_OTHERS_S = TICK_S + 0.1  # for other gateways
RECALL_AGAIN_S = 1.0
SOON_S = 0.02  # until somebody else has counted
COUNT_MAX_S = 8.0
RATE_BACK_S = 2.0  # after its second: what nobody used of it has come back by itself
RESERVED_S = 1.0  # when permission that others hold may be back

Count = Callable[[Rule, int, int | None], Awaitable[tuple[int, str]]]
"""Pico-dollars that the ledger says a rule's window was charged, and the snapshot of the sum."""

log = logging.getLogger(__name__)


class Worker(Protocol):
    """Who asks."""

    @property
    def pid(self) -> int: ...

    def tell(self, message: ToWorker) -> None: ...


class Asking(NamedTuple):
    """An ask on its way; after `until` nobody waits for it."""

    worker: Worker
    ask: Ask
    until: float


@dataclass(slots=True)
class Recalling:
    """A counter that is called in: whose answers are awaited, and who waits for them."""

    lease: Lease
    awaited: set[int]
    asking: list[Asking] = field(default_factory=list)


class Bank:
    """Keeps the leases of one gateway, from the moment that it has a rule. `gateway`: how the names
    of all its holders begin; `before`: what the program before us had out."""

    def __init__(
        self,
        counters: Counters | None,
        count: Count,
        living: Callable[[], Collection[int]],
        *,
        gateway: str,
        alone: Callable[[], Awaitable[bool]],
        tell: Callable[[ToWorker], None],
        before: Sequence[Kept] = (),
    ):
        self.away = False
        self.asks = self.recalls = self.counted = 0
        self._counters = counters
        self._count_ledger = count
        self._living = living
        self._gateway = gateway
        self._alone = alone
        self._tell = tell
        self._rules = Rules()
        self._ruled = False  # until then no rule is known, which does not mean that there is none
        self._leases = Leases()
        self._leases.restore(before)
        self._elders = {worker for kept in before for worker in kept.out}
        self._began_s = int(time.time())
        self._workers: dict[int, Worker] = {}
        self._gone: set[int] = set()
        self._asks: deque[Asking] = deque()
        self._rates: dict[tuple[Lease, int | None], int] = {}
        self._changed: set[Lease] = set()
        self._recalling: dict[int, Recalling] = {}
        self._counting: dict[Lease, list[Asking]] = {}
        self._stale = {lease for lease in self._leases if lease.doubtful}  # to be counted anew
        self._caught_up = False
        self._epoch = 0
        self._failures = 0
        self._doubt = True
        self._closed_until = 0.0  # others have to post what they have, before anything is granted
        self._now = asyncio.get_running_loop().time
        self._woken = asyncio.Event()
        self._speaking = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    # -- what the others say

    def replace_rules(self, rules: Iterable[Rule]) -> None:
        """All rules of all organisations."""
        self._rules = Rules(rules)
        self._ruled = True
        self._woken.set()

    def greeting(self) -> list[ToWorker]:
        """What a worker that starts is told."""
        return [StoreAway(away=True)] if self.away else []

    def hear(self, worker: Worker, dealings: Dealings) -> None:
        """What a worker wants and gives back."""
        self._workers[worker.pid] = worker
        for returned in dealings.returned:
            self._take_back(worker.pid, returned)
        for number in dealings.recalled:
            self._answered(number, worker.pid)
        until = self._now() + ASK_MAX_S
        for ask in dealings.asks:
            if self.away or len(self._asks) >= ASKS_MAX:
                worker.tell(Unasked(ask.id))
            else:
                self.asks += 1
                self._asks.append(Asking(worker, ask, until))
        self._woken.set()

    async def shipped(self, shipment: Shipment) -> None:
        """These attempts are in the ledger (`shipper.listener`)."""
        charged: dict[bytes, set[Lease]] = {}
        for charge in shipment.charges:
            opened = charge.opened
            for rule in budgets_of(self._rules, charge):
                lease = self._leases.at(rule, time_s(opened.request_id))
                if not self._is_ours(charge):
                    self._stale.add(lease)
                    continue
                lease.spend(charge.pid, charge.charged_pico)
                self._changed.add(lease)
                charged.setdefault(opened.org, set()).add(lease)
        for org, leases in charged.items():
            if shipment.again or not self._leases.settle(org, shipment.xid, leases):
                self._stale |= leases
                for lease in leases:
                    lease.doubt()
        self._woken.set()

    async def caught_up(self, living: Collection[int]) -> None:
        """All is in the ledger that other processes than these ever wrote."""
        now = set(self._living())
        with_leases = {worker for lease in self._leases for worker in lease.out}
        gone = with_leases - now - set(living)
        # Twice, as long as workers are born: one may have come and died since `living` was true.
        self._drop(gone & self._gone if now else gone, {Kind.MONEY})
        self._gone = gone
        if not self._caught_up and self._rules.by_id:
            self._caught_up = True
            self._stale |= {
                self._leases.at(rule, int(time.time()))
                for rule in self._rules.by_id.values()
                if rule.measure == "usd"
            }
        self._woken.set()

    def samples(self) -> dict[str, float]:
        """Numbers for the admin port."""
        pico = sum(sum(one.out.values()) for one in self._leases if one.kind is Kind.MONEY)
        return {
            "dd0c_route_limit_store_away": float(self.away),
            "dd0c_route_limit_asks_total": self.asks,
            "dd0c_route_limit_recalls_total": self.recalls,
            "dd0c_route_limit_counts_total": self.counted,
            "dd0c_route_limit_leased_usd": pico / PICO_PER_DOLLAR,
            "dd0c_route_limit_unsettled": self._leases.unsettled,
        }

    def keep(self) -> tuple[Kept, ...]:
        """What is out, for the program that takes our place."""
        return self._leases.keep()

    # -- the work

    async def run(self) -> None:
        """Answer for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._tick_on())
            while True:
                await self._woken.wait()
                self._woken.clear()
                if self._needed and not self.away:
                    await self._speak(self._deal)

    async def leave(self) -> None:
        """Nothing is running any more and all is in the ledger: leave nothing outstanding."""
        if self._needed and not self.away:
            await self._speak(self._deal)

    @property
    def _needed(self) -> bool:
        return bool(self._rules.by_id) or self._leases.any

    async def _tick_on(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            if self._needed:
                await self._speak(self._renew)
                self._leases.forget_idle(self._now())
                self._woken.set()

    async def _speak(self, what: Callable[[Counters], Awaitable[None]]) -> None:
        """Talk to the counters, one at a time; what fails leaves a doubt."""
        async with self._speaking:
            try:
                if self._counters is None:
                    raise Unavailable("no cache is set up for this gateway")
                if self._doubt:
                    await self._post(self._counters)
                await what(self._counters)
            except Superseded:
                self._doubt = True
                self._woken.set()
            except Unavailable as error:
                self._doubt = True
                self._failures += 1
                if self._failures >= FAILURES_MAX:
                    self._set_away(error)
                self._woken.set()

    async def _deal(self, counters: Counters) -> None:
        due = self._leases.due()  # what comes later may be more than is outstanding
        await self._level(counters)
        await self._settle(counters, due)
        if self._stale and self._caught_up:
            await self._recount(counters)
        if not self._ruled or self._now() < self._closed_until:
            return
        for _ in range(min(len(self._asks), ASKS_AT_ONCE)):
            asking = self._asks.popleft()
            try:
                await self._answer(counters, asking)
            except Unavailable:
                self._asks.appendleft(asking)
                raise
        if self._asks:
            self._woken.set()

    async def _post(self, counters: Counters) -> None:
        """Say all that is out; what was in doubt is not any more."""
        held = [(lease, lease.owed) for lease in self._leases if lease.kind is not Kind.RATE]
        tick = await counters.post([(lease.counter, owed) for lease, owed in held if owed])
        for lease, owed in held:
            lease.posted = owed
        self._changed = {lease for lease, owed in held if lease.owed != owed}
        self._failures = 0
        self._doubt = False
        if self.away:
            self.away = False
            log.info("the counters of limits answer again")
            self._tell(StoreAway(away=False))
        await self._learn(tick)

    async def _renew(self, counters: Counters) -> None:
        living = set(self._living())
        with_leases = {worker for lease in self._leases for worker in lease.out}
        self._drop(with_leases - living, {Kind.CONCURRENCY})
        for worker in self._workers.keys() - living:
            del self._workers[worker]
        for lease in self._leases:
            lease.forgive()
        tick = await counters.tick()
        self._failures = 0
        if tick.superseded:
            raise Superseded
        await self._learn(tick)

    async def _learn(self, tick: Tick) -> None:
        if tick.epoch != self._epoch:
            self._epoch = tick.epoch
            left_s = LEASE_S - tick.epoch_age_s
            if left_s > 0 and not await self._alone():
                self._closed_until = self._now() + left_s
                asyncio.get_running_loop().call_later(left_s, self._woken.set)
        wanted = tuple(lease.key for lease in self._leases if lease.counter.key in tick.wanted)
        if wanted:
            self._tell(Recall(0, wanted))

    def _set_away(self, error: Error) -> None:
        if not self.away:
            self.away = True
            log.warning("the counters of limits are away: %s", error)
            self._tell(StoreAway(away=True))
        self._rates.clear()  # their second will be over
        waiting = [*self._asks, *(one for r in self._recalling.values() for one in r.asking)]
        self._asks.clear()
        self._recalling.clear()
        for asking in waiting:
            asking.worker.tell(Unasked(asking.ask.id))

    # -- what comes back, and what was spent

    def _take_back(self, worker: int, returned: Returned) -> None:
        lease = self._leases.find((returned.rule, returned.from_s))
        rule = self._rules.by_id.get(returned.rule)
        if lease is None and rule is not None:
            lease = self._leases.open(rule, returned.from_s)
        if lease is None:
            return  # of a rule that is gone
        if lease.kind is Kind.RATE:
            at = lease, returned.second
            self._rates[at] = self._rates.get(at, 0) + returned.amount
        else:
            lease.take(worker, returned.amount)
            self._changed.add(lease)

    def _drop(self, workers: Collection[int], kinds: Collection[Kind]) -> None:
        for lease in self._leases if workers else ():
            if lease.kind in kinds and lease.drop(workers):
                self._changed.add(lease)

    async def _level(self, counters: Counters) -> None:
        """Make what is outstanding what is out: up first, then down."""
        rates, self._rates = self._rates, {}
        changed, self._changed = self._changed, set()
        over = [(lease.counter, -amount) for (lease, _), amount in rates.items() if amount < 0]
        up = [(lease, lease.owed - lease.posted) for lease in changed]
        up = [(lease, amount) for lease, amount in up if amount > 0]
        if up or over:
            await counters.take_anyway([*((lease.counter, n) for lease, n in up), *over])
            for lease, amount in up:
                lease.posted += amount
        down = [(lease, lease.posted - lease.owed) for lease in changed]
        down = [(lease, amount) for lease, amount in down if amount > 0]
        if down:
            await counters.give_back([(lease.counter, amount) for lease, amount in down])
            for lease, amount in down:
                lease.posted -= amount
        seconds: dict[int, list[tuple[limits.Counter, int]]] = {}
        for (lease, second), amount in rates.items():
            if second is not None and amount > 0:
                seconds.setdefault(second, []).append((lease.counter, amount))
        for second, amounts in seconds.items():
            await counters.give_back(amounts, second)

    async def _settle(self, counters: Counters, due: Mapping[bytes, int]) -> None:
        for org, last in due.items():
            while (first := self._leases.first_settlement(org)) and first.number <= last:
                amounts = [(lease.counter, amount) for lease, amount in first.amounts]
                if not await counters.settle(org, first.number, first.xid, amounts):
                    break  # one is being counted; the next tick comes here again
                self._leases.settled(org)

    async def _recount(self, counters: Counters) -> None:
        """Have what is in doubt counted anew, and forget what holders before us left."""
        stale = {lease: lease.doubtful for lease in self._stale}
        if not await counters.recount([lease.counter for lease in stale], self._gateway):
            return  # one of them lives for a moment yet
        self._stale -= stale.keys()
        for lease, doubtful in stale.items():
            lease.doubtful -= doubtful
            self._changed.add(lease)

    def _is_ours(self, charge: Charge) -> bool:
        """Whether the attempt was made under a lease that we know of."""
        return time_s(charge.opened.request_id) >= self._began_s or charge.pid in self._elders

    # -- what is wanted

    async def _answer(self, counters: Counters, asking: Asking) -> None:
        ask = asking.ask
        if self._now() > asking.until:
            asking.worker.tell(Unasked(ask.id))
            return
        rules = [self._rules.by_id.get(want.rule) for want in ask.wants]
        wanted = [
            (self._leases.open(rule, want.from_s), want)
            for rule, want in zip(rules, ask.wants, strict=True)
            if rule is not None
        ]
        if not wanted:
            self._give(asking, None, [])
            return
        for lease, want in wanted:
            if want.need > lease.counter.cap * lease.unit:
                told = Short(ask.id, want.rule, lease.counter.cap * lease.unit)
                asking.worker.tell(told)
                return
        answer = await counters.take([lease.ask(want.need, want.want) for lease, want in wanted])
        match answer:
            case limits.Granted():
                self._give(asking, answer, [lease for lease, _ in wanted])
            case limits.Short():
                lease, want = wanted[answer.index]
                self._be_short(asking, lease, want.need, answer)
            case Uncounted():
                for index in answer.indexes:
                    self._count(wanted[index][0])
                self._counting[wanted[answer.indexes[0]][0]].append(asking)

    def _give(self, asking: Asking, given: limits.Granted | None, leases: list[Lease]) -> None:
        """Pass on what was granted; of a rule that is gone everybody gets what they want."""
        grants, worker = [], asking.worker
        for want in asking.ask.wants:
            if given is None or not leases or leases[0].counter.rule != want.rule:
                grants.append(Grant(want.need, 0, tight=True))
                continue
            lease, at = leases.pop(0), len(given.amounts) - len(leases) - 1
            amount = given.amounts[at]
            if lease.kind is not Kind.RATE:
                amount = lease.give(worker.pid, amount)
            elif amount > want.need:
                lease.spare[worker.pid] = given.until_s + RATE_BACK_S
            remaining = given.remaining[at] * lease.unit
            grants.append(Grant(amount, remaining, given.tight[at], given.second, given.until_s))
        worker.tell(Granted(asking.ask.id, tuple(grants)))

    def _be_short(self, asking: Asking, lease: Lease, need: int, short: limits.Short) -> None:
        """Call in what is idle elsewhere, unless that was just done."""
        for recalling in self._recalling.values():
            if recalling.lease is lease:
                recalling.asking.append(asking)
                return
        ours = lease.idle(asking.worker.pid, self._now()) & self._workers.keys()
        if (ours or short.others) and self._now() - lease.recalled_at >= RECALL_AGAIN_S:
            self._recall(asking, lease, ours, RECALL_OTHERS_S if short.others else RECALL_S)
            return
        frees_in_s, held = short.frees_in_s, 0
        if lease.kind is Kind.CONCURRENCY:
            frees_in_s = RESERVED_S
        elif lease.kind is Kind.MONEY:
            spent = lease.counter.cap - short.remaining - short.others - lease.posted
            if need <= (lease.counter.cap - spent) * lease.unit:
                frees_in_s = RESERVED_S  # all the rest is with requests under way
                held = lease.held + short.others
            elif lease.counter.expires_s is not None:
                frees_in_s = max(0.0, lease.counter.expires_s - time.time())
        left = short.remaining * lease.unit
        told = Short(asking.ask.id, lease.counter.rule, left, frees_in_s, held * lease.unit)
        asking.worker.tell(told)

    def _recall(
        self, asking: Asking, lease: Lease, workers: Collection[int], within_s: float
    ) -> None:
        self.recalls += 1
        lease.recalled_at = self._now()
        number = self.recalls
        awaited = set(workers) if within_s == RECALL_S else {0, *workers}  # 0: other gateways
        self._recalling[number] = Recalling(lease, awaited, [asking])
        for worker in workers:
            self._workers[worker].tell(Recall(number, (lease.key,)))
        asyncio.get_running_loop().call_later(within_s, self._called_in, number)

    def _answered(self, number: int, worker: int) -> None:
        recalling = self._recalling.get(number)
        if recalling is not None:
            recalling.awaited.discard(worker)
            if not recalling.awaited:
                self._called_in(number)

    def _called_in(self, number: int) -> None:
        """What could be called in has come: those who wait for it are next."""
        if (recalling := self._recalling.pop(number, None)) is not None:
            self._asks.extendleft(reversed(recalling.asking))
            self._woken.set()

    # -- counting from the ledger

    def _count(self, lease: Lease) -> None:
        if lease not in self._counting:
            self._counting[lease] = []
            task = asyncio.create_task(self._count_and_go_on(lease))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _count_and_go_on(self, lease: Lease) -> None:
        known = False
        try:
            known = await self._count_now(lease)
        except (Error, TimeoutError) as error:
            log.warning("a budget cannot be counted: %s", error)
        finally:
            waiting = self._counting.pop(lease)
            if known:
                self._asks.extendleft(reversed(waiting))
                self._woken.set()
            else:
                for asking in waiting:
                    asking.worker.tell(Unasked(asking.ask.id))

    async def _count_now(self, lease: Lease) -> bool:
        """Count what was charged in a window; False where the ledger cannot say it now."""
        counter, token, counted = lease.counter, None, False

        async def begin(counters: Counters) -> None:
            nonlocal token
            token = await counters.begin_count(counter)

        async def end(counters: Counters) -> None:
            nonlocal counted
            assert token is not None
            counted = await counters.end_count(counter, token, -(-pico // lease.unit), snapshot)

        await self._speak(begin)
        if token is None:  # somebody else counts, or the store is away
            await asyncio.sleep(SOON_S)
            return not self.away
        async with asyncio.timeout(COUNT_MAX_S):
            pico, snapshot = await self._count_ledger(
                lease.rule, counter.window_from_s, counter.expires_s
            )
        await self._speak(end)
        self.counted += counted
        return not self.away
