"""From the outbox into a log: nothing is lost, nothing is doubled, nothing has a gap (K-50)."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege

from dd0c.base.errors import Internal
from dd0c.base.secrets import Secret
from dd0c.kernel.audit import (
    canonical,
    chainer,
    checkpoint,
    entries,
    inspection,
    merkle,
    outbox,
    reading,
    tree,
)
from dd0c.kernel.audit.checkpoint import Signer
from dd0c.kernel.db import roles, tenancy
from dd0c.kernel.db.pool import Pool
from tests.kernel.audit.world import DEADLINE_S, INSTALLATION, SEED, World, event

ROOT = Path(__file__).parents[3]


async def names_of(world: World, org: uuid.UUID | None) -> list[tuple[int, uuid.UUID]]:
    """Sequence and event of each entry of a log."""
    async with world.begin(org)() as tx:
        listed = await reading.list_after(tx, entries.log_of(org), 0, 10_000)
    return [(entry.sequence, entry.id) for entry in listed]


async def test_an_event_is_told_with_its_change_or_not_at_all(world: World) -> None:
    """A rolled back transaction leaves neither change nor event (K-50, proofs 16)."""

    async def change(name: str, *, fails: bool) -> None:
        async with tenancy.tenant(world.app, world.acme) as tx:
            await tx.execute(
                "INSERT INTO kernel.teams (id, org, name) VALUES (gen_random_uuid(), %s, %s)",
                (world.acme, name),
            )
            await outbox.record(tx, world.acme, event())
            if fails:
                raise ValueError(name)

    with pytest.raises(ValueError, match="undone"):
        await change("undone", fails=True)
    assert await world.chain() == 0
    await change("done", fails=False)
    assert await world.ask("SELECT name FROM kernel.teams") == [("done",)]
    assert await world.chain() == 1


async def test_entries_are_canonical_and_hold_what_was_told(world: World) -> None:
    """The bytes are RFC 8785 of what was told, chained by the hash of those before (K-50)."""
    told = await world.tell(world.acme, 3)
    await world.chain()
    async with world.begin(world.acme)() as tx:
        log = entries.log_of(world.acme)
        listed = await reading.list_newest(tx, log, 2)
        first = await reading.get(tx, log, told[0])
    assert [entry.sequence for entry in listed] == [3, 2]
    said = first.read()
    assert canonical.encode(said) == first.bytes
    assert said["facts"] == event(0).facts
    assert said["previous"] == "0" * 64
    assert (said["log"], said["sequence"], said["v"]) == (log, 1, 1)
    assert await world.inspect(world.acme) == []


async def test_each_log_has_its_own_sequence(world: World) -> None:
    """Organisations and the installation count apart, and see no log but their own (K-50, K-10)."""
    for org in (world.acme, world.globex, None, world.acme):
        await world.tell(org, 2)
    assert await world.chain(batch=3) == 8
    for org, size in ((world.acme, 4), (world.globex, 2), (None, 2)):
        assert [sequence for sequence, _ in await names_of(world, org)] == [*range(1, size + 1)]
        assert await world.inspect(org) == []
    for table in ("entries", "heads"):
        query = f"SELECT DISTINCT log FROM kernel.audit_{table}".encode()
        for org in (world.acme, None):
            async with world.begin(org)() as tx:
                cursor = await tx.execute(query)
                assert await cursor.fetchall() == [(entries.log_of(org),)]


@pytest.fixture(params=[roles.APP, roles.JOBS, roles.SHIPPER])
def pool(request: pytest.FixtureRequest, pool_as: Callable[..., Pool]) -> Pool:
    """Of each role that tells."""
    return pool_as(request.param, 1)


async def test_who_tells_can_do_nothing_else(world: World, pool: Pool) -> None:
    """Roles that serve only add to the outbox; the log itself is beyond them (K-51)."""
    await world.tell(world.acme)
    await world.chain()
    async with tenancy.tenant(pool, world.acme) as tx:
        await outbox.record(tx, world.acme, event(7))
    for statement in (
        "SELECT FROM kernel.audit_outbox",
        "UPDATE kernel.audit_outbox SET actor = 'x'",
        "DELETE FROM kernel.audit_outbox",
        "INSERT INTO kernel.audit_outbox (id, at, name, actor, subject, facts)"
        " VALUES (gen_random_uuid(), 'epoch', 'Told', 'x', 'x', '{}')",
        "UPDATE kernel.audit_entries SET actor = 'x'",
        "DELETE FROM kernel.audit_entries",
        "UPDATE kernel.audit_heads SET size = 0",
        "DELETE FROM kernel.audit_tiles",
        "UPDATE kernel.audit_contents SET secret = 'x'",
    ):
        with pytest.raises(InsufficientPrivilege, match="permission denied"):
            async with tenancy.tenant(pool, world.acme) as tx:
                await tx.execute(statement.encode())


async def test_a_tenant_tells_no_log_of_another(world: World) -> None:
    """An event in another organisation's name is refused by the database (K-10)."""
    with pytest.raises(InsufficientPrivilege, match="row-level security"):
        async with tenancy.tenant(world.app, world.acme) as tx:
            await outbox.record(tx, world.globex, event())


