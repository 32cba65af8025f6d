"""Making keys, and ending them: the forms of the pages of keys.

A key's text is in one answer and nowhere else: the page that shows it is the answer to the form.
Revoking wants the key's name typed, and says before exactly what will happen.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, Field, ValidationError

from dd0c.base import ids
from dd0c.base.errors import Error, Forbidden, InvalidInput, NotFound
from dd0c.kernel.auth import keys, permissions, teams
from dd0c.kernel.auth.permissions import Grants, Role, Scope
from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.db import tenancy
from dd0c.kernel.web import problems, resources
from dd0c.kernel.web.console import forgery, frame
from dd0c.kernel.web.console.keys import PATH, WRITE, page_of
from dd0c.kernel.web.keys import KeyWanted, decide, make
from dd0c.kernel.web.keys import show as shown
from dd0c.kernel.web.requires import Requires

MODELS_TEXT_MAX = 4000
TEAMS_MAX = 500  # that the form offers

LIFETIMES = {
    "never": ("never", None),
    "1d": ("in a day", timedelta(days=1)),
    "7d": ("in a week", timedelta(days=7)),
    "30d": ("in 30 days", timedelta(days=30)),
    "90d": ("in 90 days", timedelta(days=90)),
    "365d": ("in a year", timedelta(days=365)),
}
SCOPES = {
    Scope.GATEWAY: "calls models through the gateway, /v1",
    Scope.API: "uses the API, /api/v1, and the command line",
    Scope.CONSOLE: "signs in here with a browser",
}


class Asked(BaseModel):
    """The fields of the form, as they were typed."""

    csrf: str = ""
    name: str = Field(default="", max_length=200)
    roles: list[str] = []
    scopes: list[str] = []
    models: str = Field(default="", max_length=MODELS_TEXT_MAX)
    lifetime: str = Field(default="never", max_length=8)
    team: str = Field(default="", max_length=64)


router = APIRouter(include_in_schema=False)
Writer = Annotated[Principal, Depends(Requires(WRITE))]


@router.get(f"{PATH}/new")
async def show_form(request: Request, who: Writer) -> Response:
    """The form of a new key."""
    return await _form(request, who, Asked(scopes=[Scope.GATEWAY], roles=[Role.VIEWER]), "")


@router.post(f"{PATH}/new")
async def create(request: Request, who: Writer, asked: Annotated[Asked, Form()]) -> Response:
    """The key, shown this once; or the form again with what is wrong."""
    forgery.check_token(request, asked.csrf)
    use = resources.of(request)
    try:
        wanted = _wanted(asked, use.clock.now())
        decided = decide(wanted, who, use.grants, use.clock.now())
        async with tenancy.tenant(use.pool, who.org) as tx:
            key, text = await make(tx, request, who, wanted, key=decided, org=who.org)
    except (InvalidInput, Forbidden, NotFound) as problem:
        return await _form(request, who, asked, _sentence(problem))
    made = shown(key, who.org_name)
    return frame.of(request).render(
        request, who, "keys/made.html", made=made, text=text.reveal(), path=f"{PATH}/{made.id}"
    )


@router.post(f"{PATH}/{{key_id}}/revoke")
async def revoke(
    request: Request,
    key_id: str,
    who: Writer,
    csrf: Annotated[str, Form()] = "",
    confirm: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    """End the key when its name was typed; else its page again, saying so."""
    forgery.check_token(request, csrf)
    wanted = ids.parse(ids.Kind.KEY, key_id)
    use = resources.of(request)
    async with tenancy.tenant(use.pool, who.org) as tx:
        key = await keys.get(tx, wanted)
        if confirm.strip() == key.name:
            await keys.revoke(tx, wanted, use.clock.now())
            return RedirectResponse(f"{PATH}/{ids.text(ids.Kind.KEY, wanted)}", 303)
    return await page_of(
        request, who, wanted, problem="That is not its name: nothing was changed.", status=400
    )


def _wanted(asked: Asked, now: datetime) -> KeyWanted:
    """What the form asks for; InvalidInput says what is wrong with it."""
    if asked.lifetime not in LIFETIMES:
        raise InvalidInput("choose when it ends")
    if not asked.scopes:
        raise InvalidInput("choose where it works: a key that works nowhere is none")
    if not asked.roles:
        raise InvalidInput("choose what it may do")
    _, length = LIFETIMES[asked.lifetime]
    fields = asked.model_dump(include={"roles", "scopes"}) | {
        "name": asked.name.strip(),
        "team": asked.team or None,
        "models": asked.models.replace(",", " ").split() or None,
        "expires_at": None if length is None else now + length,
    }
    try:
        return KeyWanted.model_validate(fields)
    except ValidationError as wrong:
        raise InvalidInput(problems.explain(wrong.errors())) from None


async def _form(request: Request, who: Principal, asked: Asked, problem: str) -> Response:
    async with tenancy.tenant(resources.of(request).pool, who.org) as tx:
        found = await teams.list_teams(tx, TEAMS_MAX)
    return frame.of(request).render(
        request,
        who,
        "keys/new.html",
        400 if problem else 200,
        action=f"{PATH}/new",
        given=asked,
        problem=problem,
        teams=[team.name for team in found],
        roles=_roles(who, resources.of(request).grants),
        scopes=SCOPES.items(),
        lifetimes=[(name, words) for name, (words, _) in LIFETIMES.items()],
    )


def _roles(who: Principal, grants: Grants) -> list[tuple[Role, str, bool]]:
    """Each role, what it holds, and whether this person may give it."""
    return [
        (role, ", ".join(sorted(held)) or "nothing here", held <= who.permissions)
        for role in Role
        for held in (permissions.held(grants, [role]),)
    ]


def _sentence(problem: Error) -> str:
    return f"{problem.message[:1].upper()}{problem.message[1:]}."
