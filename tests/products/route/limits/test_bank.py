"""The bank with real counters: workers of one gateway, and two gateways, share what there is."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from dd0c.base.settings import Settings
from dd0c.kernel.cache.client import Client, open_client
from dd0c.kernel.cache.embedded import EmbeddedValkey
from dd0c.kernel.guard.counters import INSTALLATION, Counters
from dd0c.kernel.guard.limits import State
from dd0c.products.route.gateway.bank import Bank
from dd0c.products.route.gateway.leases import Kept, Lease
from dd0c.products.route.hotpath.snapshot import (
    Ask,
    Dealings,
    Granted,
    Recall,
    Returned,
    Rule,
    Short,
    StoreAway,
    ToWorker,
    Unasked,
    Want,
)
from dd0c.products.route.shipper.listener import Charge, Shipment
from tests.products.route import records
from tests.products.route.limits.made import rule
from tests.support import servers

WITHIN_S = 10.0
CALL_S = 5.0  # a busy machine is not what is tested


@pytest.fixture(scope="module")
def settings() -> Iterator[Settings]:
    """A Valkey for this module."""
    with servers.temporary_folder() as folder:
        place, found = servers.open_home(folder)
        server = EmbeddedValkey(place)
        server.start()
        try:
            yield found
        finally:
            server.stop()


@dataclass
class Worker:
    """A worker as its bank sees it."""

    pid: int
    said: list[ToWorker] = field(default_factory=list)

    def tell(self, message: ToWorker) -> None:
        self.said.append(message)


@dataclass
class Ledger:
    """What the ledger would say: charges with the transactions that they came in."""

    pico: int = 0
    counts: int = 0
    last_xid: int = 100

    async def count(self, rule: Rule, from_s: int, until_s: int | None) -> tuple[int, str]:
        self.counts += 1
        return self.pico, f"{self.last_xid + 1}:{self.last_xid + 1}:"


@dataclass
class Desk:
    """A running bank, its workers and its ledger."""

    bank: Bank
    ledger: Ledger
    client: Client
    wanted: asyncio.Event
    workers: dict[int, Worker] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=lambda: iter(range(1, 1000)))

    async def ask(
        self, worker: int, of: Rule, need: int, from_s: int = 0, *, want: int = 0
    ) -> ToWorker:
        """The answer to one ask of a worker."""
        number = next(self.numbers)
        ask = Ask(number, of.org, (Want(of.id, from_s, need, max(need, want)),))
        who = self.workers.setdefault(worker, Worker(worker))
        self.bank.hear(who, Dealings(asks=(ask,)))
        return await self.answer(who, number)

    async def answer(self, worker: Worker, number: int) -> ToWorker:
        async with asyncio.timeout(WITHIN_S):
            while True:
                for message in worker.said:
                    if isinstance(message, Granted | Short | Unasked) and message.id == number:
                        return message
                await asyncio.sleep(0.005)

    def give_back(
        self, worker: int, of: Rule, amount: int, *recalls: int, second: int | None = None
    ) -> None:
        returned = (Returned(of.id, 0, amount, second),)
        who = self.workers.setdefault(worker, Worker(worker))
        self.bank.hear(who, Dealings(returned=returned, recalled=recalls))

    async def ship(self, of: Rule, worker: int, pico: int, *, again: bool = False) -> None:
        """A row of a request of now comes into the ledger."""
        self.ledger.pico += 0 if again else pico
        self.ledger.last_xid += 1
        made = records.opened(uuid.UUID(bytes=of.org), at_us=time.time_ns() // 1000)
        charge = Charge(made, pico, worker, "gwy")
        await self.bank.shipped(Shipment([charge], self.ledger.last_xid, again))

    async def heard(self, worker: int, kind: type[Recall]) -> Recall:
        """The first message of this kind that a worker was sent."""
        async with asyncio.timeout(WITHIN_S):
            while True:
                for message in self.workers[worker].said:
                    if isinstance(message, kind):
                        return message
                await asyncio.sleep(0.005)

    async def state(self, of: Rule) -> State:
        """The counter as anybody sees it."""
        (found,) = await Counters(self.client, "reader", CALL_S).read([Lease(of, 0).counter])
        return found

    async def until(self, of: Rule, **wanted: int | None) -> None:
        """Wait until the counter stands so."""

        async def stands() -> bool:
            found = await self.state(of)
            return all(getattr(found, name) == number for name, number in wanted.items())

        await eventually(stands)

    async def gets(self, worker: int, of: Rule, need: int) -> bool:
        """Whether an ask is granted."""
        return isinstance(await self.ask(worker, of, need), Granted)


async def eventually(true: Callable[[], Awaitable[bool]]) -> None:
    """Wait until it is."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            if await true():
                return
            await asyncio.sleep(0.02)


