"""What is private in an event can be shown, proven and forgotten (K-14, K-50)."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dd0c.base import home, ids
from dd0c.base.errors import Internal, NotFound
from dd0c.kernel.audit import entries, inspection, outbox, reading, tree, verify
from dd0c.kernel.audit.outbox import Event
from dd0c.kernel.db import tenancy
from dd0c.kernel.db.pool import Transaction
from dd0c.kernel.vault import local
from dd0c.kernel.vault.envelope import Vault
from tests.isolation import functions
from tests.kernel.audit.world import World

NAME = "Ада Лавлейс <ada@example.com>"
NOT_OF_A_LOG = {
    "chainer.look",
    "outbox.record",
    "reading.find_key",
    "tree.find_path",
    "tree.find_paths",
    "tree.keep_full",
    "tree.prove_consistency",
}
"""They write, tell of the installation as a whole, or give hashes of what they see."""

PRIVATE = {"name": NAME, "reason": "\u0000 left"}


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    """What seals."""
    return Vault(local.ensure(home.create(tmp_path / "home")))


@pytest.fixture
def person(world: World, runner: asyncio.Runner) -> uuid.UUID:
    """A member of acme's."""
    found = ids.new()

    async def add() -> None:
        async with tenancy.tenant(world.app, world.acme) as tx:
            await tx.execute("SELECT kernel.add_person(%s, 'a@x.test', 'ada', NULL)", (found,))

    runner.run(add())
    return found


async def told(
    world: World, vault: Vault, org: uuid.UUID | None, person: uuid.UUID | None = None
) -> entries.Entry:
    """The entry of an event with something private."""
    event = Event("PersonInvited", outbox.SYSTEM, "per_1", {}, PRIVATE, person)
    async with world.begin(org)() as tx:
        event_id = await outbox.record(tx, org, event, vault.seal)
    await world.chain()
    async with world.begin(org)() as tx:
        return await reading.get(tx, entries.log_of(org), event_id)


async def disclosed(
    world: World, vault: Vault, org: uuid.UUID | None, entry: entries.Entry
) -> reading.Disclosed | None:
    """What is private in it, as its organisation reads it."""
    async with world.begin(org)() as tx:
        return await reading.disclose(tx, org, entry.id, vault.unseal)


async def test_what_is_private_is_committed_to_and_sealed(world: World, vault: Vault) -> None:
    """No table has it in the clear; who may open it can prove that it is what was told (K-50)."""
    for org in (world.acme, None):
        entry = await told(world, vault, org)
        assert NAME.encode() not in entry.bytes
        found = await disclosed(world, vault, org, entry)
        assert found is not None
        assert found.private == PRIVATE
        assert verify.is_disclosed(entry, found.private, found.salt)
        assert not verify.is_disclosed(entry, {**found.private, "name": "Bob"}, found.salt)
        assert not verify.is_disclosed(entry, found.private, "00" * 16)
        assert not verify.is_disclosed(entry, {"name": 0.5}, "zz")
        assert await disclosed(world, vault, world.globex, entry) is None
    rows = await world.ask("SELECT t::text FROM kernel.audit_contents t")
    assert len(rows) == 2
    assert not [row for row in rows if NAME in str(row)]


async def test_the_same_text_twice_looks_different(world: World, vault: Vault) -> None:
    """Nobody learns from commitments that two events tell of the same person (K-14)."""
    first, second = [(await told(world, vault, world.acme)).read() for _ in range(2)]
    assert first["private"] != second["private"]


async def test_erasing_a_person_leaves_the_log_whole(
    world: World, vault: Vault, person: uuid.UUID
) -> None:
    """Their texts are gone in every log, others' are not, and every hash still holds (K-14)."""
    theirs = await told(world, vault, world.acme, person)
    others = await told(world, vault, world.acme)
    async with tenancy.system(world.app) as tx:
        await tx.execute("SELECT kernel.erase_person(%s, now())", (person,))
    assert await disclosed(world, vault, world.acme, theirs) is None
    assert await disclosed(world, vault, world.acme, others) is not None
    assert await world.inspect(world.acme) == []


