"""Who a request acts for: the outcome of every way to sign in."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal, TypeVar

from psycopg.rows import class_row

from dd0c.base import addresses, ids
from dd0c.base.addresses import Address
from dd0c.base.errors import Forbidden, Unauthenticated
from dd0c.base.ids import Kind
from dd0c.kernel.auth import keys, permissions
from dd0c.kernel.auth.pepper import Pepper
from dd0c.kernel.auth.permissions import Grants, Role, Scope
from dd0c.kernel.db.pool import Transaction


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did something: a key, or a person."""

    kind: Literal[Kind.KEY, Kind.PERSON]
    id: uuid.UUID
    name: str

    @property
    def noun(self) -> str:
        """What it is, in a sentence."""
        return self.kind.name.lower()

    @property
    def text(self) -> str:
        """Its id as people see it."""
        return ids.text(self.kind, self.id)


@dataclass(frozen=True, slots=True)
class Principal:
    """A key or a person in action, the organisation, and all that they may do there."""

    org: uuid.UUID
    org_name: str
    actor: Actor
    roles: frozenset[Role]
    scopes: frozenset[Scope]
    permissions: frozenset[str]
    expires_at: datetime | None = None
    networks: tuple[str, ...] | None = None

    @property
    def key_id(self) -> uuid.UUID | None:
        """The key, when it is one."""
        return self.actor.id if self.actor.kind is Kind.KEY else None

    @property
    def person(self) -> uuid.UUID | None:
        """The person, when it is one."""
        return self.actor.id if self.actor.kind is Kind.PERSON else None

    def require_address(self, address: Address | None) -> None:
        """Forbidden unless the key may be used from there; None: from where is not known."""
        if self.networks is not None and not addresses.is_within(
            address, addresses.parse_all(self.networks)
        ):
            raise Forbidden(
                f"this key may not be used from {address or 'an unknown address'}",
                hint="see its allowed networks; behind a proxy, DD0C_TRUSTED_PROXIES",
            )

    def require_scope(self, scope: Scope) -> None:
        """Forbidden unless the key may be used here."""
        if scope not in self.scopes:
            have = ", ".join(sorted(self.scopes)) or "none"
            raise Forbidden(
                f"this {self.actor.noun} lacks the scope `{scope}`, it has: {have}",
                hint=f"use a key with the scope `{scope}`",
            )

    def require(self, permission: str) -> None:
        """Forbidden unless one of the roles holds the permission."""
        if permission not in self.permissions:
            have = ", ".join(sorted(self.roles)) or "no role"
            raise Forbidden(
                f"this needs the permission `{permission}`; this {self.actor.noun} has: {have}",
                hint=f"ask somebody with the role owner or admin for a {_REMEDY[self.actor.kind]}",
            )

    def require_roles(self, roles: Collection[str], grants: Grants) -> None:
        """Forbidden unless all that these roles hold is held here too: nobody gives what they lack.
        A role that is not known may hold anything."""
        known = _known(Role, roles)
        if beyond := permissions.held(grants, known) - self.permissions | set(roles) - known:
            raise Forbidden(
                f"these roles hold more than your own: {', '.join(sorted(beyond))}",
                hint="ask somebody who holds them",
            )


_REMEDY = {Kind.KEY: "key that has it", Kind.PERSON: "role that has it"}


@dataclass(frozen=True, slots=True)
class Credential:
    """What the database knows about the key or the person behind a request: it has one of both."""

    org: uuid.UUID
    org_name: str
    key_id: uuid.UUID | None
    key_name: str | None
    roles: list[str]
    scopes: list[str]
    expires_at: datetime | None
    revoked_at: datetime | None
    networks: list[str] | None
    person: uuid.UUID | None = None
    person_name: str | None = None

    @property
    def actor(self) -> Actor:
        """Whose it is."""
        return actor(self.key_id, self.person, self.key_name or self.person_name or "")


def actor(key: uuid.UUID | None, person: uuid.UUID | None, name: str) -> Actor:
    """The one that is there."""
    if key is not None:
        return Actor(Kind.KEY, key, name)
    assert person is not None
    return Actor(Kind.PERSON, person, name)


async def authenticate(
    tx: Transaction, pepper: Pepper, text: str, grants: Grants, now: datetime
) -> Principal:
    """The principal of a key text; Unauthenticated when it is odd, unknown, revoked or expired."""
    hashed = pepper.digest(keys.parse(text))
    async with tx.cursor(row_factory=class_row(Credential)) as cursor:
        await cursor.execute(
            "SELECT org, org_name, key_id, key_name, roles, scopes, expires_at, revoked_at,"
            " networks FROM kernel.authenticate_key(%s)",
            (hashed,),
        )
        found = await cursor.fetchone()
    if found is None:
        raise Unauthenticated(
            "no such key here", hint="check that it is a key of this installation"
        )
    return admit(found, grants, now)


def admit(found: Credential, grants: Grants, now: datetime) -> Principal:
    """The principal of what is stored; Unauthenticated when it is revoked or expired."""
    if found.revoked_at is not None:
        if found.person is not None:
            raise Unauthenticated("you are no longer a member here", hint="ask to be invited again")
        raise Unauthenticated("this key was revoked", hint="ask for a new key")
    if found.expires_at is not None and found.expires_at <= now:
        raise Unauthenticated("this key has expired", hint="ask for a new key")
    roles = _known(Role, found.roles)
    return Principal(
        org=found.org,
        org_name=found.org_name,
        actor=found.actor,
        roles=roles,
        scopes=_known(Scope, found.scopes),
        permissions=permissions.held(grants, roles),
        expires_at=found.expires_at,
        networks=None if found.networks is None else tuple(found.networks),
    )


E_ = TypeVar("E_", bound=StrEnum)


def _known(kind: type[E_], names: Iterable[str]) -> frozenset[E_]:
    """The names we know; those of a newer dd0c grant nothing here."""
    return frozenset(member for member in kind if member.value in set(names))
