"""Prices that the organisation agreed on: list, add one or a whole file, end, remove."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import AfterValidator, BaseModel, Field
from starlette.requests import Request

from dd0c.base import ids
from dd0c.base.errors import InvalidInput
from dd0c.kernel.auth import members
from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.db import tenancy
from dd0c.kernel.db.pool import Transaction
from dd0c.kernel.web import audited, resources
from dd0c.kernel.web.fields import Body, Moment, Name, Text
from dd0c.kernel.web.requires import Requires
from dd0c.products.route import events, overrides, prices, rates
from dd0c.products.route.store import overrides as store
from dd0c.products.route.store import providers

router = APIRouter(prefix="/api/v1/route/prices", tags=["route"])

Reader = Annotated[Principal, Depends(Requires("route:read"))]
Writer = Annotated[Principal, Depends(Requires("route:write", in_panic=False))]

PER_CALL = "Dollars for a thousand."


def _rate(text: str) -> str:
    overrides.parse_rate(text)
    return text


Rate = Annotated[str, Field(max_length=64, examples=["0.25"]), AfterValidator(_rate)]
Unit = Literal["usd_per_million_tokens", "usd_per_thousand_tokens", "usd_per_token"]


class TierWanted(Body):
    """Rates as decimal text, for prompts of more than `above` tokens."""

    above: int = Field(
        0, ge=0, le=10**9, strict=True, description="All of the prompt, cached or not."
    )
    input: Rate | None = None
    cache_read: Rate | None = None
    cache_write_5m: Rate | None = None
    cache_write_1h: Rate | None = None
    output: Rate | None = None
    reasoning: Rate | None = Field(None, description="Default: as output.")
    audio_input: Rate | None = None
    audio_output: Rate | None = None
    image: Rate | None = None
    server_tools_per_1000: Rate | None = Field(None, description=PER_CALL)
    request_per_1000: Rate | None = Field(None, description=PER_CALL)


class OverrideWanted(Body):
    """A price in place of the list's."""

    provider: Name = Field(description="Whose price list it takes the place of.")
    model: Text = Field(description="As the provider names it; see GET /prices.")
    service_tier: Name = Field("standard", description="Or flex, priority, batch, …")
    unit: Unit = Field("usd_per_million_tokens", description="Of the rates of tokens.")
    tiers: list[TierWanted] = Field(min_length=1, max_length=20)
    from_: Moment | None = Field(None, alias="from", description="Default: now.")
    until: Moment | None = Field(None, description="Not included. Default: open.")
    note: Text | None = Field(None, description="Where it was agreed, for example.")


class ImportWanted(Body):
    """Prices of a whole file."""

    prices: list[OverrideWanted] = Field(min_length=1, max_length=overrides.PER_ORG_MAX)


class OverrideShown(BaseModel):
    """A price of the organisation's own."""

    id: str
    provider: str
    model: str
    service_tier: str
    tiers: list[dict[str, Any]] = Field(
        description="Dollars for a million tokens as decimal text, for a thousand calls where the "
        "name says so, for prompts of more than `above` tokens."
    )
    price_id: str
    since: datetime = Field(serialization_alias="from")
    until: datetime | None
    note: str | None
    created_at: datetime
    created_by: str = Field(description="Id of the key or person that made it.")


class OverridesShown(BaseModel):
    """All of them."""

    items: list[OverrideShown]


class Imported(OverridesShown):
    """What a file came to."""

    added: int = Field(description="How many were not there already.")


class Removed(BaseModel):
    """An override that has ended."""

    id: str
    until: datetime | None = Field(description="Null: it holds at no time any more.")


@router.get("/overrides", operation_id="list_price_overrides", summary="List price overrides")
async def list_overrides(request: Request, who: Reader) -> OverridesShown:
    """By provider and model, those that ended too; without those that were removed."""
    async with tenancy.tenant(resources.of(request).pool, who.org) as tx:
        return OverridesShown(items=await _show(tx, await store.list_all(tx)))


@router.post(
    "/overrides",
    status_code=201,
    operation_id="add_price_override",
    summary="Add a price of one's own",
)
async def add_override(wanted: OverrideWanted, request: Request, who: Writer) -> OverrideShown:
    """It holds in place of the list's, at every gateway within a second. What was billed before
    stays; `POST /api/v1/route/rerate` shows what it would have cost."""
    made, _ = await _add(request, who, [("body", wanted)])
    return made[0]


@router.post(
    "/import",
    status_code=201,
    operation_id="import_price_overrides",
    summary="Add prices of one's own, all or none",
)
async def import_overrides(wanted: ImportWanted, request: Request, who: Writer) -> Imported:
    """As if added one by one, in one transaction. What is there already, the same in everything,
    is not added again: a file may be imported twice."""
    places = [(f"body.prices.{n}", one) for n, one in enumerate(wanted.prices)]
    made, added = await _add(request, who, places)
    return Imported(items=made, added=added)


