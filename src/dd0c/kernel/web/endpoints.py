"""Endpoints of endpoints: who is told of events. `deliveries` has what they are told."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.requests import Request

from dd0c.base import ids
from dd0c.base.errors import InvalidInput
from dd0c.base.outbound import Outbound
from dd0c.base.secrets import Secret
from dd0c.kernel.audit import entries, reading
from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.db import tenancy
from dd0c.kernel.db.pool import Transaction
from dd0c.kernel.hooks import deliveries, endpoints, events, mail, sealed
from dd0c.kernel.hooks.endpoints import Endpoint, Kind, Wanted
from dd0c.kernel.plans import quotas
from dd0c.kernel.plans.catalogue import Quota
from dd0c.kernel.web import audited, resources
from dd0c.kernel.web.fields import LIMIT, Body, Cursor, Limit, Name, Page, Text
from dd0c.kernel.web.sources import Reader, Writer

ABOVE = "platform:audit"

router = APIRouter(prefix="/api/v1/hooks", tags=["webhooks"])


class EndpointWanted(Body):
    """An endpoint."""

    name: Name = Field(description="Unique in the organisation.", examples=["on-call"])
    kind: Kind = Field(
        Kind.WEBHOOK,
        description="`webhook` (Standard Webhooks), `slack` (an incoming webhook) or `email`.",
    )
    target: Annotated[str, Field(min_length=1, max_length=2048)] = Field(
        description="A URL, or an address of e-mail.", examples=["https://example.com/hooks"]
    )
    events: Annotated[list[Text], Field(max_length=endpoints.EVENTS_MAX)] = Field(
        default_factory=list,
        description="Names of events, such as `KeyCreated`; none: all but `HookReceived`.",
    )
    installation: bool = Field(
        False,
        strict=True,
        description=f"Of the installation's log, not the organisation's: needs `{ABOVE}`.",
    )


class EndpointShown(BaseModel):
    """An endpoint without its secret."""

    id: str
    name: str
    kind: str
    target: str = Field(description="Where to; of a Slack endpoint, whose URL is a secret, whom.")
    events: list[str] = Field(description="Those that it is told of; none: all.")
    log: str = Field(description="Whose events: the organisation's, or `installation`.")
    waiting: int = Field(description="How many deliveries wait.")
    dead: int = Field(description="How many were given up, of 30 days.")
    paused_at: datetime | None
    paused_why: str | None = Field(description="`asked`, or `gone`: it answered 410.")
    old_secret_until: datetime | None = Field(
        description="Until when what is sent is signed with the secret before, too."
    )
    created_at: datetime


class EndpointMade(EndpointShown):
    """An endpoint with its secret."""

    secret: str | None = Field(description="Shown only here. Null: only webhooks are signed.")


class RotationWanted(Body):
    """How an endpoint's secret is to be followed by another."""

    overlap_s: int = Field(
        86_400,
        ge=0,
        le=int(sealed.OVERLAP_MAX.total_seconds()),
        strict=True,
        description="For how many seconds both sign; 0 ends the old one at once.",
    )


@router.post(
    "/endpoints", status_code=201, operation_id="create_endpoint", summary="Add an endpoint"
)
async def create_endpoint(wanted: EndpointWanted, request: Request, who: Writer) -> EndpointMade:
    """It is told of what happens from now on, at least once, each time under the event's id."""
    return await make(request, who, wanted)


async def make(request: Request, who: Principal, wanted: EndpointWanted) -> EndpointMade:
    """The endpoint with its secret; Conflict when the name is taken, InvalidInput for a target
    that may not be called, Forbidden for the installation's log."""
    use = resources.of(request)
    asked = await _read(request, who, wanted)
    above = wanted.installation
    async with tenancy.system(use.pool) if above else tenancy.tenant(use.pool, who.org) as tx:
        head = await reading.find_head(tx, asked.log)
    async with tenancy.tenant(use.pool, who.org) as tx:
        await quotas.take(tx, Quota.WEBHOOKS, use.plan)
        made, secret = await endpoints.add(
            tx, use.vault, who.org, asked, head=head, now=use.clock.now()
        )
        await audited.record(
            tx,
            request,
            events.ENDPOINT_ADDED,
            ids.text(ids.Kind.ENDPOINT, made.id),
            kind=made.kind,
            log=made.log,
            events=list(made.events),
            private={"name": made.name, "target": made.target},
        )
    return _with_secret(made, secret)