class World:
    """Gateways that share the counters of one Valkey."""

    def __init__(self, settings: Settings):
        self.client: Client = open_client(settings, 4, CALL_S)
        self.ledger = Ledger()
        self.living: set[int] = {1, 2, 3, 4}
        self.tasks: list[asyncio.Task[None]] = []
        self.alone = True

    def gateway(self, name: str, *rules: Rule, before: tuple[Kept, ...] = ()) -> Desk:
        """A running gateway of this name; another program of it under the same name. Without rules
        nobody has told it yet which there are."""
        program, wanted = f"{name}.{len(self.tasks)}", asyncio.Event()
        bank = Bank(
            Counters(self.client, program, CALL_S),
            self.ledger.count,
            lambda: self.living,
            gateway=f"{name}.",
            alone=self._alone,
            tell=lambda message: wanted.set() if isinstance(message, Recall) else None,
            before=before,
        )
        if rules:
            bank.replace_rules(rules)
        self.tasks.append(asyncio.create_task(bank.run()))
        return Desk(bank, self.ledger, self.client, wanted)

    async def _alone(self) -> bool:
        return self.alone


@asynccontextmanager
async def world(settings: Settings) -> AsyncIterator[World]:
    one = World(settings)
    try:
        yield one
    finally:
        for task in one.tasks:
            task.cancel()
        await asyncio.gather(*one.tasks, return_exceptions=True)
        await one.client.aclose()


async def test_what_a_worker_does_not_need_of_a_rate_is_called_in(settings: Settings) -> None:
    """A worker that got two more requests of this minute than it had callers has them called in
    before another hears no: 37 a minute are 37, wherever they arrive (K-60)."""
    limit = rule(measure="requests", window="", amount=37)
    async with world(settings) as found:
        desk = found.gateway("one", limit)
        given = await desk.ask(1, limit, 1, want=3)
        assert isinstance(given, Granted)
        assert given.grants[0].amount == 3
        asked = asyncio.create_task(desk.ask(2, limit, 36))
        recall = await desk.heard(1, Recall)
        assert recall.counters == ((limit.id, 0),)
        desk.give_back(1, limit, 2, recall.id, second=given.grants[0].second)
        assert isinstance(await asked, Granted)
        assert (await desk.state(limit)).window == 37
        assert isinstance(await desk.ask(2, limit, 1), Short)


async def test_two_workers_never_have_more_than_there_is(settings: Settings) -> None:
    """What one worker has idle is called in before the other hears no, and then it is exact
    (R-16)."""
    budget = rule(amount=1_000_000)
    async with world(settings) as all_:
        desk = all_.gateway("gwy_a", budget)
        assert isinstance(await desk.ask(1, budget, 700_000), Granted)
        second = asyncio.create_task(desk.ask(2, budget, 500_000))
        recall = await desk.heard(1, Recall)
        desk.give_back(1, budget, 300_000, recall.id)
        granted = await second
        assert isinstance(granted, Granted)
        assert granted.grants[0].amount == 500_000
        short = await desk.ask(1, budget, 200_000)
        assert isinstance(short, Short)
        assert (short.remaining, short.frees_in_s, short.held) == (100_000, 1.0, 900_000)
        assert isinstance(await desk.ask(1, budget, 100_000), Granted)


async def test_a_budget_is_counted_before_anything_is_given(settings: Settings) -> None:
    """What the ledger has already counts; the next one does not ask it again (R-16)."""
    budget = rule(amount=1_000_000)
    async with world(settings) as all_:
        all_.ledger.pico = 900_000
        desk = all_.gateway("gwy_b", budget)
        assert isinstance(await desk.ask(1, budget, 200_000), Short)
        assert isinstance(await desk.ask(1, budget, 100_000), Granted)
        assert all_.ledger.counts == 1


