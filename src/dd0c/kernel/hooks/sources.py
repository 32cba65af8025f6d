"""Sources: who may send to us, and how they sign (K-70)."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, LiteralString

from psycopg.errors import UniqueViolation
from psycopg.rows import class_row

from dd0c.base import ids
from dd0c.base.errors import Conflict, InvalidInput, NotFound
from dd0c.base.secrets import Secret
from dd0c.kernel.db.pool import Transaction
from dd0c.kernel.hooks import schemes, sealed
from dd0c.kernel.hooks.schemes import Kind
from dd0c.kernel.vault.envelope import Vault

PATH = "/hooks/"

_SELECT: LiteralString = """
    SELECT s.id, s.name, s.kind, s.created_at,
        (SELECT count(*) FROM kernel.hook_events e WHERE e.source = s.id) AS received,
        (SELECT max(received_at) FROM kernel.hook_events e WHERE e.source = s.id) AS last_at,
        (SELECT min(expires_at) FROM kernel.hook_secrets h WHERE h.holder = s.id
            AND expires_at > %(now)s) AS old_secret_until
    FROM kernel.hook_sources s
"""


@dataclass(frozen=True, slots=True)
class Source:
    """A source. `received` counts what is kept of it, 30 days; `old_secret_until`: during a
    rotation, until when the secret before counts."""

    id: uuid.UUID
    name: str
    kind: str
    created_at: datetime
    received: int
    last_at: datetime | None
    old_secret_until: datetime | None

    @property
    def level(self) -> int:
        """How sure it is that what arrives came from it."""
        return schemes.level(Kind(self.kind))


@dataclass(frozen=True, slots=True)
class Wanted:
    """A source to be. `secret` None: we make one."""

    name: str
    kind: Kind
    secret: Secret | None


async def add(
    tx: Transaction, vault: Vault, org: uuid.UUID, wanted: Wanted, now: datetime
) -> tuple[Source, Secret | None]:
    """A new source and its secret, which nobody can read again; Conflict when the name is taken."""
    secret, source = _secret(wanted.kind, wanted.secret), ids.new()
    try:
        await tx.execute(
            "INSERT INTO kernel.hook_sources (id, org, name, kind, created_at)"
            " VALUES (%s, %s, %s, %s, %s)",
            (source, org, wanted.name, wanted.kind, now),
        )
    except UniqueViolation:
        raise Conflict(
            f"there is a source named {wanted.name!r} already", hint="choose another name"
        ) from None
    if secret is not None:
        await sealed.add(tx, vault, org, source, secret)
    return await get(tx, source, now), secret


async def list_all(
    tx: Transaction, now: datetime, limit: int, after: uuid.UUID | None = None
) -> list[Source]:
    """Sources of the organisation, oldest first."""
    query = _SELECT + " WHERE %(after)s::uuid IS NULL OR s.id > %(after)s ORDER BY s.id LIMIT %(n)s"
    return await _rows(tx, query, {"now": now, "after": after, "n": limit})


async def get(tx: Transaction, source: uuid.UUID, now: datetime) -> Source:
    """The source; NotFound."""
    found = await _rows(tx, _SELECT + " WHERE s.id = %(id)s", {"id": source, "now": now})
    if not found:
        raise NotFound("there is no such source")
    return found[0]


async def rotate(
    tx: Transaction,
    vault: Vault,
    org: uuid.UUID,
    source: Source,
    given: Secret | None,
    *,
    now: datetime,
    overlap: timedelta,
) -> Secret:
    """Another secret from now on; the one before counts for `overlap` longer."""
    secret = _secret(Kind(source.kind), given)
    if secret is None:
        raise Conflict("a source of the kind `url` has no secret", hint="remove it, add another")
    await sealed.retire(tx, source.id, now, overlap)
    await sealed.add(tx, vault, org, source.id, secret)
    return secret


async def remove(tx: Transaction, source: uuid.UUID, now: datetime) -> Source:
    """End a source: its secrets and what it sent are gone with it; NotFound."""
    removed = await get(tx, source, now)
    await sealed.remove(tx, source)
    await tx.execute("DELETE FROM kernel.hook_sources WHERE id = %s", (source,))
    return removed


async def mark(tx: Transaction) -> str:
    """Differs when a list of sources would."""
    cursor = await tx.execute(
        "SELECT count(*), max(s.id::text), (SELECT max(id::text) FROM kernel.hook_events)"
        " FROM kernel.hook_sources s"
    )
    return str(await cursor.fetchone())


def _secret(kind: Kind, given: Secret | None) -> Secret | None:
    """The secret of such a source; InvalidInput for one that cannot be."""
    if kind is Kind.URL:
        if given is not None:
            raise InvalidInput("secret: a source of the kind `url` has none")
        return None
    secret = given or schemes.new_key(kind)
    schemes.raw_key(kind, secret)
    return secret


async def _rows(tx: Transaction, query: LiteralString, values: dict[str, Any]) -> list[Source]:
    async with tx.cursor(row_factory=class_row(Source)) as cursor:
        await cursor.execute(query, values)
        return await cursor.fetchall()
