"""The prices that hold for the organisation, how fresh they are, and what models can do."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field
from starlette.requests import Request

from dd0c.base.errors import NotFound
from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.db import tenancy
from dd0c.kernel.web import resources
from dd0c.kernel.web.fields import Text
from dd0c.kernel.web.requires import Requires
from dd0c.kernel.web.resources import Resources
from dd0c.products.route import catalogue, overrides, prices, rates
from dd0c.products.route.hotpath import pricelist, tariff
from dd0c.products.route.hotpath.pricelist import ByName
from dd0c.products.route.hotpath.snapshot import Price, Variant
from dd0c.products.route.prices import PriceTable
from dd0c.products.route.store import overrides as override_store
from dd0c.products.route.store import providers

router = APIRouter(prefix="/api/v1/route", tags=["route"])

Reader = Annotated[Principal, Depends(Requires("route:read"))]
Provider = Annotated[Text | None, Query(description="Only those of this price list.")]

_RATES = "Dollars for a million tokens as decimal text, for a thousand calls where the name says so"


class ListShown(BaseModel):
    """The price list of this release."""

    source: str
    as_of: date | None = Field(description="The newest price change that it knows of.")
    age_days: int | None
    stale: bool = Field(description="Whether it is older than `prices_stale_days` allows.")


class PriceListed(BaseModel):
    """The standard price of a model now."""

    provider: str
    model: str
    source: str = Field(description="The list's, or `override`: the organisation's own.")
    price_id: str
    tiers: list[dict[str, Any]] = Field(
        description=f"{_RATES}, for prompts of more than `above` tokens."
    )


class PricesListed(BaseModel):
    """By price list and model. A model without a standard price is not here."""

    price_list: ListShown
    items: list[PriceListed]


class PriceVariant(BaseModel):
    """A price of a model for a service tier or a time."""

    service_tier: str
    since: datetime | None = Field(serialization_alias="from")
    until: datetime | None
    hours_utc: str | None = Field(description="Only then, each day; null: all day.")
    source: str
    price_id: str
    tiers: list[dict[str, Any]]


class PriceShown(BaseModel):
    """Everything that may price a model; what stands first wins."""

    price_list: ListShown
    provider: str
    model: str
    means: str = Field(description="The model of the price list that this name stands for.")
    variants: list[PriceVariant]


class ModelShown(BaseModel):
    """What is known of a model; null: unknown."""

    provider: str
    model: str
    name: str | None
    state: str = Field(description="current, deprecated, retired or unknown.")
    retires: date | None
    context: int | None = Field(description="Tokens of prompt and answer together.")
    max_output: int | None
    tools: bool | None
    vision: bool | None
    modes: list[str] | None
    source: str | None = Field(description="Where these facts are from, besides the price list.")
    as_of: date | None = Field(description="When they were read there.")


class ModelsShown(BaseModel):
    """By price list and model."""

    items: list[ModelShown]


@router.get("/prices", operation_id="list_prices", summary="List prices")
async def list_prices(request: Request, who: Reader, provider: Provider = None) -> PricesListed:
    """The standard price of every model of the providers in reach, as it is now for the caller's
    organisation: its own where it has one, else the list's."""
    use = resources.of(request)
    known, own = await _load(use, who)
    names = sorted(known if provider is None else known & {provider})
    items = await asyncio.to_thread(lambda: list(_listed(names, own, use.clock.now_us())))
    return PricesListed(price_list=show_list(use), items=items)


@router.get(
    "/prices/{provider}/{model:path}", operation_id="show_price", summary="Every price of a model"
)
async def show_price(provider: str, model: str, request: Request, who: Reader) -> PriceShown:
    """For every service tier and time, by any name that the provider knows the model by."""
    use = resources.of(request)
    _, own = await _load(use, who)
    listed = prices.table().find(provider, model)
    price = pricelist.choose(own, provider, model, listed)
    if price is None:
        raise NotFound(f"{provider} has no model {model} with a price", hint="see /prices")
    return PriceShown(
        price_list=show_list(use),
        provider=provider,
        model=model,
        means=price.model_id or price.model,
        variants=[_variant(variant, price) for variant in _variants(price)],
    )


@router.get("/models", operation_id="list_models", summary="What models can do")
async def list_models(request: Request, who: Reader, provider: Provider = None) -> ModelsShown:
    """The models of the providers in reach; what nobody says is null."""
    use = resources.of(request)
    names, _ = await _load(use, who)
    today = use.clock.now().astimezone(UTC).date()
    return ModelsShown(
        items=[
            _model(one, today)
            for name in sorted(names if provider is None else names & {provider})
            for one in catalogue.list_models(name)
        ]
    )


def show_list(use: Resources) -> ListShown:
    """How fresh the price list is."""
    now = use.clock.now()
    return ListShown(
        source=prices.SOURCE,
        as_of=prices.AS_OF,
        age_days=prices.age_days(now),
        stale=prices.stale_days(now, use.settings.prices_stale_days) is not None,
    )


async def _load(use: Resources, who: Principal) -> tuple[set[str], ByName]:
    """The price lists of the providers in reach, and the organisation's own prices."""
    async with tenancy.tenant(use.pool, who.org) as tx:
        names = {one.price_provider for one in await providers.list_visible(tx)}
        rows = await override_store.list_all(tx)
    own = await asyncio.to_thread(overrides.compiled, prices.table(), rows)
    return names | {one.provider for one in rows}, overrides.by_name(own)


def _listed(names: Sequence[str], own: ByName, now_us: int) -> Iterator[PriceListed]:
    table = prices.table()
    for name in names:
        models = {one.id for one in catalogue.list_models(name)}
        models |= {model for provider, model in own if provider == name}
        for model in sorted(models):
            price = pricelist.choose(own, name, model, table.find(name, model))
            chosen = price and tariff.select(price, None, now_us)
            if chosen is not None:
                yield PriceListed(
                    provider=name,
                    model=model,
                    source=_source(table, chosen.price_id),
                    price_id=chosen.price_id,
                    tiers=_tiers(chosen),
                )


def _variants(price: Price) -> Iterable[Variant]:
    yield from price.variants
    if price.tiers:
        yield Variant("", price)


def _variant(variant: Variant, whole: Price) -> PriceVariant:
    hours = (variant.day_from_s, variant.day_until_s)
    return PriceVariant(
        service_tier=variant.service_tier or "standard",
        since=_moment(variant.from_us),
        until=_moment(variant.until_us),
        hours_utc=None if hours == (0, 86_400) else "–".join(map(_clock, hours)),
        source=_source(prices.table(), variant.price.price_id),
        price_id=variant.price.price_id,
        tiers=_tiers(variant.price),
    )


def _source(table: PriceTable, price_id: str) -> str:
    return prices.SOURCE if table.row(price_id) is not None else "override"


def _tiers(price: Price) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = rates.shown(rates.of(price))["tiers"]
    return found


def _moment(us: int | None) -> datetime | None:
    return None if us is None else datetime.fromtimestamp(us / 1_000_000, UTC)


def _clock(second: int) -> str:
    return f"{second // 3600:02}:{second // 60 % 60:02}"


def _model(found: catalogue.Model, today: date) -> ModelShown:
    return ModelShown(
        provider=found.provider,
        model=found.id,
        name=found.name,
        state=found.state(today),
        retires=found.retires,
        context=found.context,
        max_output=found.max_output,
        tools=found.tools,
        vision=found.vision,
        modes=None if found.modes is None else list(found.modes),
        source=None if found.source is None else found.source.name,
        as_of=None if found.source is None else found.source.as_of,
    )
