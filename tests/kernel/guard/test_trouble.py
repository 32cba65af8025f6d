"""Processes that race and die, a store that pauses, forgets and starts again (K-60, R-16, R-32)."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec
import pytest

from dd0c.base.errors import Unavailable
from dd0c.base.settings import Settings
from dd0c.kernel.guard.counters import INSTALLATION, Counters
from dd0c.kernel.guard.limits import (
    Ask,
    Counter,
    Granted,
    Short,
    State,
    Superseded,
    Uncounted,
)
from tests.house import tree
from tests.kernel.guard.world import PATIENCE_S, Server, World, counted, granted, until

PROCESSES, TASKS = 4, 16


@contextmanager
def takers(server: Server, counters: list[Counter]) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Processes that take all there is."""
    packed = msgspec.msgpack.encode(counters).hex()
    command = [sys.executable, "-m", "tests.kernel.guard.taker", str(server.settings.home)]
    children = [
        subprocess.Popen(
            [*command, f"gw{n}.x", str(TASKS), packed],
            cwd=tree.ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for n in range(PROCESSES)
    ]
    try:
        yield children
    finally:
        for child in children:
            child.kill()
            child.communicate()


async def test_four_processes_share_a_cap(world: World, valkey: Server) -> None:
    """K-60, proofs 12: four processes with many tasks each take all of a cap, and not one more;
    what they took of the other limits is what the counters say, so nothing was taken of one limit
    that another refused. Killed, they leave no concurrency, and their money until it is released.
    """
    a = await world.holder("a")
    budget, wide, slots = world.money(3000), world.money(10**9), world.concurrency(10**6)
    for counter in (budget, wide):
        await counted(a, counter, 0)
    with takers(valkey, [budget, wide, slots]) as children:
        said = await asyncio.to_thread(race, children)
        taken, rest, out = (sum(column) for column in zip(*said, strict=True))
        assert taken == budget.cap
        assert min(one for one, _, _ in said) > 0
        assert await world.state(budget) == State(0, taken, 0, 0)
        assert await world.state(wide) == State(0, rest, 0, 0)
        assert await world.state(slots) == State(None, out, 0, 0)

    async def dead() -> bool:
        state = await world.state(budget)
        return state.lost == budget.cap

    await until(dead, "what the dead held is lost")
    assert await world.state(slots) == State(None, 0, 0, 0)
    await a.post([])
    assert await a.take([Ask(budget, 1, 1)]) == Short(0, 0, 0, None)
    for n in range(PROCESSES):
        assert await a.recount([budget, wide], gone=f"gw{n}.")
    await counted(a, budget, 2999)
    assert await world.state(budget) == State(2999, 0, 0, 0)
    assert await granted(a, budget, 1) == 1


def race(children: list[subprocess.Popen[bytes]]) -> list[list[int]]:
    """What each took, when all began together."""
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
    for child in children:
        assert child.stdin is not None
        child.stdin.write(b"\n")
        child.stdin.flush()
    return [json.loads(child.stdout.readline()) for child in children if child.stdout is not None]


async def test_delayed_commands_change_nothing(world: World, valkey: Server) -> None:
    """R-32: a store that does not answer costs no more than the deadline, and what it was sent in
    that time is void when it wakes up: what holds is what the holder says then."""
    a = Counters(world.client, "a", within_s=2.0)
    await posted(a, [])
    budget, slots = world.money(1000), world.concurrency(1000)
    await counted(a, budget, 0)
    await a.take([Ask(budget, 100, 100), Ask(slots, 100, 100)])
    with valkey.paused():  # its client would wait for ten seconds
        began = time.monotonic()
        late = await asyncio.gather(
            a.take([Ask(budget, 7, 7), Ask(slots, 7, 7)]),
            a.give_back([(budget, 50), (slots, 50)]),
            a.take_anyway([(budget, 11), (slots, 11)]),
            a.settle(world.org, 1, 9, [(budget, 60)]),
            a.begin_count(budget),
            return_exceptions=True,
        )
        assert time.monotonic() - began < PATIENCE_S / 2
        assert {type(error) for error in late} == {Unavailable}
        with pytest.raises(Superseded):  # nothing else is sent before it has said what it has
            await a.take([Ask(slots, 1, 1)])
    await posted(a, [(budget, 90), (slots, 80)])
    for _ in range(20):
        await world.revive(["a"])
        assert (await world.state(slots)).outstanding == 80
    assert (await world.state(budget)).outstanding == 90
    assert await a.settle(world.org, 1, 9, [(budget, 60)])
    assert await world.state(budget) == State(60, 30, 0, 0)


async def posted(holder: Counters, held: list[tuple[Counter, int]]) -> None:
    """It has said what it has, as soon as the store let it."""

    async def done() -> bool:
        try:
            await holder.post(held)
        except Unavailable:
            return False
        return True

    await until(done, "the store lets the holder post")


async def test_words_of_before_a_post_are_refused(world: World) -> None:
    """R-16: a command that was under way for long is told from its generation, and so is a post."""
    a, late = await world.holder("a"), await world.holder("a")
    slots = world.concurrency(100)
    await granted(late, slots, 10)
    await a.post([])
    await a.post([(slots, 4)])
    for made in (
        late.take([Ask(slots, 1, 1)]),
        late.take_anyway([(slots, 1)]),
        late.give_back([(slots, 1)]),
        late.post([(slots, 50)]),
    ):
        with pytest.raises(Superseded):
            await made
    assert await world.state(slots) == State(None, 4, 0, 0)


async def test_the_data_is_gone(world: World) -> None:
    """R-16: a store that has lost everything is noticed by the next call and the next tick of each
    holder; it is another epoch, and money must be counted before anything is granted."""
    a, b = await world.holder("a"), await world.holder("b")
    budget, slots = world.money(100), world.concurrency(100)
    before = await a.tick()
    await counted(a, budget, 0)
    await a.take([Ask(budget, 60, 60), Ask(slots, 1, 1)])
    await world.command("FLUSHALL")
    with pytest.raises(Superseded):
        await a.take([Ask(budget, 1, 1)])
    with pytest.raises(Superseded):  # who was never here before does not bring it back either
        await b.take([Ask(slots, 1, 1)])
    after = await a.tick()
    assert after.superseded
    assert after.epoch > before.epoch
    assert after.epoch_age_s < before.epoch_age_s + 60
    await a.post([(budget, 60), (slots, 1)])
    assert not (await a.tick()).superseded
    assert (await b.tick()).superseded
    await b.post([])
    assert await b.take([Ask(budget, 1, 1)]) == Uncounted((0,))
    await counted(b, budget, 5)
    assert await b.take([Ask(budget, 36, 36)]) == Short(0, 35, 60, None)
    assert await world.state(slots) == State(None, 1, 0, 0)


async def test_the_server_was_started_again(
    own_valkey: Server, world_on: Callable[[Settings], World]
) -> None:
    """R-16: a server that was started again may have forgotten a second: that is another epoch.
    What dead holders left is still charged, and rates go on where they were."""
    world = world_on(own_valkey.settings)
    a, dead = await world.holder("a"), await world.holder("dead")
    budget, rate = world.money(100), world.rate(1000)
    await counted(a, budget, 10)
    await granted(dead, budget, 20)
    await a.take([Ask(budget, 30, 30), Ask(rate, 30, 30)])
    before = await a.tick()
    own_valkey.valkey.stop()
    with pytest.raises(Unavailable):
        await world.state(budget)
    own_valkey.valkey.start()
    await world.revive(["a", "dead"])  # it was quick
    with pytest.raises(Superseded):
        await a.take([Ask(rate, 1, 1)])
    after = await a.tick()
    assert after.superseded
    assert after.epoch > before.epoch
    await a.post([(budget, 25)])
    assert await a.take([Ask(budget, 1, 1), Ask(rate, 1, 1)]) == Uncounted((0,))
    await counted(a, budget, 15)
    found = await a.take([Ask(budget, 40, 40), Ask(rate, 1, 1)])
    assert isinstance(found, Granted)
    assert found.remaining == (0, 969)
    assert await world.state(budget) == State(15, 65, 20, 0)


async def test_the_clock_was_put_back(world: World) -> None:
    """R-16: a lease, a count and an epoch that end hours ahead were made before the server's clock
    was put back: they are over, and nobody waits for them."""
    a, b = await world.holder("a"), await world.holder("b")
    budget, slots = world.money(100), world.concurrency(10)
    await counted(a, budget, 0)
    await granted(a, slots, 10)
    hours_ahead = int((time.time() + 7200) * 1000)
    assert await a.begin_count(budget) is not None
    await world.command("HSET", budget.key, "cu", hours_ahead)
    assert await b.begin_count(budget) is not None
    await world.command("HSET", world.key, "u:a", hours_ahead)
    assert (await a.tick()).superseded
    assert await granted(b, slots, 10) == 10
    await world.command("HSET", INSTALLATION, "born", hours_ahead)
    assert (await b.tick()).epoch_age_s == 0.0
    assert not (await b.tick()).superseded
