"""The runs in the queue as people see them, and what they may do to one (K-80).

    queued    waits for a worker            failed   waits for its next attempt
    running   a worker is at it             dead     gave up after its attempts: waits for somebody

procrastinate knows `todo`, `doing` and `failed`; what went wrong it only logs, so that is kept
beside it in `kernel.job_failures`. A dead run stays for a week. All of this works as `dd0c_jobs`,
in a transaction of `queue`: the queue's own triggers and functions name no schema.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from psycopg.errors import UniqueViolation
from psycopg.rows import kwargs_row, tuple_row
from psycopg.sql import SQL

from dd0c.base import ids, redact
from dd0c.base.errors import Conflict, NotFound
from dd0c.kernel.db import tenancy
from dd0c.kernel.db.pool import Pool, Transaction

ERROR_LENGTH_MAX = 500


class State(StrEnum):
    """How a run is."""

    QUEUED = "queued"
    RUNNING = "running"
    FAILED = "failed"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Run:
    """One run. `next_at` is when it is tried again, `error` what went wrong the last time."""

    id: uuid.UUID
    job: str
    subject: str | None
    state: State
    attempts: int
    changed_at: datetime
    next_at: datetime | None
    error: str | None
    failed_at: datetime | None

    @property
    def text(self) -> str:
        """Its id as it is written."""
        return ids.text(ids.Kind.JOB, self.id)


_STATE = SQL("""CASE
        WHEN status = 'failed' THEN 'dead'
        WHEN status = 'doing' THEN 'running'
        WHEN attempts > 0 AND scheduled_at > now() THEN 'failed'
        ELSE 'queued' END""")

_SELECT = SQL("""
    SELECT lpad(to_hex(id), 32, '0')::uuid AS id, task_name AS job,
        nullif(lock, task_name) AS subject, {state} AS state, attempts, (
            SELECT max(at) FROM jobs.procrastinate_events
            WHERE job_id = run.id AND type <> 'scheduled'
        ) AS changed_at,
        CASE WHEN status = 'todo' THEN scheduled_at END AS next_at, error, at AS failed_at
    FROM jobs.procrastinate_jobs run LEFT JOIN kernel.job_failures ON job = run.id
    WHERE status IN ('todo', 'doing', 'failed')
""").format(state=_STATE)


def _run(state: str, **rest: Any) -> Run:
    return Run(state=State(state), **rest)


@asynccontextmanager
async def queue(pool: Pool) -> AsyncIterator[Transaction]:
    """A transaction in which the queue's own functions and triggers find their tables."""
    async with tenancy.system(pool) as tx:
        await tx.execute("SET LOCAL search_path = jobs")
        yield tx


async def count(tx: Transaction) -> Mapping[State, int]:
    """How many runs are in each state."""
    async with tx.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(
            SQL(
                "SELECT {}, count(*) FROM jobs.procrastinate_jobs"
                " WHERE status IN ('todo', 'doing', 'failed') GROUP BY 1"
            ).format(_STATE)
        )
        found = {State(state): int(number) for state, number in await cursor.fetchall()}
    return {state: found.get(state, 0) for state in State}


async def list_runs(
    tx: Transaction, limit: int, state: State | None = None, after: uuid.UUID | None = None
) -> list[Run]:
    """Runs, the newest first; `after` is the last one of the page before."""
    async with tx.cursor(row_factory=kwargs_row(_run)) as cursor:
        await cursor.execute(
            SQL(
                "{} AND (%(state)s::text IS NULL OR {} = %(state)s)"
                " AND (%(after)s::bigint IS NULL OR run.id < %(after)s)"
                " ORDER BY run.id DESC LIMIT %(limit)s"
            ).format(_SELECT, _STATE),
            {"state": state, "after": None if after is None else after.int, "limit": limit},
        )
        return await cursor.fetchall()


async def get(tx: Transaction, run: uuid.UUID) -> Run:
    """The run, for whoever will change it; NotFound, also when it was done meanwhile."""
    if run.int < 1 << 63:
        async with tx.cursor(row_factory=kwargs_row(_run)) as cursor:
            query = SQL("{} AND run.id = %s FOR UPDATE OF run").format(_SELECT)
            await cursor.execute(query, (run.int,))
            found = await cursor.fetchone()
        if found is not None:
            return found
    raise NotFound("there is no such run", hint="what succeeded is not kept")