@router.get("/endpoints", operation_id="list_endpoints", summary="List endpoints")
async def list_endpoints(
    request: Request, who: Reader, limit: Limit = LIMIT, cursor: Cursor = None
) -> Page[EndpointShown]:
    """Endpoints of the caller's organisation, oldest first."""
    use = resources.of(request)
    after = None if cursor is None else use.cursors.read(cursor, who.org, "endpoints")
    async with tenancy.tenant(use.pool, who.org) as tx:
        found = await endpoints.list_all(tx, use.clock.now(), limit + 1, after)
    page, more = found[:limit], len(found) > limit
    return Page(
        items=[show(endpoint) for endpoint in page],
        next_cursor=use.cursors.write(page[-1].id, who.org, "endpoints") if more else None,
    )


@router.post(
    "/endpoints/{endpoint_id}/rotate",
    operation_id="rotate_endpoint",
    summary="Give an endpoint another secret",
)
async def rotate_endpoint(
    endpoint_id: str, wanted: RotationWanted, request: Request, who: Writer
) -> EndpointMade:
    """Until the overlap is over, what is sent carries a signature of each."""
    overlap = timedelta(seconds=wanted.overlap_s)
    async with tenancy.tenant(resources.of(request).pool, who.org) as tx:
        return await rotate(tx, request, who, parse(endpoint_id), overlap)


async def rotate(
    tx: Transaction, request: Request, who: Principal, endpoint: uuid.UUID, overlap: timedelta
) -> EndpointMade:
    """The endpoint with its new secret; NotFound, Conflict during another rotation."""
    use = resources.of(request)
    now = use.clock.now()
    found = await endpoints.get(tx, endpoint, now)
    secret = await endpoints.rotate(tx, use.vault, who.org, found, now=now, overlap=overlap)
    subject = ids.text(ids.Kind.ENDPOINT, endpoint)
    await audited.record(tx, request, events.ENDPOINT_ROTATED, subject, old_until=now + overlap)
    return _with_secret(await endpoints.get(tx, endpoint, now), secret)


@router.post(
    "/endpoints/{endpoint_id}/test", operation_id="test_endpoint", summary="Try an endpoint"
)
async def test_endpoint(endpoint_id: str, request: Request, who: Writer) -> EndpointShown:
    """Sends it the event `HookTested`, like any other: see its deliveries for what it answers."""
    async with tenancy.tenant(resources.of(request).pool, who.org) as tx:
        return show(await test(tx, request, who, parse(endpoint_id)))


async def test(tx: Transaction, request: Request, who: Principal, endpoint: uuid.UUID) -> Endpoint:
    """The endpoint, for which a trial message waits; NotFound."""
    now = resources.of(request).clock.now()
    await endpoints.get(tx, endpoint, now)
    await deliveries.add_test(tx, who.org, endpoint, now)
    await audited.record(tx, request, events.ENDPOINT_TESTED, ids.text(ids.Kind.ENDPOINT, endpoint))
    return await endpoints.get(tx, endpoint, now)


@router.post(
    "/endpoints/{endpoint_id}/pause", operation_id="pause_endpoint", summary="Pause an endpoint"
)
async def pause_endpoint(endpoint_id: str, request: Request, who: Writer) -> EndpointShown:
    """Nothing is sent to it; what happens meanwhile waits."""
    async with tenancy.tenant(resources.of(request).pool, who.org) as tx:
        return show(await pause(tx, request, parse(endpoint_id)))


