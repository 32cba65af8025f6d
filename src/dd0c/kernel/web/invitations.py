"""Endpoints of invitations: who may become a member."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter
from pydantic import AfterValidator, BaseModel, Field
from starlette.requests import Request

from dd0c.base import ids
from dd0c.base.errors import InvalidInput
from dd0c.base.secrets import Secret
from dd0c.kernel.auth import events, invitations, members, people, teams
from dd0c.kernel.auth.invitations import Invitation, State, Wanted
from dd0c.kernel.auth.permissions import Role
from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.db import tenancy
from dd0c.kernel.db.pool import Transaction
from dd0c.kernel.web import audited, origin, resources
from dd0c.kernel.web.fields import LIMIT, Body, Cursor, Limit, Page, Roles, Text
from dd0c.kernel.web.people import Reader, Writer

router = APIRouter(prefix="/api/v1", tags=["people"])

PATH = "/console/invitation"


def _address(value: str) -> str:
    """As it is kept."""
    try:
        return people.read_email(value)
    except InvalidInput as problem:
        raise ValueError(problem.message) from None


class InvitationWanted(Body):
    """Who is to be invited, and what they may do then."""

    email: Annotated[str, Field(max_length=254), AfterValidator(_address)] = Field(
        description="Their address: what they sign in with.", examples=["grace@example.com"]
    )
    roles: Roles = Field([Role.VIEWER], description="None that holds more than your own.")
    team: Text | None = Field(None, description="Name or id of a team; default none.")


class InvitationShown(BaseModel):
    """An invitation without its link."""

    id: str
    email: str
    state: State
    roles: list[str]
    team: str | None
    created_at: datetime
    expires_at: datetime


class InvitationMade(InvitationShown):
    """A new invitation with its link."""

    link: str = Field(description="Give it to them: dd0c sends no mail. Shown only here.")


@router.post(
    "/invitations", status_code=201, operation_id="create_invitation", summary="Invite somebody"
)
async def create_invitation(
    wanted: InvitationWanted, request: Request, who: Writer
) -> InvitationMade:
    """A link that works once, within a week. An open invitation to the same address ends."""
    use = resources.of(request)
    async with tenancy.tenant(use.pool, who.org) as tx:
        made, text = await make(tx, request, who, wanted)
    shown = show(made, use.clock.now())
    return InvitationMade(**shown.model_dump(), link=link(request, text))


async def make(
    tx: Transaction, request: Request, who: Principal, wanted: InvitationWanted
) -> tuple[Invitation, Secret]:
    """The invitation and its text; Forbidden for roles above one's own, NotFound for the team."""
    use = resources.of(request)
    roles = members.grantable(wanted.roles, who, use.grants)
    team = None if wanted.team is None else (await teams.get(tx, wanted.team)).id
    asked = Wanted(wanted.email, roles, team, who.actor.id)
    made, text = await invitations.create(tx, use.pepper, who.org, asked, use.clock.now())
    await audited.record(
        tx,
        request,
        events.INVITATION_MADE,
        _id(made.id),
        roles=made.roles,
        team=None if team is None else ids.text(ids.Kind.TEAM, team),
        expires_at=made.expires_at,
    )
    return made, text


@router.get("/invitations", operation_id="list_invitations", summary="List invitations")
async def list_invitations(
    request: Request, who: Reader, limit: Limit = LIMIT, cursor: Cursor = None
) -> Page[InvitationShown]:
    """Invitations of the caller's organisation, newest first, those that ended too."""
    use = resources.of(request)
    before = None if cursor is None else use.cursors.read(cursor, who.org, "invitations")
    async with tenancy.tenant(use.pool, who.org) as tx:
        found = await invitations.list_invitations(tx, limit + 1, before)
    page, more, now = found[:limit], len(found) > limit, use.clock.now()
    return Page(
        items=[show(invitation, now) for invitation in page],
        next_cursor=use.cursors.write(page[-1].id, who.org, "invitations") if more else None,
    )


@router.delete(
    "/invitations/{invitation_id}",
    operation_id="revoke_invitation",
    summary="Revoke an invitation",
)
async def revoke_invitation(invitation_id: str, request: Request, who: Writer) -> InvitationShown:
    """Its link no longer works. Who used it already stays a member."""
    use, wanted = resources.of(request), ids.parse(ids.Kind.INVITATION, invitation_id)
    async with tenancy.tenant(use.pool, who.org) as tx:
        return show(await revoke(tx, request, wanted), use.clock.now())


async def revoke(tx: Transaction, request: Request, invitation: uuid.UUID) -> Invitation:
    """The invitation, whose link no longer works; NotFound."""
    now = resources.of(request).clock.now()
    revoked = await invitations.revoke(tx, invitation, now)
    if revoked.revoked_at == now:
        await audited.record(tx, request, events.INVITATION_REVOKED, _id(invitation))
    return revoked


def link(request: Request, text: Secret) -> str:
    """What the inviter hands over."""
    return f"{origin.of(request)}{PATH}/{text.reveal()}"


def show(invitation: Invitation, now: datetime) -> InvitationShown:
    """An invitation as the API shows it."""
    return InvitationShown(
        id=_id(invitation.id),
        email=invitation.email,
        state=invitation.state(now),
        roles=invitation.roles,
        team=invitation.team,
        created_at=invitation.created_at,
        expires_at=invitation.expires_at,
    )


def _id(invitation: uuid.UUID) -> str:
    return ids.text(ids.Kind.INVITATION, invitation)
