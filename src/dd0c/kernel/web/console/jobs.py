"""Jobs: what waits, what failed and why, and another try."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import RedirectResponse, Response
from psycopg.rows import tuple_row

from dd0c.base import ids
from dd0c.base.errors import Conflict, NotFound
from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.db.pool import Transaction
from dd0c.kernel.jobs import runs
from dd0c.kernel.jobs.job import Job
from dd0c.kernel.jobs.runs import State
from dd0c.kernel.web import jobs, problems, resources
from dd0c.kernel.web.console import figures, forgery, frame, links, live
from dd0c.kernel.web.jobs import JobShown
from dd0c.kernel.web.requires import Requires

PATH = "/console/jobs"
TOPIC = "jobs"
PERMISSION = jobs.PERMISSION
PAGE_ROWS = 50
TONES = {State.QUEUED: "info", State.RUNNING: "wait", State.FAILED: "warn", State.DEAD: "bad"}

router = APIRouter(include_in_schema=False)
Operator = Annotated[Principal, Depends(Requires(PERMISSION))]
Token = Annotated[str, Form()]


@dataclass(frozen=True, slots=True)
class Clocked:
    """A job that runs by the clock, and when that is in words."""

    job: str
    cron: str
    when: str
    attempts: int


@dataclass(frozen=True, slots=True)
class Page:
    """What the page says."""

    counts: Mapping[State, int]
    items: list[JobShown]
    next: str
    clocked: list[Clocked]


@router.get(PATH)
async def show(
    request: Request,
    who: Operator,
    state: State | None = None,
    cursor: Annotated[str, Query(max_length=128)] = "",
) -> Response:
    """The page, of runs in one state where one is chosen."""
    return await _page(request, who, state, cursor)


@router.post(f"{PATH}/{{job_id}}/retry")
async def retry(request: Request, job_id: str, who: Operator, csrf: Token = "") -> Response:
    """Another try; or the page again with why not."""
    return await _change(request, who, csrf, lambda: jobs.retry(request, _id(job_id)))


@router.post(f"{PATH}/{{job_id}}/cancel")
async def cancel(request: Request, job_id: str, who: Operator, csrf: Token = "") -> Response:
    """Take it away; or the page again with why not."""
    return await _change(request, who, csrf, lambda: jobs.remove(request, _id(job_id)))


async def _change(
    request: Request, who: Principal, csrf: str, change: Callable[[], Awaitable[object]]
) -> Response:
    forgery.check_token(request, csrf)
    try:
        await change()
    except (Conflict, NotFound) as problem:  # it was done, or tried, meanwhile
        said = problems.sentence(problem, hint=True)
        return await _page(request, who, status=problem.status, problem=said)
    return RedirectResponse(PATH, 303)


async def _page(
    request: Request,
    who: Principal,
    state: State | None = None,
    cursor: str = "",
    *,
    status: int = 200,
    problem: str = "",
) -> Response:
    stream = live.follow(request, who, TOPIC)
    use, context = resources.of(request), ("console jobs", state)
    after = use.cursors.read(cursor, *context) if cursor else None
    async with runs.queue(use.queue) as tx:
        counts = await runs.count(tx)
        found = await runs.list_runs(tx, PAGE_ROWS + 1, state, after)
    page, more = found[:PAGE_ROWS], len(found) > PAGE_ROWS
    chosen = {"state": state.value if state else ""}
    onward = use.cursors.write(page[-1].id, *context) if more else ""
    following = links.to(PATH, chosen | {"cursor": onward}) if onward else ""
    return frame.of(request).page(
        request,
        who,
        "jobs.html",
        Page(counts, [jobs.show(run) for run in page], following, _clocked(request)),
        status=status,
        live=stream,
        path=PATH,
        problem=problem,
        state=state,
        tones=TONES,
        states=[
            (each.value, number, links.to(PATH, {"state": each.value}))
            for each, number in counts.items()
        ],
        headline=headline(counts),
        paging={
            "words": figures.plural(len(page), "run"),
            "first": links.to(PATH, chosen) if cursor else "",
            "next": following,
        },
    )


def headline(counts: Mapping[State, int]) -> dict[str, str]:
    """Whether somebody is needed, and else what goes on."""
    dead, failed = counts[State.DEAD], counts[State.FAILED]
    busy = f"{counts[State.RUNNING]} running, {counts[State.QUEUED]} queued"
    if dead:
        number = f"{figures.plural(dead, 'job')} gave up"
        return {"number": number, "words": f", {failed} to be tried again, {busy}"}
    if failed:
        return {"number": f"{figures.plural(failed, 'job')} failed", "words": f", {busy}"}
    return {"number": "Nothing has failed", "words": f", {busy}"}


def _clocked(request: Request) -> list[Clocked]:
    known: Sequence[Job] = request.app.state.jobs
    return [
        Clocked(job.name, job.cron, in_words(job.cron), job.attempts)
        for job in known
        if job.cron is not None
    ]


def in_words(cron: str) -> str:
    """A schedule as people say it; what has no short words stays as it is."""
    minute, hour, *rest = cron.split()
    if rest == ["*", "*", "*"]:
        if hour.isdecimal() and minute.isdecimal():
            return f"daily at {int(hour):02}:{int(minute):02} UTC"
        if hour == "*" and minute.isdecimal():
            return f"hourly at :{int(minute):02}"
        if hour == "*":
            return _every(minute, "minute", "min")
    if cron.startswith("* * * * * "):
        return _every(rest[3], "second", "s")
    return cron


def _every(field: str, one: str, unit: str) -> str:
    return f"every {one}" if field == "*" else f"every {field.removeprefix('*/')} {unit}"


def _id(job_id: str) -> uuid.UUID:
    return ids.parse(ids.Kind.JOB, job_id)


async def mark(tx: Transaction) -> str:
    """A text that differs when a run came, went or failed."""
    async with tx.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute("SELECT coalesce(kernel.queue_mark(), '')")
        row = await cursor.fetchone()
    assert row is not None
    return str(row[0])
