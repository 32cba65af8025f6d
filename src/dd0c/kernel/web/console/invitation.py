"""Taking up an invitation: the page that its link leads to, before anybody is signed in.

One form for all: whoever has an account gives its password, whoever has none chooses one. So the
page itself does not tell whether an address has an account.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, Field

from dd0c.base.errors import Conflict, Forbidden, InvalidInput, NotFound, Unauthenticated
from dd0c.base.secrets import Secret
from dd0c.kernel.auth import invitations, passwords, people, signing_in
from dd0c.kernel.auth.invitations import Invitation
from dd0c.kernel.db import tenancy
from dd0c.kernel.web import problems, resources
from dd0c.kernel.web.console import forgery, frame, sign_in
from dd0c.kernel.web.invitations import PATH

router = APIRouter(include_in_schema=False)


class Given(BaseModel):
    """The fields of the form."""

    name: str = Field(default="", max_length=200)
    password: str = Field(default="", max_length=passwords.BYTES_MAX)


@router.get(f"{PATH}/{{text}}")
async def show(request: Request, text: str) -> Response:
    """The form."""
    invitation, org_name = await _open(request, text)
    return _form(request, text, (invitation, org_name), "", "")


@router.post(f"{PATH}/{{text}}")
async def accept(request: Request, text: str, given: Annotated[Given, Form()]) -> Response:
    """A member, who is signed in; or the form again with what is wrong."""
    forgery.check_origin(request)
    invitation, org_name = await _open(request, text)
    try:
        session = await _join(request, invitation, given, org_name)
    except (InvalidInput, Unauthenticated, Forbidden, Conflict, NotFound) as problem:
        said = problems.sentence(problem, hint=True)
        return _form(request, text, (invitation, org_name), given.name, said)
    return sign_in.keep(request, RedirectResponse(sign_in.HOME, 303), session)


async def _open(request: Request, text: str) -> tuple[Invitation, str]:
    use = resources.of(request)
    return await invitations.get_open(use.pool, use.pepper, text, use.clock.now())


async def _join(
    request: Request, invitation: Invitation, given: Given, org_name: str
) -> tuple[Secret, datetime]:
    """A session in the organisation of the invitation, which is used up."""
    use, password = resources.of(request), Secret(given.password)
    now = use.clock.now()
    async with tenancy.system(use.pool) as tx:
        known = await people.find_by_email(tx, invitation.email)
    if known is None:
        name = signing_in.read_name(given.name)
        passwords.check(password, (invitation.email, name, org_name))
        hashed = await use.passwords.hash(password)
        person = await signing_in.accept(use.pool, invitation, name, hashed, now, plan=use.plan)
    else:
        account = await sign_in.prove(request, invitation.email, password)
        await signing_in.join(use.pool, invitation, account, now, plan=use.plan)
        person = account.id
    return await sign_in.begin(request, invitation.org, person, "invitation")


def _form(
    request: Request, text: str, opened: tuple[Invitation, str], name: str, problem: str
) -> Response:
    invitation, org_name = opened
    return frame.of(request).render_alone(
        "invitation.html",
        400 if problem else 200,
        action=f"{PATH}/{text}",
        text=text,
        org_name=org_name,
        invitation=invitation,
        name=name,
        problem=problem,
        length_min=passwords.LENGTH_MIN,
        provider=resources.of(request).provider,
    )
