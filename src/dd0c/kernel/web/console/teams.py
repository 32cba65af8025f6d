"""Teams: who and which keys belong together, what that costs, and what holds it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import TypeAdapter, ValidationError

from dd0c.base import ids
from dd0c.base.errors import Conflict, InvalidInput
from dd0c.kernel.auth import keyring, members, teams
from dd0c.kernel.auth.keyring import Wanted
from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.db import tenancy
from dd0c.kernel.web import problems, resources
from dd0c.kernel.web.console import figures, forgery, frame, keys, links
from dd0c.kernel.web.console.keys import READ, WRITE, Row
from dd0c.kernel.web.fields import Name
from dd0c.kernel.web.people import READ as READ_PEOPLE
from dd0c.kernel.web.people import PersonShown
from dd0c.kernel.web.people import show as shown_person
from dd0c.kernel.web.requires import Requires
from dd0c.kernel.web.teams import TeamShown
from dd0c.kernel.web.teams import make as make_team
from dd0c.kernel.web.teams import remove as remove_team
from dd0c.kernel.web.teams import rename as rename_team
from dd0c.kernel.web.teams import show as shown

PATH = "/console/teams"
PAGE_ROWS = 50
KEYS_MAX = 50
_NAME: TypeAdapter[str] = TypeAdapter(Name)

router = APIRouter(include_in_schema=False)
Reader = Annotated[Principal, Depends(Requires(READ))]
Writer = Annotated[Principal, Depends(Requires(WRITE))]
Token = Annotated[str, Form()]
Given = Annotated[str, Form(max_length=200)]


@dataclass(frozen=True, slots=True)
class List:
    """What the list says."""

    items: list[TeamShown]
    next: str


@dataclass(frozen=True, slots=True)
class Detail:
    """What the page of a team says. `people` is None for those who may not see people."""

    team: TeamShown
    keys: list[Row]
    people: list[PersonShown] | None


@router.get(PATH)
async def show_list(
    request: Request, who: Reader, cursor: Annotated[str, Query(max_length=128)] = ""
) -> Response:
    """The list, and the form of a new one."""
    return await _list(request, who, cursor)


@router.post(PATH)
async def create(request: Request, who: Writer, name: Given = "", csrf: Token = "") -> Response:
    """A new team; or the list again with what is wrong."""
    forgery.check_token(request, csrf)
    try:
        async with tenancy.tenant(resources.of(request).pool, who.org) as tx:
            made = await make_team(tx, request, who, _read(name))
    except (InvalidInput, Conflict) as problem:
        return await _list(request, who, problem=problems.sentence(problem, hint=True), given=name)
    return _to(made.id)


@router.get(f"{PATH}/{{team_id}}")
async def show(request: Request, team_id: str, who: Reader) -> Response:
    """One team."""
    return await _page(request, who, ids.parse(ids.Kind.TEAM, team_id))


@router.post(f"{PATH}/{{team_id}}/rename")
async def rename(
    request: Request, team_id: str, who: Writer, name: Given = "", csrf: Token = ""
) -> Response:
    """Another name; or the page again with what is wrong."""
    forgery.check_token(request, csrf)
    wanted = ids.parse(ids.Kind.TEAM, team_id)
    try:
        async with tenancy.tenant(resources.of(request).pool, who.org) as tx:
            await rename_team(tx, request, wanted, _read(name))
    except (InvalidInput, Conflict) as problem:
        return await _page(request, who, wanted, problem=problems.sentence(problem, hint=True))
    return _to(wanted)


@router.post(f"{PATH}/{{team_id}}/remove")
async def remove(
    request: Request, team_id: str, who: Writer, confirm: Given = "", csrf: Token = ""
) -> Response:
    """End the team when its name was typed; else its page again, saying so."""
    forgery.check_token(request, csrf)
    wanted = ids.parse(ids.Kind.TEAM, team_id)
    try:
        async with tenancy.tenant(resources.of(request).pool, who.org) as tx:
            team = await teams.get(tx, team_id)
            if confirm.strip() != team.name:
                raise InvalidInput("that is not its name: nothing was changed")
            await remove_team(tx, request, wanted)
    except (InvalidInput, Conflict) as problem:
        return await _page(request, who, wanted, danger=problems.sentence(problem, hint=True))
    return RedirectResponse(PATH, 303)


async def _list(
    request: Request, who: Principal, cursor: str = "", *, problem: str = "", given: str = ""
) -> Response:
    use, context = resources.of(request), (who.org, "console teams")
    after = use.cursors.read(cursor, *context) if cursor else None
    async with tenancy.tenant(use.pool, who.org) as tx:
        found = await teams.list_teams(tx, PAGE_ROWS + 1, after)
    page, more = found[:PAGE_ROWS], len(found) > PAGE_ROWS
    onward = use.cursors.write(page[-1].id, *context) if more else ""
    following = links.to(PATH, {"cursor": onward}) if onward else ""
    return frame.of(request).page(
        request,
        who,
        "teams/list.html",
        List([shown(team) for team in page], following),
        status=400 if problem else 200,
        path=PATH,
        problem=problem,
        given=given,
        may_write=WRITE in who.permissions,
        number=f"{'More than ' if following else ''}{figures.plural(len(page), 'team')}",
        paging={
            "words": figures.plural(len(page), "team"),
            "first": PATH if cursor else "",
            "next": following,
        },
    )


async def _page(
    request: Request, who: Principal, wanted: uuid.UUID, *, problem: str = "", danger: str = ""
) -> Response:
    use = resources.of(request)
    now = use.clock.now()
    async with tenancy.tenant(use.pool, who.org) as tx:
        team = await teams.get(tx, ids.text(ids.Kind.TEAM, wanted))
        held = await keyring.select(tx, Wanted(team=wanted), now, limit=KEYS_MAX)
        people = await members.list_team(tx, wanted) if READ_PEOPLE in who.permissions else None
    detail = Detail(
        team=shown(team),
        keys=[keys.row(key, who.org_name, now) for key in held],
        people=None if people is None else [shown_person(member) for member in people],
    )
    path = f"{PATH}/{detail.team.id}"
    return frame.of(request).page(
        request,
        who,
        "teams/team.html",
        detail,
        status=400 if problem or danger else 200,
        path=path,
        problem=problem,
        may_write=WRITE in who.permissions,
        related=frame.of(request).related(ids.Kind.TEAM, detail.team.id),
        danger=_danger(detail, f"{path}/remove", danger) if WRITE in who.permissions else None,
    )


def _danger(detail: Detail, action: str, problem: str) -> dict[str, object]:
    """Exactly what removing does."""
    effects = ["What it cost stays in the ledger under its name. Its people belong to no team."]
    if detail.team.keys:
        held = figures.plural(detail.team.keys, "working key")
        effects.insert(0, f"Refused as long as {held} belong to it: its limits hold them.")
    return {
        "label": "Remove this team",
        "name": detail.team.name,
        "effects": effects,
        "action": action,
        "problem": problem,
    }


def _read(name: str) -> str:
    try:
        return _NAME.validate_python(name.strip())
    except ValidationError as wrong:
        raise InvalidInput(problems.explain(wrong.errors()).lstrip(": ")) from None


def _to(team: uuid.UUID) -> Response:
    return RedirectResponse(f"{PATH}/{ids.text(ids.Kind.TEAM, team)}", 303)
