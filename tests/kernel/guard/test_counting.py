"""Money is counted from the ledger while others go on settling: to the nano-dollar (R-16)."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from itertools import count
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st
from psycopg import AsyncConnection

from dd0c.kernel.db import roles
from dd0c.kernel.guard.counters import Counters
from dd0c.kernel.guard.limits import Ask, Counter, State, Uncounted
from tests.kernel.guard.world import World, counted, granted
from tests.support.database import Cluster, Database

ROWS = 60
NUMBERS = count(1)


async def test_a_count_is_one_holders(world: World) -> None:
    """R-16: while one counts nobody else does, nothing is settled, and nothing is granted that was
    never counted; a count that somebody broke off is refused."""
    a, b = await world.holder("a"), await world.holder("b")
    budget, other = world.money(100), world.money(100)
    token = await a.begin_count(budget)
    assert token is not None
    assert await b.begin_count(budget) is None
    assert await b.take([Ask(budget, 1, 1)]) == Uncounted((0,))
    await counted(b, other, 0)
    await granted(b, other, 10)
    assert not await b.settle(world.org, 1, 5, [(other, 10), (budget, 10)])
    assert (await world.state(other)).outstanding == 10
    assert not await b.end_count(budget, token, 5, "1:1:")
    assert await b.recount([budget])
    assert not await a.end_count(budget, token, 5, "1:1:")
    assert await b.begin_count(budget) is not None


async def test_who_counts_dies_or_takes_too_long(world: World) -> None:
    """R-16: a count ends with its holder, and with its ten seconds: then others settle and count,
    and its own end comes too late, though the holder be back."""
    a, b = await world.holder("a"), await world.holder("b")
    budget = world.money(100)
    await b.take_anyway([(budget, 30)])
    token = await a.begin_count(budget)
    assert token is not None
    await world.expire("a")
    assert await b.settle(world.org, 1, 7, [(budget, 10)])
    await a.post([])
    assert not await a.end_count(budget, token, 5, "8:8:")
    token = await a.begin_count(budget)
    assert token is not None
    await world.command("HSET", budget.key, "cu", 1)
    assert not await a.end_count(budget, token, 5, "8:8:")
    assert await b.settle(world.org, 2, 8, [(budget, 10)])
    in_time = (await world.command("TIME"))[0] * 1000 + 5000  # the clock was put back
    await world.command("HSET", budget.key, "cu", in_time)
    assert not await a.end_count(budget, token, 5, "8:8:")
    await counted(b, budget, 20, "9:9:")
    assert await world.state(budget) == State(20, 10, 0, 0)


async def test_two_counts_at_once_under_one_name(world: World) -> None:
    """R-16: of a gateway's tasks one counts; after a post its end is refused."""
    a = await world.holder("a")
    budget = world.money(100)
    tokens = await asyncio.gather(*(a.begin_count(budget) for _ in range(5)))
    (token,) = (token for token in tokens if token is not None)
    await a.post([])
    again = await a.begin_count(budget)
    assert again is not None
    assert not await a.end_count(budget, token, 99, "1:1:")
    assert await a.end_count(budget, again, 5, "1:1:")


@st.composite
def snapshots(draw: st.DrawFn) -> tuple[str, int]:
    """A snapshot as PostgreSQL writes it, and a transaction around it."""
    base = draw(st.sampled_from([3, 2**31, 2**40 + 3]))
    running = sorted(draw(st.sets(st.integers(base, base + 12), max_size=6)))
    xmax = draw(st.integers((running[-1] if running else base) + 1, base + 15))
    xmin = running[0] if running else xmax
    text = f"{xmin}:{xmax}:{','.join(map(str, running))}"
    return text, draw(st.integers(base, base + 16))


