"""Endpoints of the content store: what is kept, how long, and a content itself (K-85)."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from dd0c.base import ids
from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.content import events, kinds, policies
from dd0c.kernel.content.contents import Content
from dd0c.kernel.content.kinds import Mode
from dd0c.kernel.content.policies import Policy
from dd0c.kernel.db import tenancy
from dd0c.kernel.web import audited, resources
from dd0c.kernel.web.fields import LIMIT, Body, Cursor, Limit, Page, Text
from dd0c.kernel.web.requires import Requires

READ, WRITE = "content:read", "content:write"
DAYS_MAX = 36_500
BINARY = "application/octet-stream"

_RANGE = re.compile(r"bytes=(\d{1,18})-(\d{0,18})")

router = APIRouter(prefix="/api/v1", tags=["content"])

Reader = Annotated[Principal, Depends(Requires(READ))]
Writer = Annotated[Principal, Depends(Requires(WRITE))]


class PolicyShown(BaseModel):
    """What holds for a kind of content."""

    kind: str
    about: str = Field(description="What it is.")
    mode: Mode = Field(
        description="`whole`: stored as it came; `capture`: with a mark in place of secrets;"
        " `never`: not stored."
    )
    days: int = Field(description="How long it is kept.")
    contents: int = Field(description="How many are stored.")
    bytes: int


class PoliciesShown(BaseModel):
    """One policy for each kind."""

    items: list[PolicyShown]


class PolicyWanted(Body):
    """What shall hold for a kind, at once and for what is stored already."""

    kind: Text = Field(examples=["hook.body"])
    mode: Mode
    days: int = Field(strict=True, ge=1, le=DAYS_MAX)


class ContentShown(BaseModel):
    """A content, without its bytes."""

    id: str
    kind: str
    media_type: str = Field(description="As its source called it.")
    bytes: int
    sha256: str
    place: str = Field(description="Where it lies: `database`, `files`, `s3://…`.")
    created_at: datetime
    expires_at: datetime


@router.get("/content/policy", operation_id="list_content_policies", summary="What is kept")
async def list_policies(request: Request, who: Reader) -> PoliciesShown:
    """For each kind of content whether it is stored, how, how long, and how much of it is."""
    use = resources.of(request)
    async with tenancy.tenant(use.pool, who.org) as tx:
        found = await policies.list_policies(tx, use.clock.now())
    return PoliciesShown(items=[show_policy(policy) for policy in found])


@router.put("/content/policy", operation_id="set_content_policy", summary="Keep a kind otherwise")
async def set_policy(wanted: PolicyWanted, request: Request, who: Writer) -> PolicyShown:
    """What is stored already ends after as many days, from its beginning; with `never` it ends now,
    and cannot be brought back."""
    return show_policy(await save_policy(request, who, wanted))


@router.get("/content", operation_id="list_contents", summary="Contents")
async def list_contents(
    request: Request,
    who: Reader,
    kind: Annotated[str | None, Query(max_length=64, description="Only of this kind.")] = None,
    limit: Limit = LIMIT,
    cursor: Cursor = None,
) -> Page[ContentShown]:
    """What is stored, the newest first."""
    use, context = resources.of(request), (who.org, "contents", kind)
    after = None if cursor is None else use.cursors.read(cursor, *context)
    async with tenancy.tenant(use.pool, who.org) as tx:
        found = await use.contents.list_contents(tx, limit + 1, kind, after)
    page, more = found[:limit], len(found) > limit
    return Page(
        items=[show(content) for content in page],
        next_cursor=use.cursors.write(page[-1].id, *context) if more else None,
    )


@router.get(
    "/content/{content_id}",
    operation_id="get_content",
    summary="A content",
    response_class=Response,
    responses={
        200: {"content": {BINARY: {}}, "description": "Its bytes."},
        206: {"content": {BINARY: {}}, "description": "The bytes of `Range`."},
    },
)
async def get_content(content_id: str, request: Request, who: Reader) -> Response:
    """The bytes, always as a file to be saved and never as what their source called them. One
    `Range: bytes=FROM-TO` is answered with 206."""
    use, wanted = resources.of(request), ids.parse(ids.Kind.CONTENT, content_id)
    opened = await use.contents.open(who.org, wanted)
    size = opened.content.size
    span = _range(request.headers.get("range"), size)
    start, end = span or (0, size)
    pieces = opened.pieces(start, end)
    first = await anext(pieces, b"")  # before the answer begins: what does not open is an error
    async with tenancy.tenant(use.pool, who.org) as tx:
        await audited.record(tx, request, events.READ, content_id, start=start, end=end)
    headers = {
        "content-length": str(end - start),
        "content-disposition": f'attachment; filename="{content_id}"',
        "accept-ranges": "bytes",
        "x-dd0c-sha256": opened.content.sha256.hex(),
    }
    if span is not None:
        headers["content-range"] = f"bytes {start}-{end - 1}/{size}"
    return StreamingResponse(
        _after(first, pieces), 200 if span is None else 206, headers, media_type=BINARY
    )


@router.delete("/content/{content_id}", operation_id="delete_content", summary="End a content")
async def delete_content(content_id: str, request: Request, who: Writer) -> ContentShown:
    """Its key is destroyed at once, its bytes a moment later; what pointed to it points to
    nothing."""
    use, wanted = resources.of(request), ids.parse(ids.Kind.CONTENT, content_id)
    async with tenancy.tenant(use.pool, who.org) as tx:
        content = await use.contents.forget(tx, wanted)
        await audited.record(tx, request, events.DELETED, content_id, kind=content.kind)
    await use.contents.remove(who.org, content)
    return show(content)


async def save_policy(request: Request, who: Principal, wanted: PolicyWanted) -> Policy:
    """What holds from now on, and the event that tells of it."""
    use, kind = resources.of(request), kinds.get(wanted.kind)
    now = use.clock.now()
    async with tenancy.tenant(use.pool, who.org) as tx:
        await policies.save(tx, who.org, kind, wanted.mode, days=wanted.days, now=now)
        await audited.record(
            tx, request, events.POLICY_SET, kind.name, mode=wanted.mode.value, days=wanted.days
        )
        found = await policies.list_policies(tx, now)
    return next(policy for policy in found if policy.kind is kind)


def _range(given: str | None, size: int) -> tuple[int, int] | None:
    """From where to before where; None for all, also where the header says what we do not do."""
    asked = _RANGE.fullmatch(given or "")
    if asked is None or int(asked[1]) >= size:
        return None
    end = min(int(asked[2]) + 1, size) if asked[2] else size
    return (int(asked[1]), end) if end > int(asked[1]) else None


async def _after(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in rest:
        yield piece


def show_policy(policy: Policy) -> PolicyShown:
    """A policy as the API shows it."""
    return PolicyShown(
        kind=policy.kind.name,
        about=policy.kind.sentence,
        mode=policy.mode,
        days=policy.days,
        contents=policy.contents,
        bytes=policy.size,
    )


def show(content: Content) -> ContentShown:
    """A content as the API shows it."""
    return ContentShown(
        id=ids.text(ids.Kind.CONTENT, content.id),
        kind=content.kind,
        media_type=content.media_type,
        bytes=content.size,
        sha256=content.sha256.hex(),
        place=content.place,
        created_at=content.created_at,
        expires_at=content.expires_at,
    )
