"""Endpoints of keys."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from starlette.requests import Request

from dd0c.base import ids
from dd0c.base.errors import Forbidden, InvalidInput
from dd0c.base.secrets import Secret
from dd0c.kernel.auth import keys, organisations, permissions, teams
from dd0c.kernel.auth.keys import Key, NewKey
from dd0c.kernel.auth.permissions import Grants, Role, Scope
from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.db import tenancy
from dd0c.kernel.db.pool import Transaction
from dd0c.kernel.web import resources
from dd0c.kernel.web.fields import LIMIT, Body, Cursor, Limit, Moment, Name, Page, Text
from dd0c.kernel.web.identity import PLATFORM_ORGS
from dd0c.kernel.web.requires import Requires
from dd0c.kernel.web.resources import Resources

router = APIRouter(prefix="/api/v1", tags=["identity"])

DEFAULT_ROLES = (Role.VIEWER,)


class KeyWanted(Body):
    """A new key."""

    name: Name = Field(description="What it is for.", examples=["checkout service"])
    roles: list[Role] | None = Field(
        None, min_length=1, description="What it may do here; default `viewer`."
    )
    scopes: list[Scope] | None = Field(
        None,
        min_length=1,
        description="Where it may be used; default `gateway`, with `roles` all three.",
    )
    models: list[Text] | None = Field(
        None, min_length=1, max_length=100, description="Models it may call; default all."
    )
    expires_at: Moment | None = Field(None, description="When it ends; default never.")
    team: Text | None = Field(
        None, description="Name or id of the team it belongs to; default none.", examples=["search"]
    )
    org: Name | None = Field(
        None, description=f"Name of another organisation; needs `{PLATFORM_ORGS}`."
    )


class KeyShown(BaseModel):
    """A key without its text."""

    id: str
    name: str
    team: str | None = Field(description="Name of the team it belongs to.")
    prefix: str = Field(description="The first characters of its text, to recognise it by.")
    org: str
    roles: list[str]
    scopes: list[str]
    models: list[str] | None = Field(description="Models it may call; null: all.")
    created_at: datetime
    created_by: str | None = Field(description="Id of the key that made it.")
    expires_at: datetime | None
    revoked_at: datetime | None


class KeyMade(KeyShown):
    """A new key with its text."""

    key: str = Field(description="The key itself. Shown only here.")


class KeyChange(Body):
    """What is to be changed."""

    team: Text | None = Field(
        description="Name or id of the team that it is to belong to; null: to none."
    )


class KeyRevoked(BaseModel):
    """A key that has ended."""

    id: str
    revoked_at: datetime


@router.post("/keys", status_code=201, operation_id="create_key", summary="Create a key")
async def create_key(
    wanted: KeyWanted,
    request: Request,
    who: Annotated[Principal, Depends(Requires("keys:write"))],
) -> KeyMade:
    """The key's text is shown only in this answer. No role can be given that holds more than
    its maker's own."""
    use = resources.of(request)
    key = decide(wanted, who, use.grants, use.clock.now())
    org = who.org
    if wanted.org is not None and wanted.org.casefold() != who.org_name.casefold():
        who.require(PLATFORM_ORGS)
        async with tenancy.system(use.pool) as tx:
            org = await organisations.get(tx, wanted.org)
    async with tenancy.tenant(use.pool, org) as tx:
        made, text = await make(tx, use, org, wanted, key)
        owner = await organisations.get_own(tx)
    return KeyMade(**show(made, owner.name).model_dump(), key=text.reveal())


async def make(
    tx: Transaction, use: Resources, org: uuid.UUID, wanted: KeyWanted, key: NewKey
) -> tuple[Key, Secret]:
    """The decided key, in the team that is wanted; NotFound when there is no such team."""
    team = None if wanted.team is None else (await teams.get(tx, wanted.team)).id
    return await keys.create(tx, use.pepper, org, replace(key, team=team))


def decide(wanted: KeyWanted, who: Principal, grants: Grants, now: datetime) -> NewKey:
    """The key to make; Forbidden when its roles hold more than the maker may give."""
    roles = frozenset(wanted.roles or DEFAULT_ROLES)
    if beyond := permissions.held(grants, roles) - who.permissions:
        raise Forbidden(
            f"these roles hold more than your own: {', '.join(sorted(beyond))}",
            hint="ask somebody who holds them",
        )
    if wanted.expires_at is not None and wanted.expires_at <= now:
        raise InvalidInput("body.expires_at: is in the past")
    default = [Scope.GATEWAY] if wanted.roles is None else list(Scope)
    return NewKey(
        name=wanted.name,
        roles=roles,
        scopes=frozenset(wanted.scopes or default),
        models=None if wanted.models is None else tuple(wanted.models),
        expires_at=wanted.expires_at,
        created_by=who.key_id,
    )


@router.get("/keys", operation_id="list_keys", summary="List keys")
async def list_keys(
    request: Request,
    who: Annotated[Principal, Depends(Requires("keys:read"))],
    limit: Limit = LIMIT,
    cursor: Cursor = None,
) -> Page[KeyShown]:
    """Keys of the caller's organisation, newest first, revoked ones too; never their texts."""
    use = resources.of(request)
    before = None if cursor is None else use.cursors.read(cursor, who.org, "keys")
    async with tenancy.tenant(use.pool, who.org) as tx:
        found = await keys.list_keys(tx, limit + 1, before)
    page = found[:limit]
    more = len(found) > limit
    return Page(
        items=[show(key, who.org_name) for key in page],
        next_cursor=use.cursors.write(page[-1].id, who.org, "keys") if more else None,
    )


@router.patch("/keys/{key_id}", operation_id="change_key", summary="Move a key to another team")
async def change_key(
    key_id: str,
    change: KeyChange,
    request: Request,
    who: Annotated[Principal, Depends(Requires("keys:write"))],
) -> KeyShown:
    """From now on its requests count for that team; what it did before stays where it was."""
    use = resources.of(request)
    async with tenancy.tenant(use.pool, who.org) as tx:
        team = None if change.team is None else (await teams.get(tx, change.team)).id
        key = await keys.move(tx, ids.parse(ids.Kind.KEY, key_id), team)
    return show(key, who.org_name)


@router.delete("/keys/{key_id}", operation_id="revoke_key", summary="Revoke a key")
async def revoke_key(
    key_id: str, request: Request, who: Annotated[Principal, Depends(Requires("keys:write"))]
) -> KeyRevoked:
    """Ends the key on every gateway within a second, and its console sessions. Again is harmless:
    the first time stays."""
    use = resources.of(request)
    async with tenancy.tenant(use.pool, who.org) as tx:
        key = await keys.revoke(tx, ids.parse(ids.Kind.KEY, key_id), use.clock.now())
    assert key.revoked_at is not None
    return KeyRevoked(id=ids.text(ids.Kind.KEY, key.id), revoked_at=key.revoked_at)


def show(key: Key, org_name: str) -> KeyShown:
    """A key as the API shows it."""

    def text(value: uuid.UUID) -> str:
        return ids.text(ids.Kind.KEY, value)

    return KeyShown(
        id=text(key.id),
        name=key.name,
        team=key.team,
        prefix=key.prefix,
        org=org_name,
        roles=key.roles,
        scopes=key.scopes,
        models=key.models,
        created_at=key.created_at,
        created_by=None if key.created_by is None else text(key.created_by),
        expires_at=key.expires_at,
        revoked_at=key.revoked_at,
    )
