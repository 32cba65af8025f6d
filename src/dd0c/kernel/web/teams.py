"""Endpoints of teams."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from starlette.requests import Request

from dd0c.base import ids
from dd0c.kernel.auth import events, teams
from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.auth.teams import Team
from dd0c.kernel.db import tenancy
from dd0c.kernel.db.pool import Transaction
from dd0c.kernel.plans import quotas
from dd0c.kernel.plans.catalogue import Quota
from dd0c.kernel.web import audited, resources
from dd0c.kernel.web.fields import LIMIT, Body, Cursor, Limit, Name, Page
from dd0c.kernel.web.requires import Requires

router = APIRouter(prefix="/api/v1", tags=["identity"])

Writer = Annotated[Principal, Depends(Requires("keys:write"))]


class TeamWanted(Body):
    """A team."""

    name: Name = Field(description="Unique in the organisation, in any case.", examples=["search"])


class TeamShown(BaseModel):
    """A team of the organisation."""

    id: str
    name: str
    keys: int = Field(description="How many working keys belong to it.")
    created_at: datetime
    removed_at: datetime | None


@router.post("/teams", status_code=201, operation_id="create_team", summary="Create a team")
async def create_team(wanted: TeamWanted, request: Request, who: Writer) -> TeamShown:
    """A team without keys: they are made for it, or moved into it."""
    async with tenancy.tenant(resources.of(request).pool, who.org) as tx:
        return show(await make(tx, request, who, wanted.name))


async def make(tx: Transaction, request: Request, who: Principal, name: str) -> Team:
    """A team of that name; Conflict when it is taken."""
    await quotas.take(tx, Quota.TEAMS, resources.of(request).plan)
    team = await teams.create(tx, who.org, name)
    await audited.record(tx, request, events.TEAM_CREATED, _id(team.id), private={"name": name})
    return team


@router.get("/teams", operation_id="list_teams", summary="List teams")
async def list_teams(
    request: Request,
    who: Annotated[Principal, Depends(Requires("keys:read"))],
    limit: Limit = LIMIT,
    cursor: Cursor = None,
) -> Page[TeamShown]:
    """Teams of the caller's organisation, oldest first."""
    use = resources.of(request)
    after = None if cursor is None else use.cursors.read(cursor, who.org, "teams")
    async with tenancy.tenant(use.pool, who.org) as tx:
        found = await teams.list_teams(tx, limit + 1, after)
    page, more = found[:limit], len(found) > limit
    return Page(
        items=[show(team) for team in page],
        next_cursor=use.cursors.write(page[-1].id, who.org, "teams") if more else None,
    )


@router.patch("/teams/{team_id}", operation_id="rename_team", summary="Rename a team")
async def rename_team(team_id: str, wanted: TeamWanted, request: Request, who: Writer) -> TeamShown:
    """Its keys, its limits and what it cost stay with it."""
    async with tenancy.tenant(resources.of(request).pool, who.org) as tx:
        return show(await rename(tx, request, ids.parse(ids.Kind.TEAM, team_id), wanted.name))


async def rename(tx: Transaction, request: Request, team: uuid.UUID, name: str) -> Team:
    """The team under that name; Conflict when it is taken, NotFound."""
    renamed = await teams.rename(tx, team, name)
    await audited.record(tx, request, events.TEAM_RENAMED, _id(team), private={"name": name})
    return renamed


@router.delete("/teams/{team_id}", operation_id="remove_team", summary="Remove a team")
async def remove_team(team_id: str, request: Request, who: Writer) -> TeamShown:
    """Refused while working keys belong to it. What it cost keeps its name."""
    async with tenancy.tenant(resources.of(request).pool, who.org) as tx:
        return show(await remove(tx, request, ids.parse(ids.Kind.TEAM, team_id)))


async def remove(tx: Transaction, request: Request, team: uuid.UUID) -> Team:
    """The team, which has ended; Conflict while working keys belong to it, NotFound."""
    removed = await teams.remove(tx, team, resources.of(request).clock.now())
    await audited.record(tx, request, events.TEAM_REMOVED, _id(team))
    return removed


def show(team: Team) -> TeamShown:
    """A team as the API shows it."""
    return TeamShown(
        id=_id(team.id),
        name=team.name,
        keys=team.keys,
        created_at=team.created_at,
        removed_at=team.removed_at,
    )


def _id(team: uuid.UUID) -> str:
    return ids.text(ids.Kind.TEAM, team)
