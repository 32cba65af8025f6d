"""The parent counts for its workers, and learns."""

from __future__ import annotations

import asyncio
import json
import sys
from functools import partial
from typing import Any

import pytest
from psycopg.errors import InsufficientPrivilege

from dd0c.kernel.db import tenancy
from dd0c.kernel.db.pool import Pool
from dd0c.products.route.gateway.counting import Counting
from dd0c.products.route.gateway.member import Member
from dd0c.products.route.hotpath.snapshot import Counted, CountWanted, FromWorker
from dd0c.products.route.models import Learned, Usage
from dd0c.products.route.store import token_factors
from dd0c.products.route.tokens import vocabulary
from tests.products.route.gateway.test_fleet import DEADLINE_S, child, running, until

WORDS = b"Count these words, please."  # 6 tokens of o200k, by tiktoken; "Count these" are 2

WAITING = """
SELECT virtualtransaction FROM pg_locks
WHERE relation = 'route.token_factors'::regclass AND NOT granted
"""
ASKING_WORKER = """
import os, socket, sys
from dd0c.products.route.hotpath import frames
from dd0c.products.route.hotpath.snapshot import CountWanted
parent = socket.socket(fileno=int(sys.argv[sys.argv.index("--control-fd") + 1]))
text = b"word " * 1_000_000
for number in range(3):
    parent.sendall(frames.encode(CountWanted(number, "openai", "gpt-4o", "chat", text)))
parent.sendall(frames.encode(CountWanted(9, "openai", "gpt-4o", "chat", b"one two")))
while data := parent.recv(65536):
    os.write(1, data)
"""


def wanted(number: int = 1, received: bytes = WORDS, **given: Any) -> CountWanted:
    """A wish to count an answer of GPT-4o."""
    return CountWanted(number, "openai", "gpt-4o", "chat", received, **given)


async def answer(parent: Counting, message: CountWanted) -> Counted:
    """What the parent says to a worker."""
    told: asyncio.Future[Counted] = asyncio.get_running_loop().create_future()
    parent.ask(message, told.set_result)
    return await asyncio.wait_for(told, DEADLINE_S)


def has_counted(parent: Counting, more_than: int) -> bool:
    """Whether it has counted that much."""
    return parent.counted > more_than


async def teach(parent: Counting, samples: int, model: str = "claude-opus-4-1") -> None:
    """Samples of answers of 6 tokens by o200k that the provider billed as 9."""
    sample = CountWanted(1, "anthropic", model, "messages", WORDS, actual=Usage(output=9))
    for _ in range(samples):
        before = parent.counted
        parent.ask(sample, lambda counted: pytest.fail("a sample is not answered"))
        await until(partial(has_counted, parent, before))


async def test_a_cut_answer_is_counted_whole_and_as_far_as_it_was_delivered() -> None:
    """What was received and its delivered beginning are one count each, of the joined text; the
    prompt is estimated with them (ROUTE-14)."""
    body = json.dumps({"messages": [{"role": "user", "content": "Count these"}]}).encode()
    told = await answer(Counting(), wanted(7, delivered_chars=11, body=body))
    assert (told.id, told.received, told.delivered) == (7, 6, 2)
    assert told.input == 3 + 1 + 2 + 3  # around the message, its role, its words, the reply
    assert told.error is not None
    assert told.error < 0.2


async def test_what_is_not_asked_for_is_not_said() -> None:
    """Without a request and without a delivered part there is no number for them, not even 0."""
    assert await answer(Counting(), wanted()) == Counted(1, None, 6, None, 0.0)


async def test_vocabularies_are_unloaded_when_nobody_counts() -> None:
    """A while after the last count its memory is given back, and the next one is as right (K-4)."""
    parent = Counting(kept_s=0.05)
    assert (await answer(parent, wanted())).received == 6
    await until(lambda: vocabulary.load.cache_info().currsize == 0)
    assert (await answer(parent, wanted())).received == 6


async def test_a_crowd_is_refused_at_once_and_then_served_again() -> None:
    """Beyond the bound the answer is None without waiting, and nothing is kept of it; later wishes
    are served (ROUTE-14: off the hot path, bounded)."""
    parent, told = Counting(waiting_max=2), list[Counted]()
    for number in range(5):
        parent.ask(wanted(number, b"word " * 200_000), told.append)
    assert [one.id for one in told] == [2, 3, 4]
    assert all(one.received is None for one in told)
    await until(lambda: len(told) == 5)
    assert {one.id: one.received for one in told if one.received} == {0: 200_001, 1: 200_001}
    assert (await answer(parent, wanted())).received == 6
    assert (parent.counted, parent.refused) == (3, 3)


