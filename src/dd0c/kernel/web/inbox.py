"""Where sources send to: `POST /hooks/src_…`. What they sign says who may, not a key of ours."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import Request

from dd0c.base import ids
from dd0c.kernel.content import kinds
from dd0c.kernel.db import tenancy
from dd0c.kernel.hooks import inbox, sources
from dd0c.kernel.web import resources

router = APIRouter(include_in_schema=False)


@router.post(sources.PATH + "{source}")
async def receive(request: Request, source: str) -> Response:
    """Keep what a source vouches for; whatever else it is, there is nothing here."""
    use = resources.of(request)
    body, now = await request.body(), use.clock.now()
    vouched = await inbox.judge(use.pool, use.vault, source, request.headers.raw, body, now=now)
    if vouched is None:
        raise HTTPException(404)
    challenge = inbox.find_challenge(vouched.kind, body)
    if challenge is not None:
        return PlainTextResponse(challenge)
    kind = request.headers.get("content-type", "")
    blob = await use.contents.put(
        vouched.org, kinds.HOOK_BODY, body, media_type=kind[: inbox.CONTENT_TYPE_CHARACTERS_MAX]
    )
    arrived = inbox.Arrived(kind, len(body), now, blob)
    async with tenancy.tenant(use.pool, vouched.org) as tx:
        received = await inbox.keep(tx, use.contents, vouched, arrived)
    return JSONResponse({"id": ids.text(ids.Kind.RECEIVED, received)})
