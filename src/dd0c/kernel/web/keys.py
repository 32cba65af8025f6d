"""Endpoints of keys."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import AfterValidator, BaseModel, Field
from starlette.requests import Request

from dd0c.base import addresses, ids
from dd0c.base.errors import Conflict, InvalidInput
from dd0c.base.secrets import Secret
from dd0c.kernel.audit.catalogue import EventType
from dd0c.kernel.auth import events, keyring, keys, organisations, rotation, teams
from dd0c.kernel.auth.keyring import State
from dd0c.kernel.auth.keys import Key, NewKey
from dd0c.kernel.auth.permissions import Grants, Role, Scope
from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.auth.rotation import OVERLAP_DAYS_MAX, Rotated
from dd0c.kernel.db import tenancy
from dd0c.kernel.db.pool import Transaction
from dd0c.kernel.plans import quotas
from dd0c.kernel.plans.catalogue import Quota
from dd0c.kernel.web import audited, resources
from dd0c.kernel.web.fields import LIMIT, Body, Cursor, Limit, Moment, Name, Page, Roles, Text
from dd0c.kernel.web.identity import PLATFORM_ORGS
from dd0c.kernel.web.key_limits import KeyLimits, limiter_of
from dd0c.kernel.web.requires import Requires

router = APIRouter(prefix="/api/v1", tags=["identity"])

DEFAULT_ROLES = (Role.VIEWER,)
MODELS = "Models it may call; `gpt-5*` are all that begin so."
NETWORKS = "Addresses and networks it may be used from."


def _model(value: str) -> str:
    """A model's name, or how names begin."""
    if "*" in value[:-1]:
        raise ValueError("an asterisk stands for the rest of the name: it can only be the last")
    return value


def _network(value: str) -> str:
    """As it is compared."""
    return str(addresses.parse_network(value))


Models = Annotated[
    list[Annotated[Text, AfterValidator(_model)]], Field(min_length=1, max_length=100)
]
Networks = Annotated[
    list[Annotated[Text, AfterValidator(_network)]], Field(min_length=1, max_length=100)
]


