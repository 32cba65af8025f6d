"""Breakers against a real Valkey, seen from other processes too (K-61, proofs 13)."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator

import msgspec
import pytest

from dd0c.base import ids
from dd0c.base.errors import Unavailable
from dd0c.base.outbound import Outcome
from dd0c.base.settings import Settings
from dd0c.kernel.cache import client as clients
from dd0c.kernel.guard import breakers as kernel_breakers
from dd0c.kernel.guard.breakers import Breakers, Standing
from dd0c.kernel.guard.circuit import Effect, Rules, State
from tests.kernel.guard.breaking import PATIENT
from tests.kernel.guard.world import Server

PROCESSES = 4
OVER = msgspec.structs.replace(PATIENT.rules, rest_ms=0, lease_ms=0)
"""Every rest and every lease is over at once."""
DUE = msgspec.structs.replace(PATIENT.rules, rest_ms=0)
"""The rest is, the lease is not."""
_standings = msgspec.json.Decoder(list[Standing])

Opening = Callable[..., Breakers]


@pytest.fixture
def open_breakers(valkey: Server, runner: asyncio.Runner) -> Iterator[Opening]:
    """Breakers as one more process sees them."""
    opened = []

    def open_one(rules: Rules = PATIENT.rules, settings: Settings = valkey.settings) -> Breakers:
        client = clients.open_client(settings, 8, PATIENT.within_s)
        opened.append(client)
        return Breakers(client, rules, within_s=PATIENT.within_s)

    yield open_one
    for client in opened:
        runner.run(client.aclose())


@pytest.fixture
def name() -> str:
    return f"provider:{ids.new_bytes().hex()}"


def elsewhere(server: Server, name: str, *what: object, processes: int = 1) -> list[Standing]:
    """What other processes are told that do it all at the same time."""
    command = [sys.executable, "-m", "tests.kernel.guard.failing", str(server.settings.home), name]
    started = [
        subprocess.Popen(
            [*command, *map(str, what)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(processes)
    ]
    for one in started:
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"
    for one in started:
        assert one.stdin is not None
        one.stdin.write("\n")
        one.stdin.flush()
    return [standing for one in started for standing in _standings.decode(one.communicate()[0])]


async def fail(breakers: Breakers, name: str, times: int = PATIENT.rules.failures) -> Standing:
    for _ in range(times):
        told = await breakers.hear(name, Outcome.FAILURE, (await breakers.look([name]))[0].epoch)
    return told


async def test_opens_exactly_at_the_threshold(
    valkey: Server, open_breakers: Opening, name: str
) -> None:
    """K-61: failures that four processes report at once are counted one by one: one too few leave
    it closed, the next opens it, and what comes later opens it no second time."""
    enough = PATIENT.rules.failures
    told = elsewhere(valkey, name, "fail", enough // 2, 0, processes=PROCESSES)
    counted = Counter(one.failures for one in told if one.state is State.CLOSED)
    assert counted == dict.fromkeys(range(1, enough), 1)
    assert Counter(one.effect for one in told) == {
        Effect.COUNT: enough - 1,
        Effect.TRIP: 1,
        Effect.NOTHING: enough,
    }
    breakers = open_breakers()
    assert [one.state for one in await breakers.look([name])] == [State.OPEN]
    assert name in {one.name for one in await breakers.list_open()}


async def test_one_probe_over_all_processes(
    valkey: Server, open_breakers: Opening, name: str
) -> None:
    """K-61: of all who ask when the rest is over, in four processes, one is let through."""
    breakers = open_breakers(DUE)
    await fail(breakers, name)
    told = elsewhere(valkey, name, "ask", 10, processes=PROCESSES)
    assert Counter(one.effect for one in told) == {Effect.PROBE: 1, Effect.REFUSE: 39}
    (probe,) = [one for one in told if one.effect is Effect.PROBE]
    assert (await breakers.hear(name, Outcome.SUCCESS, probe.epoch)).effect is Effect.CLOSE
    (seen,) = elsewhere(valkey, name, "look")
    assert (seen.state, seen.failures) == (State.CLOSED, 0)


async def test_late_success_does_not_close(
    valkey: Server, open_breakers: Opening, name: str
) -> None:
    """K-61: a call that began before the trip and succeeds after it closes nothing: not while the
    breaker is open, and not while the probe is under way."""
    breakers = open_breakers(DUE)
    before = await breakers.ask(name)
    await fail(breakers, name)
    assert (await breakers.hear(name, Outcome.SUCCESS, before.epoch)).effect is Effect.NOTHING
    probe = await breakers.ask(name)
    assert probe.effect is Effect.PROBE
    for outcome in Outcome:
        assert (await breakers.hear(name, outcome, before.epoch)).effect is Effect.NOTHING
    (seen,) = elsewhere(valkey, name, "look")
    assert (seen.state, seen.epoch) == (State.HALF_OPEN, probe.epoch)


async def test_epoch_race(valkey: Server, open_breakers: Opening, name: str) -> None:
    """K-61: two probes, the second because the first one's lease was over: only the second one's
    result counts, whichever comes first."""
    breakers = open_breakers(OVER)
    for first_to_answer in (0, 1):
        await fail(breakers, name)
        probes = [await breakers.ask(name), await breakers.ask(name)]
        assert [one.effect for one in probes] == [Effect.PROBE] * 2
        assert probes[0].epoch < probes[1].epoch
        if first_to_answer == 0:
            late = await breakers.hear(name, Outcome.FAILURE, probes[0].epoch)
            assert (late.effect, late.state) == (Effect.NOTHING, State.HALF_OPEN)
        closed = await breakers.hear(name, Outcome.SUCCESS, probes[1].epoch)
        assert closed.effect is Effect.CLOSE
        late = await breakers.hear(name, Outcome.FAILURE, probes[0].epoch)
        assert (late.effect, late.state, late.failures) == (Effect.NOTHING, State.CLOSED, 0)
    (seen,) = elsewhere(valkey, name, "look")
    assert seen.state is State.CLOSED


async def test_cancelled_probe_does_not_stick(open_breakers: Opening, name: str) -> None:
    """K-61: a probe that its caller gives up lets the next one through at once; one that nobody
    hears of again, when its lease is over."""
    breakers = open_breakers(DUE)
    await fail(breakers, name)
    begun = asyncio.Event()

    async def call() -> None:
        async with breakers.named(name).attempt():
            begun.set()
            await asyncio.Event().wait()

    probe = asyncio.create_task(call())
    await begun.wait()
    with pytest.raises(Unavailable):
        async with breakers.named(name).attempt():
            raise AssertionError("the probe is under way")
    probe.cancel()
    await asyncio.wait([probe])
    again = await breakers.ask(name)
    assert again.effect is Effect.PROBE
    assert (await breakers.ask(name)).effect is Effect.REFUSE
    assert (await open_breakers(OVER).hear(name, Outcome.ABANDONED, again.epoch)).wait_s == 0
    killed = open_breakers(msgspec.structs.replace(DUE, lease_ms=1))
    assert (await killed.ask(name)).effect is Effect.PROBE  # and then its process dies
    deadline = asyncio.get_running_loop().time() + 20
    while (await breakers.ask(name)).effect is not Effect.PROBE:
        assert asyncio.get_running_loop().time() < deadline


async def test_refusal_says_when(open_breakers: Opening, name: str) -> None:
    """K-61: who is refused learns which breaker it is and when it is tried again."""
    breakers = open_breakers()
    await fail(breakers, name)
    with pytest.raises(Unavailable, match=name) as refused:
        async with breakers.named(name).attempt():
            raise AssertionError("it is open")
    assert refused.value.retry_after_s is not None
    assert 3_000 < refused.value.retry_after_s <= 3_600


async def test_script_and_table_agree(open_breakers: Opening) -> None:
    """K-61: the script does what the table says: beside a breaker of one process's own, every
    sequence of events ends the same way."""
    chance = random.Random(61)
    for rules in (OVER, DUE, msgspec.structs.replace(PATIENT.rules, failures=2)):
        brief = msgspec.structs.replace(rules, failures=3)
        shared, alone = open_breakers(brief), Breakers(None, brief)
        for number in range(60):
            name = f"webhook:{number}-{ids.new_bytes().hex()}"
            epochs: list[tuple[int, int]] = [(0, 0)]
            for _ in range(12):
                event = chance.choice(["ask", "ask", *Outcome, Outcome.FAILURE])
                if event == "ask":
                    both = [await one.ask(name) for one in (shared, alone)]
                else:
                    pair = chance.choice(epochs[-2:])
                    both = [
                        await one.hear(name, Outcome(event), epoch)
                        for one, epoch in zip((shared, alone), pair, strict=True)
                    ]
                left, right = both
                assert (left.effect, left.state, left.failures) == (
                    right.effect,
                    right.state,
                    right.failures,
                )
                epochs.append((left.epoch, right.epoch))


async def test_away_and_back(own_valkey: Server, open_breakers: Opening, name: str) -> None:
    """K-61: while Valkey is away each process goes on by itself from what it knew; back again, what
    was found meanwhile is everybody's: that a breaker is open, and what became of a probe."""
    one, other = (open_breakers(DUE, own_valkey.settings) for _ in range(2))
    probed = [f"{name}-{outcome}" for outcome in (Outcome.SUCCESS, Outcome.ABANDONED)]
    assert (await fail(one, name, DUE.failures - 1)).state is State.CLOSED
    for each in probed:
        await fail(one, each)
    probes = [await one.ask(each) for each in probed]
    own_valkey.valkey.stop()
    assert (await fail(one, name, 1)).effect is Effect.TRIP
    assert (await other.ask(name)).effect is Effect.ADMIT  # it knew nothing, and still does not
    assert (await one.hear(probed[0], Outcome.SUCCESS, probes[0].epoch)).effect is Effect.CLOSE
    assert (await one.hear(probed[1], Outcome.ABANDONED, probes[1].epoch)).effect is Effect.RELEASE
    assert {standing.name for standing in await one.list_open()} == {name, probed[1]}
    own_valkey.valkey.start()
    deadline = asyncio.get_running_loop().time() + 20
    while one.away or other.away:
        assert asyncio.get_running_loop().time() < deadline
        await one.look([name])
        await other.look([name])
        await asyncio.sleep(0.05)
    states = [standing.state for standing in await other.look([name, *probed])]
    assert states == [State.OPEN, State.CLOSED, State.OPEN]
    (seen,) = elsewhere(own_valkey, name, "look")
    assert seen.state is State.OPEN
    assert (await other.ask(probed[1])).effect is Effect.PROBE  # at once, not after the lease


async def test_number_is_bounded() -> None:
    """K-61: what a process knows of breakers has a bound, whatever names it is asked for."""
    breakers = Breakers(None, PATIENT.rules)
    for number in range(kernel_breakers.KNOWN_MAX + 500):
        await breakers.hear(f"webhook:{number}", Outcome.FAILURE, 0)
    found = await breakers.look([f"webhook:{number}" for number in range(1_500)])
    assert sum(one.failures for one in found) == kernel_breakers.KNOWN_MAX


async def test_version_follows_changes(open_breakers: Opening, name: str) -> None:
    """K-61: who watches a number sees each change of anybody, and nothing else."""
    breakers, watching = open_breakers(), open_breakers()
    first = await watching.version()
    await breakers.ask(name)
    await breakers.hear(name, Outcome.SUCCESS, 0)
    assert await watching.version() == first
    await breakers.hear(name, Outcome.FAILURE, 0)
    assert await watching.version() != first