async def test_the_chainer_changes_no_entry(world: World) -> None:
    """What is chained is beyond the chainer's own role as well (K-51)."""
    for table in ("entries", "tiles"):
        for statement in ("DELETE FROM kernel.audit_{}", "UPDATE kernel.audit_{} SET log = 'x'"):
            with pytest.raises(InsufficientPrivilege, match="permission denied"):
                async with tenancy.system(world.chaining) as tx:
                    await tx.execute(statement.format(table).encode())


async def test_what_commits_late_is_chained_after(world: World) -> None:
    """An event told before others and committed after them is neither skipped nor squeezed in."""
    conninfo = world.database.conninfo(roles.APP).reveal()
    async with await psycopg.AsyncConnection.connect(conninfo) as slow:
        await slow.execute("SELECT set_config('dd0c.org', %s, true)", (str(world.acme),))
        late = await outbox.record(slow, world.acme, event(1))
        early = await world.tell(world.acme, 3)
        assert await world.chain() == 3
        await slow.commit()
    assert await world.chain() == 1
    assert await names_of(world, world.acme) == [*enumerate([*early, late], start=1)]
    assert await world.inspect(world.acme) == []


@pytest.fixture
def chainers(pool_as: Callable[..., Pool]) -> list[Pool]:
    """Eight of them."""
    return [pool_as(roles.CHAINER, 1) for _ in range(8)]


async def test_of_many_chainers_one_is_at_it(world: World, chainers: list[Pool]) -> None:
    """Eight chain at once, in small batches: each event once, no gap (K-50)."""
    told = [await world.tell(world.acme, 50) for _ in range(4)]

    async def work(pool: Pool) -> int:
        done = 0
        while await world.ask("SELECT FROM kernel.audit_outbox LIMIT 1"):
            done += await chainer.chain(pool, world.signer, batch=7)
        return done

    async with asyncio.timeout(DEADLINE_S):
        assert sum(await asyncio.gather(*map(work, chainers))) == 200
    flat = [one for batch in told for one in batch]
    assert await names_of(world, world.acme) == [*enumerate(flat, start=1)]
    assert await world.inspect(world.acme) == []


async def test_a_chainer_that_was_cut_off_writes_nothing_more(world: World) -> None:
    """A holder that stands still keeps others out; cut off, it has lost lock and writes together,
    and the next one chains what it had taken: that is the fence (K-50)."""
    await world.tell(world.acme, 3)
    conninfo = world.database.conninfo(roles.CHAINER).reveal()
    async with await psycopg.AsyncConnection.connect(conninfo) as stuck:
        await stuck.execute("SELECT pg_advisory_xact_lock(%s)", (chainer.LOCK,))
        await stuck.execute("DELETE FROM kernel.audit_outbox")
        assert await chainer.chain(world.chaining, world.signer) == 0
        with world.database.cluster.admin() as admin:
            admin.execute("SELECT pg_terminate_backend(%s)", (stuck.info.backend_pid,))
        assert await world.chain() == 3
        with pytest.raises(psycopg.OperationalError):
            await stuck.execute("SELECT")
    assert await world.inspect(world.acme) == []


