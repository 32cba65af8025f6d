"""Who a request acts for: the outcome of every way to sign in."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeVar

from psycopg.rows import class_row

from dd0c.base.errors import Forbidden, Unauthenticated
from dd0c.kernel.auth import keys, permissions
from dd0c.kernel.auth.pepper import Pepper
from dd0c.kernel.auth.permissions import Grants, Role, Scope
from dd0c.kernel.db.pool import Transaction


@dataclass(frozen=True, slots=True)
class Principal:
    """A key in use, its organisation, and all that it may do."""

    org: uuid.UUID
    org_name: str
    key_id: uuid.UUID
    key_name: str
    roles: frozenset[Role]
    scopes: frozenset[Scope]
    permissions: frozenset[str]
    expires_at: datetime | None = None

    def require_scope(self, scope: Scope) -> None:
        """Forbidden unless the key may be used here."""
        if scope not in self.scopes:
            have = ", ".join(sorted(self.scopes)) or "none"
            raise Forbidden(
                f"this key lacks the scope `{scope}`, it has: {have}",
                hint=f"use a key with the scope `{scope}`",
            )

    def require(self, permission: str) -> None:
        """Forbidden unless one of the roles holds the permission."""
        if permission not in self.permissions:
            have = ", ".join(sorted(self.roles)) or "no role"
            raise Forbidden(
                f"this needs the permission `{permission}`; this key has: {have}",
                hint="ask somebody with the role owner or admin for a key that has it",
            )


@dataclass(frozen=True, slots=True)
class Credential:
    """What the database knows about the key behind a request."""

    org: uuid.UUID
    org_name: str
    key_id: uuid.UUID
    key_name: str
    roles: list[str]
    scopes: list[str]
    expires_at: datetime | None
    revoked_at: datetime | None


async def authenticate(
    tx: Transaction, pepper: Pepper, text: str, grants: Grants, now: datetime
) -> Principal:
    """The principal of a key text; Unauthenticated when it is odd, unknown, revoked or expired."""
    hashed = pepper.digest(keys.parse(text))
    async with tx.cursor(row_factory=class_row(Credential)) as cursor:
        await cursor.execute(
            "SELECT org, org_name, key_id, key_name, roles, scopes, expires_at, revoked_at"
            " FROM kernel.authenticate_key(%s)",
            (hashed,),
        )
        found = await cursor.fetchone()
    if found is None:
        raise Unauthenticated(
            "no such key here", hint="check that it is a key of this installation"
        )
    return admit(found, grants, now)


def admit(found: Credential, grants: Grants, now: datetime) -> Principal:
    """The principal of a stored key; Unauthenticated when it is revoked or expired."""
    if found.revoked_at is not None:
        raise Unauthenticated("this key was revoked", hint="ask for a new key")
    if found.expires_at is not None and found.expires_at <= now:
        raise Unauthenticated("this key has expired", hint="ask for a new key")
    roles = _known(Role, found.roles)
    return Principal(
        org=found.org,
        org_name=found.org_name,
        key_id=found.key_id,
        key_name=found.key_name,
        roles=roles,
        scopes=_known(Scope, found.scopes),
        permissions=permissions.held(grants, roles),
        expires_at=found.expires_at,
    )


E_ = TypeVar("E_", bound=StrEnum)


def _known(kind: type[E_], names: Iterable[str]) -> frozenset[E_]:
    """The names we know; those of a newer dd0c grant nothing here."""
    return frozenset(member for member in kind if member.value in set(names))
