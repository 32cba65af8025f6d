"""Settings: who you are here, who is signed in, and what this installation was told, by whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response

from dd0c.base import ids
from dd0c.base.errors import Conflict, NotFound
from dd0c.base.settings import Explained
from dd0c.kernel.auth import organisations, passwords, people, sessions
from dd0c.kernel.auth.people import Place
from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.auth.sessions import Open
from dd0c.kernel.content import policies
from dd0c.kernel.content.kinds import Mode
from dd0c.kernel.db import tenancy
from dd0c.kernel.web import access, contents, identity, problems, resources
from dd0c.kernel.web.console import figures, forgery, frame
from dd0c.kernel.web.contents import PolicyShown
from dd0c.kernel.web.identity import PLATFORM_ORGS, Me, OrganisationListed
from dd0c.kernel.web.requires import COOKIE, Requires
from dd0c.kernel.web.resources import Resources

PATH = "/console/settings"
PERMISSION = "platform:health"
READ, WRITE, CONTENT = "people:read", "people:write", contents.READ
ORGANISATIONS_MAX = 100

router = APIRouter(include_in_schema=False)
Somebody = Annotated[Principal, Depends(Requires())]


@dataclass(frozen=True, slots=True)
class Page:
    """What the page says. `settings` and `organisations` are None for those who may not see the
    installation's, `content` for those who may not see what is kept."""

    me: Me
    org_created_at: datetime
    sessions: list[Open]
    this_session: str
    places: list[Place]
    settings: Sequence[Explained] | None
    organisations: list[OrganisationListed] | None
    content: list[PolicyShown] | None


@router.get(PATH)
async def show(request: Request, who: Somebody) -> Response:
    """The page."""
    return await page_of(request, who)


@dataclass(frozen=True, slots=True)
class Refused:
    """A kind of content that was not kept otherwise, and why. `ends`: its name must be typed."""

    kind: str
    why: str
    mode: str = ""
    days: str = ""
    ends: bool = False


async def page_of(
    request: Request,
    who: Principal,
    *,
    problem: str = "",
    kept: str = "",
    refused: Refused | None = None,
) -> Response:
    """The page, with what was wrong about the last attempt to change the password, to erase an
    organisation, or to keep content otherwise."""
    use, now = resources.of(request), resources.of(request).clock.now()
    async with tenancy.tenant(use.pool, who.org) as tx:
        own = await organisations.get_own(tx)
        found = await sessions.list_open(tx, now, None if READ in who.permissions else who.actor.id)
        held = await policies.list_policies(tx, now) if CONTENT in who.permissions else None
    places: list[Place] = []
    if who.person is not None:
        async with tenancy.system(use.pool) as tx:
            places = await people.list_places(tx, who.person)
    told: Sequence[Explained] = request.app.state.settings
    page = Page(
        content=None if held is None else [contents.show_policy(policy) for policy in held],
        me=await identity.show_me(who),
        org_created_at=own.created_at,
        sessions=found,
        this_session=sessions.mark(use.pepper, request.cookies.get(COOKIE, "")),
        places=places,
        settings=told if PERMISSION in who.permissions else None,
        organisations=await _list_organisations(use) if PLATFORM_ORGS in who.permissions else None,
    )
    return frame.of(request).page(
        request,
        who,
        "settings/page.html",
        page,
        status=400 if problem or kept or refused else 200,
        modes=[mode.value for mode in Mode],
        refused=refused,
        may_keep=contents.WRITE in who.permissions,
        erasing=_erasing(kept),
        problem=problem,
        others=[
            (ids.text(ids.Kind.ORGANISATION, place.org), place.org_name)
            for place in places
            if place.org != who.org
        ],
        length_min=passwords.LENGTH_MIN,
        lead=_lead(page),
        permission=PERMISSION,
        may_end=[each.mark for each in found if _may_end(who, each)],
        path=PATH,
    )


async def _list_organisations(use: Resources) -> list[OrganisationListed]:
    async with tenancy.system(use.pool) as tx:
        found = await organisations.list_organisations(tx, ORGANISATIONS_MAX)
    return [identity.list_shown(each) for each in found]


def _erasing(problem: str) -> dict[str, object]:
    """Exactly what erasing an organisation does."""
    return {
        "label": "Erase an organisation",
        "name": "its name",
        "effects": [
            "Its keys and console sessions end at once, on every gateway.",
            "What its secrets are sealed with is destroyed now: nothing opens them again.",
            "Its requests, sums, keys, teams, budgets and prices are deleted within minutes.",
            "People who belong to no other organisation are erased with it.",
            "Nothing brings it back but a backup of before. The first one stays, and this one.",
        ],
        "action": f"{PATH}/organisations/erase",
        "problem": problem,
    }


def _lead(page: Page) -> str:
    """What there is to see, in a sentence."""
    signed = f"{figures.plural(len(page.sessions), 'console session')} open."
    if page.settings is None:
        return signed
    told = sum(not each.is_default for each in page.settings)
    of = figures.plural(len(page.settings), "setting")
    return f"{signed} {told} of {of} differ from the default."


def _may_end(who: Principal, session: Open) -> bool:
    return WRITE in who.permissions or session.actor.id == who.actor.id


@router.post(f"{PATH}/sessions/{{mark}}/end")
async def end(
    request: Request, mark: str, who: Somebody, csrf: Annotated[str, Form()] = ""
) -> Response:
    """End a session: any of the organisation for those who may write people, else one's own."""
    forgery.check_token(request, csrf)
    async with tenancy.tenant(resources.of(request).pool, who.org) as tx:
        await access.end(tx, request, who, mark)
    return RedirectResponse(PATH, 303)


@router.post(f"{PATH}/organisations/erase")
async def erase(
    request: Request,
    who: Annotated[Principal, Depends(Requires(PLATFORM_ORGS))],
    csrf: Annotated[str, Form()] = "",
    confirm: Annotated[str, Form(max_length=100)] = "",
) -> Response:
    """Erase the organisation whose name was typed; or the page again, saying why not."""
    forgery.check_token(request, csrf)
    use, name = resources.of(request), confirm.strip()
    try:
        async with tenancy.system(use.pool) as tx:
            wanted = await organisations.get(tx, name)
            await identity.erase(tx, request, who, wanted, name)
    except (Conflict, NotFound) as problem:
        return await page_of(request, who, kept=problems.sentence(problem, hint=True))
    return RedirectResponse(PATH, 303)
