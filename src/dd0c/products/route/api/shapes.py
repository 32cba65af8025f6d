"""What requests look like in JSON. Money is decimal text, ids have their prefix, None is null."""

from __future__ import annotations

import dataclasses
from datetime import date, datetime
from typing import Any

from pydantic import BaseModel, Field

from dd0c.base import ids
from dd0c.products.route.models import PriceRow, dollars_text
from dd0c.products.route.store import reading
from dd0c.products.route.store.ratings import Rating

COST = "US dollars as decimal text; null: unknown, never 0."


class KeyRef(BaseModel):
    """The key that was used."""

    id: str
    name: str | None


class TeamRef(BaseModel):
    """The team that the key belonged to."""

    id: str
    name: str | None


class UsageShown(BaseModel):
    """Tokens in disjoint buckets; null: the provider did not say."""

    input: int | None = Field(description="Input that was neither read from nor put in a cache.")
    cache_read: int | None
    cache_write_5m: int | None
    cache_write_1h: int | None
    output: int | None = Field(description="Output without reasoning, where the provider splits.")
    reasoning: int | None


class PriceShown(BaseModel):
    """The rates that the cost was made with."""

    id: str
    provider: str
    model: str
    rates: dict[str, Any] = Field(description="Dollars per million tokens as decimal text.")
    source: str
    as_of: date | None = Field(description="How fresh the source says it is.")


class RatingShown(BaseModel):
    """What an attempt cost under a price; revision 0 is what was billed at first."""

    revision: int
    cost_usd: str | None = Field(description=COST)
    price_id: str | None
    reason: str | None = Field(description="Why the cost is unknown, or why it was rated again.")
    rated_at: datetime


class AttemptShown(BaseModel):
    """One call to one provider, or as number 0 an answer by dd0c itself."""

    attempt: int
    final: bool = Field(description="Whether the caller got this attempt's answer.")
    requested_model: str
    sent_model: str
    served_model: str | None
    provider: str
    simulated: bool = Field(description="The provider made it up: nobody charges for it.")
    route: str | None
    route_reason: str = Field(
        description="Why it went there; of a request that a limit refused, what was said."
    )
    status: int | None = Field(description="What the caller got.")
    upstream_status: int | None
    upstream_request_id: str | None
    end_reason: str
    error_code: str | None
    usage: UsageShown
    usage_source: str
    usage_error: float | None = Field(description="Relative error bound of an estimate.")
    usage_raw: Any = Field(description="As the provider wrote it.")
    delivered_output_tokens: int | None
    upstream_output_tokens: int | None
    cost_usd: str | None = Field(description=COST)
    cost_reason: str | None = Field(description="Why the cost is unknown.")
    cost_delivered_usd: str | None = Field(description="Of what reached the caller.")
    cost_upstream_usd: str | None = Field(description="Of what the provider made.")
    reserved_usd: str | None = Field(description="What was set aside for it; null: nothing.")
    charged_usd: str | None = Field(
        description="What budgets count: the cost, else what was reserved, else 0."
    )
    price_id: str | None
    price: PriceShown | None
    service_tier: str | None
    started_at: datetime
    queue_us: int
    first_byte_us: int | None
    total_us: int | None
    bytes_in: int | None
    bytes_out: int | None
    trace_id: str = Field(description="W3C trace id, 32 hexadecimal digits.")
    tags: list[str]
    ratings: list[RatingShown] = Field(
        description="Every rating from the first on, where it was rated again; else empty. The "
        "cost above is the last one's."
    )


class RequestShown(BaseModel):
    """What a caller sent, and every attempt to answer it, in order."""

    request_id: str
    org: str
    key: KeyRef
    team: TeamRef | None
    endpoint: str
    dialect: str
    stream: bool
    end_user: str | None
    idempotency_key: str | None = Field(description="The caller's.")
    retry_count: int | None = Field(description="How often the caller says it tried before.")
    conversation: str | None
    started_at: datetime
    cost_usd: str | None = Field(description=f"Of all attempts together. {COST}")
    attempts: list[AttemptShown]


def show_request(found: reading.Request, org_name: str) -> RequestShown:
    """A request as the API shows it."""
    return RequestShown(
        request_id=ids.text(ids.Kind.REQUEST, found.request_id),
        org=org_name,
        key=KeyRef(id=ids.text(ids.Kind.KEY, found.key_id), name=found.key_name),
        team=_team(found),
        endpoint=found.endpoint,
        dialect=found.dialect,
        stream=found.stream,
        end_user=found.end_user,
        idempotency_key=found.caller_key,
        retry_count=found.caller_retry,
        conversation=found.conversation,
        started_at=found.started_at,
        cost_usd=dollars_text(found.cost_pico),
        attempts=[_attempt(attempt) for attempt in found.attempts],
    )


def _team(found: reading.Request) -> TeamRef | None:
    if found.team is None:
        return None
    return TeamRef(id=ids.text(ids.Kind.TEAM, found.team), name=found.team_name)


_SAME = tuple(
    field.name
    for field in dataclasses.fields(reading.Attempt)
    if field.name in AttemptShown.model_fields
    and field.name not in ("usage", "price", "trace_id", "tags", "ratings")
)


def _attempt(found: reading.Attempt) -> AttemptShown:
    return AttemptShown(
        **{name: getattr(found, name) for name in _SAME},
        usage=UsageShown(**{name: getattr(found.usage, name) for name in UsageShown.model_fields}),
        cost_usd=dollars_text(found.cost_pico),
        cost_delivered_usd=dollars_text(found.cost_delivered_pico),
        cost_upstream_usd=dollars_text(found.cost_upstream_pico),
        reserved_usd=dollars_text(found.reserved_pico),
        charged_usd=dollars_text(found.charged_pico),
        price=None if found.price is None else _price(found.price),
        trace_id=found.trace_id.hex(),
        tags=list(found.tags),
        ratings=[_rating(rating) for rating in found.ratings],
    )


def _price(found: PriceRow) -> PriceShown:
    return PriceShown(**dataclasses.asdict(found))


def _rating(found: Rating) -> RatingShown:
    return RatingShown(
        revision=found.revision,
        cost_usd=dollars_text(found.cost_pico),
        price_id=found.price_id,
        reason=found.reason,
        rated_at=found.rated_at,
    )
