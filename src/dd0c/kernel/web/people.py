"""Endpoints of people: who belongs to the organisation, and what each may do in it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from starlette.requests import Request

from dd0c.base import ids
from dd0c.base.errors import InvalidInput
from dd0c.kernel.auth import erasure, events, members, people, sessions, teams
from dd0c.kernel.auth.members import Member, State
from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.db import tenancy
from dd0c.kernel.db.pool import Transaction
from dd0c.kernel.web import audited, resources
from dd0c.kernel.web.fields import LIMIT, Body, Cursor, Limit, Page, Roles, Text
from dd0c.kernel.web.requires import Requires

router = APIRouter(prefix="/api/v1", tags=["people"])

READ, WRITE, PLATFORM_PEOPLE = "people:read", "people:write", "platform:people"
Reader = Annotated[Principal, Depends(Requires(READ))]
Writer = Annotated[Principal, Depends(Requires(WRITE))]


class PersonShown(BaseModel):
    """A person in the caller's organisation."""

    id: str
    name: str
    email: str
    state: State = Field(description="`disabled`: by who runs the installation.")
    roles: list[str]
    team: str | None = Field(description="Name of the team they belong to.")
    platform: bool = Field(description="Holds the role `platform` too.")
    provider: str | None = Field(
        description="Who says who they are, when not their password (OpenID Connect issuer)."
    )
    since: datetime = Field(description="When they became a member.")
    removed_at: datetime | None


class PersonErased(Body):
    """Somebody of this installation."""

    person: Text = Field(description="Id or address; the answer has the id.")


class PersonChange(Body):
    """What is to be changed; what is left out stays."""

    roles: Roles | None = Field(
        None, description="What they may do here; none that holds more than yours."
    )
    team: Text | None = Field(None, description="Name or id of a team; null: none.")
    platform: bool | None = Field(
        None,
        strict=True,
        description=f"Whether they run the installation; needs `{PLATFORM_PEOPLE}`.",
    )
    disabled: bool | None = Field(
        None,
        strict=True,
        description=f"Whether they may sign in anywhere; needs `{PLATFORM_PEOPLE}`.",
    )


class SignedOut(BaseModel):
    """Sessions that were ended."""

    ended: int


@router.get("/people", operation_id="list_people", summary="List people")
async def list_people(
    request: Request, who: Reader, limit: Limit = LIMIT, cursor: Cursor = None
) -> Page[PersonShown]:
    """Members of the caller's organisation, without those removed."""
    use = resources.of(request)
    after = None if cursor is None else use.cursors.read(cursor, who.org, "people")
    async with tenancy.tenant(use.pool, who.org) as tx:
        found = await members.list_members(tx, limit + 1, after)
    page, more = found[:limit], len(found) > limit
    return Page(
        items=[show(member) for member in page],
        next_cursor=use.cursors.write(page[-1].id, who.org, "people") if more else None,
    )


@router.get("/people/{person_id}", operation_id="show_person", summary="Show a person")
async def show_person(person_id: str, request: Request, who: Reader) -> PersonShown:
    """Somebody who is a member, or was: what they did keeps their name."""
    async with tenancy.tenant(resources.of(request).pool, who.org) as tx:
        return show(await members.get(tx, ids.parse(ids.Kind.PERSON, person_id)))


@router.patch("/people/{person_id}", operation_id="change_person", summary="Change a person")
async def change_person(
    person_id: str, change: PersonChange, request: Request, who: Writer
) -> PersonShown:
    """From their next request on. The last owner stays one."""
    use, wanted = resources.of(request), ids.parse(ids.Kind.PERSON, person_id)
    async with tenancy.tenant(use.pool, who.org) as tx:
        return show(await apply(tx, request, who, wanted, change))


@router.delete("/people/{person_id}", operation_id="remove_person", summary="Remove a person")
async def remove_person(person_id: str, request: Request, who: Writer) -> PersonShown:
    """Ends the membership, its sessions and the open invitations that this person made. Keys that
    they made go on working."""
    use, wanted = resources.of(request), ids.parse(ids.Kind.PERSON, person_id)
    async with tenancy.tenant(use.pool, who.org) as tx:
        return show(await remove(tx, request, who, wanted))


@router.post(
    "/people/{person_id}/sign-out", operation_id="sign_out_person", summary="Sign a person out"
)
async def sign_out_person(person_id: str, request: Request, who: Writer) -> SignedOut:
    """Ends every session that they have in this organisation."""
    use, wanted = resources.of(request), ids.parse(ids.Kind.PERSON, person_id)
    async with tenancy.tenant(use.pool, who.org) as tx:
        return SignedOut(ended=await sign_out(tx, request, wanted))