async def test_what_a_row_cost_is_spent_and_the_rest_is_free(settings: Settings) -> None:
    """Reserved 800,000, cost 300,100: after the commit 300,100 are spent, whatever came back first,
    and fractions of a nano-dollar wait for the next row (R-16)."""
    budget = rule(amount=1_000_000)
    async with world(settings) as all_:
        desk = all_.gateway("gwy_c", budget)
        assert isinstance(await desk.ask(1, budget, 800_000), Granted)
        await desk.ship(budget, 1, 300_100)
        desk.give_back(1, budget, 800_000 - 300_100)
        await desk.until(budget, spent=300, outstanding=1)
        await desk.ship(budget, 1, 900)  # reserved by nobody: it is spent all the same
        await desk.until(budget, spent=301, outstanding=0)
        short = await desk.ask(2, budget, 700_000)
        assert isinstance(short, Short)
        assert (short.frees_in_s, short.held) == (None, 0)  # nothing is on its way: no room ever


async def test_more_than_was_reserved_counts_once_whoever_tells_it_first(
    settings: Settings,
) -> None:
    """An attempt cost 500,000 of 300,000: the ledger may show it before the worker's word of it is
    here, and nothing of either stays outstanding (R-16: never leak)."""
    budget = rule(amount=2_000_000)
    async with world(settings) as all_:
        desk = all_.gateway("gwy_k", budget)
        for told_first in (True, False):
            assert await desk.gets(1, budget, 300_000)
            if told_first:
                desk.give_back(1, budget, -200_000)
            await desk.ship(budget, 1, 500_000)
            if not told_first:
                desk.give_back(1, budget, -200_000)
        await desk.until(budget, spent=1000, outstanding=0)
        assert await desk.gets(1, budget, 1_000_000)


async def test_what_a_dead_worker_had_comes_back_when_its_spool_is_in(settings: Settings) -> None:
    """Not before: attempts that it left open are charged out of it (R-16)."""
    budget, many = rule(amount=1_000_000), rule(measure="concurrency", window="", amount=1)
    async with world(settings) as all_:
        desk = all_.gateway("gwy_d", budget, many)
        assert isinstance(await desk.ask(4, budget, 800_000), Granted)
        assert isinstance(await desk.ask(4, many, 1), Granted)
        all_.living.discard(4)
        await desk.until(many, outstanding=0)  # its connections are gone with it
        assert (await desk.state(budget)).outstanding == 800
        await desk.ship(budget, 4, 300_000)
        for _ in range(2):
            await desk.bank.caught_up(all_.living)
        await desk.until(budget, outstanding=0)
        assert await desk.gets(1, budget, 700_000)
        assert not await desk.gets(1, budget, 1_000)


async def test_a_window_has_a_counter_of_its_own(settings: Settings) -> None:
    """A minute's budget is spent; a request of the next minute finds all of it (R-16)."""
    budget = rule(window="minute", amount=1_000_000)
    begin = int(time.time()) // 60 * 60
    async with world(settings) as all_:
        desk = all_.gateway("gwy_e", budget)
        assert isinstance(await desk.ask(1, budget, 1_000_000, begin), Granted)
        await desk.ship(budget, 1, 0)
        assert isinstance(await desk.ask(1, budget, 1_000_000, begin), Short)
        assert isinstance(await desk.ask(1, budget, 1_000_000, begin + 60), Granted)


async def test_what_another_gateway_has_idle_is_called_in(settings: Settings) -> None:
    """It hears within half a second that it is wanted (R-16: N gateways)."""
    budget = rule(amount=1_000_000)
    async with world(settings) as all_:
        one, other = all_.gateway("gwy_f", budget), all_.gateway("gwy_g", budget)
        assert isinstance(await one.ask(1, budget, 900_000), Granted)
        waiting = asyncio.create_task(other.ask(2, budget, 500_000))
        await asyncio.wait_for(one.wanted.wait(), WITHIN_S)
        one.give_back(1, budget, 900_000)
        assert isinstance(await waiting, Granted)


async def test_a_gateway_that_has_nothing_hears_no_when_another_has_it_all(
    settings: Settings,
) -> None:
    """What the other one's requests hold does not come when it is called in: that is a no, and not
    a store that is away, which would let the request pass (R-16: N gateways)."""
    budget = rule(amount=1_000_000)
    async with world(settings) as all_:
        one, other = all_.gateway("gwy_n", budget), all_.gateway("gwy_o", budget)
        assert await one.gets(1, budget, 900_000)
        short = await other.ask(2, budget, 500_000)
        assert isinstance(short, Short)
        assert (short.remaining, short.frees_in_s, short.held) == (100_000, 1.0, 900_000)


