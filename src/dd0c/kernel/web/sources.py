"""Endpoints of sources: who may send us webhooks."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from starlette.requests import Request

from dd0c.base import ids
from dd0c.base.secrets import Secret
from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.db import tenancy
from dd0c.kernel.db.pool import Transaction
from dd0c.kernel.hooks import events, inbox, sealed, sources
from dd0c.kernel.hooks.inbox import Kept
from dd0c.kernel.hooks.schemes import Kind
from dd0c.kernel.hooks.sources import Source, Wanted
from dd0c.kernel.plans import quotas
from dd0c.kernel.plans.catalogue import Quota
from dd0c.kernel.web import audited, origin, resources
from dd0c.kernel.web.fields import LIMIT, Body, Cursor, Limit, Name, Page, Text
from dd0c.kernel.web.requires import Requires

READ, WRITE = "hooks:read", "hooks:write"
LEVEL = (
    "How sure it is that what arrives came from the source: 0 the address was known, 1 a secret"
    " was, 2 the body is signed, 3 and it is fresh and was not here before."
)
GIVEN = "The sender's secret, where it makes it itself, as Slack does; left out: one is made."

router = APIRouter(prefix="/api/v1/hooks", tags=["webhooks"])
Reader = Annotated[Principal, Depends(Requires(READ))]
Writer = Annotated[Principal, Depends(Requires(WRITE))]


class SourceWanted(Body):
    """A source."""

    name: Name = Field(description="Unique in the organisation.", examples=["grafana"])
    kind: Kind = Field(
        Kind.STANDARD,
        description="How it signs: `standard` (Standard Webhooks), `slack`, `github`, `hmac`"
        " (`x-signature-256: sha256=…` of the body), `bearer` (`authorization: Bearer …`), `url`.",
    )
    secret: Text | None = Field(None, description=GIVEN)


class SourceShown(BaseModel):
    """A source without its secret."""

    id: str
    name: str
    kind: str
    level: int = Field(description=LEVEL)
    url: str = Field(description="Where it sends to. Of the kind `url` this is the secret.")
    received: int = Field(description="How many messages of it are kept: 30 days.")
    last_at: datetime | None
    old_secret_until: datetime | None = Field(
        description="Until when the secret before this one counts too; null: only one does."
    )
    created_at: datetime


class SourceMade(SourceShown):
    """A source with its secret."""

    secret: str | None = Field(description="Shown only here. Null: the kind `url` has none.")


class SecretWanted(Body):
    """How a secret is to be followed by another."""

    overlap_s: int = Field(
        86_400,
        ge=0,
        le=int(sealed.OVERLAP_MAX.total_seconds()),
        strict=True,
        description="For how many seconds both count; 0 ends the old one at once.",
    )
    secret: Text | None = Field(None, description=GIVEN)


class KeptShown(BaseModel):
    """A message that a source sent."""

    id: str
    level: int = Field(description=LEVEL)
    nonce: str | None = Field(description="What it is called by, where its kind names it.")
    content_type: str
    size: int = Field(description="Bytes of its body.")
    received_at: datetime
    content: str | None = Field(
        description="Its body, for `GET /content/{content_id}`; null: it is not kept, or no more."
    )


@router.post("/sources", status_code=201, operation_id="create_source", summary="Add a source")
async def create_source(wanted: SourceWanted, request: Request, who: Writer) -> SourceMade:
    """What it sends to `url` is kept when it is signed with `secret`, else answered with 404."""
    async with tenancy.tenant(resources.of(request).pool, who.org) as tx:
        return await make(tx, request, who, wanted)


async def make(
    tx: Transaction, request: Request, who: Principal, wanted: SourceWanted
) -> SourceMade:
    """The source with its secret; Conflict when the name is taken, InvalidInput for the secret."""
    use = resources.of(request)
    asked = Wanted(wanted.name, wanted.kind, _given(wanted.secret))
    await quotas.take(tx, Quota.WEBHOOKS, use.plan)
    made, secret = await sources.add(tx, use.vault, who.org, asked, use.clock.now())
    await audited.record(
        tx,
        request,
        events.SOURCE_ADDED,
        ids.text(ids.Kind.SOURCE, made.id),
        kind=made.kind,
        level=made.level,
        private={"name": made.name},
    )
    return _with_secret(request, made, secret)


@router.get("/sources", operation_id="list_sources", summary="List sources")
async def list_sources(
    request: Request, who: Reader, limit: Limit = LIMIT, cursor: Cursor = None
) -> Page[SourceShown]:
    """Sources of the caller's organisation, oldest first."""
    use = resources.of(request)
    after = None if cursor is None else use.cursors.read(cursor, who.org, "sources")
    async with tenancy.tenant(use.pool, who.org) as tx:
        found = await sources.list_all(tx, use.clock.now(), limit + 1, after)
    page, more = found[:limit], len(found) > limit
    return Page(
        items=[show(request, source) for source in page],
        next_cursor=use.cursors.write(page[-1].id, who.org, "sources") if more else None,
    )


