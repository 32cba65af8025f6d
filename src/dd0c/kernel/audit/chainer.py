"""The chainer: makes entries of the events that wait, log by log (K-50).

A batch is one transaction: it takes what it sees in the outbox, appends it, keeps full tiles,
signs the heads and commits. All of it happens or nothing. There is no mark of how far it came, so
an event whose transaction commits late is simply taken later: nothing is skipped.

Any number of processes may run this. A batch begins with a lock that ends with its transaction, so
there is one at a time, and what fences the others off is the transaction itself: nothing of a
batch is outside of it. One that was paused, or cut off from the database, has lost its lock and its
writes together, and finds the log as the next one left it.

No head is built upon that our own key did not sign. Who changes a log with the owner's rights gets
no signature for it: the chainer stops, and says so.

The outbox is asked every quarter of a second. A notification would be earlier by 0.1 s, and all
transactions that notify wait for one another at their commit.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import LiteralString

import psycopg
from psycopg.rows import class_row, tuple_row

from dd0c.base.errors import Error, Internal, InvalidInput
from dd0c.base.process import crash_point
from dd0c.base.secrets import Secret
from dd0c.kernel.audit import catalogue, checkpoint, entries, merkle, outbox, tree
from dd0c.kernel.audit.checkpoint import Checkpoint, Signer
from dd0c.kernel.audit.entries import Entry, Head, Waiting
from dd0c.kernel.audit.metrics import Backlog, Stats
from dd0c.kernel.audit.outbox import Event
from dd0c.kernel.db import roles, tenancy
from dd0c.kernel.db.pool import Pool, Transaction, open_pool

BATCH = 2000
POLL_S = 0.25
RETRY_EVERY_S = 2.0
LOOK_EVERY = 20  # polls: how often the backlog is counted, and heads are noted that are due
NOTED_EVERY = timedelta(minutes=10)
NOTED_MAX = 500
LOCK = 0x6464_3063_6175_6474  # "dd0caudt", among the advisory locks of this database

POINTS = ("audit.taken", "audit.appended", "audit.signed", "audit.chained", "audit.noted")
"""Where a drill may kill us (`DD0C_CRASH_AT`)."""

log = logging.getLogger(__name__)

TAKE: LiteralString = """
    WITH taken AS (
        DELETE FROM kernel.audit_outbox WHERE number IN (
            SELECT number FROM kernel.audit_outbox ORDER BY number LIMIT %s
        ) RETURNING number, id, org, at, name, actor, subject, facts, commitment
    )
    SELECT * FROM taken ORDER BY number
"""
APPEND: LiteralString = """
    INSERT INTO kernel.audit_entries (log, org, sequence, id, at, name, actor, subject, bytes)
    SELECT %b, %b, * FROM unnest(
        %b::bigint[], %b::uuid[], %b::timestamptz[], %b::text[], %b::text[], %b::text[], %b::bytea[]
    )
"""
MOVE: LiteralString = """
    INSERT INTO kernel.audit_heads (log, org, size, root, last_hash, frontier, note, signed_at)
    VALUES (%s, %s, %s, %s, %s, %s, %s, now())
    ON CONFLICT (log) DO UPDATE SET size = excluded.size, root = excluded.root,
        last_hash = excluded.last_hash, frontier = excluded.frontier, note = excluded.note,
        signed_at = excluded.signed_at
"""
NOTE: LiteralString = """
    UPDATE kernel.audit_heads SET noted_size = size, noted_at = now() WHERE log IN (
        SELECT log FROM kernel.audit_heads
        WHERE org IS NOT NULL AND size > noted_size AND noted_at <= now() - %s LIMIT %s
    ) RETURNING log, size, root
"""


async def serve(conninfo: Secret, signer: Signer, stats: Stats) -> None:
    """Chain until cancelled, and go on when a database that was away is back."""
    told = ""
    while True:
        try:
            pool = await open_pool(conninfo, roles.CHAINER, 1)
            try:
                await _serve_once(pool, signer, stats)
            finally:
                await pool.close()
        except (psycopg.Error, OSError, Error) as error:
            if str(error) != told:
                log.warning("events wait in the outbox: %s", error)
            told = str(error)
        await asyncio.sleep(RETRY_EVERY_S)


async def _serve_once(pool: Pool, signer: Signer, stats: Stats) -> None:
    looked = 0
    while True:
        if looked % LOOK_EVERY == 0:
            await note_heads(pool)
            async with tenancy.system(pool) as tx:
                stats.backlog = await look(tx)
        looked += 1
        done = await chain(pool, signer)
        stats.chained += done
        if done < BATCH:
            await asyncio.sleep(POLL_S)


async def look(tx: Transaction) -> Backlog:
    """What waits, as seen by the chainer's role."""
    async with tx.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(
            "SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(at)), 0)::float"
            " FROM kernel.audit_outbox"
        )
        row = await cursor.fetchone()
    assert row is not None
    return Backlog(*row)


