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
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
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
    SELECT * FROM unnest(
        %b::text[], %b::uuid[], %b::bigint[], %b::uuid[], %b::timestamptz[], %b::text[], %b::text[],
        %b::text[], %b::bytea[]
    )
"""
MOVE: LiteralString = """
    INSERT INTO kernel.audit_heads (log, org, size, root, last_hash, frontier, note, signed_at)
    SELECT *, now() FROM unnest(
        %b::text[], %b::uuid[], %b::bigint[], %b::bytea[], %b::bytea[], %b::bytea[], %b::text[]
    )
    ON CONFLICT (log) DO UPDATE SET size = excluded.size, root = excluded.root,
        last_hash = excluded.last_hash, frontier = excluded.frontier, note = excluded.note,
        signed_at = excluded.signed_at
"""
NOTE: LiteralString = """
    UPDATE kernel.audit_heads SET noted_size = size, noted_at = now() WHERE log IN (
        SELECT log FROM kernel.audit_heads
        WHERE org IS NOT NULL AND size > noted_size AND noted_at <= now() - %s
        LIMIT %s FOR UPDATE SKIP LOCKED  -- another may be at it
    ) RETURNING log, size, root
"""


@dataclass(frozen=True, slots=True)
class _Grown:
    """A log with what a batch adds to it."""

    name: str
    org: uuid.UUID | None
    origin: str
    before: int
    head: Head
    made: Sequence[Entry]


async def serve(
    conninfo: Secret,
    signer: Signer,
    stats: Stats,
    *,
    refuse_unfit: Callable[[Pool], Awaitable[None]],
) -> None:
    """Chain until cancelled, and go on when a database that was away, or unfit, is back."""
    told = ""
    while True:
        try:
            pool = await open_pool(conninfo, roles.CHAINER, 1)
            try:
                await refuse_unfit(pool)
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
        if not waiting:  # another was quicker, between our look and our lock
            return 0
        crash_point("audit.taken")
        of: dict[uuid.UUID | None, list[Waiting]] = {}
        for event in waiting:
            of.setdefault(event.org, []).append(event)
        installation = await _find_installation(tx)
        before = await _find_heads(tx, installation, [entries.log_of(org) for org in of], signer)
        grown = [_grow(before, installation, org, of[org]) for org in of]
        await _append(tx, grown)
        crash_point("audit.appended")
        await _move(tx, grown, signer)
        for log in grown:
            await tree.keep_full(tx, log.org, log.before, log.head.size)
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
) -> Mapping[str, Head]:
    """Where logs stand that have entries, as our key signed it."""
    found = {}
    async with tx.cursor(row_factory=tuple_row, binary=True) as cursor:
        await cursor.execute(
            "SELECT log, note, root, size, last_hash, frontier FROM kernel.audit_heads"
            " WHERE log = ANY(%s)",
            (logs,),
        )
        for name, note, root, size, last_hash, frontier in await cursor.fetchall():
            steps = range(0, len(frontier), merkle.HASH_BYTES)
            full = tuple(frontier[at : at + merkle.HASH_BYTES] for at in steps)
            head = found[name] = Head(size, last_hash, full)
            origin = checkpoint.origin(installation, name)
            try:
                signed = checkpoint.open_checkpoint(note, origin, signer.public)
            except InvalidInput as error:
                raise _forged(name, error.message) from None
            if signed != Checkpoint(origin, size, head.root) or root != head.root:
                raise _forged(name, "it is not what was signed")
    return found


def _forged(name: str, why: str) -> Internal:
    return Internal(
        f"nothing is chained upon the head of {name}: {why}",
        hint="see `dd0c audit verify`; secrets/audit.key has to be the one that signed it",
    )


def _grow(
    heads: Mapping[str, Head], installation: str, org: uuid.UUID | None, events: Sequence[Waiting]
) -> _Grown:
    name = entries.log_of(org)
    before = heads.get(name, Head())
    head, made = entries.append(before, events)
    return _Grown(name, org, checkpoint.origin(installation, name), before.size, head, made)


async def _append(tx: Transaction, grown: Sequence[_Grown]) -> None:
    rows = (
        (log.name, log.org, e.sequence, e.id, e.at, e.name, e.actor, e.subject, e.bytes)
        for log in grown
        for e in log.made
    )
    await tx.execute(APPEND, [list(column) for column in zip(*rows, strict=True)])


async def _move(tx: Transaction, grown: Sequence[_Grown], signer: Signer) -> None:
    rows = []
    for log in grown:
        head, root = log.head, log.head.root
        note = signer.sign(Checkpoint(log.origin, head.size, root))
        rows.append(
            (log.name, log.org, head.size, root, head.last_hash, b"".join(head.frontier), note)
        )
    await tx.execute(MOVE, [list(column) for column in zip(*rows, strict=True)])
