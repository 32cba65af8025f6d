"""Inviting, changing and removing people: the forms of the pages of people.

An invitation's link is in one answer and nowhere else: the page that shows it is the answer to the
form. Removing wants the person's name typed, and says before exactly what will happen.
"""

from __future__ import annotations

import uuid
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, Field, ValidationError

from dd0c.base import ids
from dd0c.base.errors import Conflict, Forbidden, InvalidInput, NotFound
from dd0c.kernel.auth import members, teams
from dd0c.kernel.auth.permissions import Role
from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.db import tenancy
from dd0c.kernel.web import problems, resources
from dd0c.kernel.web.console import forgery, frame, roles
from dd0c.kernel.web.console.people import PATH, TEAMS_MAX, page_of
from dd0c.kernel.web.invitations import InvitationWanted, link, make
from dd0c.kernel.web.invitations import revoke as revoke_invitation
from dd0c.kernel.web.invitations import show as shown_invitation
from dd0c.kernel.web.people import PLATFORM_PEOPLE, PersonChange, Writer, apply, remove
from dd0c.kernel.web.people import erase as erase_person
from dd0c.kernel.web.people import sign_out as sign_out_person
from dd0c.kernel.web.requires import Requires

REFUSED = (InvalidInput, Forbidden, NotFound, Conflict)

router = APIRouter(include_in_schema=False)
Token = Annotated[str, Form()]


class Asked(BaseModel):
    """The fields of the form of an invitation, as they were typed."""

    csrf: str = ""
    email: str = Field(default="", max_length=300)
    roles: list[str] = []
    team: str = Field(default="", max_length=64)


class Changed(BaseModel):
    """The fields of the form of a member."""

    csrf: str = ""
    roles: list[str] = []
    team: str = Field(default="", max_length=64)


class Standing(BaseModel):
    """The fields of the buttons about the installation: one of them is pressed."""

    csrf: str = ""
    platform: bool | None = None
    disabled: bool | None = None


@router.get(f"{PATH}/invite")
async def show_form(request: Request, who: Writer) -> Response:
    """The form of an invitation."""
    return await _form(request, who, Asked(roles=[Role.VIEWER]), "")


@router.post(f"{PATH}/invite")
async def invite(request: Request, who: Writer, asked: Annotated[Asked, Form()]) -> Response:
    """The link, shown this once; or the form again with what is wrong."""
    forgery.check_token(request, asked.csrf)
    use = resources.of(request)
    try:
        if not asked.roles:
            raise InvalidInput("choose what they may do")
        fields = {"email": asked.email.strip(), "roles": asked.roles, "team": asked.team or None}
        try:
            wanted = InvitationWanted.model_validate(fields)
        except ValidationError as wrong:
            raise InvalidInput(problems.explain(wrong.errors())) from None
        async with tenancy.tenant(use.pool, who.org) as tx:
            made, text = await make(tx, request, who, wanted)
    except REFUSED as problem:
        return await _form(request, who, asked, problems.sentence(problem, hint=True))
    return frame.of(request).render(
        request,
        who,
        "people/invited.html",
        made=shown_invitation(made, use.clock.now()),
        link=link(request, text),
        path=PATH,
    )


@router.post(f"{PATH}/invitations/{{invitation_id}}/revoke")
async def revoke(request: Request, invitation_id: str, who: Writer, csrf: Token = "") -> Response:
    """End an invitation."""
    forgery.check_token(request, csrf)
    use, wanted = resources.of(request), ids.parse(ids.Kind.INVITATION, invitation_id)
    async with tenancy.tenant(use.pool, who.org) as tx:
        await revoke_invitation(tx, request, wanted)
    return RedirectResponse(PATH, 303)


@router.post(f"{PATH}/{{person_id}}/change")
async def change(
    request: Request, person_id: str, who: Writer, given: Annotated[Changed, Form()]
) -> Response:
    """Other roles and team; or the page again with what is wrong."""
    if not given.roles:
        forgery.check_token(request, given.csrf)
        wanted = ids.parse(ids.Kind.PERSON, person_id)
        return await page_of(request, who, wanted, problem="Choose at least one role.")
    roles_known = [role for role in given.roles if role in set(Role)]
    asked = _asked({"roles": roles_known or None, "team": given.team or None})
    return await _apply(request, who, person_id, asked, given.csrf)