class KeyWanted(Body):
    """A new key."""

    name: Name = Field(description="What it is for.", examples=["checkout service"])
    roles: Roles | None = Field(None, description="What it may do here; default `viewer`.")
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=len(Scope))] | None = Field(
        None,
        description="Where it may be used; default `gateway`, with `roles` all three.",
    )
    models: Models | None = Field(None, description=f"{MODELS} Default all.")
    networks: Networks | None = Field(None, description=f"{NETWORKS} Default anywhere.")
    expires_at: Moment | None = Field(None, description="When it ends; default never.")
    team: Text | None = Field(
        None, description="Name or id of the team it belongs to; default none.", examples=["search"]
    )
    org: Name | None = Field(
        None, description=f"Name of another organisation; needs `{PLATFORM_ORGS}`."
    )
    limits: KeyLimits | None = Field(
        None, description="What holds it from its first request on; default nothing."
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
    models: list[str] | None = Field(description=f"{MODELS} Null: all.")
    networks: list[str] | None = Field(description=f"{NETWORKS} Null: anywhere.")
    created_at: datetime
    created_by: str | None = Field(description="Id of the key or person that made it.")
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None = Field(description="To a minute or two; null: not yet.")
    line: str = Field(
        description="Id of the first key of its line: requests, budgets and limits go under it."
    )
    followed_by: str | None = Field(description="Id of the key that it was rotated to.")


class KeyMade(KeyShown):
    """A new key with its text."""

    key: str = Field(description="The key itself. Shown only here.")


class KeyChange(Body):
    """What is to be changed; what is left out stays."""

    team: Text | None = Field(
        None, description="Name or id of the team that it is to belong to; null: to none."
    )
    models: Models | None = Field(None, description=f"{MODELS} Null: all.")
    networks: Networks | None = Field(None, description=f"{NETWORKS} Null: anywhere.")
    expires_at: Moment | None = Field(None, description="When it ends; null: never.")


class RotationWanted(Body):
    """How a key is to be followed by another."""

    overlap_s: int = Field(
        86_400,
        ge=0,
        le=OVERLAP_DAYS_MAX * 86_400,
        strict=True,
        description="For how many seconds both work; 0 ends the old one at once.",
    )


class KeyRotated(KeyMade):
    """The key that follows, with its text."""

    follows: str = Field(description="Id of the key that it follows.")
    old_expires_at: datetime = Field(description="When that one ends.")


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
        made, text = await make(tx, request, who, wanted, key=key, org=org)
        owner = await organisations.get_own(tx)
    return KeyMade(**show(made, owner.name).model_dump(), key=text.reveal())


async def make(
    tx: Transaction,
    request: Request,
    who: Principal,
    wanted: KeyWanted,
    *,
    key: NewKey,
    org: uuid.UUID,
) -> tuple[Key, Secret]:
    """The decided key, in the team and under the limits that are wanted; NotFound when there is no
    such team."""
    use = resources.of(request)
    team = None if wanted.team is None else (await teams.get(tx, wanted.team)).id
    await quotas.take(tx, Quota.KEYS, use.plan)
    made, text = await keys.create(tx, use.pepper, org, replace(key, team=team))
    if wanted.limits is not None:
        await limiter_of(request)(tx, request, who, made, wanted.limits)
    await _tell(tx, request, events.KEY_CREATED, made)
    return made, text


def decide(wanted: KeyWanted, who: Principal, grants: Grants, now: datetime) -> NewKey:
    """The key to make; Forbidden when its roles hold more than the maker may give."""
    roles = frozenset(wanted.roles or DEFAULT_ROLES)
    who.require_roles(roles, grants)
    if wanted.expires_at is not None and wanted.expires_at <= now:
        raise InvalidInput("body.expires_at: is in the past")
    default = [Scope.GATEWAY] if wanted.roles is None else list(Scope)
    return NewKey(
        name=wanted.name,
        roles=roles,
        scopes=frozenset(wanted.scopes or default),
        models=None if wanted.models is None else tuple(wanted.models),
        networks=None if wanted.networks is None else tuple(wanted.networks),
        expires_at=wanted.expires_at,
        created_by=who.actor.id,
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


@router.get("/keys/{key_id}", operation_id="show_key", summary="One key")
async def show_key(
    key_id: str, request: Request, who: Annotated[Principal, Depends(Requires("keys:read"))]
) -> KeyShown:
    """Without its text; a revoked one too."""
    async with tenancy.tenant(resources.of(request).pool, who.org) as tx:
        return show(await keys.get(tx, ids.parse(ids.Kind.KEY, key_id)), who.org_name)


@router.patch("/keys/{key_id}", operation_id="change_key", summary="Change a key")
async def change_key(
    key_id: str,
    wanted: KeyChange,
    request: Request,
    who: Annotated[Principal, Depends(Requires("keys:write"))],
) -> KeyShown:
    """On every gateway within a second. What it did before stays with the team it was in."""
    async with tenancy.tenant(resources.of(request).pool, who.org) as tx:
        key = await change(tx, request, ids.parse(ids.Kind.KEY, key_id), wanted)
    return show(key, who.org_name)


async def change(tx: Transaction, request: Request, key_id: uuid.UUID, wanted: KeyChange) -> Key:
    """The key as it is wanted; NotFound, Conflict or InvalidInput."""
    columns = wanted.model_dump(exclude_unset=True)
    if not columns:
        raise InvalidInput("body: say what is to be changed")
    key = await keys.get(tx, key_id, locked=True)
    if "expires_at" in columns:
        _check_end(key, wanted.expires_at, resources.of(request).clock.now())
    if wanted.team is not None:
        columns["team"] = (await teams.get(tx, wanted.team)).id
    changed = await keys.change(tx, key.id, **columns)
    await _tell(tx, request, events.KEY_CHANGED, changed)
    return changed


def _check_end(key: Key, ends: datetime | None, now: datetime) -> None:
    """Conflict or InvalidInput when the key cannot end then: what is over stays over."""
    if keyring.state(key, now) is not State.WORKING or key.followed_by is not None:
        raise Conflict("this key has ended, or was rotated", hint="make a new key")
    if ends is not None and ends <= now:
        raise InvalidInput("body.expires_at: is in the past", hint="revoke it to end it now")


@router.post(
    "/keys/{key_id}/rotate", status_code=201, operation_id="rotate_key", summary="Rotate a key"
)
async def rotate_key(
    key_id: str,
    wanted: RotationWanted,
    request: Request,
    who: Annotated[Principal, Depends(Requires("keys:write"))],
) -> KeyRotated:
    """Another key of the same name, roles, scopes, models, networks and team takes its place; both
    work until the overlap is over. Budgets and limits of the key go on counting. The new key's
    text is shown only in this answer, and it lives as long as the old one was meant to."""
    async with tenancy.tenant(resources.of(request).pool, who.org) as tx:
        overlap = timedelta(seconds=wanted.overlap_s)
        done = await rotate(tx, request, who, ids.parse(ids.Kind.KEY, key_id), overlap)
    assert done.old.expires_at is not None
    return KeyRotated(
        **show(done.key, who.org_name).model_dump(),
        key=done.text.reveal(),
        follows=_id(done.old.id),
        old_expires_at=done.old.expires_at,
    )


async def rotate(
    tx: Transaction, request: Request, who: Principal, key_id: uuid.UUID, overlap: timedelta
) -> Rotated:
    """Let another key follow; Forbidden when it would hold more than the caller may give."""
    use = resources.of(request)
    old = await keys.get(tx, key_id, locked=True)
    who.require_roles(old.roles, use.grants)
    follower, ends = rotation.decide(old, use.clock.now(), overlap, who.actor.id)
    done = await rotation.rotate(tx, use.pepper, old, follower, ends)
    await audited.record(
        tx,
        request,
        events.KEY_ROTATED,
        _id(old.id),
        followed_by=_id(done.key.id),
        old_expires_at=done.old.expires_at,
    )
    return done


@router.delete("/keys/{key_id}", operation_id="revoke_key", summary="Revoke a key")
async def revoke_key(
    key_id: str, request: Request, who: Annotated[Principal, Depends(Requires("keys:write"))]
) -> KeyRevoked:
    """Ends the key on every gateway within a second, and its console sessions. Again is harmless:
    the first time stays."""
    async with tenancy.tenant(resources.of(request).pool, who.org) as tx:
        key = await revoke(tx, request, ids.parse(ids.Kind.KEY, key_id))
    assert key.revoked_at is not None
    return KeyRevoked(id=_id(key.id), revoked_at=key.revoked_at)


async def revoke(tx: Transaction, request: Request, key_id: uuid.UUID) -> Key:
    """The key, which has ended; NotFound."""
    now = resources.of(request).clock.now()
    key = await keys.revoke(tx, key_id, now)
    if key.revoked_at == now:
        await audited.record(tx, request, events.KEY_REVOKED, _id(key.id))
    return key


async def _tell(tx: Transaction, request: Request, what: EventType, key: Key) -> None:
    """What became of the key is in the audit log."""
    await audited.record(
        tx,
        request,
        what,
        _id(key.id),
        private={"name": key.name, "models": key.models, "networks": key.networks},
        roles=key.roles,
        scopes=key.scopes,
        team=None if key.team_id is None else ids.text(ids.Kind.TEAM, key.team_id),
        expires_at=key.expires_at,
    )


def _id(key: uuid.UUID) -> str:
    return ids.text(ids.Kind.KEY, key)


def show(key: Key, org_name: str) -> KeyShown:
    """A key as the API shows it."""
    return KeyShown(
        id=_id(key.id),
        name=key.name,
        team=key.team,
        prefix=key.prefix,
        org=org_name,
        roles=key.roles,
        scopes=key.scopes,
        models=key.models,
        networks=key.networks,
        created_at=key.created_at,
        created_by=_maker(key),
        expires_at=key.expires_at,
        revoked_at=key.revoked_at,
        last_used_at=key.used_at,
        line=_id(key.line),
        followed_by=None if key.followed_by is None else _id(key.followed_by),
    )


def _maker(key: Key) -> str | None:
    if key.created_by is None:
        return None
    return ids.text(ids.Kind.PERSON if key.by_person else ids.Kind.KEY, key.created_by)
