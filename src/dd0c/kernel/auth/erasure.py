"""Erasing: of an organisation nothing stays but an id, of a person nothing that tells who it was
(K-14, decision 21).

    active    --erase-->    erasing   closed at once, in the caller's transaction
    erasing   --empty-->    erased    by a job: rows in batches, counters, then the mark
    erased    --empty-->    erased    every hour: a gateway may bring requests late

The state stands in the organisation's row, so an interrupted job goes on with its next run; each
step may be done twice. The first organisation stays: its owner key is the installation's.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import LiteralString

from psycopg.rows import tuple_row

from dd0c.base import ids
from dd0c.base.errors import Conflict, NotFound
from dd0c.base.process import crash_point
from dd0c.kernel.audit import outbox
from dd0c.kernel.audit.outbox import Event
from dd0c.kernel.auth import events, organisations, people
from dd0c.kernel.auth.organisations import Organisation, State
from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.cache import client as cache
from dd0c.kernel.cache.client import Client
from dd0c.kernel.db import tenancy
from dd0c.kernel.db.pool import Pool, Transaction
from dd0c.kernel.guard import counters
from dd0c.kernel.jobs.job import Job, Work

ROWS_AT_ONCE = 2_000  # of each table, in one transaction
POINTS = ("erasure.deleting", "erasure.emptied", "erasure.uncounted")
"""Where a drill may kill the job (`DD0C_CRASH_AT`)."""


async def erase_organisation(
    tx: Transaction, org: uuid.UUID, name: str, who: Principal, now: datetime
) -> Organisation:
    """Close an organisation for good, for who has typed its name; NotFound or Conflict."""
    found = await organisations.get_any(tx, org)
    if found.state is not State.ACTIVE:
        raise NotFound("this organisation is erased")
    if found.name != name:
        raise Conflict("that is not its name: nothing was changed", hint="type it as it is listed")
    if org == who.org:
        raise Conflict("this is the organisation that you are in", hint="use a key of another one")
    if found.name == organisations.FIRST:
        raise Conflict("the first organisation stays: its owner key is the installation's")
    await tx.execute("SELECT kernel.erase_organisation(%s, %s)", (org, now))
    return await organisations.get_any(tx, org)


async def find_person(tx: Transaction, given: str) -> uuid.UUID:
    """The person of an id or an address, in whichever organisation; NotFound."""
    person = ids.find(ids.Kind.PERSON, given)
    account = (
        await people.find_by_email(tx, given.lower())
        if person is None
        else await people.find_by_id(tx, person)
    )
    if account is None:
        raise NotFound("there is no such person")
    return account.id


async def erase_person(tx: Transaction, person: uuid.UUID, now: datetime) -> None:
    """Take all from a person that tells who they are, everywhere; again is harmless. Conflict while
    an organisation would be without an owner."""
    async with tx.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute("SELECT kernel.erase_person(%s, %s)", (person, now))
        row = await cursor.fetchone()
    if row is not None and row[0] is not None:
        raise Conflict(
            f"they are the last owner of {', '.join(row[0])}",
            hint="make somebody else an owner there, or erase the organisation",
        )


async def empty_erased(work: Work) -> None:
    """Take away what erased organisations left."""
    async with (
        tenancy.system(work.pool) as tx,
        tx.cursor(row_factory=tuple_row) as cursor,
    ):
        await cursor.execute("SELECT kernel.list_erased(%s)", (work.clock.now(),))
        due = [org for (org,) in await cursor.fetchall()]
    client = cache.open_client(work.settings, 1)
    try:
        for org in due:
            await _empty(work, client, org)
    finally:
        await client.aclose()


async def _empty(work: Work, client: Client, org: uuid.UUID) -> None:
    async def tell(tx: Transaction, rows: int) -> None:
        whole = ids.text(ids.Kind.ORGANISATION, org)
        event = Event(events.ORGANISATION_EMPTIED.name, outbox.SYSTEM, whole, {"rows": rows})
        await outbox.record(tx, None, event)

    await _until_none(work.pool, "SELECT kernel.erase_rows(%s, %s)", org, tell)
    crash_point("erasure.emptied")
    await counters.forget(client, org.bytes)
    crash_point("erasure.uncounted")
    async with tenancy.system(work.pool) as tx:
        await tx.execute("SELECT kernel.mark_emptied(%s, %s)", (org, work.clock.now()))


async def delete_expired(work: Work) -> None:
    """Sessions, invitations and failures to sign in that are over are deleted. No event tells of
    it: they ended by themselves, and no longer did anything."""
    query: LiteralString = "SELECT kernel.delete_expired(%s, %s)"
    await _until_none(work.pool, query, work.clock.now())


async def _until_none(
    pool: Pool,
    query: LiteralString,
    of: object,
    tell: Callable[[Transaction, int], Awaitable[None]] | None = None,
) -> None:
    """Call it again and again, each time in a transaction of its own, until it finds nothing."""
    found = 1
    while found:
        async with tenancy.system(pool) as tx, tx.cursor(row_factory=tuple_row) as cursor:
            await cursor.execute(query, (of, ROWS_AT_ONCE))
            row = await cursor.fetchone()
            assert row is not None
            found = int(row[0])
            if found and tell is not None:
                await tell(tx, found)
        crash_point("erasure.deleting")


JOBS = (
    Job("kernel.empty_erased", empty_erased, cron="* * * * *", at_start=True),
    Job("kernel.delete_expired", delete_expired, cron="37 * * * *", at_start=True),
)