@router.post(f"{PATH}/{{person_id}}/standing")
async def stand(
    request: Request, person_id: str, who: Writer, given: Annotated[Standing, Form()]
) -> Response:
    """What they are to the installation; needs `platform:people`."""
    asked = _asked(given.model_dump(exclude={"csrf"}, exclude_none=True))
    return await _apply(request, who, person_id, asked, given.csrf)


@router.post(f"{PATH}/{{person_id}}/sign-out")
async def sign_out(request: Request, person_id: str, who: Writer, csrf: Token = "") -> Response:
    """End every session that they have in this organisation."""
    forgery.check_token(request, csrf)
    wanted = ids.parse(ids.Kind.PERSON, person_id)
    async with tenancy.tenant(resources.of(request).pool, who.org) as tx:
        await sign_out_person(tx, request, wanted)
    return _to(wanted)


@router.post(f"{PATH}/{{person_id}}/remove")
async def take_out(
    request: Request,
    person_id: str,
    who: Writer,
    csrf: Token = "",
    confirm: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    """End the membership when the name was typed; else the page again, saying so."""
    forgery.check_token(request, csrf)
    use, wanted = resources.of(request), ids.parse(ids.Kind.PERSON, person_id)
    try:
        async with tenancy.tenant(use.pool, who.org) as tx:
            member = await members.get(tx, wanted)
            if confirm.strip() != member.name:
                raise InvalidInput("that is not their name: nothing was changed")
            await remove(tx, request, who, wanted)
    except (InvalidInput, Conflict, Forbidden) as problem:
        return await page_of(request, who, wanted, danger=problems.sentence(problem, hint=True))
    return _to(wanted)


@router.post(f"{PATH}/{{person_id}}/erase")
async def erase(
    request: Request,
    person_id: str,
    who: Annotated[Principal, Depends(Requires(PLATFORM_PEOPLE))],
    csrf: Token = "",
    confirm: Annotated[str, Form(max_length=300)] = "",
) -> Response:
    """Erase the account when its address was typed; else the page again, saying so."""
    forgery.check_token(request, csrf)
    use, wanted = resources.of(request), ids.parse(ids.Kind.PERSON, person_id)
    async with tenancy.tenant(use.pool, who.org) as tx:
        member = await members.get(tx, wanted)
    try:
        if confirm.strip().lower() != member.email:
            raise InvalidInput("that is not their address: nothing was changed")
        async with tenancy.system(use.pool) as tx:
            await erase_person(tx, request, member.id)
    except (InvalidInput, Conflict) as problem:
        kept = problems.sentence(problem, hint=True)
        return await page_of(request, who, wanted, kept=kept)
    return _to(wanted)


def _asked(fields: dict[str, Any]) -> PersonChange:
    """The change that a form asks for; InvalidInput."""
    try:
        return PersonChange.model_validate(fields)
    except ValidationError as wrong:
        raise InvalidInput(problems.explain(wrong.errors())) from None


async def _apply(
    request: Request, who: Principal, person_id: str, asked: PersonChange, csrf: str
) -> Response:
    forgery.check_token(request, csrf)
    use, wanted = resources.of(request), ids.parse(ids.Kind.PERSON, person_id)
    try:
        async with tenancy.tenant(use.pool, who.org) as tx:
            await apply(tx, request, who, wanted, asked)
    except (InvalidInput, Forbidden, Conflict) as problem:
        return await page_of(request, who, wanted, problem=problems.sentence(problem, hint=True))
    return _to(wanted)


async def _form(request: Request, who: Principal, asked: Asked, problem: str) -> Response:
    use = resources.of(request)
    async with tenancy.tenant(use.pool, who.org) as tx:
        found = await teams.list_teams(tx, TEAMS_MAX)
    return frame.of(request).render(
        request,
        who,
        "people/invite.html",
        400 if problem else 200,
        given=asked,
        problem=problem,
        path=PATH,
        roles=roles.offered(use.grants, who),
        teams=[team.name for team in found],
    )


def _to(person: uuid.UUID) -> Response:
    return RedirectResponse(f"{PATH}/{ids.text(ids.Kind.PERSON, person)}", 303)
