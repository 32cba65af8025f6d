"""Takes away contents whose time is over, and bytes that belong to none (K-85).

An orphan is a blob without a row: its put, or its deletion, was interrupted. A blob that is being
put, or was put and is not yet kept, has no row either; so only those are orphans that were begun a
day ago. A put ends within an hour and is kept within two, or never (`contents`): clocks of machines
may differ by most of a day.
"""

from __future__ import annotations

import uuid
from collections import Counter
from datetime import datetime, timedelta

from psycopg.rows import tuple_row

from dd0c.base import ids
from dd0c.kernel.audit import outbox
from dd0c.kernel.audit.outbox import Event
from dd0c.kernel.content import configured, events
from dd0c.kernel.content.places import Listed
from dd0c.kernel.db import tenancy
from dd0c.kernel.jobs.job import Job, Work

GRACE = timedelta(days=1)
CONTENTS_AT_ONCE = 100
CHUNKS_AT_ONCE = 100  # of a megabyte each
BLOBS_AT_ONCE = 1_000


async def delete_expired(work: Work) -> None:
    """Contents whose time is over are deleted, and their bytes wherever they lie."""
    places = {place.name: place for place in configured.listed(work.settings)}
    full = True
    while full:
        async with tenancy.system(work.pool) as tx, tx.cursor(row_factory=tuple_row) as cursor:
            await cursor.execute(
                "SELECT id, org, place FROM kernel.delete_expired_contents(%s, %s)",
                (work.clock.now(), CONTENTS_AT_ONCE),
            )
            gone: list[tuple[uuid.UUID, uuid.UUID, str]] = await cursor.fetchall()
            for org, number in Counter(org for _, org, _ in gone).items():
                subject = ids.text(ids.Kind.ORGANISATION, org)
                told = Event(events.EXPIRED.name, outbox.SYSTEM, subject, {"contents": number})
                await outbox.record(tx, org, told)
        for content, org, name in gone:
            if name in places:
                await places[name].delete(org, content)
        full = len(gone) == CONTENTS_AT_ONCE


async def sweep(work: Work) -> None:
    """Bytes that belong to no content are deleted, a day after they were begun."""
    begun_before = work.clock.now() - GRACE
    await _sweep_database(work, begun_before)
    for place in configured.listed(work.settings):
        old: list[uuid.UUID] = []
        async for blob in place.list_blobs():
            if ids.time_ms(blob) < begun_before.timestamp() * 1000:
                old.append(blob)
            if len(old) == BLOBS_AT_ONCE:
                await _delete_orphans(work, place, old)
                old.clear()
        await _delete_orphans(work, place, old)


async def _sweep_database(work: Work, begun_before: datetime) -> None:
    first = ids.first_of(int(begun_before.timestamp() * 1000))
    deleted = CHUNKS_AT_ONCE
    while deleted == CHUNKS_AT_ONCE:
        async with tenancy.system(work.pool) as tx, tx.cursor(row_factory=tuple_row) as cursor:
            await cursor.execute(
                "SELECT kernel.sweep_content_chunks(%s, %s)", (first, CHUNKS_AT_ONCE)
            )
            row = await cursor.fetchone()
        deleted = 0 if row is None else row[0]


async def _delete_orphans(work: Work, place: Listed, blobs: list[uuid.UUID]) -> None:
    async with tenancy.system(work.pool) as tx, tx.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute("SELECT kernel.list_orphans(%s)", (blobs,))
        orphans = [row[0] for row in await cursor.fetchall()]
    for blob in orphans:
        await place.delete_orphan(blob)


JOBS = (
    Job("content.delete_expired", delete_expired, cron="*/10 * * * *", at_start=True),
    Job("content.sweep", sweep, cron="37 * * * *", at_start=True, timeout_s=3600),
)
