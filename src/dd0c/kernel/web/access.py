"""Endpoints of what roles hold, and of who is signed in."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, Field
from starlette.requests import Request

from dd0c.base.errors import NotFound
from dd0c.kernel.auth import events, sessions
from dd0c.kernel.auth.permissions import Grants, Role
from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.auth.sessions import Open
from dd0c.kernel.db import tenancy
from dd0c.kernel.db.pool import Transaction
from dd0c.kernel.web import audited, resources
from dd0c.kernel.web.people import READ, WRITE
from dd0c.kernel.web.requires import Requires

router = APIRouter(prefix="/api/v1", tags=["people"])

Somebody = Annotated[Principal, Depends(Requires())]


class RoleShown(BaseModel):
    """A role."""

    role: Role
    permissions: list[str]


class RolesShown(BaseModel):
    """The table of permissions."""

    items: list[RoleShown]


class SessionShown(BaseModel):
    """A browser that is signed in."""

    id: str = Field(description="Tells sessions apart; nobody can sign in with it.")
    of: str = Field(description="Id of the key or person whose it is.")
    name: str
    created_at: datetime
    expires_at: datetime


class SessionsShown(BaseModel):
    """Who is signed in."""

    items: list[SessionShown]


@router.get("/roles", operation_id="list_roles", summary="What each role may do")
async def list_roles(request: Request, who: Somebody) -> RolesShown:
    """Every role with its permissions, of all products."""
    return RolesShown(items=table(resources.of(request).grants))


@router.get("/sessions", operation_id="list_sessions", summary="Who is signed in")
async def list_sessions(request: Request, who: Somebody) -> SessionsShown:
    """The newest hundred sessions of the organisation; without `people:read` one's own."""
    use = resources.of(request)
    of = None if READ in who.permissions else who.actor.id
    async with tenancy.tenant(use.pool, who.org) as tx:
        found = await sessions.list_open(tx, use.clock.now(), of)
    return SessionsShown(items=[_show(each) for each in found])


@router.delete("/sessions/{session_id}", operation_id="end_session", summary="End a session")
async def end_session(
    session_id: Annotated[str, Path(pattern=f"^[0-9a-f]{{{sessions.MARK_HEX}}}$")],
    request: Request,
    who: Somebody,
) -> SessionsShown:
    """Of anybody in the organisation; without `people:write` one of one's own. What is left."""
    async with tenancy.tenant(resources.of(request).pool, who.org) as tx:
        if not await end(tx, request, who, session_id):
            raise NotFound("there is no such session")
    return await list_sessions(request, who)


async def end(tx: Transaction, request: Request, who: Principal, mark: str) -> bool:
    """End a session: any of the organisation for those who may write people, else one's own;
    whether there was one."""
    of = None if WRITE in who.permissions else who.actor.id
    ended = await sessions.end_marked(tx, mark, of)
    if ended:
        await audited.record(tx, request, events.SESSIONS_ENDED, mark, sessions=1)
    return ended


def table(grants: Grants) -> list[RoleShown]:
    """The roles in their order."""
    return [RoleShown(role=role, permissions=sorted(grants.get(role, ()))) for role in Role]


def _show(each: Open) -> SessionShown:
    return SessionShown(
        id=each.mark,
        of=each.actor.text,
        name=each.actor.name,
        created_at=each.created_at,
        expires_at=each.expires_at,
    )
