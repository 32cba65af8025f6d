"""A log as it stands in the database, given to the verifier (K-51)."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager

from psycopg.rows import tuple_row

from dd0c.kernel.audit import entries, reading
from dd0c.kernel.audit.verify import Finding, Kept, Verifier
from dd0c.kernel.db.pool import Transaction

NOTED = "the installation's log"


async def inspect(
    begin: Callable[[], AbstractAsyncContextManager[Transaction]],
    org: uuid.UUID | None,
    signed_by: tuple[str, bytes],
    kept: Sequence[Kept] = (),
) -> AsyncIterator[Finding]:
    """What is wrong with the log of `org`; nothing where all is well.

    `begin` opens a transaction that sees the log; `signed_by`: its origin and the public key. What
    is chained while this looks is left for the next time.
    """
    log = entries.log_of(org)
    async with begin() as tx, tx.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(  # one statement: both are of one moment
            "SELECT coalesce((SELECT note FROM kernel.audit_heads WHERE log = %(log)s), ''),"
            " coalesce((SELECT max(sequence) FROM kernel.audit_entries WHERE log = %(log)s), 0)",
            {"log": log},
        )
        row = await cursor.fetchone()
    assert row is not None
    note, last = row
    verifier = Verifier(log, kept)
    async for entry in reading.stream(begin, log, size=last):
        for finding in verifier.take(entry):
            yield finding
    for finding in verifier.finish(note, *signed_by):
        yield finding


async def list_kept(tx: Transaction, log: str) -> list[Kept]:
    """What the installation's log noted of another; for a transaction without a tenant."""
    return [Kept(size, root, NOTED) for size, root in await reading.list_noted(tx, log)]
