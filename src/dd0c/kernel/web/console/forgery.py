"""Forged requests: a change counts only when our own page sent it.

Two checks. The browser says where a change comes from (`Origin`, sent with every POST); SameSite is
not enough, as another port of the same host is the same site. And a form of somebody who is signed
in carries a token made from the session, which nobody else can know because the cookie is HttpOnly.
Nothing is stored for it.
"""

from __future__ import annotations

import hashlib
import hmac

from starlette.requests import Request

from dd0c.base.errors import Forbidden
from dd0c.kernel.web.requires import COOKIE, is_same_origin


def token(request: Request) -> str:
    """What a form on a page of this session carries in its field `csrf`."""
    session = request.cookies.get(COOKIE, "")
    return hashlib.blake2b(b"form", key=session.encode()[:64], digest_size=16).hexdigest()


def check_origin(request: Request) -> None:
    """Forbidden unless the browser says that our own page sent this."""
    if not is_same_origin(request):
        raise Forbidden(
            "this form does not come from the console itself",
            hint="reload the page and repeat it",
        )


def check_token(request: Request, given: str) -> None:
    """Forbidden when the form was not made for this session."""
    check_origin(request)
    if not hmac.compare_digest(token(request).encode(), given.encode()):
        raise Forbidden("this form is from another session", hint="reload the page and repeat it")