@router.delete(
    "/overrides/{override_id}",
    operation_id="remove_price_override",
    summary="Remove or end a price override",
)
async def remove_override(
    override_id: str,
    request: Request,
    who: Writer,
    until: Annotated[Moment | None, Query(description="End it then instead.")] = None,
) -> Removed:
    """It never held, but ratings made with it stay. With `until` it holds, but before then only."""
    use = resources.of(request)
    wanted = ids.parse(ids.Kind.OVERRIDE, override_id)
    async with tenancy.tenant(use.pool, who.org) as tx:
        await store.hold(tx, who.org)
        found = await store.get(tx, wanted)
        if until is None:
            await store.remove(tx, wanted, use.clock.now())
            await audited.record(tx, request, events.PRICE_OVERRIDE_REMOVED, _id(wanted))
        elif until <= found.holds_from:
            raise InvalidInput("query.until: must be later than the override's `from`")
        elif found.holds_until is not None and until > found.holds_until:
            raise InvalidInput("query.until: it has ended before that already")
        else:
            await store.end(tx, wanted, until)
            await audited.record(tx, request, events.PRICE_OVERRIDE_ENDED, _id(wanted), until=until)
    return Removed(id=override_id, until=until)


async def _add(
    request: Request, who: Principal, asked: Sequence[tuple[str, OverrideWanted]]
) -> tuple[list[OverrideShown], int]:
    use = resources.of(request)
    now = use.clock.now()
    wanted = [_read(place, one, now) for place, one in asked]
    async with tenancy.tenant(use.pool, who.org) as tx:
        await _check_providers(tx, wanted)
        await store.hold(tx, who.org)
        existing = await store.list_all(tx)
        added, made = overrides.decide(wanted, existing, who.org, who.actor.id, now)
        await store.add(tx, added)
        if added:
            await audited.record(
                tx,
                request,
                events.PRICES_OVERRIDDEN,
                ids.text(ids.Kind.ORGANISATION, who.org),
                overrides=[_id(one.id) for one in added],
            )
        return await _show(tx, made), len(added)


async def _check_providers(tx: Transaction, wanted: Sequence[overrides.Wanted]) -> None:
    known = {one.price_provider for one in await providers.list_visible(tx)}
    for one in wanted:
        if one.provider not in known and not prices.is_provider(one.provider):
            raise InvalidInput(
                f"{one.place}.provider: there is no price list of that name",
                hint=f"yours are {', '.join(sorted(known))}; see `dd0c route prices list`",
            )


def _read(place: str, wanted: OverrideWanted, now: datetime) -> overrides.Wanted:
    given: dict[int, dict[str, Decimal]] = {}
    for n, tier in enumerate(wanted.tiers):
        where = f"{place}.tiers.{n}"
        if tier.above in given:
            raise InvalidInput(f"{where}.above: another tier begins there too")
        named = tier.model_dump(exclude={"above"}, exclude_none=True)
        if not named:
            raise InvalidInput(f"{where}: has no rate")
        given[tier.above] = {
            rates.BUCKET_OF[name]: _convert(f"{where}.{name}", name, text, wanted.unit)
            for name, text in named.items()
        }
    if 0 not in given:
        raise InvalidInput(f"{place}.tiers: none of them begins `above` 0")
    return overrides.Wanted(
        place=place,
        provider=wanted.provider,
        model=wanted.model,
        service_tier=wanted.service_tier,
        tiers=overrides.resolve(given),
        holds_from=wanted.from_ or now,
        holds_until=wanted.until,
        note=wanted.note,
    )


def _convert(place: str, name: str, text: str, unit: str) -> Decimal:
    of_tokens = name == rates.BUCKET_OF[name]
    try:
        places = overrides.UNITS[unit] if of_tokens else 0
        return overrides.convert(overrides.parse_rate(text), places)
    except ValueError as error:
        raise InvalidInput(f"{place}: {error}") from None


async def _show(tx: Transaction, found: Sequence[store.Override]) -> list[OverrideShown]:
    people = await members.list_names(tx, [one.created_by for one in found])
    return [
        _shown(one, ids.Kind.PERSON if one.created_by in people else ids.Kind.KEY) for one in found
    ]


def _shown(found: store.Override, maker: ids.Kind) -> OverrideShown:
    return OverrideShown(
        id=_id(found.id),
        provider=found.provider,
        model=found.model,
        service_tier=found.service_tier or "standard",
        tiers=found.rates["tiers"],
        price_id=found.price_id,
        since=found.holds_from,
        until=found.holds_until,
        note=found.note,
        created_at=found.created_at,
        created_by=ids.text(maker, found.created_by),
    )


def _id(override: uuid.UUID) -> str:
    return ids.text(ids.Kind.OVERRIDE, override)
