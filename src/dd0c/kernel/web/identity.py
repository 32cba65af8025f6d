"""Endpoints of organisations, and who the caller is."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field
from starlette.requests import Request

from dd0c.base import ids
from dd0c.kernel.auth import erasure, events, organisations, time_zones
from dd0c.kernel.auth.organisations import Organisation, State
from dd0c.kernel.auth.permissions import Role, Scope
from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.db import tenancy
from dd0c.kernel.db.pool import Transaction
from dd0c.kernel.web import audited, resources
from dd0c.kernel.web.fields import LIMIT, Body, Cursor, Limit, Name, Page, Text
from dd0c.kernel.web.requires import Requires

router = APIRouter(prefix="/api/v1", tags=["identity"])

PLATFORM_ORGS = "platform:orgs"


class KeyRef(BaseModel):
    """A key by id and name."""

    id: str
    name: str


class PersonRef(BaseModel):
    """A person by id and name."""

    id: str
    name: str


class Me(BaseModel):
    """The caller: a key, or a person who is signed in."""

    org: str
    org_id: str
    key: KeyRef | None
    person: PersonRef | None
    roles: list[Role]
    scopes: list[Scope]
    permissions: list[str]
    expires_at: datetime | None


class OrganisationWanted(Body):
    """A new organisation."""

    name: Name = Field(description="Unique over the installation, in any case.", examples=["acme"])


class OrganisationMade(BaseModel):
    """A new organisation with its first key."""

    org: str = Field(description="The name.")
    id: str
    created_at: datetime
    owner_key: str = Field(description="Shown only here; it has the role `owner`.")


class OrganisationShown(BaseModel):
    """An organisation."""

    org: str
    id: str
    created_at: datetime
    time_zone: str = Field(description="By whose clock its days and months begin, an IANA name.")


class OrganisationListed(OrganisationShown):
    """An organisation as the installation knows it, or what is left of one."""

    state: State = Field(
        description="`erasing`: nobody gets in any more, and its rows are going; `erased`: gone."
    )
    erased_at: datetime | None


class OrganisationChange(Body):
    """What is to be changed."""

    time_zone: Text = Field(
        description="An IANA name: days and months of budgets begin by that clock.",
        examples=["Europe/Berlin"],
    )


@router.get("/me", operation_id="show_me", summary="Who the caller is")
async def show_me(who: Annotated[Principal, Depends(Requires())]) -> Me:
    """The caller's organisation, who it is there, and all that it may do."""
    actor = who.actor
    return Me(
        org=who.org_name,
        org_id=_id(who.org),
        key=KeyRef(id=actor.text, name=actor.name) if who.key_id else None,
        person=PersonRef(id=actor.text, name=actor.name) if who.person else None,
        roles=sorted(who.roles),
        scopes=sorted(who.scopes),
        permissions=sorted(who.permissions),
        expires_at=who.expires_at,
    )


@router.post("/orgs", status_code=201, operation_id="create_org", summary="Create an organisation")
async def create_org(
    wanted: OrganisationWanted,
    request: Request,
    who: Annotated[Principal, Depends(Requires(PLATFORM_ORGS))],
) -> OrganisationMade:
    """The organisation comes with an owner key, whose text is shown only in this answer."""
    use, org = resources.of(request), ids.new()
    async with tenancy.tenant(use.pool, org) as tx:
        made, key, text = await organisations.create(tx, use.pepper, org, wanted.name)
        await audited.record(tx, request, events.ORGANISATION_CREATED, _id(org), above=True)
        await audited.record(
            tx, request, events.KEY_CREATED, ids.text(ids.Kind.KEY, key.id), roles=key.roles
        )
    return OrganisationMade(
        org=made.name,
        id=_id(made.id),
        created_at=made.created_at,
        owner_key=text.reveal(),
    )


@router.get("/orgs", operation_id="list_orgs", summary="List organisations")
async def list_orgs(
    request: Request,
    who: Annotated[Principal, Depends(Requires(PLATFORM_ORGS))],
    limit: Limit = LIMIT,
    cursor: Cursor = None,
) -> Page[OrganisationListed]:
    """Every organisation of this installation, oldest first, and what is left of erased ones."""
    use = resources.of(request)
    after = None if cursor is None else use.cursors.read(cursor, who.org, "orgs")
    async with tenancy.system(use.pool) as tx:
        found = await organisations.list_organisations(tx, limit + 1, after)
    page = found[:limit]
    more = len(found) > limit
    return Page(
        items=[list_shown(organisation) for organisation in page],
        next_cursor=use.cursors.write(page[-1].id, who.org, "orgs") if more else None,
    )


@router.delete(
    "/orgs/{org_id}",
    status_code=202,
    operation_id="erase_org",
    summary="Erase an organisation",
)
async def erase_org(
    org_id: str,
    confirm: Annotated[str, Query(max_length=100, description="The organisation's name.")],
    request: Request,
    who: Annotated[Principal, Depends(Requires(PLATFORM_ORGS))],
) -> OrganisationListed:
    """For good. Its keys and sessions end within a second, its data keys and what they sealed are
    gone with this answer; what else it has is deleted from a minute later on, its requests too.
    People who belong to no other organisation are erased with it."""
    use, wanted = resources.of(request), ids.parse(ids.Kind.ORGANISATION, org_id)
    async with tenancy.system(use.pool) as tx:
        return list_shown(await erase(tx, request, who, wanted, confirm))


async def erase(
    tx: Transaction, request: Request, who: Principal, org: uuid.UUID, name: str
) -> Organisation:
    """The organisation, closed for good, for who has typed its name; NotFound or Conflict."""
    now = resources.of(request).clock.now()
    erased = await erasure.erase_organisation(tx, org, name, who, now)
    await audited.record(tx, request, events.ORGANISATION_ERASED, _id(org))
    return erased


@router.get("/org", operation_id="show_org", summary="The caller's organisation")
async def show_org(
    request: Request, who: Annotated[Principal, Depends(Requires())]
) -> OrganisationShown:
    """Its name, and the clock that its budgets go by."""
    async with tenancy.tenant(resources.of(request).pool, who.org) as tx:
        return _show(await organisations.get_own(tx))


@router.patch("/org", operation_id="change_org", summary="Change the organisation's time zone")
async def change_org(
    change: OrganisationChange,
    request: Request,
    who: Annotated[Principal, Depends(Requires("org:write"))],
) -> OrganisationShown:
    """From now on days, weeks and months of budgets begin by that clock: what was spent since the
    new beginning is counted anew."""
    time_zone = await time_zones.check(change.time_zone)
    async with tenancy.tenant(resources.of(request).pool, who.org) as tx:
        changed = await organisations.set_time_zone(tx, time_zone)
        await audited.record(
            tx, request, events.TIME_ZONE_SET, _id(who.org), time_zone=changed.time_zone
        )
    return _show(changed)


def list_shown(found: Organisation) -> OrganisationListed:
    """An organisation as those see it who run the installation."""
    return OrganisationListed(
        **_show(found).model_dump(), state=found.state, erased_at=found.erased_at
    )


def _show(found: Organisation) -> OrganisationShown:
    return OrganisationShown(
        org=found.name,
        id=_id(found.id),
        created_at=found.created_at,
        time_zone=found.time_zone,
    )


def _id(org: uuid.UUID) -> str:
    return ids.text(ids.Kind.ORGANISATION, org)