async def chain(pool: Pool, signer: Signer, batch: int = BATCH) -> int:
    """One batch: how many events it chained. 0 where nothing waits, or another is at it."""
    async with tenancy.system(pool) as tx:
        if not await _begin(tx):
            return 0
        waiting = await _take(tx, batch)
        crash_point("audit.taken")
        of: dict[str, list[Waiting]] = {}
        for event in waiting:
            of.setdefault(entries.log_of(event.org), []).append(event)
        before = await _find_heads(tx, await _find_installation(tx), list(of), signer)
        for name, events in of.items():
            origin, head = before[name]
            after, made = entries.append(head, events)
            await _append(tx, name, events, made)
            crash_point("audit.appended")
            note = signer.sign(Checkpoint(origin, after.size, after.root))
            await _move(tx, name, events, after, note)
            await tree.keep_full(tx, events[0].org, head.size, after.size)
            crash_point("audit.signed")
    crash_point("audit.chained")
    return len(waiting)


async def note_heads(pool: Pool, every: timedelta = NOTED_EVERY) -> None:
    """Tell the installation's log the heads of those that grew, each so often: a log over heads."""
    async with tenancy.system(pool) as tx:
        async with tx.cursor(row_factory=tuple_row) as cursor:
            await cursor.execute(NOTE, (every, NOTED_MAX))
            rows = await cursor.fetchall()
        for name, size, root in rows:
            facts = {"root": root.hex(), "size": size}
            event = Event(catalogue.HEAD_NOTED.name, outbox.SYSTEM, name, facts)
            await outbox.record(tx, None, event)
        if rows:
            crash_point("audit.noted")


async def _begin(tx: Transaction) -> bool:
    """Whether something waits and no other is at it. The lock ends with the transaction."""
    async with tx.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute("SELECT EXISTS (SELECT FROM kernel.audit_outbox)")
        if await cursor.fetchone() != (True,):
            return False
        await cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", (LOCK,))
        return await cursor.fetchone() == (True,)


async def _take(tx: Transaction, batch: int) -> list[Waiting]:
    async with tx.cursor(row_factory=class_row(Waiting), binary=True) as cursor:
        await cursor.execute(TAKE, (batch,))
        return await cursor.fetchall()


async def _find_installation(tx: Transaction) -> str:
    async with tx.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute("SELECT id FROM kernel.installation")
        row = await cursor.fetchone()
    if row is None:
        raise Internal("the database does not say which installation it is of")
    return str(row[0])


async def _find_heads(
    tx: Transaction, installation: str, logs: Sequence[str], signer: Signer
) -> Mapping[str, tuple[str, Head]]:
    """By log: its origin and where it stands, as our key signed it."""
    found = {name: (checkpoint.origin(installation, name), Head()) for name in logs}
    async with tx.cursor(row_factory=tuple_row, binary=True) as cursor:
        await cursor.execute(
            "SELECT log, note, root, size, last_hash, frontier FROM kernel.audit_heads"
            " WHERE log = ANY(%s)",
            (logs,),
        )
        for name, note, root, size, last_hash, frontier in await cursor.fetchall():
            origin, _ = found[name]
            step = merkle.HASH_BYTES
            full = tuple(frontier[at : at + step] for at in range(0, len(frontier), step))
            head = Head(size, last_hash, full)
            try:
                signed = checkpoint.open_checkpoint(note, origin, signer.public)
            except InvalidInput as error:
                raise _forged(name, error.message) from None
            if signed != Checkpoint(origin, head.size, head.root) or root != head.root:
                raise _forged(name, "it is not what was signed")
            found[name] = origin, head
    return found


def _forged(name: str, why: str) -> Internal:
    return Internal(
        f"nothing is chained upon the head of {name}: {why}",
        hint="see `dd0c audit verify`; secrets/audit.key has to be the one that signed it",
    )


async def _append(
    tx: Transaction, name: str, events: Sequence[Waiting], made: Sequence[Entry]
) -> None:
    columns = zip(
        *((e.sequence, e.id, e.at, e.name, e.actor, e.subject, e.bytes) for e in made), strict=True
    )
    await tx.execute(APPEND, (name, events[0].org, *(list(column) for column in columns)))


async def _move(
    tx: Transaction, name: str, events: Sequence[Waiting], head: Head, note: str
) -> None:
    frontier = b"".join(head.frontier)
    row = (name, events[0].org, head.size, head.root, head.last_hash, frontier, note)
    await tx.execute(MOVE, row)