async def test_nothing_is_given_before_others_could_say_what_they_have(
    settings: Settings,
) -> None:
    """The counters' data is lost while one gateway is stalled: the other one gives nothing until
    that one's lease would be over, so that it can say what its workers hold (R-16: N gateways)."""
    budget = rule(amount=1_000_000)
    async with world(settings) as all_:
        stalled, other = all_.gateway("gwy_l", budget), all_.gateway("gwy_m", budget)
        assert await stalled.gets(1, budget, 900_000)
        all_.tasks[0].cancel()
        all_.alone = False
        await all_.client.flushall()

        async def begun() -> bool:
            return bool(await all_.client.exists(INSTALLATION))

        await eventually(begun)
        waiting = asyncio.create_task(other.ask(2, budget, 500_000))
        all_.tasks.append(asyncio.create_task(stalled.bank.run()))
        stalled.bank.replace_rules([budget])
        while isinstance(answer := await waiting, Unasked):  # others are called in after the wait
            waiting = asyncio.create_task(other.ask(2, budget, 500_000))
        assert isinstance(answer, Short)
        assert answer.remaining == 100_000
        assert await other.gets(2, budget, 100_000)


async def test_a_new_program_goes_on_with_what_workers_have(settings: Settings) -> None:
    """After a reload the new parent says what the old one had out; what the old one is noted with
    goes once the ledger has everything (K-7, R-16)."""
    budget = rule(amount=1_000_000)
    async with world(settings) as all_:
        old = all_.gateway("gwy_h", budget)
        assert isinstance(await old.ask(1, budget, 600_000), Granted)
        kept = old.bank.keep()
        all_.tasks[-1].cancel()
        new = all_.gateway("gwy_h", budget, before=kept)
        assert isinstance(await new.ask(2, budget, 500_000), Short)
        await new.bank.caught_up(all_.living)
        await new.until(budget, lost=0, outstanding=600, spent=None)  # the old name is forgotten
        assert isinstance(await new.ask(2, budget, 500_000), Short)
        await new.ship(budget, 1, 200_000)
        new.give_back(1, budget, 400_000)
        await new.until(budget, spent=200, outstanding=0)


async def test_a_new_program_gives_nothing_before_it_knows_the_rules(settings: Settings) -> None:
    """Workers ask a new parent before it has read the rules: it does not take a rule that it does
    not know for one that is gone, of which everybody gets what they want (K-7, R-16)."""
    budget = rule(amount=1_000_000)
    async with world(settings) as all_:
        old = all_.gateway("gwy_j", budget)
        assert isinstance(await old.ask(1, budget, 600_000), Granted)
        kept = old.bank.keep()
        all_.tasks[-1].cancel()
        new = all_.gateway("gwy_j", before=kept)
        waiting = asyncio.create_task(new.ask(2, budget, 500_000))
        await new.until(budget, lost=0, outstanding=1_200)  # it spoke, beside its predecessor
        assert not waiting.done()
        new.bank.replace_rules([budget])
        assert isinstance(await waiting, Short)


async def test_rows_that_came_before_are_not_spent_twice(settings: Settings) -> None:
    """The shipper was killed before it noted a batch, and ships it again: the ledger is counted
    anew (R-15, R-16)."""
    budget = rule(amount=1_000_000)
    async with world(settings) as all_:
        desk = all_.gateway("gwy_i", budget)
        await desk.bank.caught_up(all_.living)
        assert isinstance(await desk.ask(1, budget, 600_000), Granted)
        await desk.ship(budget, 1, 600_000)
        await desk.until(budget, spent=600, outstanding=0)
        await desk.ship(budget, 1, 600_000, again=True)
        await eventually(lambda: desk.gets(1, budget, 400_000))
        assert isinstance(await desk.ask(1, budget, 1_000), Short)


async def test_without_a_cache_workers_are_told_so() -> None:
    """A gateway that has none set up does not let anybody wait (R-32)."""
    budget, told = rule(), list[ToWorker]()

    async def nobody() -> bool:
        return True

    bank = Bank(None, Ledger().count, set, gateway="gwy_j.", alone=nobody, tell=told.append)
    bank.replace_rules([budget])
    running = asyncio.create_task(bank.run())
    worker = Worker(1)
    bank.hear(worker, Dealings(asks=(Ask(1, budget.org, (Want(budget.id, 0, 1, 1),)),)))

    async def unasked() -> bool:
        return Unasked(1) in worker.said

    await eventually(unasked)
    assert told == [StoreAway(away=True)]
    assert bank.greeting() == told
    running.cancel()
