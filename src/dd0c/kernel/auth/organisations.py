"""Organisations: the tenants of an installation, and the first of them."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from psycopg import sql
from psycopg.errors import UniqueViolation
from psycopg.rows import class_row, tuple_row

from dd0c.base import ids
from dd0c.base.errors import Conflict, NotFound, SetupError
from dd0c.base.home import Home
from dd0c.base.secrets import Secret
from dd0c.kernel.audit import outbox
from dd0c.kernel.audit.outbox import Event
from dd0c.kernel.auth import events, keys
from dd0c.kernel.auth.keys import Key, NewKey
from dd0c.kernel.auth.pepper import Pepper
from dd0c.kernel.auth.permissions import Role, Scope
from dd0c.kernel.db import tenancy
from dd0c.kernel.db.pool import Pool, Transaction
from dd0c.kernel.vault import keyfile

FIRST = "default"
OWNER_KEY = NewKey("owner", frozenset({Role.OWNER}), frozenset(Scope))
FIRST_KEY = NewKey("owner", frozenset({Role.PLATFORM, Role.OWNER}), frozenset(Scope))


_COLUMNS = sql.SQL("id, name, created_at, time_zone, erased_at, emptied_at")


class State(StrEnum):
    """Whether an organisation is there."""

    ACTIVE = "active"
    ERASING = "erasing"  # nobody gets in, and its rows are going
    ERASED = "erased"


@dataclass(frozen=True, slots=True)
class Organisation:
    """A tenant, or what is left of one."""

    id: uuid.UUID
    name: str
    created_at: datetime
    time_zone: str
    erased_at: datetime | None
    emptied_at: datetime | None

    @property
    def state(self) -> State:
        """Whether it is there."""
        if self.erased_at is None:
            return State.ACTIVE
        return State.ERASING if self.emptied_at is None else State.ERASED


async def create(
    tx: Transaction, pepper: Pepper, org: uuid.UUID, name: str
) -> tuple[Organisation, Key, Secret]:
    """A new organisation and its first owner key; Conflict when the name is taken.

    The transaction must be the tenant's of `org`, an id that the caller made: row security lets a
    tenant write its own row and nobody else's.
    """
    organisation = await _insert(tx, org, name)
    key, text = await keys.create(tx, pepper, org, OWNER_KEY)
    return organisation, key, text


async def _insert(tx: Transaction, org: uuid.UUID, name: str) -> Organisation:
    async with tx.cursor(row_factory=class_row(Organisation)) as cursor:
        try:
            await cursor.execute(
                sql.SQL(
                    "INSERT INTO kernel.organisations (id, name) VALUES (%s, %s) RETURNING {}"
                ).format(_COLUMNS),
                (org, name),
            )
        except UniqueViolation:
            raise Conflict(
                f"there is an organisation named {name!r} already", hint="choose another name"
            ) from None
        row = await cursor.fetchone()
    assert row is not None
    return row


async def list_organisations(
    tx: Transaction, limit: int, after: uuid.UUID | None = None
) -> list[Organisation]:
    """Organisations of the whole installation, oldest first: for `platform:orgs` only."""
    async with tx.cursor(row_factory=class_row(Organisation)) as cursor:
        await cursor.execute(
            sql.SQL(
                "SELECT {} FROM kernel.list_organisations()"
                " WHERE %(after)s::uuid IS NULL OR id > %(after)s ORDER BY id LIMIT %(limit)s"
            ).format(_COLUMNS),
            {"after": after, "limit": limit},
        )
        return await cursor.fetchall()


async def get_any(tx: Transaction, org: uuid.UUID) -> Organisation:
    """An organisation of the installation, erased or not: for `platform:orgs` only. NotFound."""
    async with tx.cursor(row_factory=class_row(Organisation)) as cursor:
        await cursor.execute(
            sql.SQL("SELECT {} FROM kernel.list_organisations() WHERE id = %s").format(_COLUMNS),
            (org,),
        )
        row = await cursor.fetchone()
    if row is None:
        raise NotFound("there is no such organisation")
    return row


async def get_own(tx: Transaction) -> Organisation:
    """The organisation of a tenant's transaction."""
    async with tx.cursor(row_factory=class_row(Organisation)) as cursor:
        await cursor.execute(sql.SQL("SELECT {} FROM kernel.organisations").format(_COLUMNS))
        row = await cursor.fetchone()
    if row is None:
        raise NotFound("this organisation is gone")
    return row


