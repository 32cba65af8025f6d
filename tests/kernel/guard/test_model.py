"""Holders that take, settle, count, die, come back and lose their store, in any order, beside a
plain account of the same (K-60, R-16)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from dd0c.base.settings import Settings
from dd0c.kernel.guard.limits import Ask, Granted, Kind, Short, State, Superseded, Uncounted
from tests.kernel.guard.world import Server, World
from tests.support import external

T = TypeVar("T")
HOLDERS = ("gw1.a", "gw2.b", "gw3.c")
COUNTERS = (0, 1, 2)
"""Two of money, one of concurrency."""
CAP = 100


@dataclass
class Account:
    """One counter: what was spent, what each holder has, and who is counting it."""

    kind: Kind
    spent: int | None = None
    seen: int = 0
    has: dict[str, int] = field(default_factory=dict)
    counting: tuple[str, int, int] | None = None

    def used(self) -> int:
        return (self.spent or 0) + sum(self.has.values())

    def lower(self, holder: str, amount: int) -> None:
        self.has[holder] = max(0, self.has.get(holder, 0) - amount)


class Model(RuleBasedStateMachine):
    """The ledger is a list of transactions; one that is at most `seen` was in the last count."""

    world: World
    run: Callable[[Coroutine[Any, Any, Any]], Any]

    def __init__(self) -> None:
        super().__init__()
        self.here = replace(self.world, org=World(self.world.client).org)
        money = [self.here.money(CAP), self.here.money(CAP)]
        self.counters = [*money, self.here.concurrency(CAP)]
        self.accounts = [Account(counter.kind) for counter in self.counters]
        self.holders = {name: self.here.counters(name) for name in HOLDERS}
        self.known: set[str] = set()
        self.xid = 10
        self.numbers = dict.fromkeys(HOLDERS, 0)
        for name in HOLDERS:
            self.post(name, {})

    def call(self, holder: str, made: Coroutine[Any, Any, T]) -> T | None:
        """The answer, or None when the holder is not known: then it must have been refused."""
        try:
            answer: T = self.run(made)
        except Superseded:
            assert holder not in self.known
            return None
        assert holder in self.known
        return answer

    @rule(
        name=st.sampled_from(HOLDERS),
        asks=st.dictionaries(
            st.sampled_from(COUNTERS),
            st.tuples(st.integers(1, 60), st.integers(0, 20), st.sampled_from([CAP, 70])),
            min_size=1,
        ),
    )
    def take(self, name: str, asks: dict[int, tuple[int, int, int]]) -> None:
        made = [
            Ask(msgspec.structs.replace(self.counters[at], cap=cap), need, need + more)
            for at, (need, more, cap) in asks.items()
        ]
        found = self.call(name, self.holders[name].take(made))
        if found is None:
            return
        accounts = [self.accounts[at] for at in asks]
        uncounted = [a.kind is Kind.MONEY and a.spent is None for a in accounts]
        if any(uncounted):
            assert found == Uncounted(tuple(i for i, missing in enumerate(uncounted) if missing))
            return
        pairs = list(zip(made, accounts, strict=True))
        for index, (ask, account) in enumerate(pairs):
            if account.used() + ask.need > ask.counter.cap:
                assert isinstance(found, Short)
                assert found.index == index
                assert found.remaining == max(0, ask.counter.cap - account.used())
                assert found.others == sum(
                    n for other, n in account.has.items() if other in self.known - {name}
                )
                return
        assert isinstance(found, Granted)
        for (ask, account), amount, remaining in zip(
            pairs, found.amounts, found.remaining, strict=True
        ):
            assert amount in (ask.need, ask.want)
            account.has[name] = account.has.get(name, 0) + amount
            assert account.used() == ask.counter.cap - remaining <= ask.counter.cap

    @rule(name=st.sampled_from(HOLDERS), at=st.sampled_from(COUNTERS), amount=st.integers(0, 60))
    def take_anyway(self, name: str, at: int, amount: int) -> None:
        if self.done(name, self.holders[name].take_anyway([(self.counters[at], amount)])):
            account = self.accounts[at]
            account.has[name] = account.has.get(name, 0) + amount

    @rule(name=st.sampled_from(HOLDERS), at=st.sampled_from(COUNTERS), amount=st.integers(0, 60))
    def give_back(self, name: str, at: int, amount: int) -> None:
        if self.done(name, self.holders[name].give_back([(self.counters[at], amount)])):
            self.accounts[at].lower(name, amount)

    def done(self, name: str, made: Coroutine[Any, Any, None]) -> bool:
        async def answered() -> bool:
            await made
            return True

        return self.call(name, answered()) is not None

    @rule(
        name=st.sampled_from(HOLDERS),
        at=st.sampled_from(COUNTERS[:2]),
        amount=st.integers(1, 60),
        ago=st.integers(0, 5),
        again=st.booleans(),
    )
    def settle(self, name: str, at: int, amount: int, ago: int, again: bool) -> None:
        """Of a transaction that a count may have seen; some are told twice."""
        self.xid += 1
        xid, account = self.xid - ago, self.accounts[at]
        number = self.numbers[name] + (not again)
        made = self.holders[name].settle(self.here.org, number, xid, [(self.counters[at], amount)])
        settled = self.call(name, made)
        if settled is None:
            return
        if account.counting is not None and account.counting[0] in self.known:
            assert not settled
            return
        assert settled
        account.counting = None
        account.lower(name, amount)
        if number > self.numbers[name]:
            self.numbers[name] = number
            if account.spent is not None and xid > account.seen:
                account.spent += amount

    @rule(name=st.sampled_from(HOLDERS), at=st.sampled_from(COUNTERS[:2]))
    def begin_count(self, name: str, at: int) -> None:
        account = self.accounts[at]
        if name not in self.known:
            assert self.call(name, self.holders[name].begin_count(self.counters[at])) is None
            return
        token = self.run(self.holders[name].begin_count(self.counters[at]))
        if account.counting is not None and account.counting[0] in self.known:
            assert token is None
        else:
            account.counting = (name, token, self.xid)

    @rule(name=st.sampled_from(HOLDERS), at=st.sampled_from(COUNTERS[:2]), spent=st.integers(0, 99))
    def end_count(self, name: str, at: int, spent: int) -> None:
        account = self.accounts[at]
        counting = account.counting or ("", 0, 0)
        snapshot = f"{counting[2] + 1}:{counting[2] + 1}:"
        made = self.holders[name].end_count(self.counters[at], counting[1], spent, snapshot)
        ended = self.call(name, made)
        if ended is not None:
            assert ended == (counting[0] == name)
        if ended:
            account.spent, account.seen, account.counting = spent, counting[2], None

    @rule(
        name=st.sampled_from(HOLDERS),
        held=st.dictionaries(st.sampled_from(COUNTERS), st.integers(0, 30)),
    )
    def post(self, name: str, held: dict[int, int]) -> None:
        self.run(self.holders[name].post([(self.counters[at], n) for at, n in held.items()]))
        self.run(self.holders[name].give_back([(self.counters[0], 0)]))  # known here for certain
        self.known.add(name)
        for at, account in enumerate(self.accounts):
            account.has[name] = held.get(at, 0)
            if account.counting is not None and account.counting[0] == name:
                account.counting = None

    @rule(name=st.sampled_from(HOLDERS))
    def die(self, name: str) -> None:
        self.run(self.here.expire(name))
        self.known.discard(name)
        self.accounts[2].has.pop(name, None)

    @rule(at=st.sampled_from(COUNTERS[:2]), gone=st.sampled_from(["", "gw1", "gw2."]))
    def recount(self, at: int, gone: str) -> None:
        account = self.accounts[at]
        names = [name for name in account.has if gone and name.startswith(gone)]
        free = self.run(self.here.counters("x").recount([self.counters[at]], gone))
        assert free == (not any(account.has[name] for name in names if name in self.known))
        for name in set(names) - self.known:
            del account.has[name]
        account.spent = account.counting = None

    @rule()
    def lose_everything(self) -> None:
        self.run(self.here.command("FLUSHALL"))
        self.known.clear()
        self.accounts = [Account(counter.kind) for counter in self.counters]

    @invariant()
    def the_counters_are_as_accounted(self) -> None:
        self.run(self.here.revive(self.known))
        found = self.run(self.here.counters("reader").read(self.counters))
        for state, account in zip(found, self.accounts, strict=True):
            living = sum(n for name, n in account.has.items() if name in self.known)
            lost = sum(account.has.values()) - living
            assert state == State(account.spent, living, lost, 0)


def follow(world: World, runner: asyncio.Runner, examples: int) -> None:
    """Run the model beside the counters."""
    bound = type("Bound", (Model,), {"world": world, "run": staticmethod(runner.run)})
    run_state_machine_as_test(
        bound, settings=settings(max_examples=examples, stateful_step_count=40, deadline=None)
    )


def test_the_counters_are_an_account(world: World, runner: asyncio.Runner) -> None:
    """R-16: whatever holders do and whatever happens to them, each answer and each sum is that of
    a plain account, and no grant brings it above the cap."""
    follow(world, runner, 30)


def test_redis_counts_the_same(
    world_on: Callable[[Settings], World], runner: asyncio.Runner, valkey: Server
) -> None:
    """K-3: the script does on a Redis 7 what it does on Valkey."""
    from urllib.parse import quote

    from dd0c.base.secrets import Secret

    with external.redis() as server:
        url = Secret(f"redis://:{quote(external.PASSWORD, safe='')}@127.0.0.1:{server.port}/0")
        follow(world_on(replace(valkey.settings, valkey_url=url)), runner, 10)
