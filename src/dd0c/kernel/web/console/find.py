"""The search box: any id leads to its page, any other text to the product that can look for it."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import RedirectResponse

from dd0c.base import ids
from dd0c.base.errors import InvalidInput, NotFound
from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.web.console import frame
from dd0c.kernel.web.requires import Requires

router = APIRouter(include_in_schema=False)


@router.get("/console/find")
async def find(
    request: Request,
    who: Annotated[Principal, Depends(Requires())],
    q: Annotated[str, Query(max_length=200)] = "",
) -> RedirectResponse:
    """To the page of what was typed."""
    return RedirectResponse(_target(frame.of(request), q.strip()), 303)


def _target(console: frame.Console, text: str) -> str:
    if not text:
        return "/console/"
    for section in console.sections:
        for kind, path in section.jumps.items():
            try:
                return path.format(ids.text(kind, ids.parse(kind, text)))
            except InvalidInput:
                continue
    for section in console.sections:
        if section.search:
            return section.search.format(quote(text, safe=""))
    raise NotFound
