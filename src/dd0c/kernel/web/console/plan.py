"""Plan: how much the organisation may have, what is used of it, and what is full."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from markupsafe import Markup

from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.web import plans
from dd0c.kernel.web.console import charts, errors, frame
from dd0c.kernel.web.plans import PERMISSION, QuotaShown
from dd0c.kernel.web.requires import Requires

PATH = errors.PLAN
WORDS = {
    "people": ("People", "members of the organisation"),
    "keys": ("Keys", "that work; one that was rotated counts once"),
    "teams": ("Teams", "groups of keys"),
    "webhooks": ("Webhooks", "sources and endpoints"),
    "executions": ("Executions", "of this month"),
}

router = APIRouter(include_in_schema=False)


@router.get(PATH)
async def show(request: Request, who: Annotated[Principal, Depends(Requires())]) -> Response:
    """The page."""
    page = await plans.load(request, who.org)
    return frame.of(request).page(
        request,
        who,
        "plan.html",
        page,
        headline=headline(page.items),
        words=WORDS,
        strips=[strip(item) for item in page.items],
        states=[state(item) for item in page.items],
        may_change=PERMISSION in who.permissions,
    )


def headline(items: Sequence[QuotaShown]) -> dict[str, str]:
    """What is full, and else what will be first."""
    bounded = [item for item in items if item.limit is not None]
    full = [f"more {item.quota}" for item in bounded if left(item) == 0]
    if full:
        return {"number": f"No room for {' or '.join(full)}", "words": ""}
    if not bounded:
        return {"number": "No bounds", "words": ", whatever is made"}
    tight = min(bounded, key=lambda item: left(item) / (item.limit or 1))
    return {"number": f"{left(tight)} {tight.quota} left", "words": ", the first to be full"}


def left(item: QuotaShown) -> int:
    """How many more there may be of what is bounded."""
    assert item.limit is not None
    return max(item.limit - item.used, 0)


def state(item: QuotaShown) -> tuple[str, str]:
    """Tone and word."""
    if item.limit is None:
        return "info", "no bound"
    if item.used > item.limit:
        return "warn", "over"
    return ("warn", "full") if item.used == item.limit else ("good", "room")


def strip(item: QuotaShown) -> Markup | None:
    """The used part of what there may be, as a bar."""
    if item.limit is None:
        return None
    kind = "bad" if item.used > item.limit else "s1"
    title = f"{item.used} of {item.limit} {item.quota}"
    return charts.strip(title, [(kind, min(item.used, item.limit)), ("heat zero", left(item))])
