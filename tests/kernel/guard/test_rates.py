"""Requests and tokens a minute: a strict window that slides by the second (K-60)."""

from __future__ import annotations

import asyncio
import math
from itertools import accumulate, count

from hypothesis import given, settings
from hypothesis import strategies as st

from dd0c.kernel.guard.limits import Ask, Counter, Granted, Short
from tests.kernel.guard.world import World, granted

CAP = 100
AMOUNTS = st.integers(1, 50)
HISTORIES = st.dictionaries(st.integers(0, 75), AMOUNTS, max_size=12)
"""What was taken so many seconds ago."""


def admits(history: dict[int, int], need: int) -> bool:
    """The rule: a need fits when the last 61 seconds' sum leaves room for it."""
    return sum(amount for ago, amount in history.items() if ago < 61) + need <= CAP


def later(history: dict[int, int], seconds: int) -> dict[int, int]:
    return {ago + seconds: amount for ago, amount in history.items()}


@given(st.lists(st.tuples(st.integers(0, 30_000), AMOUNTS), max_size=40))
def test_no_minute_holds_more_than_the_cap(asked: list[tuple[int, int]]) -> None:
    """K-60: who follows the rule takes no more than the cap in any sixty seconds, wherever in
    them they begin."""
    times_ms = accumulate(gap for gap, _ in asked)
    taken: list[tuple[int, int]] = []
    for at_ms, (_, amount) in zip(times_ms, asked, strict=True):
        history: dict[int, int] = {}
        for then_ms, before in taken:
            ago = at_ms // 1000 - then_ms // 1000
            history[ago] = history.get(ago, 0) + before
        if admits(history, amount):
            taken.append((at_ms, amount))
    for from_ms, _ in taken:
        minute = [amount for at_ms, amount in taken if from_ms <= at_ms < from_ms + 60_000]
        assert sum(minute) <= CAP


async def ask(
    world: World, rate: Counter, history: dict[int, int], need: int
) -> tuple[Granted | Short, dict[int, int]]:
    """The answer to a need, and what is in the buckets then. The test knows the server's second:
    it asks again when another has begun."""
    a = await world.holder("a")
    while True:
        second = (await world.command("TIME"))[0]
        await world.command("DEL", rate.key)
        for ago, amount in history.items():
            await world.command("HSET", rate.key, second - ago, amount)
        found = await a.take([Ask(rate, need, need)])
        buckets = await world.command("HGETALL", rate.key)
        if (await world.command("TIME"))[0] == second:
            assert isinstance(found, Granted | Short)
            return found, {second - int(field): int(n) for field, n in buckets.items()}


def test_the_script_follows_the_rule(world: World, runner: asyncio.Runner) -> None:
    """K-60: it grants what the rule admits and nothing else, drops what is older than a minute,
    and says to the second when a need that was refused will fit."""

    @settings(max_examples=80, deadline=None)
    @given(HISTORIES, st.integers(1, CAP + 5))
    def check(history: dict[int, int], need: int) -> None:
        found, buckets = runner.run(ask(world, world.rate(CAP), history, need))
        if admits(history, need):
            assert isinstance(found, Granted)
            recent = {ago: amount for ago, amount in history.items() if ago < 61}
            assert buckets == recent | {0: recent.get(0, 0) + need}
            return
        assert isinstance(found, Short)
        assert buckets == history
        if need > CAP:
            assert found.frees_in_s is None
            return
        assert found.frees_in_s is not None
        frees = next(s for s in count(1) if admits(later(history, s), need))
        assert math.ceil(found.frees_in_s) == frees

    check()


async def test_what_is_not_used_goes_back_to_its_second(world: World) -> None:
    """K-60: permission is for one second of the server's; what comes back frees that second."""
    a = await world.holder("a")
    rate = world.rate(CAP)
    found = await a.take([Ask(rate, 1, 10)])
    assert isinstance(found, Granted)
    await a.give_back([(rate, 7)], found.second)
    assert (await world.state(rate)).window == 3
    await a.give_back([(rate, 7)], found.second - 5)
    assert (await world.state(rate)).window == 3
    assert await granted(a, rate, 97) == 97
    assert isinstance(await a.take([Ask(rate, 1, 1)]), Short)


async def test_the_clock_was_put_back(world: World) -> None:
    """K-60: what was taken in seconds that are to come again counts as taken now: for a minute,
    neither forgotten nor kept for ever."""
    rate = world.rate(CAP)
    history = {-3600: 30, -1: 40, 10: 20}
    refused, _ = await ask(world, rate, history, 11)
    assert isinstance(refused, Short)
    assert refused.frees_in_s is not None
    assert 50 < refused.frees_in_s <= 51
    found, buckets = await ask(world, rate, history, 10)
    assert isinstance(found, Granted)
    assert buckets == {0: 80, 10: 20}
