"""Endpoints of flags: what is on for whom, for those who run the installation."""

from __future__ import annotations

import contextlib
from datetime import date, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, Field, model_validator
from starlette.requests import Request

from dd0c.base import ids
from dd0c.base.errors import NotFound, Unavailable
from dd0c.kernel.auth import organisations
from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.autonomy import flags
from dd0c.kernel.autonomy.flags import FLAG_CLEARED, FLAG_SET, Said
from dd0c.kernel.db import tenancy
from dd0c.kernel.web import audited, resources
from dd0c.kernel.web.fields import Body, Text
from dd0c.kernel.web.requires import Requires

router = APIRouter(prefix="/api/v1", tags=["installation"])

PERMISSION = "platform:flags"
Platform = Annotated[Principal, Depends(Requires(PERMISSION))]
FlagName = Annotated[str, Path(description="Its name in flags.toml.")]


_OF_ROW = ("changed_at", "tripped_at", "tripped_why")


class OverrideShown(BaseModel):
    """An organisation that a flag is set for."""

    org: str
    id: str
    on: bool


class FlagShown(BaseModel):
    """A flag: how it was introduced, and what was said of it."""

    name: str
    why: str
    owner: str
    kind: Literal["operation", "release"]
    introduced: date
    destructive: bool
    safe: bool = Field(description="What holds when the answer cannot be had.")
    initial: int = Field(description="Percent of organisations, where nothing was said.")
    percent: int = Field(description="Percent of organisations that it is on for.")
    changed_at: datetime | None = Field(description="When somebody set it; null: never.")
    tripped_at: datetime | None = Field(
        description="When it turned itself off, as errors rose with it. Then the safe value holds"
        " for everybody until somebody sets it."
    )
    tripped_why: str | None
    orgs: list[OverrideShown] = Field(description="Set apart from the others, whatever `percent`.")


class FlagsShown(BaseModel):
    """Every flag."""

    items: list[FlagShown]


class FlagWanted(Body):
    """Whom a flag is to be on for: a percentage of all, or one organisation."""

    percent: int | None = Field(
        None,
        ge=0,
        le=100,
        strict=True,
        description="Of the organisations; raised, it takes the flag from nobody.",
    )
    org: Text | None = Field(None, description="Name or id of the one that is set apart.")
    on: bool | None = Field(None, strict=True, description="Whether it is on for that one.")

    @model_validator(mode="after")
    def _is_one_of_both(self) -> FlagWanted:
        given = (self.percent is not None, self.org is not None, self.on is not None)
        if given not in {(True, False, False), (False, True, True)}:
            raise ValueError("give `percent`, or `org` with `on`")
        return self


@router.get("/flags", operation_id="list_flags", summary="List flags")
async def list_flags(request: Request, who: Platform) -> FlagsShown:
    """Every flag of this dd0c, and whom it is on for."""
    return FlagsShown(items=await load(request))


@router.put("/flags/{flag}", operation_id="set_flag", summary="Set a flag")
async def set_flag(
    flag: FlagName, wanted: FlagWanted, request: Request, who: Platform
) -> FlagShown:
    """Everywhere within seconds. A flag that turned itself off is on again with a percentage."""
    await change(request, flag, wanted)
    return await _show_one(request, flag)


@router.delete("/flags/{flag}", operation_id="clear_flag", summary="Take back what was said")
async def clear_flag(
    flag: FlagName,
    request: Request,
    who: Platform,
    org: Annotated[
        str | None, Query(max_length=100, description="Only what was said for this one.")
    ] = None,
) -> FlagShown:
    """For everybody, so that `initial` holds again; or for one organisation, for which then holds
    what does for the others."""
    await clear(request, flag, org)
    return await _show_one(request, flag)


async def change(request: Request, name: str, wanted: FlagWanted) -> None:
    """Set a flag, told and published; NotFound when there is no such flag or organisation."""
    use = resources.of(request)
    _require(request, name)
    if wanted.percent is not None:
        async with tenancy.system(use.pool) as tx:
            await flags.set_percent(tx, name, wanted.percent, use.clock.now())
            await audited.record(tx, request, FLAG_SET, name, percent=wanted.percent)
    else:
        assert wanted.org is not None
        assert wanted.on is not None
        async with tenancy.system(use.pool) as tx:
            org = await organisations.get_id(tx, wanted.org)
        async with tenancy.tenant(use.pool, org) as tx:
            await flags.set_override(tx, org, name, is_on=wanted.on)
            await audited.record(tx, request, FLAG_SET, name, on=wanted.on)
    await _publish(request)


async def clear(request: Request, name: str, given: str | None) -> None:
    """Take back what was said for everybody, or for one organisation; NotFound."""
    use = resources.of(request)
    _require(request, name)
    if given is None:
        async with tenancy.system(use.pool) as tx:
            await flags.clear(tx, name)
            await audited.record(tx, request, FLAG_CLEARED, name)
    else:
        async with tenancy.system(use.pool) as tx:
            org = await organisations.get_id(tx, given)
        async with tenancy.tenant(use.pool, org) as tx:
            await flags.clear_override(tx, org, name)
            await audited.record(tx, request, FLAG_CLEARED, name)
    await _publish(request)


async def load(request: Request) -> list[FlagShown]:
    """Every flag with all that was said of it, by name."""
    use = resources.of(request)
    async with tenancy.system(use.pool) as tx:
        said = await flags.load(tx)
        apart = {org for orgs in said.overrides.values() for org in orgs}
        names = await organisations.list_names(tx, list(apart))
    return [
        FlagShown(
            **{field: getattr(flag, field) for field in flag.__struct_fields__},
            **_said(said, name, flag.initial),
            name=name,
            orgs=[
                OverrideShown(
                    org=names.get(org, ""), id=ids.text(ids.Kind.ORGANISATION, org), on=is_on
                )
                for org, is_on in sorted(said.overrides.get(name, {}).items())
            ],
        )
        for name, flag in sorted(use.flags.declared.items())
    ]


def _said(said: Said, name: str, initial: int) -> dict[str, Any]:
    row = said.rows.get(name)
    if row is None:
        return {"percent": initial, **dict.fromkeys(_OF_ROW)}
    return {"percent": row.percent} | {field: getattr(row, field) for field in _OF_ROW}


async def _show_one(request: Request, name: str) -> FlagShown:
    return next(flag for flag in await load(request) if flag.name == name)


def _require(request: Request, name: str) -> None:
    if name not in resources.of(request).flags.declared:
        raise NotFound("there is no such flag", hint="dd0c flag list")


async def _publish(request: Request) -> None:
    with contextlib.suppress(Unavailable):  # it is published again in two seconds
        await resources.of(request).publisher.publish()
