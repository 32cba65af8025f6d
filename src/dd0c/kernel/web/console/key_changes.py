"""Making keys, changing, rotating and ending them: the forms of the pages of keys.

A key's text is in one answer and nowhere else: the page that shows it is the answer to the form.
Revoking wants the key's name typed, and says before exactly what will happen.
"""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, Field, ValidationError

from dd0c.base import ids
from dd0c.base.errors import Conflict, Forbidden, InvalidInput, NotFound
from dd0c.base.secrets import Secret
from dd0c.kernel.auth import keys, permissions, teams
from dd0c.kernel.auth.keys import Key
from dd0c.kernel.auth.permissions import Grants, Role, Scope
from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.db import tenancy
from dd0c.kernel.guard.windows import Span
from dd0c.kernel.web import problems, resources
from dd0c.kernel.web.console import forgery, frame
from dd0c.kernel.web.console.keys import OVERLAPS, PATH, WRITE, page_of
from dd0c.kernel.web.fields import Body
from dd0c.kernel.web.keys import KeyChange, KeyShown, KeyWanted, decide, make
from dd0c.kernel.web.keys import change as change_key
from dd0c.kernel.web.keys import revoke as revoke_key
from dd0c.kernel.web.keys import rotate as rotate_key
from dd0c.kernel.web.keys import show as shown
from dd0c.kernel.web.requires import Requires

MODELS_TEXT_MAX = 4000
NETWORKS_TEXT_MAX = 5000
COUNTS = {
    "requests_per_minute": "requests a minute",
    "tokens_per_minute": "tokens a minute",
    "concurrency": "requests at once",
}
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


KEEP = "keep"
B = TypeVar("B", bound=Body)


class Bounds(BaseModel):
    """The fields that making and changing a key share, as they were typed."""

    csrf: str = ""
    models: str = Field(default="", max_length=MODELS_TEXT_MAX)
    networks: str = Field(default="", max_length=NETWORKS_TEXT_MAX)
    lifetime: str = Field(default="never", max_length=8)
    team: str = Field(default="", max_length=64)

    def read(self, now: datetime) -> dict[str, Any]:
        """As the API takes them; InvalidInput."""
        fields: dict[str, Any] = {
            "team": self.team or None,
            "models": self.models.replace(",", " ").split() or None,
            "networks": self.networks.replace(",", " ").split() or None,
        }
        if self.lifetime == KEEP:
            return fields
        if self.lifetime not in LIFETIMES:
            raise InvalidInput("choose when it ends")
        _, length = LIFETIMES[self.lifetime]
        return fields | {"expires_at": None if length is None else now + length}


class Asked(Bounds):
    """The fields of the form of a new key."""

    name: str = Field(default="", max_length=200)
    roles: list[str] = []
    scopes: list[str] = []
    requests_per_minute: str = Field(default="", max_length=32)
    tokens_per_minute: str = Field(default="", max_length=32)
    concurrency: str = Field(default="", max_length=32)
    usd: str = Field(default="", max_length=32)
    window: str = Field(default=Span.MONTH, max_length=8)


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
        return await _form(request, who, asked, problems.sentence(problem))
    return _made(request, who, key, text)


@router.get(f"{PATH}/{{key_id}}/change")
async def show_change(request: Request, key_id: str, who: Writer) -> Response:
    """The form of what may be changed, with what holds now."""
    wanted = ids.parse(ids.Kind.KEY, key_id)
    async with tenancy.tenant(resources.of(request).pool, who.org) as tx:
        key = await keys.get(tx, wanted)
    given = Bounds(
        models=" ".join(key.models or ()),
        networks=" ".join(key.networks or ()),
        team=key.team or "",
        lifetime=KEEP,
    )
    return await _change_form(request, who, key, given, "")


@router.post(f"{PATH}/{{key_id}}/change")
async def change(
    request: Request, key_id: str, who: Writer, given: Annotated[Bounds, Form()]
) -> Response:
    """The key's page, or the form again with what is wrong."""
    forgery.check_token(request, given.csrf)
    use, wanted = resources.of(request), ids.parse(ids.Kind.KEY, key_id)
    async with tenancy.tenant(use.pool, who.org) as tx:
        key = await keys.get(tx, wanted)
    try:
        asked = _valid(KeyChange, given.read(use.clock.now()))
        async with tenancy.tenant(use.pool, who.org) as tx:
            await change_key(tx, request, wanted, asked)
    except (InvalidInput, Conflict, NotFound) as problem:
        return await _change_form(request, who, key, given, problems.sentence(problem))
    return RedirectResponse(_page(wanted), 303)


