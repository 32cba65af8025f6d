"""Endpoints of plans: how much an organisation may have, and has."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, Field
from starlette.requests import Request

from dd0c.base import ids
from dd0c.kernel.auth import organisations
from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.db import tenancy
from dd0c.kernel.plans import catalogue, quotas
from dd0c.kernel.plans.catalogue import PLAN_CHANGED, Quota
from dd0c.kernel.web import audited, resources
from dd0c.kernel.web.fields import Body, Name
from dd0c.kernel.web.requires import Requires

router = APIRouter(prefix="/api/v1", tags=["identity"])

PERMISSION = "platform:plans"


class QuotaShown(BaseModel):
    """How a quota stands."""

    quota: Quota
    limit: int | None = Field(description="How many there may be; null: any number.")
    used: int = Field(description="May be more than `limit` after a change to a smaller plan.")
    frees_at: datetime | None = Field(
        description="When what is used up is there again; null: when something is removed."
    )


class PlanShown(BaseModel):
    """The plan of an organisation."""

    plan: str
    own: bool = Field(description="False: the installation's (`DD0C_PLAN`), as it has none.")
    items: list[QuotaShown]


class PlanWanted(Body):
    """Which plan it is to have."""

    plan: Name | None = Field(
        description="`free`, `team` or `unlimited`; null: the installation's.", examples=["team"]
    )


@router.get("/plan", operation_id="show_plan", summary="The plan, and what is used of it")
async def show_plan(request: Request, who: Annotated[Principal, Depends(Requires())]) -> PlanShown:
    """Of the caller's organisation. Beyond a limit nothing new is made, with 402; what is there
    stays, and works."""
    return await load(request, who.org)


@router.put("/orgs/{org_name}/plan", operation_id="set_plan", summary="Change a plan")
async def set_plan(
    org_name: Annotated[str, Path(description="Name or id of the organisation.")],
    wanted: PlanWanted,
    request: Request,
    who: Annotated[Principal, Depends(Requires(PERMISSION))],
) -> PlanShown:
    """Of any organisation, by name or id, from its next request on. A smaller plan takes nothing
    away."""
    use = resources.of(request)
    async with tenancy.system(use.pool) as tx:
        org = await organisations.get_id(tx, org_name)
    await change(request, org, wanted.plan)
    return await load(request, org)


async def change(request: Request, org: uuid.UUID, name: str | None) -> None:
    """The organisation has this plan, and its log says so; InvalidInput when there is none."""
    plan = None if name is None else catalogue.get(name)
    async with tenancy.tenant(resources.of(request).pool, org) as tx:
        await quotas.set_plan(tx, plan)
        await audited.record(
            tx, request, PLAN_CHANGED, ids.text(ids.Kind.ORGANISATION, org), plan=name
        )


async def load(request: Request, org: uuid.UUID) -> PlanShown:
    """The plan of an organisation and how its quotas stand."""
    use = resources.of(request)
    async with tenancy.tenant(use.pool, org) as tx:
        held = await quotas.load(tx, use.plan)
        found = await quotas.list_standings(tx, use.plan, use.clock.now(), request.app.state.counts)
    return PlanShown(
        plan=held.plan.name,
        own=held.is_own,
        items=[
            QuotaShown(quota=each.quota, limit=each.limit, used=each.used, frees_at=each.frees_at)
            for each in found
        ],
    )
