"""Providers that the caller's organisation can use. Their secrets never come here."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from starlette.requests import Request

from dd0c.base import ids
from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.db import tenancy
from dd0c.kernel.guard.circuit import State
from dd0c.kernel.web import resources
from dd0c.kernel.web.identity import PLATFORM_ORGS
from dd0c.kernel.web.requires import Requires
from dd0c.products.route.models import breaker_of
from dd0c.products.route.store import providers as store

router = APIRouter(prefix="/api/v1/route", tags=["route"])


class ProviderShown(BaseModel):
    """Where requests can go."""

    id: str
    name: str = Field(description="A model written `name/model` picks this provider.")
    dialect: str
    base_url: str | None = Field(
        description="Null where it is the installation's and the caller does not run that."
    )
    price_provider: str = Field(description="Whose price list holds for it.")
    simulated: bool
    enabled: bool
    owner: Literal["organisation", "installation"]
    created_at: datetime
    breaker: State = Field(
        description="`open`: it failed too often, and its requests are refused for a while; "
        "`half_open`: one of them tries it now."
    )


class ProvidersShown(BaseModel):
    """All of them."""

    items: list[ProviderShown]


@router.get("/providers", operation_id="list_providers", summary="List providers")
async def list_providers(
    request: Request, who: Annotated[Principal, Depends(Requires("route:read"))]
) -> ProvidersShown:
    """The organisation's own providers first, then those of the installation."""
    use = resources.of(request)
    async with tenancy.tenant(use.pool, who.org) as tx:
        found = await store.list_visible(tx)
    runs_it = PLATFORM_ORGS in who.permissions
    standings = await use.breakers.look([breaker_of(provider.id) for provider in found])
    items = [
        _show(provider, standing.state, runs_it=runs_it)
        for provider, standing in zip(found, standings, strict=True)
    ]
    return ProvidersShown(items=items)


def _show(found: store.Listed, breaker: State, *, runs_it: bool) -> ProviderShown:
    return ProviderShown(
        id=ids.text(ids.Kind.PROVIDER, found.id),
        name=found.name,
        dialect=found.dialect,
        base_url=found.base_url if runs_it or found.org is not None else None,
        price_provider=found.price_provider,
        simulated=found.simulated,
        enabled=found.enabled,
        breaker=breaker,
        owner="installation" if found.org is None else "organisation",
        created_at=found.created_at,
    )
