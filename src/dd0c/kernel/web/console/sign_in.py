"""Signing in with a key, and out again.

The key is used once, to make a session; the browser keeps only the session's token, in a cookie
that no script can read and no other site can send. What was typed is never echoed.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from dd0c.base.errors import Error, Forbidden, Unauthenticated
from dd0c.base.secrets import Secret
from dd0c.kernel.auth import principals, sessions
from dd0c.kernel.auth.permissions import Scope
from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.db import tenancy
from dd0c.kernel.web import requires, resources
from dd0c.kernel.web.console import forgery, frame
from dd0c.kernel.web.requires import COOKIE, Requires

PATH = "/console/sign-in"
HOME = "/console/"
KEY_LENGTH_MAX = 200

router = APIRouter(include_in_schema=False)


def address(after: str) -> str:
    """The sign-in page that leads on to `after`."""
    return PATH if after == HOME else f"{PATH}?next={quote(after, safe='')}"


@router.get(PATH)
async def show(request: Request, next: str = HOME) -> HTMLResponse:
    """The form."""
    return _form(request, next, "", 200)


@router.post(PATH)
async def sign_in(
    request: Request,
    key: Annotated[str, Form()] = "",
    next: Annotated[str, Form()] = HOME,
) -> Response:
    """A session for the key, or the form again with what is wrong."""
    forgery.check_origin(request)
    try:
        token, ends = await _start(request, key.strip()[:KEY_LENGTH_MAX])
    except (Unauthenticated, Forbidden) as problem:
        return _form(request, next, _sentence(problem), problem.status)
    answer = RedirectResponse(_inside(next), 303)
    answer.set_cookie(
        COOKIE,
        token.reveal(),
        expires=ends,
        path="/",
        secure=request.headers["origin"].startswith("https:"),  # TLS may end at a proxy before us
        httponly=True,
        samesite="strict",
    )
    return answer


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
        await sessions.end(tx, use.pepper, request.cookies.get(COOKIE, ""))
    answer = RedirectResponse(PATH, 303)
    answer.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
    return answer


async def _start(request: Request, key: str) -> tuple[Secret, datetime]:
    use = resources.of(request)
    now = use.clock.now()
    async with tenancy.system(use.pool) as tx:
        who = await principals.authenticate(tx, use.pepper, key, use.grants, now)
    who.require_scope(Scope.CONSOLE)
    requires.admit(request, who)
    async with tenancy.tenant(use.pool, who.org) as tx:
        return await sessions.start(tx, use.pepper, who, now)


def _form(request: Request, after: str, problem: str, status: int) -> HTMLResponse:
    console = frame.of(request)
    return console.render_alone("sign_in.html", status, next=_inside(after), problem=problem)


def _inside(after: str) -> str:
    """Where to go on: a page of this console, whatever the address said."""
    ours = after.startswith("/console/") and "\\" not in after and after.isprintable()
    return after if ours and not after.startswith(PATH) else HOME


def _sentence(problem: Error) -> str:
    """The message without the hint, which is written for programs."""
    return f"{problem.message[:1].upper()}{problem.message[1:]}."
