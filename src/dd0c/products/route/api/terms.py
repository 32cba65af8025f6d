"""Policies: what becomes of an answer whose caller left, of requests that cannot be checked, and of
those that are old."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from pydantic import Field, model_validator
from starlette.requests import Request

from dd0c.base import ids
from dd0c.kernel.audit.catalogue import EventType
from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.db import tenancy
from dd0c.kernel.db.pool import Transaction
from dd0c.kernel.web import audited, resources
from dd0c.kernel.web.fields import Body
from dd0c.kernel.web.requires import Requires
from dd0c.products.route import events
from dd0c.products.route.amounts import Usd, pico_of
from dd0c.products.route.models import dollars_text
from dd0c.products.route.store import terms as store
from dd0c.products.route.store.terms import Terms

router = APIRouter(prefix="/api/v1/route", tags=["route"])

Reader = Annotated[Principal, Depends(Requires("route:read"))]
Writer = Annotated[Principal, Depends(Requires("route:write", in_panic=False))]
Choice = Literal["open", "closed"]


class DisconnectPolicy(Body):
    """What happens when a caller leaves in the middle of an answer."""

    policy: Literal["abort", "drain", "drain_up_to_usd"] = Field(
        description="`abort`: the provider is cut off within a second, what was delivered is "
        "charged. `drain`: the answer is read to its end, to know and charge all of it. "
        "`drain_up_to_usd`: the same until it has cost `usd`."
    )
    usd: Usd | None = Field(None, description="Only of `drain_up_to_usd`.")

    @model_validator(mode="after")
    def _has_its_amount(self) -> DisconnectPolicy:
        if (self.policy == "drain_up_to_usd") != (self.usd is not None):
            raise ValueError("usd belongs to the policy `drain_up_to_usd`, and to no other")
        return self


class StorePolicy(Body):
    """What happens to requests that cannot be checked or recorded: `closed` refuses them."""

    store_away: Choice = Field(
        description="While the counters of limits do not answer. `open`: requests pass and are "
        "counted later."
    )
    spool_full: Choice = Field(
        description="While the disk of a gateway takes no more records. `open`: requests pass, and"
        " what they cost is lost."
    )


class Retention(Body):
    """How long requests stay in the ledger, with their attempts, ratings and tags."""

    days: int | None = Field(
        strict=True,
        ge=1,
        le=36_500,
        description="Older ones are deleted, once a day. What they add up to stays: usage, spend "
        "and budgets of the past. Null: they are kept. Where a day does not begin with an hour of "
        "UTC they stay at least 32 days, for budgets of a month.",
    )


@router.get(
    "/disconnect-policy", operation_id="show_disconnect_policy", summary="When a caller leaves"
)
async def show_disconnect_policy(request: Request, who: Reader) -> DisconnectPolicy:
    """What holds for the caller's organisation."""
    async with tenancy.tenant(resources.of(request).pool, who.org) as tx:
        return _disconnect(await store.get(tx))


@router.put(
    "/disconnect-policy", operation_id="set_disconnect_policy", summary="Say what happens then"
)
async def set_disconnect_policy(
    wanted: DisconnectPolicy, request: Request, who: Writer
) -> DisconnectPolicy:
    """Every gateway goes by it within a second."""
    drain_pico = None if wanted.usd is None else pico_of(wanted.usd)
    async with tenancy.tenant(resources.of(request).pool, who.org) as tx:
        await store.set_disconnect(tx, who.org, wanted.policy, drain_pico)
        await _tell(tx, request, who, events.DISCONNECT_POLICY_SET, wanted)
        return _disconnect(await store.get(tx))


@router.get(
    "/store-policy", operation_id="show_store_policy", summary="When limits cannot be checked"
)
async def show_store_policy(request: Request, who: Reader) -> StorePolicy:
    """What holds for the caller's organisation."""
    async with tenancy.tenant(resources.of(request).pool, who.org) as tx:
        return _store(await store.get(tx))


@router.put("/store-policy", operation_id="set_store_policy", summary="Say what happens then")
async def set_store_policy(wanted: StorePolicy, request: Request, who: Writer) -> StorePolicy:
    """Every gateway goes by it within a second."""
    async with tenancy.tenant(resources.of(request).pool, who.org) as tx:
        await store.set_store(tx, who.org, wanted.store_away, wanted.spool_full)
        await _tell(tx, request, who, events.STORE_POLICY_SET, wanted)
        return _store(await store.get(tx))


@router.get("/retention", operation_id="show_retention", summary="How long requests are kept")
async def show_retention(request: Request, who: Reader) -> Retention:
    """What holds for the caller's organisation."""
    async with tenancy.tenant(resources.of(request).pool, who.org) as tx:
        return Retention(days=(await store.get(tx)).retention_days)


@router.put("/retention", operation_id="set_retention", summary="Say how long that is")
async def set_retention(
    wanted: Retention,
    request: Request,
    who: Annotated[Principal, Depends(Requires("org:write", in_panic=False))],
) -> Retention:
    """The next daily job deletes what is older then, for good."""
    async with tenancy.tenant(resources.of(request).pool, who.org) as tx:
        await store.set_retention(tx, who.org, wanted.days)
        await _tell(tx, request, who, events.RETENTION_SET, wanted)
    return wanted


async def _tell(
    tx: Transaction, request: Request, who: Principal, what: EventType, set_to: Body
) -> None:
    whose = ids.text(ids.Kind.ORGANISATION, who.org)
    await audited.record(tx, request, what, whose, to=set_to.model_dump(mode="json"))


def _disconnect(terms: Terms) -> DisconnectPolicy:
    return DisconnectPolicy.model_validate(
        {"policy": terms.disconnect, "usd": dollars_text(terms.drain_pico)}
    )


def _store(terms: Terms) -> StorePolicy:
    return StorePolicy.model_validate(
        {"store_away": terms.store_away, "spool_full": terms.spool_full}
    )
