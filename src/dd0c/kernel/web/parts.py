"""The processes of this installation, on all its machines."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from starlette.requests import Request

from dd0c.base import ids
from dd0c.kernel.auth import events
from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.db import tenancy
from dd0c.kernel.parts import register
from dd0c.kernel.parts.part import Seen, State
from dd0c.kernel.web import audited, resources
from dd0c.kernel.web.requires import Requires

router = APIRouter(prefix="/api/v1", tags=["status"])


class PartShown(BaseModel):
    """One process."""

    id: str
    kind: str = Field(description="`gateway`, `control` or `worker`.")
    state: State = Field(
        description="`stale`: not heard of for 20 s, so killed, hung or cut off from the database."
    )
    host: str
    pid: int
    version: str
    since: datetime = Field(description="When it started.")
    silent_s: float = Field(description="Seconds since it last reported.")
    facts: dict[str, Any] = Field(description="What it says of itself; differs by kind.")


class PartsShown(BaseModel):
    """All that reported within a day."""

    items: list[PartShown]


@router.get("/parts", operation_id="list_parts", summary="The processes of this installation")
async def list_parts(
    request: Request, who: Annotated[Principal, Depends(Requires("platform:health"))]
) -> PartsShown:
    """Gateways, control servers and job workers, wherever they run; each reports every 5 s."""
    use = resources.of(request)
    async with tenancy.system(use.pool) as tx:
        found = await register.list_parts(tx)
    return PartsShown(items=[show(seen) for seen in found])


@router.delete("/parts/{part_id}", operation_id="forget_part", summary="Forget a part that is gone")
async def forget_part(
    part_id: str,
    request: Request,
    who: Annotated[Principal, Depends(Requires("platform:parts"))],
) -> PartShown:
    """Removes what a process left behind that ended or fell silent, so that health no longer waits
    for it; 409 while it reports. One that was only cut off comes back by itself."""
    use = resources.of(request)
    async with tenancy.system(use.pool) as tx:
        forgotten = show(await register.remove(tx, ids.parse(ids.Kind.PART, part_id)))
        await audited.record(tx, request, events.PART_FORGOTTEN, forgotten.id, kind=forgotten.kind)
    return forgotten


def show(seen: Seen) -> PartShown:
    """A part as the API shows it."""
    return PartShown(
        id=ids.text(ids.Kind.PART, seen.part.id),
        kind=seen.part.kind,
        state=seen.state,
        host=seen.part.host,
        pid=seen.part.pid,
        version=seen.part.version,
        since=seen.part.started_at,
        silent_s=round(seen.silent.total_seconds(), 1),
        facts=dict(seen.facts),
    )