async def sign_out(tx: Transaction, request: Request, person: uuid.UUID) -> int:
    """End every session that they have in this organisation; how many that were. NotFound."""
    await members.get(tx, person)
    ended = await sessions.end_all(tx, person)
    if ended:
        await audited.record(tx, request, events.SESSIONS_ENDED, _id(person), sessions=ended)
    return ended


@router.post("/people/erase", operation_id="erase_person", summary="Erase a person")
async def erase_person(
    wanted: PersonErased,
    request: Request,
    who: Annotated[Principal, Depends(Requires(PLATFORM_PEOPLE))],
) -> PersonErased:
    """For good, in every organisation: name, address, password and identity are gone, and they are
    signed out. What they did says that an erased person did it. Refused while an organisation
    would be left without an owner."""
    use = resources.of(request)
    async with tenancy.system(use.pool) as tx:
        person = await erasure.find_person(tx, wanted.person)
        await erase(tx, request, person)
    return PersonErased(person=_id(person))


async def erase(tx: Transaction, request: Request, person: uuid.UUID) -> None:
    """Take all from them that tells who they are; Conflict for the last owner of something."""
    await erasure.erase_person(tx, person, resources.of(request).clock.now())
    await audited.record(tx, request, events.PERSON_ERASED, _id(person))


async def apply(
    tx: Transaction, request: Request, who: Principal, person: uuid.UUID, change: PersonChange
) -> Member:
    """The member after the change; NotFound, Forbidden, or Conflict for the last owner."""
    use = resources.of(request)
    member = await members.get_present(tx, person)
    members.grantable(member.roles, who, use.grants)
    standing = _standing(change, member, who, use.clock.now())
    if change.model_fields_set & {"roles", "team"}:
        roles = members.grantable(change.roles or member.roles, who, use.grants)
        team = change.team if "team" in change.model_fields_set else member.team
        team_id = None if team is None else (await teams.get(tx, team)).id
        await members.change(tx, member, roles, team_id)
        await audited.record(
            tx,
            request,
            events.MEMBER_CHANGED,
            _id(person),
            roles=sorted(roles),
            team=None if team_id is None else ids.text(ids.Kind.TEAM, team_id),
        )
    if standing is not None:
        if standing.disabled_at is not None:
            await members.keep_an_owner(tx, member)
        await people.set_standing(
            tx, person, platform=standing.platform, disabled_at=standing.disabled_at
        )
        await audited.record(
            tx,
            request,
            events.STANDING_SET,
            _id(person),
            platform=standing.platform,
            disabled=standing.disabled_at is not None,
        )
    return await members.get(tx, person)


async def remove(tx: Transaction, request: Request, who: Principal, person: uuid.UUID) -> Member:
    """The member that was; NotFound, Forbidden, or Conflict for the last owner."""
    use = resources.of(request)
    member = await members.get_present(tx, person)
    members.grantable(member.roles, who, use.grants)
    await members.remove(tx, member, use.clock.now())
    await audited.record(tx, request, events.MEMBER_REMOVED, _id(person))
    return await members.get(tx, person)


@dataclass(frozen=True, slots=True)
class _Standing:
    """What somebody is to the installation."""

    platform: bool
    disabled_at: datetime | None


def _standing(
    change: PersonChange, member: Member, who: Principal, now: datetime
) -> _Standing | None:
    """What somebody is to be to the installation; None: what they are. Forbidden."""
    if change.platform is None and change.disabled is None:
        return None
    who.require(PLATFORM_PEOPLE)
    if change.disabled and member.id == who.actor.id:
        raise InvalidInput("nobody disables themselves")
    return _Standing(
        platform=member.platform if change.platform is None else change.platform,
        disabled_at=member.disabled_at
        if change.disabled is None
        else (member.disabled_at or now)
        if change.disabled
        else None,
    )


def show(member: Member) -> PersonShown:
    """A person as the API shows them."""
    return PersonShown(
        id=_id(member.id),
        name=member.name,
        email=member.email,
        state=member.state,
        roles=member.roles,
        team=member.team,
        platform=member.platform,
        provider=member.issuer,
        since=member.created_at,
        removed_at=member.removed_at,
    )


def _id(person: uuid.UUID) -> str:
    return ids.text(ids.Kind.PERSON, person)
