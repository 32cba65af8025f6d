"""Runbooks that are kept, their versions, and what differs between two."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, Field
from starlette.requests import Request

from dd0c.base import ids
from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.db import tenancy
from dd0c.kernel.web import resources
from dd0c.kernel.web.fields import LIMIT, Body, Cursor, Limit, Name, Page
from dd0c.kernel.web.requires import Requires
from dd0c.products.run import diff, runbooks, shapes, trust
from dd0c.products.run.api.reading import Reader, RemarkShown, SourceGiven
from dd0c.products.run.diff import Change, Difference
from dd0c.products.run.lineage import Kept
from dd0c.products.run.models import Format
from dd0c.products.run.runbooks import Version
from dd0c.products.run.shapes import RiskName, StepShown
from dd0c.products.run.store import runbooks as store
from dd0c.products.run.store import versions
from dd0c.products.run.store.runbooks import Runbook
from dd0c.products.run.store.versions import Row
from dd0c.products.run.trust import Trust, Why

router = APIRouter(prefix="/api/v1/run", tags=["run"])

Writer = Annotated[Principal, Depends(Requires("run:write", in_panic=False))]
NUMBER_MAX = 2**31 - 1
Number = Annotated[int, Path(ge=1, le=NUMBER_MAX, description="Of the version.")]


class RunbookWanted(SourceGiven):
    """A runbook to be kept."""

    name: Name = Field(description="Unique in the organisation, in any case.")


class VersionWanted(SourceGiven):
    """Another version of a runbook."""

    based_on: int | None = Field(
        None,
        ge=1,
        le=NUMBER_MAX,
        strict=True,
        description="The version that it was made of: refused with 409 if that is not the newest.",
    )


class NameWanted(Body):
    """Another name."""

    name: Name


class RunbookShown(BaseModel):
    """A runbook. Steps and risk are those of the newest version, judged when it was saved."""

    id: str
    name: str
    version: int = Field(description="Number of the newest.")
    steps: int
    risk: RiskName | None = Field(description="Of its worst command; null: it has none.")
    created_at: datetime
    changed_at: datetime


class VersionShown(BaseModel):
    """One version, without what it says."""

    runbook_id: str
    number: int
    steps: int
    risk: RiskName | None = Field(description="As it was judged when it was saved.")
    saved_at: datetime
    saved_by: str


class TrustShown(BaseModel):
    """How far a step is trusted."""

    level: int = Field(description="0: only shown; 1: a person confirms; 2, 3: runs by itself.")
    why: Why
    sentence: str


class StepKept(StepShown):
    """A step of a version, under today's rules."""

    id: str = Field(description="The same in each version that has the step.")
    trust: TrustShown


class VersionRead(VersionShown):
    """One version with all that it says."""

    name: str
    newest: int = Field(description="Number of the newest version.")
    format: Format
    source: str
    items: list[StepKept]
    remarks: list[RemarkShown]


class DifferenceShown(BaseModel):
    """What became of a step. Positions count from 1; null: it is not in that version."""

    id: str
    change: Change
    before: int | None
    after: int | None
    title: str
    fields: list[str] = Field(description="What of it is different; `place`: it moved.")
    trust: TrustShown | None = Field(description="In the later version; null: it is not in it.")


class DiffShown(BaseModel):
    """Two versions compared by step, in the order of the later one."""

    runbook_id: str
    before: int
    after: int
    items: list[DifferenceShown]


@router.post("/runbooks", status_code=201, operation_id="create_runbook", summary="Keep a runbook")
async def create_runbook(wanted: RunbookWanted, request: Request, who: Writer) -> RunbookShown:
    """Under a name of its own, with the text as its first version. Plans say how many there may
    be."""
    document = await runbooks.read(request, who, wanted.text(), wanted.format)
    async with tenancy.tenant(resources.of(request).pool, who.org) as tx:
        made = await runbooks.create(tx, request, who, wanted.name, document)
        return show(await store.get(tx, made))


