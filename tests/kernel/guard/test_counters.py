"""Counters that several gateways take from: all or nothing, never above the cap (K-60, R-16)."""

from __future__ import annotations

import asyncio
import time

import pytest

from dd0c.kernel.guard.limits import (
    AMOUNT_MAX,
    LEASE_S,
    Ask,
    Granted,
    Short,
    State,
    Superseded,
    Uncounted,
)
from tests.kernel.guard.world import NOTHING, World, counted, granted, until

ENDS_S = 4102444800  # 2100


async def test_all_or_nothing(world: World) -> None:
    """K-60: what one limit refuses leaves all of them as they were, and the answer names it."""
    a = await world.holder("a")
    budget, rate, slots = world.money(1000), world.rate(50), world.concurrency(2)
    await counted(a, budget, 400)
    first = await a.take([Ask(budget, 100, 100), Ask(rate, 20, 20), Ask(slots, 1, 1)])
    assert isinstance(first, Granted)
    assert (first.amounts, first.remaining) == ((100, 20, 1), (500, 30, 1))
    before = [await world.state(c) for c in (budget, rate, slots)]
    refused = await a.take([Ask(budget, 100, 100), Ask(rate, 31, 31), Ask(slots, 1, 1)])
    assert isinstance(refused, Short)
    assert (refused.index, refused.remaining, refused.others) == (1, 30, 0)
    assert await a.take([Ask(budget, 501, 501), Ask(slots, 2, 2)]) == Short(0, 500, 0, None)
    assert [await world.state(c) for c in (budget, rate, slots)] == before
    assert before == [State(400, 100, 0, 0), State(None, 0, 0, 20), State(None, 1, 0, 0)]


async def test_plenty_gives_chunks_and_little_only_the_need(world: World) -> None:
    """R-16: far from the cap a holder gets what it wants; near it only its need, so that none sits
    on what another misses; and who misses something is heard by the others."""
    a, b = await world.holder("a"), await world.holder("b")
    budget = world.money(1000)
    await counted(a, budget, 0)
    found = await a.take([Ask(budget, 1, 100)])
    assert isinstance(found, Granted)
    assert (found.amounts, found.remaining, found.tight) == ((100,), (900,), (False,))
    found = await a.take([Ask(budget, 1, 120)])
    assert isinstance(found, Granted)
    assert (found.amounts, found.remaining, found.tight) == ((1,), (899,), (True,))
    assert (await a.tick()).wanted == frozenset()
    assert await b.take([Ask(budget, 900, 900)]) == Short(0, 899, 101, None)
    assert (await a.tick()).wanted == {budget.key}
    await a.give_back([(budget, 1)])
    assert await granted(b, budget, 900) == 900


async def test_money_is_spent_once(world: World) -> None:
    """R-16: what is settled is no longer outstanding; tried again under its number it is charged
    once, and only once it lowers what a post said was held."""
    a = await world.holder("a")
    budget = world.money(1000)
    await counted(a, budget, 0)
    await granted(a, budget, 300)
    assert await a.settle(world.org, 1, 70, [(budget, 100)])
    assert await world.state(budget) == State(100, 200, 0, 0)
    await a.post([(budget, 300)])  # it has not heard that it was done
    assert await a.settle(world.org, 1, 70, [(budget, 100)])
    assert await world.state(budget) == State(100, 200, 0, 0)
    assert await a.settle(world.org, 2, 71, [(budget, 200)])
    assert await world.state(budget) == State(300, 0, 0, 0)


async def test_costs_above_the_reservation(world: World) -> None:
    """R-16: what was used without permission counts, above the cap too, and blocks what follows."""
    a = await world.holder("a")
    budget, rate = world.money(100), world.rate(100)
    await a.take_anyway([(budget, 90), (rate, 130)])
    assert await a.take([Ask(budget, 1, 1)]) == Uncounted((0,))
    await counted(a, budget, 0)
    assert await a.take([Ask(budget, 11, 11)]) == Short(0, 10, 0, None)
    assert await world.state(rate) == State(None, 0, 0, 130)


async def test_a_cap_below_what_is_out(world: World) -> None:
    """R-16: a cap that is lowered below what was spent and is held refuses, and takes nothing from
    anybody; raised again it goes on."""
    a, b = await world.holder("a"), await world.holder("b")
    wide = world.money(1000)
    narrow = type(wide)(wide.org, wide.rule, wide.kind, 50)
    await counted(a, wide, 100)
    await granted(a, wide, 300)
    assert await b.take([Ask(narrow, 1, 1)]) == Short(0, 0, 300, None)
    assert wide.key in (await a.tick()).wanted
    assert await world.state(wide) == State(100, 300, 0, 0)
    assert await granted(b, wide, 600) == 600