async def pause(tx: Transaction, request: Request, endpoint: uuid.UUID) -> Endpoint:
    """The endpoint, to which nothing is sent; NotFound."""
    now = resources.of(request).clock.now()
    await endpoints.get(tx, endpoint, now)
    if await endpoints.pause(tx, endpoint, now):
        subject = ids.text(ids.Kind.ENDPOINT, endpoint)
        await audited.record(tx, request, events.ENDPOINT_PAUSED, subject, why=endpoints.ASKED)
    return await endpoints.get(tx, endpoint, now)


@router.post(
    "/endpoints/{endpoint_id}/resume", operation_id="resume_endpoint", summary="Resume an endpoint"
)
async def resume_endpoint(endpoint_id: str, request: Request, who: Writer) -> EndpointShown:
    """What waited is sent, in its order."""
    async with tenancy.tenant(resources.of(request).pool, who.org) as tx:
        return show(await resume(tx, request, parse(endpoint_id)))


async def resume(tx: Transaction, request: Request, endpoint: uuid.UUID) -> Endpoint:
    """The endpoint, to which is sent what waited; NotFound."""
    now = resources.of(request).clock.now()
    await endpoints.get(tx, endpoint, now)
    if await endpoints.resume(tx, endpoint):
        subject = ids.text(ids.Kind.ENDPOINT, endpoint)
        await audited.record(tx, request, events.ENDPOINT_RESUMED, subject)
    return await endpoints.get(tx, endpoint, now)


@router.delete(
    "/endpoints/{endpoint_id}", operation_id="remove_endpoint", summary="Remove an endpoint"
)
async def remove_endpoint(endpoint_id: str, request: Request, who: Writer) -> EndpointShown:
    """It is told nothing more; what waited for it, and its deliveries, are deleted."""
    async with tenancy.tenant(resources.of(request).pool, who.org) as tx:
        return show(await remove(tx, request, parse(endpoint_id)))


async def remove(tx: Transaction, request: Request, endpoint: uuid.UUID) -> Endpoint:
    """The endpoint that was; NotFound."""
    removed = await endpoints.remove(tx, endpoint, resources.of(request).clock.now())
    subject = ids.text(ids.Kind.ENDPOINT, endpoint)
    await audited.record(tx, request, events.ENDPOINT_REMOVED, subject)
    return removed


def show(endpoint: Endpoint) -> EndpointShown:
    """An endpoint as the API shows it."""
    return EndpointShown(
        id=ids.text(ids.Kind.ENDPOINT, endpoint.id),
        name=endpoint.name,
        kind=endpoint.kind,
        target=endpoint.target,
        events=endpoint.events,
        log=endpoint.log,
        waiting=endpoint.waiting,
        dead=endpoint.dead,
        paused_at=endpoint.paused_at,
        paused_why=endpoint.paused_why,
        old_secret_until=endpoint.old_secret_until,
        created_at=endpoint.created_at,
    )


def parse(endpoint_id: str) -> uuid.UUID:
    """The id inside; InvalidInput."""
    return ids.parse(ids.Kind.ENDPOINT, endpoint_id)


async def _read(request: Request, who: Principal, wanted: EndpointWanted) -> Wanted:
    use = resources.of(request)
    if wanted.installation:
        who.require(ABOVE)
    if wanted.kind is not Kind.EMAIL:
        await Outbound(use.settings).check(wanted.target)
    elif mail.read(use.settings) is None:
        raise InvalidInput("no mail server is set", hint="DD0C_SMTP_URL and DD0C_MAIL_FROM")
    log = entries.log_of(None if wanted.installation else who.org)
    named = endpoints.read_events(wanted.events)
    return Wanted(wanted.name, wanted.kind, wanted.target, named, log)


def _with_secret(endpoint: Endpoint, secret: Secret | None) -> EndpointMade:
    told = None if secret is None else secret.reveal()
    return EndpointMade(**show(endpoint).model_dump(), secret=told)
