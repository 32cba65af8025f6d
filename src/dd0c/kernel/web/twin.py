"""Every page has a twin for programs: the same address with `.json` behind its path.

`/console/keys.json?state=revoked` is `/console/keys?state=revoked` as data: the same endpoint, the
same permission, the same load. `Twins` takes the ending off before routing and leaves a mark on the
request; the page's renderer asks `is_wanted`. A caller that accepts JSON and no HTML gets it too.
"""

from __future__ import annotations

import shlex

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

PAGES = "/console"
ENDING = ".json"
_MARK = "dd0c.twin"


class Twins:
    """The ASGI application that understands the ending."""

    def __init__(self, app: ASGIApp):
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] == "http" and path.startswith(PAGES) and path.endswith(ENDING):
            page = path.removesuffix(ENDING)
            scope["path"] = f"{PAGES}/" if page in (PAGES, f"{PAGES}/") else page
            scope[_MARK] = True
        await self._app(scope, receive, send)


def is_wanted(request: Request) -> bool:
    """Whether the answer should be data instead of a page."""
    accepted = request.headers.get("accept", "")
    return _MARK in request.scope or (
        "application/json" in accepted and "text/html" not in accepted
    )


def address(request: Request) -> str:
    """Where the twin of the page at this address is: path and query."""
    query = request.url.query
    return f"{request.url.path.rstrip('/')}{ENDING}{f'?{query}' if query else ''}"


def curl(request: Request, path: str) -> str:
    """The command that fetches a path of this server with a key."""
    whole = f"{request.url.scheme}://{request.url.netloc}{path}"
    return f'curl -H "Authorization: Bearer $DD0C_KEY" {shlex.quote(whole)}'
