"""The console's own addresses: the way in, static files, search, streams, the kernel's pages."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from dd0c.kernel.web.console import (
    account,
    assets,
    audit,
    autonomy,
    content,
    find,
    flags,
    frame,
    invitation,
    jobs,
    key_changes,
    keys,
    kit,
    live,
    oidc,
    parts,
    people,
    people_changes,
    plan,
    roles,
    settings,
    sign_in,
    teams,
    webhook_changes,
    webhooks,
)

router = APIRouter(include_in_schema=False)


@router.get("/")
@router.get("/console")
async def enter() -> RedirectResponse:
    """To the first page."""
    return RedirectResponse(sign_in.HOME, 307)


@router.get(f"{assets.ROOT}/{{name}}")
async def show_asset(request: Request, name: str) -> Response:
    """A static file, under its hashed name only."""
    return frame.of(request).assets.answer(name)


OWN = (
    *(sign_in, oidc, invitation, find, live, key_changes, keys, people_changes, people),
    *(
        webhook_changes,
        webhooks,
        teams,
        roles,
        audit,
        parts,
        jobs,
        settings,
        content,
        account,
        autonomy,
        flags,
        plan,
        kit,
    ),
)
for part in OWN:
    router.include_router(part.router)