def test_what_a_count_has_seen(world: World, runner: asyncio.Runner, cluster: Cluster) -> None:
    """R-16: a settlement is charged unless PostgreSQL says that its transaction was visible to the
    count: then it only is no longer outstanding."""
    a = runner.run(world.holder("a"))
    with cluster.admin() as admin:

        @settings(max_examples=60, deadline=None)
        @given(snapshots())
        @example(("3:15:3,14", 4))
        def check(drawn: tuple[str, int]) -> None:
            snapshot, xid = drawn
            row = admin.execute(
                "SELECT pg_visible_in_snapshot(%s::xid8, %s::pg_snapshot)", (str(xid), snapshot)
            ).fetchone()
            budget = world.money(100)
            spent = 0 if row == (True,) else 10
            assert runner.run(settled(world, a, budget, snapshot, xid)) == State(spent, 20, 0, 0)

        check()


async def settled(world: World, a: Counters, budget: Counter, snapshot: str, xid: int) -> State:
    """The counter after a settlement of 10 out of 30 that is told after the count."""
    await a.post([])
    await counted(a, budget, 0, snapshot)
    await granted(a, budget, 30)
    assert await a.settle(world.org, next(NUMBERS), xid, [(budget, 10)])
    return await world.state(budget)


async def test_counting_beside_settling(world: World, database: Database) -> None:
    """R-16: gateways write rows and settle them, one of them counts again and again: whenever a
    settlement comes, before, during or after a count that sees it or not, the end is exact."""
    budget = world.money(10**9)
    names = ("gw1.a", "gw2.b", "gw3.c")
    async with AsyncExitStack() as stack:
        first, *others = [
            await stack.enter_async_context(await connect(database)) for _ in range(4)
        ]
        await first.execute("CREATE TABLE public.ledger (amount bigint)")
        await first.commit()
        holders = [await world.holder(name) for name in names]
        await counted(holders[0], budget, 0)
        writing = asyncio.gather(
            *(write(world, h, budget, c) for h, c in zip(holders, others, strict=True))
        )
        counts, counter = 0, await world.holder("counter")
        while not writing.done():
            await kept(counter, budget, 0)
            counts += await count_again(world, counter, budget, first)
        await writing
        assert counts > 3
        assert await sum_of(first) == sum(range(1, ROWS + 1)) * len(names)
    state = await world.state(budget)
    assert state.spent == sum(range(1, ROWS + 1)) * len(names)
    assert state.outstanding + state.lost == 0


async def write(
    world: World, holder: Counters, budget: Counter, connection: AsyncConnection[Any]
) -> None:
    """Reserve, write the row, leave it uncommitted for a moment, settle when it is committed."""
    for amount in range(1, ROWS + 1):
        await kept(holder, budget, 0)
        await holder.take_anyway([(budget, amount)])
        await connection.execute("INSERT INTO public.ledger VALUES (%s)", (amount,))
        cursor = await connection.execute("SELECT pg_current_xact_id()::text")
        ((xid,),) = await cursor.fetchall()
        await connection.commit()
        while True:
            await kept(holder, budget, amount)
            if await holder.settle(world.org, amount, int(xid), [(budget, amount)]):
                break


async def kept(holder: Counters, budget: Counter, amount: int) -> None:
    """The holder lives, or has said again what it has."""
    if (await holder.tick()).superseded:
        await holder.post([(budget, amount)])


async def count_again(
    world: World, holder: Counters, budget: Counter, connection: AsyncConnection[Any]
) -> bool:
    """Whether the count was in time."""
    token = await holder.begin_count(budget)
    if token is None:
        return False
    snapshot, spent = await look(connection)
    await world.revive(["counter"])
    return await holder.end_count(budget, token, spent, snapshot)


async def look(connection: AsyncConnection[Any]) -> tuple[str, int]:
    """What a count sees: snapshot and sum of one statement."""
    cursor = await connection.execute(
        "SELECT pg_current_snapshot()::text, coalesce(sum(amount), 0)::bigint FROM public.ledger"
    )
    ((snapshot, spent),) = await cursor.fetchall()
    await connection.commit()
    return snapshot, spent


async def sum_of(connection: AsyncConnection[Any]) -> int:
    return (await look(connection))[1]


async def connect(database: Database) -> AsyncConnection[Any]:
    return await AsyncConnection.connect(database.conninfo(roles.ADMIN).reveal())