async def set_time_zone(tx: Transaction, time_zone: str) -> Organisation:
    """The organisation of a tenant's transaction by another clock, from now on."""
    async with tx.cursor(row_factory=class_row(Organisation)) as cursor:
        await cursor.execute(
            sql.SQL("UPDATE kernel.organisations SET time_zone = %s RETURNING {}").format(_COLUMNS),
            (time_zone,),
        )
        row = await cursor.fetchone()
    if row is None:
        raise NotFound("this organisation is gone")
    return row


async def find(tx: Transaction, name: str) -> uuid.UUID | None:
    """The id of the organisation of that name (any case), if there is one."""
    async with tx.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute("SELECT kernel.find_organisation(%s)", (name,))
        row = await cursor.fetchone()
    return None if row is None else row[0]


async def get(tx: Transaction, name: str) -> uuid.UUID:
    """Like `find`, but NotFound."""
    org = await find(tx, name)
    if org is None:
        raise NotFound(f"there is no organisation named {name!r}")
    return org


async def get_id(tx: Transaction, given: str) -> uuid.UUID:
    """The organisation of that name (any case) or id, unless it is erased; NotFound."""
    org = ids.find(ids.Kind.ORGANISATION, given)
    if org is None:
        return await get(tx, given)
    if (await get_any(tx, org)).state is not State.ACTIVE:
        raise NotFound("this organisation is erased")
    return org


async def list_names(tx: Transaction, wanted: list[uuid.UUID]) -> dict[uuid.UUID, str]:
    """Names of these organisations, whosever they are: for `platform` permissions only."""
    async with tx.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(
            "SELECT id, name FROM kernel.list_organisations() WHERE id = ANY(%s)", (wanted,)
        )
        return dict(await cursor.fetchall())


def first_key(home: Home) -> Secret:
    """The text in the home's owner.key, made when there is none.

    The file comes before the database row: a crash between the two is mended by the next start,
    while a key whose text nobody has could never be.
    """
    remedy = "remove it to get a new one; the old one, if somebody has it, goes on working"
    text = keyfile.ensure(home.owner_key, keys.new_text, remedy=remedy)
    if not keys.looks_right(text.reveal()):
        raise SetupError(f"{home.owner_key} does not hold a key of dd0c", hint=remedy)
    return text


async def ensure_first(pool: Pool, pepper: Pepper, text: Secret) -> uuid.UUID:
    """The first organisation and its owner key are there; any number of starts may say so."""
    async with tenancy.system(pool) as tx:
        org = await find(tx, FIRST)
    if org is None:
        org = ids.new()
        async with tenancy.tenant(pool, org) as tx:
            await _insert(tx, org, FIRST)
            whole = ids.text(ids.Kind.ORGANISATION, org)
            event = Event(events.ORGANISATION_CREATED.name, outbox.SYSTEM, whole)
            await outbox.record(tx, None, event)
    hashed = pepper.digest(text)
    async with tenancy.tenant(pool, org) as tx:
        if not await keys.is_known(tx, hashed):
            key = await keys.store(tx, org, FIRST_KEY, text.reveal()[: keys.SHOWN_LENGTH], hashed)
            facts = {"roles": key.roles}
            made = ids.text(ids.Kind.KEY, key.id)
            event = Event(events.KEY_CREATED.name, outbox.SYSTEM, made, facts)
            await outbox.record(tx, org, event)
    return org
