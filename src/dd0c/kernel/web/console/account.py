"""One's own account: another password, signing out everywhere, another organisation."""

from __future__ import annotations

import uuid
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response

from dd0c.base import ids
from dd0c.base.errors import InvalidInput, NotFound, Unauthenticated
from dd0c.base.secrets import Secret
from dd0c.kernel.auth import events, passwords, people
from dd0c.kernel.auth.people import Account
from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.db import tenancy
from dd0c.kernel.web import audited, problems, resources
from dd0c.kernel.web.console import forgery, settings, sign_in
from dd0c.kernel.web.console.sign_in import Way
from dd0c.kernel.web.requires import Requires

router = APIRouter(include_in_schema=False)
Somebody = Annotated[Principal, Depends(Requires())]
Typed = Annotated[str, Form(max_length=passwords.BYTES_MAX)]


@router.post(f"{settings.PATH}/password")
async def change_password(
    request: Request,
    who: Somebody,
    csrf: Annotated[str, Form()] = "",
    old: Typed = "",
    new: Typed = "",
) -> Response:
    """Another password, which ends every session but this one's successor; or the page again."""
    forgery.check_token(request, csrf)
    use, account = resources.of(request), await _account(request, who)
    try:
        if account.password is None:
            raise InvalidInput("you sign in through your provider, without a password of ours")
        await sign_in.prove(request, account.email, Secret(old))
        passwords.check(Secret(new), (account.email, account.name, who.org_name))
    except (InvalidInput, Unauthenticated) as problem:
        said = problems.sentence(problem, hint=True)
        return await settings.page_of(request, who, problem=said)
    hashed = await use.passwords.hash(Secret(new))
    async with tenancy.tenant(use.pool, who.org) as tx:
        await people.set_password(tx, account.id, hashed)
        await audited.record(tx, request, events.PASSWORD_SET, who.actor.text)
    return await _go_on(request, who.org, account.id, "password")


@router.post(f"{settings.PATH}/sign-out-everywhere")
async def sign_out_everywhere(
    request: Request, who: Somebody, csrf: Annotated[str, Form()] = ""
) -> Response:
    """End every session of this person, in all organisations, this one too."""
    forgery.check_token(request, csrf)
    account = await _account(request, who)
    async with tenancy.system(resources.of(request).pool) as tx:
        ended = await people.end_sessions(tx, account.id)
        await audited.record(tx, request, events.SESSIONS_ENDED, who.actor.text, sessions=ended)
    return sign_in.forget(RedirectResponse(sign_in.PATH, 303))


@router.post(f"{settings.PATH}/organisation")
async def switch(
    request: Request,
    who: Somebody,
    org: Annotated[str, Form(max_length=40)] = "",
    csrf: Annotated[str, Form()] = "",
) -> Response:
    """Go on in another organisation that they belong to; NotFound."""
    forgery.check_token(request, csrf)
    use, account = resources.of(request), await _account(request, who)
    wanted = ids.parse(ids.Kind.ORGANISATION, org)
    async with tenancy.system(use.pool) as tx:
        places = await people.list_places(tx, account.id)
    if wanted not in {place.org for place in places}:
        raise NotFound("you belong to no such organisation")
    async with tenancy.tenant(use.pool, who.org) as tx:
        await sign_in.leave(tx, request, who)
    return await _go_on(request, wanted, account.id, "switch")


async def _account(request: Request, who: Principal) -> Account:
    """Whose session it is; NotFound for a key's."""
    if who.person is not None:
        async with tenancy.system(resources.of(request).pool) as tx:
            account = await people.find_by_id(tx, who.person)
        if account is not None:
            return account
    raise NotFound("a key has no account")


async def _go_on(request: Request, org: uuid.UUID, person: uuid.UUID, way: Way) -> Response:
    session = await sign_in.begin(request, org, person, way)
    return sign_in.keep(request, RedirectResponse(settings.PATH, 303), session)
