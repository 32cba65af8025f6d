"""Endpoints of the brake, and of how far products act by themselves (K-63)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from starlette.requests import Request

from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.autonomy.panics import Row
from dd0c.kernel.autonomy.states import Channel, Event, Mode, Panic
from dd0c.kernel.web import panics
from dd0c.kernel.web.fields import Body, Text
from dd0c.kernel.web.panics import PANIC, PLATFORM, WRITE, Standing
from dd0c.kernel.web.requires import Requires

router = APIRouter(prefix="/api/v1/admin", tags=["autonomy"])

Somebody = Annotated[Principal, Depends(Requires())]
Braker = Annotated[Principal, Depends(Requires(PANIC))]

_EVERYWHERE = Field(
    False,
    strict=True,
    description=f"Of all organisations; needs the permission `{PLATFORM}` too.",
)


class PanicWanted(Body):
    """The brake, put on."""

    mode: Panic = Field(
        description="`passthrough`: requests go as they came, nothing is decided for them, and the "
        "configuration stays as it is. `halt`: requests are refused besides."
    )
    reason: Text = Field(description="For those who are told, and for the audit log.")
    everywhere: bool = _EVERYWHERE


class PanicEnd(Body):
    """The brake, released."""

    reason: Text = Field(description="Why it may end.")
    everywhere: bool = _EVERYWHERE


class PanicOf(BaseModel):
    """A panic that is on, or was."""

    mode: Panic | None = Field(description="Null: it is over.")
    epoch: int = Field(description="Rises with each: what was approved in an older one stays dead.")
    reason: str | None = Field(description="Null: of everywhere, for those without its permission.")
    changed_at: datetime
    changed_by: str = Field(description="Id of a key or person.")


class ChannelSaid(BaseModel):
    """What one way of hearing of panics says about the caller's organisation."""

    channel: Channel
    mode: Panic | None
    answers: bool = Field(description="False: it is away, and its last word holds.")


class PanicShown(BaseModel):
    """How it stands for the caller's organisation."""

    mode: Panic | None = Field(description="What holds: the strictest word. Null: no panic.")
    organisation: PanicOf | None = Field(description="Null: there never was one.")
    everywhere: PanicOf | None
    channels: list[ChannelSaid]


class AutonomyShown(BaseModel):
    """How far products act by themselves."""

    mode: Mode = Field(description="What was set; a panic holds before it.")
    panic: Panic | None


class AutonomyWanted(Body):
    """How far products are to act by themselves."""

    mode: Mode = Field(
        description="`strict`: they act by policy. `audit`: they decide and record, and act as "
        "they were asked."
    )


@router.get("/panic", operation_id="show_panic", summary="Whether a panic is on")
async def show_panic(request: Request, who: Somebody) -> PanicShown:
    """What holds, who said it, and what each channel says."""
    return show(await panics.stand(request, who), who)


@router.post("/panic", operation_id="begin_panic", summary="Put the brake on")
async def begin_panic(wanted: PanicWanted, request: Request, who: Braker) -> PanicShown:
    """At every gateway within a second, also at those that hear of it only through PostgreSQL or
    only through Valkey. Asked again it changes nothing, but tells both again. Streams that run are
    left to end. A halt is not loosened by this: that is a 409 with the code `panic`."""
    event, everywhere = Event(wanted.mode), wanted.everywhere
    return show(await panics.press(request, who, event, wanted.reason, everywhere=everywhere), who)


@router.delete("/panic", operation_id="end_panic", summary="Release the brake")
async def end_panic(wanted: PanicEnd, request: Request, who: Braker) -> PanicShown:
    """It is over when no channel says anything else: `channels` tells. A local file is released by
    `dd0c panic off --local` on its machine. What was approved before the panic stays dead."""
    reason, everywhere = wanted.reason, wanted.everywhere
    return show(await panics.press(request, who, Event.END, reason, everywhere=everywhere), who)


@router.get("/autonomy", operation_id="show_autonomy", summary="How far products act")
async def show_autonomy(request: Request, who: Somebody) -> AutonomyShown:
    """What was set for the caller's organisation, and whether a panic holds before it."""
    standing = await panics.stand(request, who)
    return AutonomyShown(mode=standing.mode, panic=standing.panic)


@router.put("/autonomy", operation_id="set_autonomy", summary="Say how far products act")
async def set_autonomy(
    wanted: AutonomyWanted,
    request: Request,
    who: Annotated[Principal, Depends(Requires(WRITE))],
) -> AutonomyShown:
    """For the caller's organisation, from the next decision on."""
    standing = await panics.set_mode(request, who, wanted.mode)
    return AutonomyShown(mode=standing.mode, panic=standing.panic)


def show(standing: Standing, who: Principal) -> PanicShown:
    """As the API shows it."""
    return PanicShown(
        mode=standing.panic,
        organisation=_of(standing.organisation, told=True),
        everywhere=_of(standing.everywhere, told=PLATFORM in who.permissions),
        channels=[
            ChannelSaid(channel=said.channel, mode=said.panic, answers=said.answers)
            for said in standing.channels
        ],
    )


def _of(row: Row | None, *, told: bool) -> PanicOf | None:
    if row is None:
        return None
    return PanicOf(
        mode=row.panic,
        epoch=row.epoch,
        reason=row.reason if told else None,
        changed_at=row.changed_at,
        changed_by=row.changed_by,
    )