@router.post(f"{PATH}/{{key_id}}/rotate")
async def rotate(
    request: Request,
    key_id: str,
    who: Writer,
    csrf: Annotated[str, Form()] = "",
    overlap: Annotated[str, Form(max_length=8)] = "",
) -> Response:
    """The key that follows, shown this once; or the key's page again, saying why not."""
    forgery.check_token(request, csrf)
    wanted = ids.parse(ids.Kind.KEY, key_id)
    try:
        if overlap not in OVERLAPS:
            raise InvalidInput("choose for how long both work")
        async with tenancy.tenant(resources.of(request).pool, who.org) as tx:
            done = await rotate_key(tx, request, who, wanted, OVERLAPS[overlap][1])
    except (InvalidInput, Forbidden, Conflict) as problem:
        return await page_of(
            request, who, wanted, rotating=problems.sentence(problem), status=problem.status
        )
    return _made(request, who, done.key, done.text, old=shown(done.old, who.org_name))


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
    async with tenancy.tenant(resources.of(request).pool, who.org) as tx:
        key = await keys.get(tx, wanted)
        if confirm.strip() == key.name:
            await revoke_key(tx, request, wanted)
            return RedirectResponse(_page(wanted), 303)
    return await page_of(
        request, who, wanted, problem="That is not its name: nothing was changed.", status=400
    )


def _made(
    request: Request, who: Principal, key: Key, text: Secret, *, old: KeyShown | None = None
) -> Response:
    made = shown(key, who.org_name)
    return frame.of(request).render(
        request,
        who,
        "keys/made.html",
        made=made,
        text=text.reveal(),
        path=_page(key.id),
        old=old,
    )


def _page(key: uuid.UUID) -> str:
    return f"{PATH}/{ids.text(ids.Kind.KEY, key)}"


def _wanted(asked: Asked, now: datetime) -> KeyWanted:
    """What the form asks for; InvalidInput says what is wrong with it."""
    bounds = asked.read(now)
    if not asked.scopes:
        raise InvalidInput("choose where it works: a key that works nowhere is none")
    if not asked.roles:
        raise InvalidInput("choose what it may do")
    fields = asked.model_dump(include={"roles", "scopes"}) | bounds | {"name": asked.name.strip()}
    if limits := _limits(asked):
        fields["limits"] = limits | {"window": asked.window}
    return _valid(KeyWanted, fields)


def _limits(asked: Asked) -> dict[str, Any]:
    limits: dict[str, Any] = {"usd": asked.usd.strip()} if asked.usd.strip() else {}
    for name, words in COUNTS.items():
        if text := getattr(asked, name).strip():
            if not text.isascii() or not text.isdigit():
                raise InvalidInput(f"{words}: give a whole number, or nothing")
            limits[name] = int(text)
    return limits


def _valid(kind: type[B], fields: dict[str, Any]) -> B:
    try:
        return kind.model_validate(fields)
    except ValidationError as wrong:
        raise InvalidInput(problems.explain(wrong.errors())) from None


async def _change_form(
    request: Request, who: Principal, key: Key, given: Bounds, problem: str
) -> Response:
    return frame.of(request).render(
        request,
        who,
        "keys/change.html",
        400 if problem else 200,
        name=key.name,
        path=_page(key.id),
        given=given,
        problem=problem,
        teams=await _teams(request, who),
        lifetimes=[(KEEP, "as it is"), *_lifetimes()],
    )


async def _form(request: Request, who: Principal, asked: Asked, problem: str) -> Response:
    return frame.of(request).render(
        request,
        who,
        "keys/new.html",
        400 if problem else 200,
        action=f"{PATH}/new",
        given=asked,
        problem=problem,
        teams=await _teams(request, who),
        roles=_roles(who, resources.of(request).grants),
        scopes=SCOPES.items(),
        lifetimes=_lifetimes(),
        counts=COUNTS.items() if request.app.state.limit_key else (),
        windows=list(Span),
    )


async def _teams(request: Request, who: Principal) -> list[str]:
    async with tenancy.tenant(resources.of(request).pool, who.org) as tx:
        return [team.name for team in await teams.list_teams(tx, TEAMS_MAX)]


def _lifetimes() -> list[tuple[str, str]]:
    return [(name, words) for name, (words, _) in LIFETIMES.items()]


def _roles(who: Principal, grants: Grants) -> list[tuple[Role, str, bool]]:
    """Each role, what it holds, and whether this person may give it."""
    return [
        (role, ", ".join(sorted(held)) or "nothing here", held <= who.permissions)
        for role in Role
        for held in (permissions.held(grants, [role]),)
    ]
