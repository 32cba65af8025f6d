"""Signing in with an e-mail address and a password, or with a key; and out again.

There is one form: a key begins with what no password is taken for, and needs no address. What was
typed is used once, to make a session; the browser keeps only the session's token, in a cookie that
no script can read and no other site can send. Nothing secret that was typed is ever echoed.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from dd0c.base import ids
from dd0c.base.errors import Forbidden, Unauthenticated
from dd0c.base.secrets import Secret
from dd0c.kernel.auth import events, keys, people, principals, sessions, signing_in
from dd0c.kernel.auth.people import Account
from dd0c.kernel.auth.permissions import Scope
from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.auth.signing_in import Attempt
from dd0c.kernel.db import tenancy
from dd0c.kernel.db.pool import Transaction
from dd0c.kernel.web import audited, origin, problems, requires, resources
from dd0c.kernel.web.console import forgery, frame
from dd0c.kernel.web.requires import COOKIE, Requires

PATH = "/console/sign-in"
HOME = "/console/"
KEY_LENGTH_MAX = 200

Way = Literal["password", "identity", "invitation", "switch"]
"""How a person showed that it is them."""

router = APIRouter(include_in_schema=False)


def address(after: str) -> str:
    """The sign-in page that leads on to `after`."""
    return PATH if after == HOME else f"{PATH}?next={quote(after, safe='')}"


@router.get(PATH)
async def show(request: Request, next: str = HOME) -> HTMLResponse:
    """The form."""
    return form(request, next, "", 200)


@router.post(PATH)
async def sign_in(
    request: Request,
    key: Annotated[str, Form()] = "",
    email: Annotated[str, Form(max_length=people.EMAIL_LENGTH_MAX)] = "",
    next: Annotated[str, Form()] = HOME,
) -> Response:
    """A session for the key, or of the person whose password stands in its place; or the form again
    with what is wrong."""
    forgery.check_origin(request)
    try:
        if email.strip() and not key.strip().startswith(keys.PREFIX):
            session = await _start_of_person(request, email, Secret(key))
        else:
            session = await _start(request, key.strip()[:KEY_LENGTH_MAX])
    except (Unauthenticated, Forbidden) as problem:
        return form(request, next, problems.sentence(problem), problem.status, email)
    return keep(request, RedirectResponse(inside(next), 303), session)


def keep(request: Request, answer: Response, session: tuple[Secret, datetime]) -> Response:
    """The answer, which makes the browser keep the session."""
    token, ends = session
    here = request.headers.get("origin") or origin.of(request)  # a proxy may end TLS
    answer.set_cookie(
        COOKIE,
        token.reveal(),
        expires=ends,
        path="/",
        secure=here.startswith("https:"),
        httponly=True,
        samesite="strict",
    )
    return answer


async def enter(request: Request, account: Account, way: Way) -> tuple[Secret, datetime]:
    """A session of a person who showed that it is them, in the first organisation they belong to;
    Unauthenticated when they belong to none."""
    place = (await signing_in.list_places(resources.of(request).pool, account))[0]
    return await begin(request, place.org, account.id, way)


async def begin(
    request: Request, org: uuid.UUID, person: uuid.UUID, way: Way
) -> tuple[Secret, datetime]:
    """A session of a member of the organisation."""
    use, whose = resources.of(request), ids.text(ids.Kind.PERSON, person)
    async with tenancy.tenant(use.pool, org) as tx:
        session = await sessions.start_of_person(tx, use.pepper, org, person, use.clock.now())
        await audited.record(tx, request, events.SIGNED_IN, whose, by=whose, way=way)
    return session


async def prove(request: Request, email: str, password: Secret) -> Account:
    """Whose address and password they are; Unauthenticated."""
    use = resources.of(request)
    attempt = Attempt(email, password, str(requires.address_of(request)))
    return await signing_in.with_password(
        use.pool, use.pepper, use.passwords, attempt, use.clock.now()
    )


@router.post("/console/sign-out")
async def sign_out(
    request: Request,
    who: Annotated[Principal, Depends(Requires())],
    csrf: Annotated[str, Form()] = "",
) -> Response:
    """End the session, here and in the database."""
    forgery.check_token(request, csrf)
    use = resources.of(request)
    async with tenancy.tenant(use.pool, who.org) as tx:
        await leave(tx, request, who)
    return forget(RedirectResponse(PATH, 303))


async def leave(tx: Transaction, request: Request, who: Principal) -> None:
    """The session that the request came with is over."""
    if await sessions.end(tx, resources.of(request).pepper, request.cookies.get(COOKIE, "")):
        await audited.record(tx, request, events.SIGNED_OUT, who.actor.text)


def forget(answer: Response) -> Response:
    """The answer, which makes the browser forget its session."""
    answer.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
    return answer


async def _start_of_person(
    request: Request, email: str, password: Secret
) -> tuple[Secret, datetime]:
    return await enter(request, await prove(request, email, password), "password")


async def _start(request: Request, key: str) -> tuple[Secret, datetime]:
    use = resources.of(request)
    now = use.clock.now()
    async with tenancy.system(use.pool) as tx:
        who = await principals.authenticate(tx, use.pepper, key, use.grants, now)
    who.require_scope(Scope.CONSOLE)
    requires.admit(request, who)
    async with tenancy.tenant(use.pool, who.org) as tx:
        session = await sessions.start(tx, use.pepper, who, now)
        key_id = who.actor.text
        await audited.record(tx, request, events.SIGNED_IN, key_id, by=key_id, way="key")
    return session


def form(request: Request, after: str, problem: str, status: int, email: str = "") -> HTMLResponse:
    return frame.of(request).render_alone(
        "sign_in.html",
        status,
        next=inside(after),
        problem=problem,
        email=email,
        provider=resources.of(request).provider,
    )


def inside(after: str) -> str:
    """Where to go on: a page of this console, whatever the address said."""
    ours = after.startswith("/console/") and "\\" not in after and after.isprintable()
    return after if ours and not after.startswith(PATH) else HOME
