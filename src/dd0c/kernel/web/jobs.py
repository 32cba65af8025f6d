"""Endpoints of the runs of background jobs: what waits, what failed, and another try (K-80)."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field
from starlette.requests import Request

from dd0c.base import ids
from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.jobs import events, runs
from dd0c.kernel.jobs.runs import Run, State
from dd0c.kernel.web import audited, resources
from dd0c.kernel.web.fields import LIMIT, Cursor, Limit, Page
from dd0c.kernel.web.requires import Requires

PERMISSION = "platform:jobs"

router = APIRouter(prefix="/api/v1", tags=["status"])

Operator = Annotated[Principal, Depends(Requires(PERMISSION))]
Wanted = Annotated[
    State | None,
    Query(description="`failed` waits for its next attempt; `dead` gave up after its attempts."),
]


class JobShown(BaseModel):
    """One run of a job that is not done."""

    id: str
    job: str = Field(description="Which job, as `product.verb`.")
    subject: str | None = Field(description="What this run is about, where it is about one thing.")
    state: Literal["queued", "running", "failed", "dead"]
    attempts: int = Field(description="How often it was tried, a worker's death included.")
    changed_at: datetime = Field(description="Since when it is so.")
    next_at: datetime | None = Field(description="When it may be tried next; null: as it can.")
    error: str | None = Field(description="What went wrong the last time, without secrets.")
    failed_at: datetime | None


class JobsShown(Page[JobShown]):
    """Runs, and how many there are in each state."""

    counts: dict[State, int]


@router.get("/jobs", operation_id="list_jobs", summary="Runs of background jobs")
async def list_jobs(
    request: Request,
    who: Operator,
    state: Wanted = None,
    limit: Limit = LIMIT,
    cursor: Cursor = None,
) -> JobsShown:
    """What waits, runs, or has failed, the newest first. What succeeded is not kept; of each job's
    dead runs the last is, for a week."""
    use, context = resources.of(request), ("jobs", state)
    after = None if cursor is None else use.cursors.read(cursor, *context)
    async with runs.queue(use.queue) as tx:
        counts = await runs.count(tx)
        found = await runs.list_runs(tx, limit + 1, state, after)
    page, more = found[:limit], len(found) > limit
    return JobsShown(
        items=[show(run) for run in page],
        next_cursor=use.cursors.write(page[-1].id, *context) if more else None,
        counts=dict(counts),
    )


@router.post("/jobs/{job_id}/retry", operation_id="retry_job", summary="Try a job again")
async def retry_job(job_id: str, request: Request, who: Operator) -> JobShown:
    """A dead run gets one more attempt; one that waits for its next is tried at once. 409 for one
    that is queued or running, or where the same job waits already."""
    return show(await retry(request, ids.parse(ids.Kind.JOB, job_id)))


@router.post("/jobs/{job_id}/cancel", operation_id="cancel_job", summary="Take a run away")
async def cancel_job(job_id: str, request: Request, who: Operator) -> JobShown:
    """Removes a run that waits, failed or is dead; 409 while a worker is at it. What runs by the
    clock comes again at its next time."""
    return show(await remove(request, ids.parse(ids.Kind.JOB, job_id)))


async def retry(request: Request, wanted: uuid.UUID) -> Run:
    """Another try, and the event that tells of it."""
    async with runs.queue(resources.of(request).queue) as tx:
        run = await runs.retry(tx, wanted)
        await audited.record(
            tx, request, events.RETRIED, run.text, job=run.job, attempts=run.attempts
        )
    return run


async def remove(request: Request, wanted: uuid.UUID) -> Run:
    """Take it away, and tell so."""
    async with runs.queue(resources.of(request).queue) as tx:
        run = await runs.remove(tx, wanted)
        await audited.record(tx, request, events.REMOVED, run.text, job=run.job, state=run.state)
    return run


def show(run: Run) -> JobShown:
    """A run as the API shows it."""
    return JobShown(
        id=run.text,
        job=run.job,
        subject=run.subject,
        state=run.state.value,
        attempts=run.attempts,
        changed_at=run.changed_at,
        next_at=run.next_at,
        error=run.error,
        failed_at=run.failed_at,
    )