async def test_bytes_that_wait_are_bounded() -> None:
    """A few large texts are as many as many small ones."""
    parent, told = Counting(waiting_bytes_max=1_500_000), list[Counted]()
    for number in range(2):
        parent.ask(wanted(number, b"word " * 200_000), told.append)
    assert [one.id for one in told] == [1]
    await until(lambda: len(told) == 2)


async def test_a_factor_is_learned_and_kept_with_those_of_other_gateways(
    shipper_pool: Pool,
) -> None:
    """Gateways learn from samples of Claude together: from thirty on an estimate is corrected, and
    its error is known from thirty more; one that starts later knows it at once (ROUTE-14)."""
    first, second, third = Counting(save_every_s=0.02), Counting(), Counting()
    ask = partial(CountWanted, 1, "anthropic", "claude-opus-4-1", "messages", WORDS)

    def together() -> bool:
        known = first.factors.find("anthropic", "claude-opus-4-1")
        return known is not None and known.samples == 35

    async def kept() -> tuple[int, int, int]:
        async with tenancy.system(shipper_pool) as tx:
            saved = (await token_factors.load(tx))["anthropic", "claude-opus-4-1"]
        return saved.samples, saved.counted, saved.actual

    async with first.learning(shipper_pool):
        async with second.learning(shipper_pool):
            await teach(second, 15)
            assert (await answer(second, ask())).received == 7  # 6 x 1.2, the first guess
        await teach(first, 20)
        await until(together)
        assert (await answer(first, ask())).received == 9
        for _ in range(400):
            if await kept() == (35, 35 * 6, 35 * 9):
                break
            await asyncio.sleep(0.05)
        assert await kept() == (35, 35 * 6, 35 * 9)
    async with third.learning(shipper_pool):
        await teach(third, 30)
        told = await answer(third, ask())
    assert (told.received, told.error) == (9, 0.0)  # each of thirty estimates was right


async def test_an_exact_vocabulary_is_judged_from_the_first_sample() -> None:
    """Nothing has to be learned first: 6 tokens where the provider counted 8 are off by a quarter
    from the start, and stay 6."""
    parent = Counting()
    parent.ask(wanted(actual=Usage(output=8)), lambda counted: None)
    await until(lambda: parent.counted == 1)
    assert parent.factors.find("openai", "gpt-4o") == Learned(1, 6, 8, 1, 0.25, 0.0625)
    assert (await answer(parent, wanted())).received == 6


async def test_what_is_no_text_teaches_nothing() -> None:
    """An answer of six words that was billed as 600 tokens held something else, and one without a
    count or without words holds nothing to learn from."""
    parent = Counting()
    for actual in (Usage(output=600), Usage(output=0), Usage()):
        parent.ask(wanted(actual=actual), lambda counted: None)
    parent.ask(wanted(received=b"", actual=Usage(output=3)), lambda counted: None)
    await until(lambda: parent.counted == 4)
    assert parent.factors.take_unsaved() == {}


async def test_samples_wait_for_the_database(shipper_pool: Pool, owner_pool: Pool) -> None:
    """What could not be saved is kept, and saved once when PostgreSQL lets it."""
    parent = Counting(save_every_s=0.02)
    async with (
        parent.learning(shipper_pool),
        owner_pool.connection() as connection,
        connection.transaction(),
    ):
        await connection.execute("LOCK TABLE route.token_factors")
        await teach(parent, 3, "claude-haiku-4-5")
        waiting = set[str]()
        async with asyncio.timeout(DEADLINE_S):
            while len(waiting) < 2:  # saves: when a second one waits, the first has failed
                found = await connection.execute(WAITING)
                waiting |= {row[0] for row in await found.fetchall()}
    async with tenancy.system(shipper_pool) as tx:
        known = await token_factors.load(tx)
    assert known == {("anthropic", "claude-haiku-4-5"): Learned(3, 18, 27)}


async def test_others_may_not_write_what_was_learned(app_pool: Pool) -> None:
    """The control server reads what was learned and cannot change it."""
    async with tenancy.system(app_pool) as tx:
        assert await token_factors.load(tx) == {}
    with pytest.raises(InsufficientPrivilege):
        async with tenancy.system(app_pool) as tx:
            await token_factors.add(tx, {("x", "y"): Learned(1, 1, 1)})


async def test_a_worker_is_answered_over_its_socketpair() -> None:
    """Five megabytes of text go over and the numbers come back, to the worker that asked."""
    parent = Counting()

    def hear(worker: Member, message: FromWorker) -> None:
        assert isinstance(message, CountWanted)
        parent.ask(message, worker.tell)

    command = [sys.executable, "-c", ASKING_WORKER, "--control-fd", "{control}"]
    async with running(child(command), hear=hear):
        await until(lambda: parent.counted == 4)