@router.get("/runbooks", operation_id="list_runbooks", summary="List runbooks")
async def list_runbooks(
    request: Request, who: Reader, limit: Limit = LIMIT, cursor: Cursor = None
) -> Page[RunbookShown]:
    """Runbooks of the caller's organisation, oldest first."""
    use = resources.of(request)
    after = None if cursor is None else use.cursors.read(cursor, who.org, "runbooks")
    async with tenancy.tenant(use.pool, who.org) as tx:
        found = await store.list_runbooks(tx, limit + 1, after)
    page, more = found[:limit], len(found) > limit
    return Page(
        items=[show(one) for one in page],
        next_cursor=use.cursors.write(page[-1].id, who.org, "runbooks") if more else None,
    )


@router.get("/runbooks/{runbook_id}", operation_id="show_runbook", summary="One runbook")
async def show_runbook(runbook_id: str, request: Request, who: Reader) -> VersionRead:
    """Its newest version, judged by the rules of today."""
    return await _read(request, who, _parse(runbook_id), None)


@router.patch("/runbooks/{runbook_id}", operation_id="rename_runbook", summary="Rename a runbook")
async def rename_runbook(
    runbook_id: str, wanted: NameWanted, request: Request, who: Writer
) -> RunbookShown:
    """Its versions stay with it."""
    runbook = _parse(runbook_id)
    async with tenancy.tenant(resources.of(request).pool, who.org) as tx:
        await runbooks.rename(tx, request, runbook, wanted.name)
        return show(await store.get(tx, runbook))


@router.delete("/runbooks/{runbook_id}", operation_id="delete_runbook", summary="Delete a runbook")
async def delete_runbook(runbook_id: str, request: Request, who: Writer) -> RunbookShown:
    """It is shown no longer, and its name is free. What it said stays with what was done by it,
    until the organisation is erased."""
    async with tenancy.tenant(resources.of(request).pool, who.org) as tx:
        return show(await runbooks.remove(tx, request, _parse(runbook_id)))


@router.post(
    "/runbooks/{runbook_id}/versions",
    status_code=201,
    operation_id="save_runbook_version",
    summary="Save another version",
)
async def save_version(
    runbook_id: str, wanted: VersionWanted, request: Request, who: Writer
) -> VersionShown:
    """Steps that say the same keep their ids and their trust; an edited step, and one that takes a
    value from it, is trusted no longer."""
    runbook = _parse(runbook_id)
    document = await runbooks.read(request, who, wanted.text(), wanted.format)
    async with tenancy.tenant(resources.of(request).pool, who.org) as tx:
        number = await runbooks.save(
            tx, request, who, runbook, document=document, based_on=wanted.based_on
        )
        return _show_row(await versions.get(tx, runbook, number))


@router.get(
    "/runbooks/{runbook_id}/versions", operation_id="list_runbook_versions", summary="List versions"
)
async def list_versions(
    runbook_id: str, request: Request, who: Reader, limit: Limit = LIMIT, cursor: Cursor = None
) -> Page[VersionShown]:
    """Versions of a runbook, newest first."""
    use, runbook = resources.of(request), _parse(runbook_id)
    after = None if cursor is None else use.cursors.read(cursor, who.org, "versions", runbook)
    async with tenancy.tenant(use.pool, who.org) as tx:
        await store.get(tx, runbook)
        found = await versions.list_versions(tx, runbook, limit + 1, after)
    page, more = found[:limit], len(found) > limit
    return Page(
        items=[_show_row(row) for row in page],
        next_cursor=use.cursors.write(page[-1].id, who.org, "versions", runbook) if more else None,
    )