async def test_a_holder_dies(world: World) -> None:
    """R-16: three seconds after its last word a holder's concurrency is free and its money lost,
    but charged, until its spool is in the ledger; it is refused until it says what it has."""
    a, b = await world.holder("gw1.a"), await world.holder("gw2.b")
    budget, slots = world.money(100), world.concurrency(1)
    await counted(a, budget, 0)
    await a.take([Ask(budget, 60, 60), Ask(slots, 1, 1)])
    assert isinstance(await b.take([Ask(slots, 1, 1)]), Short)
    began = time.monotonic()

    async def freed() -> bool:
        await b.tick()
        return isinstance(await b.take([Ask(slots, 1, 1)]), Granted)

    await until(freed, "the concurrency of a dead holder is free")
    assert time.monotonic() - began > LEASE_S / 2
    assert await world.state(budget) == State(0, 0, 60, 0)
    assert await b.take([Ask(budget, 41, 41)]) == Short(0, 40, 0, None)
    with pytest.raises(Superseded):
        await a.take([Ask(budget, 1, 1)])
    assert (await a.tick()).superseded
    assert await b.recount([budget], gone="gw1")
    assert await b.take([Ask(budget, 1, 1)]) == Uncounted((0,))
    await counted(b, budget, 7)
    assert await world.state(budget) == State(7, 0, 0, 0)


async def test_a_holder_comes_back(world: World) -> None:
    """R-16: a gateway that was paused says what it has: nothing stays lost, nothing counts twice.
    While a holder lives nobody releases what it has; nor does a holder release its own."""
    a, b = await world.holder("gw1.a"), await world.holder("gw1.b")
    budget, slots = world.money(100), world.concurrency(5)
    await counted(a, budget, 0)
    await a.take([Ask(budget, 60, 60), Ask(slots, 3, 3)])
    await world.expire("gw1.a")
    assert await world.state(budget) == State(0, 0, 60, 0)
    await a.post([(budget, 50), (slots, 2)])
    assert await world.state(budget) == State(0, 50, 0, 0)
    assert await world.state(slots) == State(None, 2, 0, 0)
    assert not await b.recount([budget], gone="gw1")
    await counted(b, budget, 0)
    assert await world.state(budget) == State(0, 50, 0, 0)
    assert await a.recount([budget], gone="gw1")
    assert await world.state(budget) == State(None, 50, 0, 0)


async def test_late_answers_are_void(world: World) -> None:
    """R-16: a grant that arrives after the holder has said what it has is refused, and is not in
    the counters either, whichever of the two was first there."""
    a = await world.holder("a")
    slots = world.concurrency(100)
    await granted(a, slots, 1)
    under_way = [asyncio.ensure_future(a.take([Ask(slots, 1, 1)])) for _ in range(10)]
    await asyncio.sleep(0)
    await a.post([(slots, 1)])
    for late in await asyncio.gather(*under_way, return_exceptions=True):
        assert isinstance(late, Superseded)
    assert await world.state(slots) == State(None, 1, 0, 0)


async def test_every_key_ends(world: World) -> None:
    """K-60: no counter stays for ever, and a window's money stays a few days after its end."""
    a = await world.holder("a")
    total, rate, slots = world.money(100), world.rate(100), world.concurrency(100)
    month = type(total)(world.org, total.rule, total.kind, 100, 5, expires_s=ENDS_S)
    for budget in (total, month):
        await counted(a, budget, 0)
    await a.take([Ask(total, 1, 1), Ask(month, 1, 1), Ask(rate, 1, 1), Ask(slots, 1, 1)])
    keys = await world.client.keys(f"{{{world.org.hex()}}}*")
    assert len(keys) == 5
    ends = {key.decode(): await world.command("EXPIRETIME", key) for key in keys}
    assert min(ends.values()) > 0
    assert ends[month.key] == ENDS_S + 3 * 86400
    assert ends[rate.key] - time.time() < 300


async def test_the_largest_numbers(world: World) -> None:
    """R-16: nine million dollars in nano-dollars are counted to the last one; a number above what
    the script can count is refused before it is sent."""
    a = await world.holder("a")
    budget = world.money(AMOUNT_MAX)
    await counted(a, budget, AMOUNT_MAX - 3)
    assert await granted(a, budget, 2) == 2
    assert await a.take([Ask(budget, 2, 2)]) == Short(0, 1, 0, None)
    assert await granted(a, budget, 1) == 1
    assert await a.settle(world.org, 1, 2**40, [(budget, 3)])
    assert await world.state(budget) == State(AMOUNT_MAX, 0, 0, 0)
    wide = world.concurrency(AMOUNT_MAX)
    assert await granted(a, wide, AMOUNT_MAX - 10) == AMOUNT_MAX - 10
    await a.give_back([(wide, 3)])
    assert (await world.state(wide)).outstanding == AMOUNT_MAX - 13
    await counted(a, budget, 2**60, NOTHING)  # more than anybody may budget for
    assert await a.take([Ask(budget, 1, 1)]) == Short(0, 0, 0, None)
    with pytest.raises(AssertionError):
        await a.take([Ask(budget, 2**53, 2**53)])
