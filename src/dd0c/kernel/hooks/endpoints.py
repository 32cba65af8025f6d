"""Endpoints: who is told of events, of which, and how (K-71)."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, LiteralString

from psycopg.errors import UniqueViolation
from psycopg.rows import class_row

from dd0c.base import destinations, ids
from dd0c.base.errors import Conflict, InvalidInput, NotFound
from dd0c.base.secrets import Secret
from dd0c.kernel.audit.reading import Signed
from dd0c.kernel.auth import people
from dd0c.kernel.db.pool import Transaction
from dd0c.kernel.hooks import schemes, sealed
from dd0c.kernel.hooks.schemes import Kind as Scheme
from dd0c.kernel.vault.envelope import Vault

EVENTS_MAX = 100
EVENT = re.compile(r"[A-Z][A-Za-z]{2,49}")
ASKED, GONE = "asked", "gone"

_SELECT: LiteralString = """
    SELECT e.id, e.name, e.kind, e.target, e.log, e.events, e.created_at, e.paused_at, e.paused_why,
        (SELECT count(*) FROM kernel.hook_deliveries d
            WHERE d.endpoint = e.id AND d.state = 'waiting') AS waiting,
        (SELECT count(*) FROM kernel.hook_deliveries d
            WHERE d.endpoint = e.id AND d.state = 'dead') AS dead,
        (SELECT min(expires_at) FROM kernel.hook_secrets h WHERE h.holder = e.id
            AND expires_at > %(now)s) AS old_secret_until
    FROM kernel.hook_endpoints e
"""


class Kind(StrEnum):
    """How an endpoint is reached."""

    WEBHOOK = "webhook"
    SLACK = "slack"
    EMAIL = "email"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint. `events`: those it is told of, none for all; `dead` and `waiting` count its
    deliveries of 30 days."""

    id: uuid.UUID
    name: str
    kind: str
    target: str
    log: str
    events: list[str]
    created_at: datetime
    paused_at: datetime | None
    paused_why: str | None
    waiting: int
    dead: int
    old_secret_until: datetime | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """An endpoint to be. `log`: whose events, as the audit log names it."""

    name: str
    kind: Kind
    target: str
    events: tuple[str, ...]
    log: str


async def add(
    tx: Transaction,
    vault: Vault,
    org: uuid.UUID,
    wanted: Wanted,
    *,
    head: Signed | None,
    now: datetime,
) -> tuple[Endpoint, Secret | None]:
    """A new endpoint, told of what comes after the `head` of its log, and its secret where it has
    one to be shown; Conflict when the name is taken, InvalidInput for the target."""
    endpoint, (target, secret) = ids.new(), _read(wanted.kind, wanted.target)
    try:
        await tx.execute(
            "INSERT INTO kernel.hook_endpoints"
            " (id, org, name, kind, target, log, events, cursor, created_at)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
            (
                *(endpoint, org, wanted.name, wanted.kind, target, wanted.log),
                *(list(wanted.events), head.size if head else 0, now),
            ),
        )
    except UniqueViolation:
        raise Conflict(
            f"there is an endpoint named {wanted.name!r} already", hint="choose another name"
        ) from None
    if secret is not None:
        await sealed.add(tx, vault, org, endpoint, secret)
    shown = secret if wanted.kind is Kind.WEBHOOK else None
    return await get(tx, endpoint, now), shown


async def list_all(
    tx: Transaction, now: datetime, limit: int, after: uuid.UUID | None = None
) -> list[Endpoint]:
    """Endpoints of the organisation, oldest first."""
    query = _SELECT + " WHERE %(after)s::uuid IS NULL OR e.id > %(after)s ORDER BY e.id LIMIT %(n)s"
    return await _rows(tx, query, {"now": now, "after": after, "n": limit})


async def get(tx: Transaction, endpoint: uuid.UUID, now: datetime) -> Endpoint:
    """The endpoint; NotFound."""
    found = await _rows(tx, _SELECT + " WHERE e.id = %(id)s", {"id": endpoint, "now": now})
    if not found:
        raise NotFound("there is no such endpoint")
    return found[0]


async def rotate(
    tx: Transaction,
    vault: Vault,
    org: uuid.UUID,
    endpoint: Endpoint,
    *,
    now: datetime,
    overlap: timedelta,
) -> Secret:
    """Another secret; for `overlap` longer what is sent is signed with the one before as well."""
    if endpoint.kind != Kind.WEBHOOK:
        raise Conflict("only webhooks are signed", hint="to change an address, add another")
    secret = schemes.new_key(Scheme.STANDARD)
    await sealed.retire(tx, endpoint.id, now, overlap)
    await sealed.add(tx, vault, org, endpoint.id, secret)
    return secret


async def pause(tx: Transaction, endpoint: uuid.UUID, now: datetime, why: str = ASKED) -> bool:
    """Nothing is sent from now on; whether that is new."""
    cursor = await tx.execute(
        "UPDATE kernel.hook_endpoints SET paused_at = %s, paused_why = %s"
        " WHERE id = %s AND paused_at IS NULL",
        (now, why, endpoint),
    )
    return bool(cursor.rowcount)


async def resume(tx: Transaction, endpoint: uuid.UUID) -> bool:
    """What waited is sent; whether that is new."""
    cursor = await tx.execute(
        "UPDATE kernel.hook_endpoints SET paused_at = NULL, paused_why = NULL"
        " WHERE id = %s AND paused_at IS NOT NULL",
        (endpoint,),
    )
    return bool(cursor.rowcount)


async def remove(tx: Transaction, endpoint: uuid.UUID, now: datetime) -> Endpoint:
    """End an endpoint: what waited for it and what it was told are gone with it; NotFound."""
    removed = await get(tx, endpoint, now)
    await sealed.remove(tx, endpoint)
    await tx.execute("DELETE FROM kernel.hook_endpoints WHERE id = %s", (endpoint,))
    return removed


async def mark(tx: Transaction) -> str:
    """Differs when a list of endpoints, or of their deliveries, would."""
    cursor = await tx.execute(
        "SELECT count(*), max(e.id::text), max(e.paused_at),"
        " (SELECT concat(count(*), max(id::text), count(*) FILTER (WHERE state = 'waiting'))"
        " FROM kernel.hook_deliveries), (SELECT max(id::text) FROM kernel.hook_attempts)"
        " FROM kernel.hook_endpoints e"
    )
    return str(await cursor.fetchone())


def _read(kind: Kind, given: str) -> tuple[str, Secret | None]:
    """What is shown of a target, and the secret; InvalidInput for one that is no such target."""
    if kind is Kind.EMAIL:
        return people.read_email(given), None
    where = destinations.read_url(given)
    if kind is Kind.SLACK:  # whoever knows the address may post there
        return f"{where.scheme}://{where.authority}/…", Secret(given)
    return given, schemes.new_key(Scheme.STANDARD)


def read_events(given: list[str]) -> tuple[str, ...]:
    """Names of events, each once; InvalidInput for what is none."""
    if len(given) > EVENTS_MAX:
        raise InvalidInput(f"events: more than {EVENTS_MAX}; leave them out to be told of all")
    for name in given:
        if not EVENT.fullmatch(name):
            raise InvalidInput("events: names such as KeyCreated; docs/reference/events.md has all")
    return tuple(dict.fromkeys(given))


async def _rows(tx: Transaction, query: LiteralString, values: dict[str, Any]) -> list[Endpoint]:
    async with tx.cursor(row_factory=class_row(Endpoint)) as cursor:
        await cursor.execute(query, values)
        return await cursor.fetchall()