@router.get(
    "/runbooks/{runbook_id}/versions/{number}",
    operation_id="show_runbook_version",
    summary="One version",
)
async def show_version(
    runbook_id: str, number: Number, request: Request, who: Reader
) -> VersionRead:
    """What it says, judged by the rules of today."""
    return await _read(request, who, _parse(runbook_id), number)


@router.get(
    "/runbooks/{runbook_id}/diff",
    operation_id="compare_runbook_versions",
    summary="Compare versions",
)
async def compare_versions(
    runbook_id: str,
    request: Request,
    who: Reader,
    *,
    before: Annotated[
        int | None,
        Query(ge=1, le=NUMBER_MAX, description="Number of a version; absent: the one before."),
    ] = None,
    after: Annotated[
        int | None,
        Query(ge=1, le=NUMBER_MAX, description="Number of another; absent: the newest."),
    ] = None,
) -> DiffShown:
    """What was added, removed, changed and moved, step by step."""
    runbook = _parse(runbook_id)
    async with tenancy.tenant(resources.of(request).pool, who.org) as tx:
        old, new = await runbooks.load_pair(tx, request, who, runbook, before=before, after=after)
    found = diff.compare(old.steps, new.steps)
    return DiffShown(
        runbook_id=runbook_id,
        before=old.row.number,
        after=new.row.number,
        items=[_show_difference(each, old.steps, new.steps) for each in found],
    )


async def _read(
    request: Request, who: Principal, runbook: uuid.UUID, number: int | None
) -> VersionRead:
    async with tenancy.tenant(resources.of(request).pool, who.org) as tx:
        stored = await runbooks.load(tx, request, who, runbook, number)
    return _show_version(await runbooks.judge(stored))


def show(found: Runbook) -> RunbookShown:
    """A runbook as the API shows it."""
    return RunbookShown(
        id=ids.text(ids.Kind.RUNBOOK, found.id),
        name=found.name,
        version=found.version,
        steps=found.steps,
        risk=shapes.risk_name(found.risk),
        created_at=found.created_at,
        changed_at=found.changed_at,
    )


def _show_row(row: Row) -> VersionShown:
    return VersionShown(
        runbook_id=ids.text(ids.Kind.RUNBOOK, row.runbook),
        number=row.number,
        steps=row.steps,
        risk=shapes.risk_name(row.risk),
        saved_at=row.saved_at,
        saved_by=row.saved_by,
    )


def _show_version(version: Version) -> VersionRead:
    document = version.document
    steps = [
        StepKept(
            **shapes.show_step(position, judged).model_dump(),
            id=_step_id(kept),
            trust=_show_trust(kept.trust),
        )
        for position, (judged, kept) in enumerate(
            zip(document.steps, version.steps, strict=True), 1
        )
    ]
    return VersionRead(
        **_show_row(version.row).model_dump(exclude={"steps"}),
        steps=len(steps),
        name=version.runbook.name,
        newest=version.runbook.version,
        format=document.format,
        source=document.source,
        items=steps,
        remarks=[RemarkShown(line=each.line, text=each.text) for each in document.remarks],
    )


def _show_difference(
    found: Difference, before: Sequence[Kept], after: Sequence[Kept]
) -> DifferenceShown:
    later = None if found.after is None else after[found.after]
    shown = later or before[found.before or 0]
    return DifferenceShown(
        id=_step_id(shown),
        change=found.change,
        before=_position(found.before),
        after=_position(found.after),
        title=shown.step.title,
        fields=list(found.fields),
        trust=None if later is None else _show_trust(later.trust),
    )


def _show_trust(held: Trust) -> TrustShown:
    return TrustShown(level=held.level, why=held.why, sentence=trust.SENTENCES[held.why])


def _position(at: int | None) -> int | None:
    return None if at is None else at + 1


def _step_id(kept: Kept) -> str:
    return ids.text(ids.Kind.STEP, kept.identity)


def _parse(runbook_id: str) -> uuid.UUID:
    return ids.parse(ids.Kind.RUNBOOK, runbook_id)
