"""Signing in through the provider of identities: the way there, and the way back.

What must come back unchanged lies in a cookie of its own for ten minutes. It is SameSite=Lax, as
the provider sends the browser back from another site; the session's is Strict, so the answer to the
way back is a page that goes on by itself, from here, and no redirect.
"""

from __future__ import annotations

import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response

from dd0c.base.errors import Forbidden, NotFound, Unauthenticated, Unavailable
from dd0c.kernel.auth import invitations, signing_in
from dd0c.kernel.auth.oidc import Pending, Provider
from dd0c.kernel.web import origin, problems, resources
from dd0c.kernel.web.console import frame, sign_in

PATH = "/console/oidc"
BACK = f"{PATH}/back"
COOKIE = "dd0c_oidc"
WITHIN_S = 600
TEXT_MAX = 4096

router = APIRouter(include_in_schema=False)


@router.get(f"{PATH}/start")
async def start(
    request: Request,
    next: Annotated[str, Query(max_length=TEXT_MAX)] = sign_in.HOME,
    invitation: Annotated[str, Query(max_length=100)] = "",
) -> Response:
    """Send the browser to the provider, on its way to `next`, perhaps with an invitation."""
    here = origin.of(request)
    url, pending = await _provider(request).begin(f"{here}{BACK}")
    carried = asdict(pending) | {"next": sign_in.inside(next), "invitation": invitation}
    answer = RedirectResponse(url, 303)
    answer.set_cookie(
        COOKIE,
        urlsafe_b64encode(json.dumps(carried).encode()).decode(),
        max_age=WITHIN_S,
        path=PATH,
        secure=here.startswith("https:"),
        httponly=True,
        samesite="lax",
    )
    return answer


@router.get(BACK)
async def come_back(
    request: Request,
    code: Annotated[str, Query(max_length=TEXT_MAX)] = "",
    state: Annotated[str, Query(max_length=TEXT_MAX)] = "",
) -> Response:
    """A session of the person that the provider sent back; or the sign-in page, saying why not."""
    carried = _read(request.cookies.get(COOKIE, ""))
    try:
        answer = await _finish(request, carried, code, state)
    except (Unauthenticated, Forbidden, NotFound, Unavailable) as problem:
        said = problems.sentence(problem)
        answer = sign_in.form(request, carried.get("next", sign_in.HOME), said, problem.status)
    answer.delete_cookie(COOKIE, path=PATH, httponly=True, samesite="lax")
    return answer


async def _finish(request: Request, carried: dict[str, str], code: str, state: str) -> Response:
    begun = carried and hmac.compare_digest(carried["state"].encode(), state.encode())
    if not begun or not code:
        raise Unauthenticated("that sign-in was not begun here, was given up, or took too long")
    use, now = resources.of(request), resources.of(request).clock.now()
    pending = Pending(carried["state"], carried["nonce"], carried["verifier"])
    back = f"{origin.of(request)}{BACK}"
    identity = await _provider(request).finish(back, code, pending)
    invited = None
    if text := carried["invitation"]:
        invited, _ = await invitations.get_open(use.pool, use.pepper, text, now)
    domains = frozenset(use.settings.oidc_domains.lower().replace(",", " ").split())
    account = await signing_in.with_identity(
        use.pool, identity, invited, domains, now, plan=use.plan
    )
    if invited is None:
        session = await sign_in.enter(request, account, "identity")
    else:
        session = await sign_in.begin(request, invited.org, account.id, "identity")
    page = frame.of(request).render_alone("go_on.html", next=carried["next"])
    return sign_in.keep(request, page, session)


def _provider(request: Request) -> Provider:
    found = resources.of(request).provider
    if found is None:
        raise NotFound("no provider of identities is set here")
    return found


def _read(cookie: str) -> dict[str, str]:
    """What was carried; empty when it is not what we gave."""
    names = ("state", "nonce", "verifier", "next", "invitation")
    try:
        found: Any = json.loads(urlsafe_b64decode(cookie))
    except ValueError:
        return {}
    if not isinstance(found, dict) or not all(isinstance(found.get(name), str) for name in names):
        return {}
    return {name: found[name] for name in names} | {"next": sign_in.inside(found["next"])}
