"""API keys: 256 random bits, shown once, kept as a keyed hash (K-20).

    dd0c_sk_ + 43 characters of base64url (32 random bytes)

The hash is BLAKE2b over the whole text, keyed with the installation's pepper. A slow password hash
would add nothing against 256 bits of chance and would cost every gateway request; the pepper makes
the stored hashes useless to somebody who has only the database. A key is found by its hash, so no
comparison ever runs along the secret text.

A key that is rotated is followed by a new one of the same line, and both work until the older one's
overlap is over. Ledger, budgets and limits know a line by the id of its first key (decision 18).
"""

from __future__ import annotations

import re
import secrets
import uuid
from dataclasses import dataclass
from datetime import datetime

from psycopg import sql
from psycopg.rows import class_row, tuple_row

from dd0c.base import ids
from dd0c.base.errors import NotFound, Unauthenticated
from dd0c.base.secrets import Secret
from dd0c.kernel.auth.pepper import Pepper
from dd0c.kernel.auth.permissions import Role, Scope
from dd0c.kernel.db.pool import Transaction

PREFIX = "dd0c_sk_"
TEXT_LENGTH = len(PREFIX) + 43
SHOWN_LENGTH = 12
_TEXT = re.compile(r"dd0c_sk_[A-Za-z0-9_-]{43}")
COLUMNS = sql.SQL(
    "id, org, name, prefix, roles, scopes, models, networks::text[] AS networks, created_at,"
    " created_by, expires_at, revoked_at, coalesce(first, id) AS line,"
    " (SELECT n.id FROM kernel.api_keys n WHERE n.first = coalesce(api_keys.first, api_keys.id)"
    "  AND n.id > api_keys.id ORDER BY n.id LIMIT 1) AS followed_by,"
    " (SELECT u.used_at FROM kernel.key_uses u WHERE u.key_id = api_keys.id) AS used_at,"
    " EXISTS (SELECT FROM kernel.memberships m WHERE m.person = api_keys.created_by) AS by_person,"
    " team AS team_id, (SELECT t.name FROM kernel.teams t WHERE t.id = api_keys.team) AS team"
)
"""A `Key` as kernel.api_keys has it."""
_RETURNING = sql.SQL(" RETURNING ") + COLUMNS


@dataclass(frozen=True, slots=True)
class NewKey:
    """What a key is to be. `models` None means all, `networks` None anywhere, `expires_at` None
    never; `team` is the id of one of the same organisation; `first`: the first key of the line that
    it belongs to, None where it begins one."""

    name: str
    roles: frozenset[Role]
    scopes: frozenset[Scope]
    models: tuple[str, ...] | None = None
    networks: tuple[str, ...] | None = None
    expires_at: datetime | None = None
    created_by: uuid.UUID | None = None
    team: uuid.UUID | None = None
    first: uuid.UUID | None = None


@dataclass(frozen=True, slots=True)
class Key:
    """A key as it is stored; its text is not. Roles and scopes may hold names of a newer dd0c.

    `line` is the id of the first key of its line, `followed_by` that of the key it was rotated to;
    `used_at` is true to a minute or two.
    """

    id: uuid.UUID
    org: uuid.UUID
    name: str
    prefix: str
    roles: list[str]
    scopes: list[str]
    models: list[str] | None
    networks: list[str] | None
    created_at: datetime
    created_by: uuid.UUID | None
    by_person: bool
    expires_at: datetime | None
    revoked_at: datetime | None
    line: uuid.UUID
    followed_by: uuid.UUID | None
    used_at: datetime | None
    team_id: uuid.UUID | None
    team: str | None


def new_text() -> Secret:
    """A fresh key."""
    return Secret(PREFIX + secrets.token_urlsafe(32))


def looks_right(text: str) -> bool:
    """Whether the text has the shape of a key."""
    return _TEXT.fullmatch(text) is not None


def parse(text: str) -> Secret:
    """The key text when it has the shape of a key; else Unauthenticated that says what is wrong.

    The message never repeats the text: it may be another system's secret.
    """
    if looks_right(text):
        return Secret(text)
    if not text:
        problem = "the key is empty"
    elif text != text.strip():
        problem = "the key has blanks around it"
    elif not text.startswith(PREFIX):
        problem = f"this is not a key of dd0c: those start with {PREFIX}"
    elif len(text) != TEXT_LENGTH:
        problem = f"a key has {TEXT_LENGTH} characters, this one {len(text)}"
    else:
        problem = "the key has a character that keys do not use"
    raise Unauthenticated(
        problem,
        hint=f"send `Authorization: Bearer {PREFIX}…`, copied whole from where it was shown",
    )


async def create(
    tx: Transaction, pepper: Pepper, org: uuid.UUID, wanted: NewKey
) -> tuple[Key, Secret]:
    """A new key of the organisation, and its text: the only time that anybody sees it."""
    text = new_text()
    return await store(tx, org, wanted, text.reveal()[:SHOWN_LENGTH], pepper.digest(text)), text


