"""The search box and the palette: an id leads to its page, a name to what is called so.

`/console/find?q=` goes straight to the one thing that an id names, or to what a product can look
for where nothing else is called so; else it lists what was found. Its twin is what the palette
shows while one types.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import RedirectResponse, Response

from dd0c.base import ids
from dd0c.base.errors import InvalidInput
from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.db import tenancy
from dd0c.kernel.web import resources, twin
from dd0c.kernel.web.console import frame
from dd0c.kernel.web.console.frame import Console, Hit
from dd0c.kernel.web.requires import Requires

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Found:
    """What was typed, and what there is of it, the likeliest first."""

    wanted: str
    hits: tuple[Hit, ...]


@router.get("/console/find")
async def find(
    request: Request,
    who: Annotated[Principal, Depends(Requires())],
    q: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    """To the page of what was typed, or what could be meant."""
    console, text = frame.of(request), q.strip()
    if not text.isprintable():
        raise InvalidInput("q: has characters that cannot be in a name")
    ids_named = tuple(_jumps(console, text))
    named = () if ids_named else (*_pages(console, text), *await _things(request, who, text))
    other = () if ids_named or not text else tuple(_searches(console, text))
    if not twin.is_wanted(request):
        if ids_named or (other and not named):
            return RedirectResponse((*ids_named, *other)[0].href, 303)
        if not text:
            return RedirectResponse("/console/", 303)
    found = Found(text, (*ids_named, *named, *other))
    return console.page(request, who, "find.html", found)


def _jumps(console: Console, text: str) -> Iterator[Hit]:
    """The page of an id."""
    for section in console.sections:
        for kind, path in section.jumps.items():
            try:
                value = ids.text(kind, ids.parse(kind, text))
            except InvalidInput:
                continue
            yield Hit(kind.name.lower(), value, path.format(value))


def _pages(console: Console, text: str) -> Iterator[Hit]:
    """Pages whose name begins with the text."""
    for section in console.sections:
        for entry in section.nav:
            if entry.label.casefold().startswith(text.casefold()):
                yield Hit("page", entry.label, entry.path, f"g {entry.letter}")


async def _things(request: Request, who: Principal, text: str) -> list[Hit]:
    """What products and the kernel know by this name, where the caller may see it."""
    use, found = resources.of(request), list[Hit]()
    finders = [finder for section in frame.of(request).sections for finder in section.finders]
    if text:
        async with tenancy.tenant(use.pool, who.org) as tx:
            for finder in finders:
                if finder.permission in who.permissions:
                    found += await finder.find(tx, text, use.clock.now())
    return found


def _searches(console: Console, text: str) -> Iterator[Hit]:
    """Where a product looks for any text."""
    for section in console.sections:
        if section.search:
            href = section.search.format(quote(text, safe=""))
            yield Hit("search", text, href, f"in {section.search_label}")