@pytest.mark.parametrize("point", chainer.POINTS)
async def test_a_kill_at_any_point_loses_and_doubles_nothing(world: World, point: str) -> None:
    """kill -9 of a chainer at each named point: every event is chained once (K-50)."""
    told = await world.tell(world.acme, 300)
    await world.chain(batch=250)
    more = await world.tell(world.acme, 300)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.kernel.audit.chain_child",
        stdin=subprocess.PIPE,
        env={**os.environ, "DD0C_CRASH_AT": point},
        cwd=ROOT,
    )
    await process.communicate(world.database.conninfo(roles.CHAINER).reveal().encode())
    assert process.returncode == -signal.SIGKILL, f"{point} was not passed"
    await world.chain()
    assert await names_of(world, world.acme) == [*enumerate([*told, *more], start=1)]
    assert await world.inspect(world.acme) == []
    await chainer.note_heads(world.chaining, timedelta(0))
    await world.chain()
    assert await world.inspect(None) == []


async def test_heads_are_noted_in_the_log_of_the_installation(world: World) -> None:
    """What a log was is told to another log, once for each state that it had (K-50)."""
    for size in (3, 5):
        await world.tell(world.acme, size)
        await world.chain()
        for _ in range(2):
            await chainer.note_heads(world.chaining, timedelta(0))
    await world.chain()
    log = entries.log_of(world.acme)
    async with world.begin(None)() as tx:
        noted = await inspection.list_kept(tx, log)
    assert [one.size for one in noted] == [3, 8]
    assert await world.inspect(world.acme, noted) == []


async def test_nothing_is_built_on_a_head_that_was_not_signed(world: World) -> None:
    """The chainer signs no log that another hand changed, nor continues another key's (K-51)."""
    await world.tell(world.acme, 3)
    await world.chain()
    await world.tell(world.acme)
    other = Signer(Secret(SEED[::-1]))
    with pytest.raises(Internal, match=r"changed after|no signature"):
        await chainer.chain(world.chaining, other)
    await world.tamper("UPDATE kernel.audit_heads SET size = 2")
    with pytest.raises(Internal, match="not what was signed"):
        await world.chain()
    assert await world.ask("SELECT count(*) FROM kernel.audit_outbox") == [(1,)]


async def test_an_entry_proves_that_it_is_in_the_log(world: World) -> None:
    """Inclusion and consistency hold across full and open tiles, and for no other entry (K-50)."""
    origin = checkpoint.origin(INSTALLATION, entries.log_of(world.acme))
    log, heads = entries.log_of(world.acme), {}
    for size in (200, 100, 470, 3):
        await world.tell(world.acme, size)
        await world.chain()
        async with world.begin(world.acme)() as tx:
            head = await reading.find_head(tx, log)
        assert head is not None
        heads[head.size] = head.root
    async with world.begin(world.acme)() as tx:
        listed = await reading.list_after(tx, log, 0, 1000)
        for entry in (listed[0], listed[255], listed[256], listed[700], listed[-1]):
            proof = await tree.prove(tx, log, entry.sequence)
            signed = checkpoint.open_checkpoint(proof.note, origin, world.signer.public)
            place = (entry.sequence - 1, signed.size, signed.root, proof.path)
            assert merkle.proves_inclusion(merkle.leaf_hash(entry.bytes), *place)
            assert not merkle.proves_inclusion(merkle.leaf_hash(b"other"), *place)
        for first in heads:
            path = await tree.prove_consistency(tx, log, first, 773)
            assert merkle.proves_consistency((first, heads[first]), (773, heads[773]), path)


def test_facts_are_what_can_be_hashed() -> None:
    """No float, no half character, no number that a reader of JSON might round (K-50)."""
    wrong: list[Any] = [1.5, 2**53, "\ud800", {1}, b"raw", ["deep", {"x": 0.1}]]
    for bad in wrong:
        with pytest.raises(Internal):
            canonical.encode({"fact": bad})
    with pytest.raises(Internal):
        canonical.encode({"ä": 1})
    assert canonical.encode({"b": [1, None, True, "é\u0000\x7f"], "a": -(2**53 - 1)}) == (
        b'{"a":-9007199254740991,"b":[1,null,true,"\xc3\xa9\\u0000\x7f"]}'
    )
    assert json.loads(canonical.encode({"z": {"y": "„“"}})) == {"z": {"y": "„“"}}