async def store(tx: Transaction, org: uuid.UUID, wanted: NewKey, prefix: str, hashed: bytes) -> Key:
    """Keep a key under its hash."""
    async with tx.cursor(row_factory=class_row(Key)) as cursor:
        await cursor.execute(
            sql.SQL(
                "INSERT INTO kernel.api_keys (id, org, name, prefix, hash, roles, scopes, models,"
                " networks, created_by, expires_at, team, first)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s::text[]::cidr[], %s, %s, %s, %s)"
            )
            + _RETURNING,
            (
                ids.new(),
                org,
                wanted.name,
                prefix,
                hashed,
                sorted(wanted.roles),
                sorted(wanted.scopes),
                None if wanted.models is None else list(wanted.models),
                None if wanted.networks is None else list(wanted.networks),
                wanted.created_by,
                wanted.expires_at,
                wanted.team,
                wanted.first,
            ),
        )
        row = await cursor.fetchone()
    assert row is not None
    return row


async def is_known(tx: Transaction, hashed: bytes) -> bool:
    """Whether the organisation has a key with this hash, living or not."""
    async with tx.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(
            "SELECT EXISTS (SELECT 1 FROM kernel.api_keys WHERE hash = %s)", (hashed,)
        )
        row = await cursor.fetchone()
    return row is not None and bool(row[0])


async def list_keys(tx: Transaction, limit: int, before: uuid.UUID | None = None) -> list[Key]:
    """Keys of the organisation, newest first; `before` is the last id of the page before."""
    async with tx.cursor(row_factory=class_row(Key)) as cursor:
        await cursor.execute(
            sql.SQL(
                "SELECT {} FROM kernel.api_keys WHERE %(before)s::uuid IS NULL OR id < %(before)s"
                " ORDER BY id DESC LIMIT %(limit)s"
            ).format(COLUMNS),
            {"before": before, "limit": limit},
        )
        return await cursor.fetchall()


async def find_lines(tx: Transaction, given: str) -> list[uuid.UUID]:
    """The lines of keys that are not revoked and have this id, name or prefix, two at most."""
    async with tx.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(
            "SELECT DISTINCT coalesce(first, id) FROM kernel.api_keys WHERE revoked_at IS NULL"
            " AND (id = %s OR name = %s OR prefix = %s) ORDER BY 1 LIMIT 2",
            (ids.find(ids.Kind.KEY, given), given, given),
        )
        return [found for (found,) in await cursor.fetchall()]


async def find_line(tx: Transaction, key: uuid.UUID) -> uuid.UUID | None:
    """The line of a key of the organisation."""
    async with tx.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(
            "SELECT coalesce(first, id) FROM kernel.api_keys WHERE id = %s", (key,)
        )
        row = await cursor.fetchone()
    return None if row is None else row[0]


async def list_names(tx: Transaction, wanted: list[uuid.UUID]) -> dict[uuid.UUID, str]:
    """Names of these keys, of those that are the organisation's."""
    async with tx.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute("SELECT id, name FROM kernel.api_keys WHERE id = ANY(%s)", (wanted,))
        return dict(await cursor.fetchall())


async def get(tx: Transaction, key: uuid.UUID, *, locked: bool = False) -> Key:
    """A key of the organisation; NotFound. `locked`: nobody else changes it meanwhile."""
    async with tx.cursor(row_factory=class_row(Key)) as cursor:
        if locked:  # first, and then read: what a line has become is not in the locked row
            await cursor.execute("SELECT FROM kernel.api_keys WHERE id = %s FOR UPDATE", (key,))
        await cursor.execute(
            sql.SQL("SELECT {} FROM kernel.api_keys WHERE id = %s").format(COLUMNS), (key,)
        )
        return _found(await cursor.fetchone())


async def change(tx: Transaction, key: uuid.UUID, **columns: object) -> Key:
    """Give a key other values in these columns; NotFound when it is not there."""
    changes = [sql.SQL("{} = {}").format(sql.Identifier(n), _value(n)) for n in columns]
    query = sql.SQL("UPDATE kernel.api_keys SET {} WHERE id = %(id)s{}").format(
        sql.SQL(", ").join(changes), _RETURNING
    )
    async with tx.cursor(row_factory=class_row(Key)) as cursor:
        await cursor.execute(query, columns | {"id": key})
        return _found(await cursor.fetchone())


async def revoke(tx: Transaction, key: uuid.UUID, now: datetime) -> Key:
    """End a key and its console sessions; again is harmless. NotFound when it is not there."""
    async with tx.cursor(row_factory=class_row(Key)) as cursor:
        await cursor.execute(
            sql.SQL(
                "UPDATE kernel.api_keys SET revoked_at = coalesce(revoked_at, %s) WHERE id = %s"
            )
            + _RETURNING,
            (now, key),
        )
        row = _found(await cursor.fetchone())
    await tx.execute("DELETE FROM kernel.sessions WHERE key_id = %s", (key,))
    return row


def _found(row: Key | None) -> Key:
    if row is None:
        raise NotFound("there is no such key")
    return row


def _value(column: str) -> sql.Composable:
    placeholder = sql.Placeholder(column)
    return placeholder + sql.SQL("::text[]::cidr[]") if column == "networks" else placeholder
