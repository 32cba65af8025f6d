"""Members: the people of one organisation, what they may do in it, and until when (K-10).

A membership that was removed keeps its row, so that what somebody did keeps its name. Nobody may
give or take a role that holds more than their own, and one owner always stays.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from psycopg import sql
from psycopg.rows import class_row, tuple_row

from dd0c.base.errors import Conflict, InvalidInput, NotFound
from dd0c.kernel.auth import sessions
from dd0c.kernel.auth.permissions import Grants, Role
from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.db.pool import Transaction
from dd0c.kernel.plans import quotas
from dd0c.kernel.plans.catalogue import Plan, Quota

_SELECT = sql.SQL(
    "SELECT p.id, p.name, p.email, p.platform, p.issuer, p.disabled_at, m.roles, m.created_at,"
    " m.created_by, m.removed_at, p.erased_at,"
    " (SELECT t.name FROM kernel.teams t WHERE t.id = m.team) AS team"
    " FROM kernel.memberships m JOIN kernel.people p ON p.id = m.person"
)
IN_TEAM_MAX = 200


class State(StrEnum):
    """Whether somebody may come in."""

    MEMBER = "member"
    DISABLED = "disabled"  # by who runs the installation
    REMOVED = "removed"
    ERASED = "erased"  # and nobody knows who it was


@dataclass(frozen=True, slots=True)
class Member:
    """A person in the organisation. Roles may hold names of a newer dd0c."""

    id: uuid.UUID
    name: str
    email: str
    platform: bool
    issuer: str | None
    disabled_at: datetime | None
    roles: list[str]
    created_at: datetime
    created_by: uuid.UUID
    removed_at: datetime | None
    erased_at: datetime | None
    team: str | None

    @property
    def state(self) -> State:
        """Whether they may come in."""
        if self.erased_at is not None:
            return State.ERASED
        if self.removed_at is not None:
            return State.REMOVED
        return State.MEMBER if self.disabled_at is None else State.DISABLED

    @property
    def is_owner(self) -> bool:
        """Whether they hold the role owner here."""
        return Role.OWNER in self.roles


def grantable(roles: Iterable[str], who: Principal, grants: Grants) -> frozenset[Role]:
    """The roles, which this caller may give and take; Forbidden or InvalidInput says why not."""
    wanted = frozenset(role for role in Role if role in set(roles))
    if Role.PLATFORM in wanted:
        raise InvalidInput("the role platform is not of an organisation")
    who.require_roles(wanted, grants)
    return wanted


async def join(
    tx: Transaction,
    org: uuid.UUID,
    person: uuid.UUID,
    roles: Iterable[str],
    by: uuid.UUID,
    *,
    team: uuid.UUID | None = None,
) -> None:
    """Make somebody a member, again if they were one: with these roles and no others."""
    await tx.execute(
        "INSERT INTO kernel.memberships (org, person, roles, team, created_by)"
        " VALUES (%s, %s, %s, %s, %s) ON CONFLICT (org, person) DO UPDATE"
        " SET roles = excluded.roles, team = excluded.team, created_by = excluded.created_by,"
        " created_at = now(), removed_at = NULL",
        (org, person, sorted(roles), team, by),
    )


async def take_place(tx: Transaction, person: uuid.UUID, plan: Plan) -> None:
    """There is a place for somebody who is about to join, or they have one; PlanExceeded."""
    async with tx.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(
            "SELECT FROM kernel.memberships WHERE person = %s AND removed_at IS NULL", (person,)
        )
        if await cursor.fetchone() is None:
            await quotas.take(tx, Quota.PEOPLE, plan)


async def list_members(tx: Transaction, limit: int, after: uuid.UUID | None = None) -> list[Member]:
    """People of the organisation in the order that they came to dd0c."""
    async with tx.cursor(row_factory=class_row(Member)) as cursor:
        await cursor.execute(
            _SELECT
            + sql.SQL(
                " WHERE m.removed_at IS NULL"
                " AND (%(after)s::uuid IS NULL OR m.person > %(after)s)"
                " ORDER BY m.person LIMIT %(limit)s"
            ),
            {"after": after, "limit": limit},
        )
        return await cursor.fetchall()


async def search(tx: Transaction, text: str, limit: int) -> list[Member]:
    """Members whose name or address has that text."""
    async with tx.cursor(row_factory=class_row(Member)) as cursor:
        await cursor.execute(
            _SELECT
            + sql.SQL(
                " WHERE m.removed_at IS NULL AND (strpos(lower(p.name), lower(%(text)s)) > 0"
                "        OR strpos(p.email, lower(%(text)s)) > 0)"
                " ORDER BY lower(p.name), p.id LIMIT %(limit)s"
            ),
            {"text": text, "limit": limit},
        )
        return await cursor.fetchall()


async def list_team(tx: Transaction, team: uuid.UUID) -> list[Member]:
    """The members of a team, by name; at most IN_TEAM_MAX."""
    async with tx.cursor(row_factory=class_row(Member)) as cursor:
        await cursor.execute(
            _SELECT
            + sql.SQL(
                " WHERE m.team = %s AND m.removed_at IS NULL ORDER BY lower(p.name), p.id LIMIT %s"
            ),
            (team, IN_TEAM_MAX),
        )
        return await cursor.fetchall()


async def get(tx: Transaction, person: uuid.UUID) -> Member:
    """Somebody who is, or was, a member; NotFound."""
    async with tx.cursor(row_factory=class_row(Member)) as cursor:
        await cursor.execute(_SELECT + sql.SQL(" WHERE m.person = %s"), (person,))
        row = await cursor.fetchone()
    if row is None:
        raise NotFound("there is no such person")
    return row


async def get_present(tx: Transaction, person: uuid.UUID) -> Member:
    """Somebody who is a member; NotFound."""
    found = await get(tx, person)
    if found.removed_at is not None:
        raise NotFound("this person was removed")
    return found


async def list_names(tx: Transaction, wanted: list[uuid.UUID]) -> dict[uuid.UUID, str]:
    """Names of these people, of those that are or were members."""
    async with tx.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute("SELECT id, name FROM kernel.people WHERE id = ANY(%s)", (wanted,))
        return dict(await cursor.fetchall())


async def change(
    tx: Transaction, member: Member, roles: frozenset[Role], team: uuid.UUID | None
) -> None:
    """Other roles and team, from their next request on; Conflict when no owner would be left."""
    if Role.OWNER not in roles:
        await keep_an_owner(tx, member)
    await tx.execute(
        "UPDATE kernel.memberships SET roles = %s, team = %s WHERE person = %s",
        (sorted(roles), team, member.id),
    )


async def remove(tx: Transaction, member: Member, now: datetime) -> None:
    """End a membership, its sessions, and the invitations that its person has open: those would be
    a way back. Conflict when no owner would be left."""
    await keep_an_owner(tx, member)
    await tx.execute(
        "UPDATE kernel.memberships SET removed_at = %s WHERE person = %s", (now, member.id)
    )
    await tx.execute(
        "UPDATE kernel.invitations SET revoked_at = %s"
        " WHERE created_by = %s AND used_at IS NULL AND revoked_at IS NULL",
        (now, member.id),
    )
    await sessions.end_all(tx, member.id)


async def keep_an_owner(tx: Transaction, member: Member) -> None:
    """Conflict when this is the last. The owners' rows are held, so that two who remove each other
    at once cannot both."""
    async with tx.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(
            "SELECT person FROM kernel.memberships"
            " WHERE 'owner' = ANY(roles) AND removed_at IS NULL ORDER BY person FOR UPDATE"
        )
        owners = {person for (person,) in await cursor.fetchall()}
        await cursor.execute(
            "SELECT id FROM kernel.people WHERE id = ANY(%s) AND disabled_at IS NULL",
            (list(owners),),
        )
        able = {person for (person,) in await cursor.fetchall()}
    if member.id in owners and not able - {member.id}:
        raise Conflict(
            f"{member.name} is the last owner here", hint="make somebody else an owner first"
        )


async def mark(tx: Transaction) -> str:
    """A text that differs when members or invitations have changed."""
    async with tx.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(
            "SELECT (SELECT md5(string_agg(m::text, ',' ORDER BY person))"
            "        FROM kernel.memberships m),"
            " (SELECT count(*)::text || '-' || count(used_at) || '-' || count(revoked_at)"
            "  FROM kernel.invitations)"
        )
        row = await cursor.fetchone()
    assert row is not None
    return f"{row[0]}-{row[1]}"
