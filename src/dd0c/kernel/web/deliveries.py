"""Endpoints of deliveries: what endpoints were told, and what they answered."""

from __future__ import annotations

import json
import uuid
from datetime import datetime
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.requests import Request

from dd0c.base import ids
from dd0c.kernel.db import tenancy
from dd0c.kernel.db.pool import Transaction
from dd0c.kernel.hooks import deliveries, endpoints, events
from dd0c.kernel.hooks.deliveries import Attempt, Delivery
from dd0c.kernel.web import audited, resources
from dd0c.kernel.web.endpoints import parse as parse_endpoint
from dd0c.kernel.web.fields import LIMIT, Cursor, Limit, Page
from dd0c.kernel.web.sources import Reader, Writer

ATTEMPTS_MAX = 50

router = APIRouter(prefix="/api/v1/hooks", tags=["webhooks"])


class DeliveryShown(BaseModel):
    """One event for one endpoint."""

    id: str
    endpoint: str
    message: str = Field(description="What the receiver knows it by, the same at each attempt.")
    event: str
    state: str = Field(description="`waiting`, `delivered` or `dead`: given up.")
    tries: int = Field(description="Tries so far; a replay begins anew.")
    status: int | None = Field(description="What was answered last; null: nothing.")
    said: str | None = Field(description="The beginning of that answer, or what went wrong.")
    created_at: datetime
    due_at: datetime | None = Field(description="When it is tried next; null: it is not.")


class AttemptShown(BaseModel):
    """One try."""

    begun_at: datetime
    took_ms: int | None = Field(
        description="Null: under way, or cut; nobody knows what came of it."
    )
    status: int | None
    said: str | None


class DeliveryDetail(DeliveryShown):
    """A delivery with what is sent, and its tries."""

    payload: dict[str, Any]
    attempts: list[AttemptShown] = Field(description=f"The newest {ATTEMPTS_MAX}, newest first.")


@router.get(
    "/endpoints/{endpoint_id}/deliveries",
    operation_id="list_deliveries",
    summary="List deliveries",
)
async def list_deliveries(
    endpoint_id: str, request: Request, who: Reader, limit: Limit = LIMIT, cursor: Cursor = None
) -> Page[DeliveryShown]:
    """What an endpoint was told, or is to be told, newest first, of 30 days."""
    use, endpoint = resources.of(request), parse_endpoint(endpoint_id)
    context = (who.org, "deliveries", endpoint)
    before = None if cursor is None else use.cursors.read(cursor, *context)
    async with tenancy.tenant(use.pool, who.org) as tx:
        await endpoints.get(tx, endpoint, use.clock.now())
        found = await deliveries.list_of(tx, endpoint, limit + 1, before)
    page, more = found[:limit], len(found) > limit
    return Page(
        items=[show(delivery) for delivery in page],
        next_cursor=use.cursors.write(page[-1].id, *context) if more else None,
    )


@router.get("/deliveries/{delivery_id}", operation_id="get_delivery", summary="Show a delivery")
async def get_delivery(delivery_id: str, request: Request, who: Reader) -> DeliveryDetail:
    """What is sent, and what each try came to."""
    async with tenancy.tenant(resources.of(request).pool, who.org) as tx:
        return await load(tx, parse(delivery_id))


@router.post(
    "/deliveries/{delivery_id}/replay", operation_id="replay_delivery", summary="Send it again"
)
async def replay_delivery(delivery_id: str, request: Request, who: Writer) -> DeliveryShown:
    """Under the same id, whatever became of it: a receiver that has it already may know it."""
    async with tenancy.tenant(resources.of(request).pool, who.org) as tx:
        return show(await replay(tx, request, parse(delivery_id)))


async def replay(tx: Transaction, request: Request, delivery: uuid.UUID) -> Delivery:
    """The delivery, which waits to be sent; NotFound."""
    replayed = await deliveries.replay(tx, delivery, resources.of(request).clock.now())
    subject = ids.text(ids.Kind.DELIVERY, delivery)
    await audited.record(tx, request, events.DELIVERY_REPLAYED, subject)
    return replayed


async def load(tx: Transaction, delivery: uuid.UUID) -> DeliveryDetail:
    """All of a delivery; NotFound."""
    found = show(await deliveries.get(tx, delivery))
    payload = json.loads(await deliveries.get_payload(tx, delivery))
    tried = await deliveries.list_attempts(tx, delivery, ATTEMPTS_MAX)
    return DeliveryDetail(**found.model_dump(), payload=payload, attempts=list(map(_tried, tried)))


def show(delivery: Delivery) -> DeliveryShown:
    """A delivery as the API shows it."""
    return DeliveryShown(
        id=ids.text(ids.Kind.DELIVERY, delivery.id),
        endpoint=ids.text(ids.Kind.ENDPOINT, delivery.endpoint),
        message=delivery.message,
        event=delivery.event,
        state=delivery.state,
        tries=delivery.tries,
        status=delivery.status,
        said=delivery.said,
        created_at=delivery.created_at,
        due_at=delivery.due_at if delivery.state == "waiting" else None,
    )


def parse(delivery_id: str) -> uuid.UUID:
    """The id inside; InvalidInput."""
    return ids.parse(ids.Kind.DELIVERY, delivery_id)


def _tried(attempt: Attempt) -> AttemptShown:
    return AttemptShown(
        begun_at=attempt.begun_at,
        took_ms=attempt.took_ms,
        status=attempt.status,
        said=attempt.said,
    )