async def retry(tx: Transaction, wanted: uuid.UUID) -> Run:
    """A dead run gets another attempt, one that waits for its next is tried now. Conflict."""
    found = await get(tx, wanted)
    if found.state not in (State.DEAD, State.FAILED):
        raise Conflict(f"it is {found.state}: there is nothing to retry")
    if found.state is State.FAILED:
        await tx.execute(
            "UPDATE jobs.procrastinate_jobs SET scheduled_at = now() WHERE id = %s", (wanted.int,)
        )
        return await get(tx, wanted)
    try:
        async with tx.transaction():
            await tx.execute(
                "SELECT procrastinate_retry_job_v2(%s, now(), NULL, NULL, NULL)", (wanted.int,)
            )
    except UniqueViolation:
        raise Conflict(
            f"{found.job} waits in the queue already", hint="remove this run: that one will do"
        ) from None
    return await get(tx, wanted)


async def remove(tx: Transaction, wanted: uuid.UUID) -> Run:
    """Take a run away for good. Conflict while a worker is at it."""
    found = await get(tx, wanted)
    if found.state is State.RUNNING:
        raise Conflict("a worker is at it", hint="wait for its end")
    await tx.execute("DELETE FROM jobs.procrastinate_jobs WHERE id = %s", (wanted.int,))
    return found


async def note_failure(tx: Transaction, job: int, error: str) -> None:
    """Keep what went wrong, without secrets."""
    await tx.execute(
        "INSERT INTO kernel.job_failures (job, error) VALUES (%s, %s)"
        " ON CONFLICT (job) DO UPDATE SET error = excluded.error, at = now()",
        (job, redact.scrub(error).replace("\0", "")[:ERROR_LENGTH_MAX]),
    )


async def put_back(
    tx: Transaction, stalled_after_s: float, attempts: Mapping[str, int]
) -> tuple[int, int]:
    """Runs whose worker has not been heard of go back to the queue; how many, and how many gave up.

    `attempts` is how often each job may be tried: what kills every worker that takes it ends too.
    Each row is taken by whoever locks it first, and only while it is still that dead worker's: two
    upkeeps at a time give one run back once.
    """
    async with tx.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(
            "SELECT j.id, j.task_name, j.attempts FROM jobs.procrastinate_jobs j"
            " LEFT JOIN jobs.procrastinate_workers w ON w.id = j.worker_id"
            " WHERE j.status = 'doing' AND"
            " (w.id IS NULL OR w.last_heartbeat < now() - make_interval(secs => %s))"
            " ORDER BY j.id FOR UPDATE OF j SKIP LOCKED",
            (stalled_after_s,),
        )
        stalled = await cursor.fetchall()
    returned = 0
    for job, name, before in stalled:
        await note_failure(tx, job, "its worker was killed, or cut off from the database")
        try:
            async with tx.transaction():
                if before + 1 < attempts.get(name, 1):
                    await tx.execute(
                        "SELECT procrastinate_retry_job_v2(%s, now(), NULL, NULL, NULL)", (job,)
                    )
                    returned += 1
                else:
                    await tx.execute(
                        "SELECT procrastinate_finish_job_v1(%s, 'failed', false)", (job,)
                    )
        except UniqueViolation:  # the same job waits already
            await tx.execute("SELECT procrastinate_finish_job_v1(%s, 'aborted', true)", (job,))
    return returned, len(stalled) - returned


async def forget(tx: Transaction) -> None:
    """Dead runs of a job that died again later go, and what is known of runs that are no more."""
    await tx.execute(
        "DELETE FROM jobs.procrastinate_jobs j WHERE status = 'failed' AND EXISTS ("
        " SELECT FROM jobs.procrastinate_jobs newer WHERE newer.status = 'failed'"
        " AND newer.queueing_lock = j.queueing_lock AND newer.id > j.id)"
    )
    await tx.execute(
        "DELETE FROM kernel.job_failures f WHERE NOT EXISTS ("
        " SELECT FROM jobs.procrastinate_jobs j WHERE j.id = f.job)"
    )