@router.post(
    "/sources/{source_id}/rotate",
    operation_id="rotate_source",
    summary="Give a source another secret",
)
async def rotate_source(
    source_id: str, wanted: SecretWanted, request: Request, who: Writer
) -> SourceMade:
    """Both count until the overlap is over: set the new one at the sender meanwhile."""
    async with tenancy.tenant(resources.of(request).pool, who.org) as tx:
        return await rotate(tx, request, who, _parse(source_id), wanted)


async def rotate(
    tx: Transaction, request: Request, who: Principal, source: uuid.UUID, wanted: SecretWanted
) -> SourceMade:
    """The source with its new secret; NotFound, Conflict during another rotation."""
    use = resources.of(request)
    now, overlap = use.clock.now(), timedelta(seconds=wanted.overlap_s)
    found = await sources.get(tx, source, now)
    secret = await sources.rotate(
        tx, use.vault, who.org, found, _given(wanted.secret), now=now, overlap=overlap
    )
    subject = ids.text(ids.Kind.SOURCE, source)
    await audited.record(tx, request, events.SOURCE_ROTATED, subject, old_until=now + overlap)
    return _with_secret(request, await sources.get(tx, source, now), secret)


@router.delete("/sources/{source_id}", operation_id="remove_source", summary="Remove a source")
async def remove_source(source_id: str, request: Request, who: Writer) -> SourceShown:
    """Its address is nothing any more, and what it sent is deleted."""
    async with tenancy.tenant(resources.of(request).pool, who.org) as tx:
        return show(request, await remove(tx, request, _parse(source_id)))


async def remove(tx: Transaction, request: Request, source: uuid.UUID) -> Source:
    """The source that was; NotFound."""
    removed = await sources.remove(tx, source, resources.of(request).clock.now())
    subject = ids.text(ids.Kind.SOURCE, source)
    await audited.record(tx, request, events.SOURCE_REMOVED, subject)
    return removed


@router.get(
    "/sources/{source_id}/messages", operation_id="list_messages", summary="List what arrived"
)
async def list_messages(
    source_id: str, request: Request, who: Reader, limit: Limit = LIMIT, cursor: Cursor = None
) -> Page[KeptShown]:
    """What a source sent and vouches for, newest first, of 30 days."""
    use, source = resources.of(request), _parse(source_id)
    context = (who.org, "messages", source)
    before = None if cursor is None else use.cursors.read(cursor, *context)
    async with tenancy.tenant(use.pool, who.org) as tx:
        await sources.get(tx, source, use.clock.now())
        found = await inbox.list_kept(tx, source, limit + 1, before)
    page, more = found[:limit], len(found) > limit
    return Page(
        items=[show_kept(kept) for kept in page],
        next_cursor=use.cursors.write(page[-1].id, *context) if more else None,
    )


def show(request: Request, source: Source) -> SourceShown:
    """A source as the API shows it."""
    shown = ids.text(ids.Kind.SOURCE, source.id)
    return SourceShown(
        id=shown,
        name=source.name,
        kind=source.kind,
        level=source.level,
        url=f"{origin.of(request)}{sources.PATH}{shown}",
        received=source.received,
        last_at=source.last_at,
        old_secret_until=source.old_secret_until,
        created_at=source.created_at,
    )


def show_kept(kept: Kept) -> KeptShown:
    """What arrived, as the API shows it."""
    return KeptShown(
        id=ids.text(ids.Kind.RECEIVED, kept.id),
        level=kept.level,
        nonce=kept.nonce,
        content_type=kept.content_type,
        size=kept.size,
        received_at=kept.received_at,
        content=None if kept.content is None else ids.text(ids.Kind.CONTENT, kept.content),
    )


def _with_secret(request: Request, source: Source, secret: Secret | None) -> SourceMade:
    told = None if secret is None else secret.reveal()
    return SourceMade(**show(request, source).model_dump(), secret=told)


def _given(text: str | None) -> Secret | None:
    return None if text is None else Secret(text)


def _parse(source_id: str) -> uuid.UUID:
    return ids.parse(ids.Kind.SOURCE, source_id)
