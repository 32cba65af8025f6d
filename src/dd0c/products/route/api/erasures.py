"""Erasing an end user: whom the organisation's callers ask for."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from starlette.requests import Request

from dd0c.base import ids
from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.db import tenancy
from dd0c.kernel.web import audited, resources
from dd0c.kernel.web.fields import Body, Text
from dd0c.kernel.web.requires import Requires
from dd0c.products.route import events
from dd0c.products.route.store import erasures

router = APIRouter(prefix="/api/v1/route", tags=["route"])


class EndUser(Body):
    """Somebody whom callers name in their requests."""

    end_user: Text = Field(
        description="As requests name it: `user` or `safety_identifier` of OpenAI's, "
        "`metadata.user_id` of Anthropic's."
    )


class EndUserErased(BaseModel):
    """What was asked for."""

    erased_before: datetime = Field(description="Requests that began before are concerned.")


@router.post(
    "/end-users/erase",
    status_code=202,
    operation_id="erase_end_user",
    summary="Erase an end user",
)
async def erase_end_user(
    wanted: EndUser,
    request: Request,
    who: Annotated[Principal, Depends(Requires("route:erase"))],
) -> EndUserErased:
    """Within a minute or two no request that began before says whose it was: end user, idempotency
    key, conversation and the mark of its prompt are gone, what it cost stays. Requests of before
    that a gateway brings late are treated alike, for 31 days."""
    use = resources.of(request)
    now = use.clock.now()
    async with tenancy.tenant(use.pool, who.org) as tx:
        await erasures.add(tx, who.org, wanted.end_user, now)
        whose = ids.text(ids.Kind.ORGANISATION, who.org)
        await audited.record(tx, request, events.END_USER_ERASED, whose, before=now)
    return EndUserErased(erased_before=now)
