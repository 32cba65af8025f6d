"""What somebody with the owner's rights does to a log is found (K-51)."""

from __future__ import annotations

import dataclasses
import hashlib
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest

from dd0c.base.secrets import Secret
from dd0c.kernel.audit import canonical, chainer, entries, inspection, merkle, reading
from dd0c.kernel.audit.checkpoint import Checkpoint, Signer, origin
from dd0c.kernel.audit.verify import Fault, Kept, Verifier
from dd0c.kernel.db import tenancy
from tests.kernel.audit.world import INSTALLATION, SEED, World

SIZE = 7
AT = datetime(2026, 11, 21, 20, tzinfo=UTC)


async def written(world: World, org: uuid.UUID | None = None) -> list[entries.Entry]:
    """A log of a few entries."""
    org = org or world.acme
    await world.tell(org, SIZE)
    await world.chain()
    async with world.begin(org)() as tx:
        return await reading.list_after(tx, entries.log_of(org), 0, 100)


def faults(found: list[Any]) -> set[Fault]:
    """What kinds of findings there are."""
    return {finding.fault for finding in found}


SET = "UPDATE kernel.audit_entries SET "
EDIT = (
    """bytes = convert_to(replace(convert_from(bytes, 'UTF8'), '"system"', '"nobody"'), 'UTF8')"""
)
THIRD, LAST = " WHERE sequence = 3", " WHERE sequence = 7"
TAMPERED: dict[str, tuple[set[Fault], tuple[str, ...]]] = {
    "edited": ({Fault.COLUMNS, Fault.CHAIN, Fault.ROOT}, (SET + EDIT + THIRD,)),
    "edited with its column": (
        {Fault.CHAIN, Fault.ROOT},
        (SET + "actor = 'nobody', " + EDIT + THIRD,),
    ),
    "last edited with its column": ({Fault.ROOT}, (SET + "actor = 'nobody', " + EDIT + LAST,)),
    "spaced": (
        {Fault.UNREADABLE, Fault.CHAIN, Fault.ROOT},
        (SET + "bytes = bytes || ' '" + THIRD,),
    ),
    "taken out": (
        {Fault.SEQUENCE, Fault.CHAIN, Fault.MISSING},
        ("DELETE FROM kernel.audit_entries" + THIRD,),
    ),
    "taken out and renumbered": (
        {Fault.COLUMNS, Fault.CHAIN, Fault.MISSING},
        (
            "DELETE FROM kernel.audit_entries" + THIRD,
            *(SET + f"sequence = {n - 1} WHERE sequence = {n}" for n in range(4, 8)),
        ),
    ),
    "cut": ({Fault.MISSING}, ("DELETE FROM kernel.audit_entries WHERE sequence > 5",)),
    "all gone": ({Fault.MISSING}, ("DELETE FROM kernel.audit_entries",)),
    "swapped": (
        {Fault.COLUMNS, Fault.CHAIN, Fault.ROOT},
        tuple(
            SET + f"sequence = {to} WHERE sequence = {n}" for n, to in ((2, 99), (3, 2), (99, 3))
        ),
    ),
    "doubled": (
        {Fault.COLUMNS, Fault.CHAIN, Fault.UNSIGNED},
        (
            "INSERT INTO kernel.audit_entries"
            " SELECT log, 8, id, org, at, name, actor, subject, bytes FROM kernel.audit_entries"
            + THIRD,
        ),
    ),
    **{
        f"column {name}": ({Fault.COLUMNS}, (SET + f"{name} = {value}" + THIRD,))
        for name, value in {
            "name": "'KeyLost'",
            "actor": "'x'",
            "subject": "'x'",
            "at": "at - interval '1 us'",
            "id": "gen_random_uuid()",
        }.items()
    },
    "note": (
        {Fault.SIGNATURE},
        ("UPDATE kernel.audit_heads SET note = replace(note, E'\\n7\\n', E'\\n6\\n')",),
    ),
    "no note": ({Fault.SIGNATURE}, ("DELETE FROM kernel.audit_heads",)),
}


async def test_what_the_owner_changes_is_found(world: World) -> None:
    """Edited, taken out, cut, swapped, doubled, renumbered, or columns that say other than the
    bytes: each is found as what it is; another log stays clean (K-51)."""
    await written(world, world.globex)
    await written(world)
    keep = ("entries", "heads")
    for table in keep:
        await world.tamper(f"CREATE TABLE kernel.kept_{table} AS TABLE kernel.audit_{table}")
    for how, (expected, statements) in TAMPERED.items():
        mine = entries.log_of(world.acme)
        await world.tamper(*(of(statement, mine) for statement in statements))
        assert faults(await world.inspect(world.acme)) == expected, how
        assert await world.inspect(world.globex) == []
        for table in keep:
            await world.ask(f"DELETE FROM kernel.audit_{table} RETURNING log")
            await world.tamper(f"INSERT INTO kernel.audit_{table} TABLE kernel.kept_{table}")
    assert await world.inspect(world.acme) == []