async def test_erasing_an_organisation_keeps_what_happened(world: World, vault: Vault) -> None:
    """Texts and their keys go, entries and what waits stay, and verify as before (K-14)."""
    await told(world, vault, world.acme)
    await world.tell(world.acme, 2)
    async with tenancy.system(world.app) as tx:
        await tx.execute("SELECT kernel.erase_organisation(%s, now())", (world.acme,))
    assert await world.ask("SELECT FROM kernel.audit_contents") == []
    while await world.ask("SELECT FROM kernel.erase_rows(%s, 100) n WHERE n > 0", world.acme):
        pass
    assert await world.chain() == 2
    async with tenancy.system(world.owner) as tx:
        kept = await reading.list_after(tx, entries.log_of(world.acme), 0, 10)
    assert [entry.sequence for entry in kept] == [1, 2, 3]
    assert await world.inspect(world.acme) == []


async def test_what_is_private_needs_a_seal(world: World) -> None:
    """Nothing private is told by who cannot seal it (K-14)."""
    event = Event("PersonInvited", outbox.SYSTEM, "per_1", {}, PRIVATE)
    async with tenancy.tenant(world.app, world.acme) as tx:
        with pytest.raises(Internal, match="sealed"):
            await outbox.record(tx, world.acme, event)


async def test_a_stranger_finds_nothing(world: World, vault: Vault) -> None:
    """Every function that reads, asked for a log of another, answers as if there were none; a
    tenant does not find the installation's either (K-10, K-11)."""
    asked: dict[str, Callable[[Transaction, str, entries.Entry], Awaitable[object]]] = {
        "reading.list_newest": lambda tx, log, _: reading.list_newest(tx, log, 9),
        "reading.list_after": lambda tx, log, _: reading.list_after(tx, log, 0, 9),
        "reading.get": lambda tx, log, entry: reading.get(tx, log, entry.id),
        "reading.find_head": lambda tx, log, _: reading.find_head(tx, log),
        "reading.list_noted": lambda tx, log, _: reading.list_noted(tx, log),
        "reading.disclose": lambda tx, log, entry: reading.disclose(
            tx, org_of[log], entry.id, vault.unseal
        ),
        "inspection.list_kept": lambda tx, log, _: inspection.list_kept(tx, log),
        "tree.prove": lambda tx, log, entry: tree.prove(tx, log, entry.sequence),
    }
    found = {*functions.found("kernel/audit")} - NOT_OF_A_LOG
    assert found == asked.keys()
    org_of = {entries.log_of(org): org for org in (world.acme, None)}
    theirs = {log: await told(world, vault, org) for log, org in org_of.items()}
    for log, entry in theirs.items():
        for name, ask in asked.items():
            async with tenancy.tenant(world.app, world.globex) as tx:
                try:
                    assert not await ask(tx, log, entry), name
                except NotFound:
                    continue


async def test_filters_find_by_equality_and_time(world: World) -> None:
    """Entries are found by name, actor, subject and time, newest first, page by page (K-50)."""
    events = [
        Event(name, actor, subject)
        for name, actor, subject in (
            ("KeyCreated", "per_1", "key_1"),
            ("KeyRevoked", "per_2", "key_1"),
            ("KeyCreated", "per_2", "key_2"),
        )
    ]
    for event in events:
        async with world.begin(world.acme)() as tx:
            await outbox.record(tx, world.acme, event)
    await world.chain()
    log = entries.log_of(world.acme)

    async def find(limit: int = 10, before: int | None = None, **wanted: Any) -> list[int]:
        async with world.begin(world.acme)() as tx:
            asked = reading.Filter(**wanted)
            found = await reading.list_newest(tx, log, limit, asked, before=before)
        return [entry.sequence for entry in found]

    assert await find() == [3, 2, 1]
    assert await find(limit=1, before=3) == [2]
    assert await find(name="KeyCreated") == [3, 1]
    assert await find(actor="per_2", subject="key_1") == [2]
    assert await find(until=datetime(2020, 1, 1, tzinfo=UTC)) == []
    assert await find(since=datetime(2020, 1, 1, tzinfo=UTC), name="KeyRevoked") == [2]
    found = [e.sequence async for e in reading.stream(world.begin(world.acme), log, size=2)]
    assert found == [1, 2]
