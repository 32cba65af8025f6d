"""Invitations: a link that makes whoever has it a member, once, within a week (K-10, K-21).

    dd0c_inv_ + 43 characters of base64url (32 random bytes)

dd0c sends no mail: the inviter hands over the link. Only the keyed hash of its text is kept. The
address in it is a claim of the inviter's and proves nothing: somebody who has an account already
must show that it is theirs, with its password or through the provider of identities.
"""

from __future__ import annotations

import re
import secrets
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from psycopg import sql
from psycopg.rows import class_row

from dd0c.base import ids
from dd0c.base.errors import NotFound
from dd0c.base.secrets import Secret
from dd0c.kernel.auth.pepper import Pepper
from dd0c.kernel.auth.permissions import Role
from dd0c.kernel.db import tenancy
from dd0c.kernel.db.pool import Pool, Transaction

PREFIX = "dd0c_inv_"
LIFETIME = timedelta(days=7)
_TEXT = re.compile(r"dd0c_inv_[A-Za-z0-9_-]{43}")
_COLUMNS = sql.SQL(
    "id, org, email, roles, team AS team_id, created_at, created_by, expires_at, used_at,"
    " revoked_at, (SELECT t.name FROM kernel.teams t WHERE t.id = invitations.team) AS team"
)


class State(StrEnum):
    """Whether the link still works."""

    OPEN = "open"
    USED = "used"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class Invitation:
    """An invitation as it is kept; its text is not."""

    id: uuid.UUID
    org: uuid.UUID
    email: str
    roles: list[str]
    team_id: uuid.UUID | None
    created_at: datetime
    created_by: uuid.UUID
    expires_at: datetime
    used_at: datetime | None
    revoked_at: datetime | None
    team: str | None

    def state(self, now: datetime) -> State:
        """Whether the link works at that moment."""
        if self.used_at is not None:
            return State.USED
        if self.revoked_at is not None:
            return State.REVOKED
        return State.EXPIRED if self.expires_at <= now else State.OPEN


@dataclass(frozen=True, slots=True)
class Wanted:
    """Who is to be invited, to what. `by` is a key or a person."""

    email: str
    roles: frozenset[Role]
    team: uuid.UUID | None
    by: uuid.UUID


@dataclass(frozen=True, slots=True)
class Found:
    """The invitation of a text, and whose it is."""

    id: uuid.UUID
    org: uuid.UUID
    org_name: str


async def create(
    tx: Transaction, pepper: Pepper, org: uuid.UUID, wanted: Wanted, now: datetime
) -> tuple[Invitation, Secret]:
    """A new invitation, and its text: the only time that anybody sees it. An open one to the same
    address ends: two links in the world are one too many."""
    text = Secret(PREFIX + secrets.token_urlsafe(32))
    await tx.execute(
        "UPDATE kernel.invitations SET revoked_at = %s"
        " WHERE email = %s AND used_at IS NULL AND revoked_at IS NULL",
        (now, wanted.email),
    )
    async with tx.cursor(row_factory=class_row(Invitation)) as cursor:
        await cursor.execute(
            sql.SQL(
                "INSERT INTO kernel.invitations"
                " (id, org, email, roles, team, token_hash, created_at, created_by, expires_at)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING {}"
            ).format(_COLUMNS),
            (
                *(ids.new(), org, wanted.email, sorted(wanted.roles), wanted.team),
                *(pepper.digest(text), now, wanted.by, now + LIFETIME),
            ),
        )
        row = await cursor.fetchone()
    assert row is not None
    return row, text


async def list_invitations(
    tx: Transaction, limit: int, before: uuid.UUID | None = None
) -> list[Invitation]:
    """Invitations of the organisation, the newest first."""
    async with tx.cursor(row_factory=class_row(Invitation)) as cursor:
        await cursor.execute(
            sql.SQL(
                "SELECT {} FROM kernel.invitations"
                " WHERE %(before)s::uuid IS NULL OR id < %(before)s"
                " ORDER BY id DESC LIMIT %(limit)s"
            ).format(_COLUMNS),
            {"before": before, "limit": limit},
        )
        return await cursor.fetchall()


async def revoke(tx: Transaction, wanted: uuid.UUID, now: datetime) -> Invitation:
    """End an invitation; of one that was used or had ended nothing changes. NotFound."""
    await tx.execute(
        "UPDATE kernel.invitations SET revoked_at = coalesce(revoked_at, %s)"
        " WHERE id = %s AND used_at IS NULL",
        (now, wanted),
    )
    return await _get(tx, wanted)


async def get_open(pool: Pool, pepper: Pepper, text: str, now: datetime) -> tuple[Invitation, str]:
    """The invitation of a link that works, and the name of its organisation; NotFound, which does
    not say why to who only has a text."""
    if _TEXT.fullmatch(text):
        async with tenancy.system(pool) as tx, tx.cursor(row_factory=class_row(Found)) as cursor:
            await cursor.execute(
                "SELECT id, org, org_name FROM kernel.find_invitation(%s)",
                (pepper.digest(Secret(text)),),
            )
            found = await cursor.fetchone()
        if found is not None:
            async with tenancy.tenant(pool, found.org) as tx:
                invitation = await _get(tx, found.id)
            if invitation.state(now) is State.OPEN:
                return invitation, found.org_name
    raise _over()


async def use(tx: Transaction, wanted: uuid.UUID, now: datetime) -> Invitation:
    """The invitation, which nobody else can use from now on; NotFound when it no longer works."""
    done = await tx.execute(
        "UPDATE kernel.invitations SET used_at = %s"
        " WHERE id = %s AND used_at IS NULL AND revoked_at IS NULL AND expires_at > %s",
        (now, wanted, now),
    )
    if not done.rowcount:
        raise _over()
    return await _get(tx, wanted)


async def _get(tx: Transaction, wanted: uuid.UUID) -> Invitation:
    async with tx.cursor(row_factory=class_row(Invitation)) as cursor:
        await cursor.execute(
            sql.SQL("SELECT {} FROM kernel.invitations WHERE id = %s").format(_COLUMNS), (wanted,)
        )
        row = await cursor.fetchone()
    if row is None:
        raise NotFound("there is no such invitation")
    return row


def _over() -> NotFound:
    return NotFound(
        "this invitation does not work: it was used, revoked, or is older than a week",
        hint="ask who invited you for another",
    )