def of(statement: str, log: str) -> str:
    """The statement, of one log only."""
    word = " AND" if " WHERE " in statement else " WHERE"
    return f"{statement}{word} log = '{log}'"


async def rebuild(world: World, signer: Signer, *, without: int) -> None:
    """Leave out an entry and make all hashes after it anew, with a key, as if it never was."""
    log = entries.log_of(world.acme)
    async with tenancy.system(world.owner) as tx:
        listed = await reading.list_after(tx, log, 0, 100)
        await tx.execute("DELETE FROM kernel.audit_entries WHERE log = %s", (log,))
        last, leaves = bytes(32), []
        for sequence, entry in enumerate((e for e in listed if e.sequence != without), start=1):
            said = {**entry.read(), "sequence": sequence, "previous": last.hex()}
            raw = canonical.encode(said)
            last = hashlib.sha256(raw).digest()
            leaves.append(merkle.leaf_hash(raw))
            await tx.execute(
                "INSERT INTO kernel.audit_entries VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
                (log, sequence, entry.id, world.acme, entry.at, entry.name, entry.actor,
                 entry.subject, raw),
            )  # fmt: skip
        root = merkle.root_of(leaves)
        note = signer.sign(Checkpoint(origin(INSTALLATION, log), len(leaves), root))
        await tx.execute(
            "UPDATE kernel.audit_heads SET size = %s, root = %s, last_hash = %s, frontier = %s,"
            " note = %s WHERE log = %s",
            (len(leaves), root, last, b"".join(merkle.extend((), 0, leaves)), note, log),
        )


async def test_a_log_made_anew_has_no_signature(world: World) -> None:
    """All hashes made anew with another key: the public key that one has says no (K-51)."""
    await written(world)
    await rebuild(world, Signer(Secret(SEED[::-1])), without=2)
    assert faults(await world.inspect(world.acme)) == {Fault.SIGNATURE}


async def test_a_stolen_key_does_not_help_against_what_was_kept(world: World) -> None:
    """Made anew, or cut, and signed with our own key: it looks right to who kept nothing. Who kept
    a checkpoint sees it, and so does the installation's log (K-51)."""
    before = await written(world)
    await chainer.note_heads(world.chaining)
    await world.chain()
    log = entries.log_of(world.acme)
    leaves = [merkle.leaf_hash(entry.bytes) for entry in before]
    kept = [Kept(5, merkle.root_of(leaves[:5]), "an auditor")]
    assert await world.inspect(world.acme, kept) == []
    await rebuild(world, world.signer, without=2)
    assert await world.inspect(world.acme) == []
    assert faults(await world.inspect(world.acme, kept)) == {Fault.REWRITTEN}
    async with world.begin(None)() as tx:
        noted = await inspection.list_kept(tx, log)
    assert faults(await world.inspect(world.acme, noted)) == {Fault.MISSING}
    await rebuild(world, world.signer, without=6)
    assert await world.inspect(world.acme) == []
    assert faults(await world.inspect(world.acme, noted)) == {Fault.MISSING}


async def test_two_logs_shown_to_two_people_are_told_apart(world: World) -> None:
    """Two genuine checkpoints of one size: who compares them sees the fork (K-51)."""
    log, name = entries.log_of(world.acme), origin(INSTALLATION, entries.log_of(world.acme))
    mine = await written(world)
    changed = [dataclasses.replace(one) for one in mine]
    said = {**mine[-1].read(), "actor": "nobody"}
    changed[-1] = dataclasses.replace(mine[-1], actor="nobody", bytes=canonical.encode(said))
    roots = {}
    for view in (mine, changed):
        root = merkle.root_of([merkle.leaf_hash(entry.bytes) for entry in view])
        roots[view[-1].actor] = root
        verifier = Verifier(log)
        assert [f for entry in view for f in verifier.take(entry)] == []
        note = world.signer.sign(Checkpoint(name, SIZE, root))
        assert [*verifier.finish(note, name, world.signer.public)] == []
    seen = await world.inspect(world.acme, [Kept(SIZE, roots["nobody"], "the other one")])
    assert faults(seen) == {Fault.REWRITTEN}


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b"{}", b'{"v":1}', b"\xff", b"[" * 100_000, b'{"v":1.5}']
)
def test_what_is_no_entry_is_a_finding(raw: bytes) -> None:
    """Whatever stands in the place of an entry, the verifier says so and goes on (K-51)."""
    entry = entries.Entry(1, uuid.UUID(int=1), AT, "Told", "system", "it", raw)
    verifier = Verifier("installation")
    assert Fault.UNREADABLE in faults([*verifier.take(entry)])
    assert verifier.size == 1
