"""Deliveries: made of the audit log, once each, and sent until they are taken or given up (K-71).

An endpoint keeps the sequence in its log up to which deliveries were made. The log has no gaps and
its entries never change, so the next ones are those behind it, whoever commits when; the cursor and
the rows made of them move in one transaction, so none is missed and none made twice.

A delivery is claimed by moving when it is due into the future, and by a row for the attempt: who
dies in between leaves an attempt without an outcome, and another sends the same message again when
the claim is over.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from dataclasses import astuple, dataclass
from datetime import datetime, timedelta
from typing import LiteralString

from psycopg.rows import class_row

from dd0c.base import ids
from dd0c.base.errors import NotFound
from dd0c.base.secrets import Secret
from dd0c.kernel.audit import entries, reading
from dd0c.kernel.audit.entries import Entry
from dd0c.kernel.db import tenancy
from dd0c.kernel.db.pool import Pool, Transaction
from dd0c.kernel.hooks import events, messages, sealed
from dd0c.kernel.hooks.retrying import TRIES_MAX, Next, Outcome
from dd0c.kernel.vault.envelope import Vault

ENTRIES_AT_ONCE = 200
CLAIMED_FOR = timedelta(seconds=60)  # four times what an attempt may take
TESTED = "HookTested"


_SELECT: LiteralString = """
    SELECT d.id, d.endpoint, d.message, d.event, d.state, d.tries, d.created_at, d.due_at,
        a.status, a.said
    FROM kernel.hook_deliveries d LEFT JOIN LATERAL (
        SELECT status, said FROM kernel.hook_attempts WHERE delivery = d.id
        ORDER BY id DESC LIMIT 1
    ) a ON true
"""
_PAGE: LiteralString = """
    AND (%(before)s::uuid IS NULL OR d.id < %(before)s) ORDER BY d.id DESC LIMIT %(limit)s
"""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivery. `tries` of the present run: it begins anew with a replay."""

    id: uuid.UUID
    endpoint: uuid.UUID
    message: str
    event: str
    state: str
    tries: int
    created_at: datetime
    due_at: datetime
    status: int | None
    said: str | None


@dataclass(frozen=True, slots=True)
class Attempt:
    """A try. Without `took_ms` it is under way, or its worker died."""

    id: uuid.UUID
    begun_at: datetime
    took_ms: int | None
    status: int | None
    said: str | None


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that is ours to send, with all that this takes."""

    delivery: uuid.UUID
    attempt: uuid.UUID
    endpoint: uuid.UUID
    name: str
    kind: str
    target: str
    message: str
    payload: str
    tries: int
    keys: tuple[Secret, ...]


@dataclass(frozen=True, slots=True)
class _Behind:
    """An endpoint and how far it was told."""

    id: uuid.UUID
    log: str
    events: list[str]
    cursor: int


@dataclass(frozen=True, slots=True)
class _Content:
    endpoint: uuid.UUID
    message: str
    event: str
    payload: str


@dataclass(frozen=True, slots=True)
class _Due:
    id: uuid.UUID
    endpoint: uuid.UUID
    name: str
    kind: str
    target: str
    message: str
    payload: str
    tries: int


async def make_new(pool: Pool, org: uuid.UUID, now: datetime) -> None:
    """Make the next deliveries of each endpoint of the organisation."""
    async with tenancy.tenant(pool, org) as tx, tx.cursor(row_factory=class_row(_Behind)) as cursor:
        await cursor.execute(
            "SELECT id, log, events, cursor FROM kernel.hook_endpoints WHERE paused_at IS NULL"
        )
        found = await cursor.fetchall()
    for endpoint in found:
        above = endpoint.log == entries.INSTALLATION
        async with tenancy.system(pool) if above else tenancy.tenant(pool, org) as tx:
            new = await reading.list_after(tx, endpoint.log, endpoint.cursor, ENTRIES_AT_ONCE)
        if new:
            async with tenancy.tenant(pool, org) as tx:
                await _make(tx, org, endpoint, new, now)


async def add_test(tx: Transaction, org: uuid.UUID, endpoint: uuid.UUID, now: datetime) -> None:
    """A message that something was tried, for one endpoint."""
    message = ids.text(ids.Kind.EVENT, ids.new())
    payload = messages.payload(TESTED, now, {"id": message})
    await _insert(tx, org, ids.new(), _Content(endpoint, message, TESTED, payload), now)


async def claim(
    tx: Transaction,
    vault: Vault,
    org: uuid.UUID,
    now: datetime,
    *,
    limit: int,
    except_of: Collection[uuid.UUID] = (),
) -> list[Claimed]:
    """Deliveries that are due, at most one of each endpoint, taken for a minute."""
    await tx.execute(
        "UPDATE kernel.hook_deliveries SET state = 'dead'"
        " WHERE state = 'waiting' AND due_at <= %s AND tries >= %s",
        (now, TRIES_MAX),
    )
    async with tx.cursor(row_factory=class_row(_Due)) as cursor:
        await cursor.execute(
            """
            WITH next AS (
                SELECT DISTINCT ON (d.endpoint) d.id FROM kernel.hook_deliveries d
                JOIN kernel.hook_endpoints e ON e.id = d.endpoint AND e.paused_at IS NULL
                WHERE d.state = 'waiting' AND d.due_at <= %(now)s
                    AND d.endpoint <> ALL (%(except)s::uuid[])
                ORDER BY d.endpoint, d.due_at, d.id
            ), taken AS (
                SELECT id FROM kernel.hook_deliveries
                WHERE id IN (SELECT id FROM next) AND state = 'waiting' AND due_at <= %(now)s
                ORDER BY due_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
            )
            UPDATE kernel.hook_deliveries d SET tries = d.tries + 1, due_at = %(until)s
            FROM kernel.hook_endpoints e
            WHERE d.id IN (SELECT id FROM taken) AND e.id = d.endpoint
            RETURNING d.id, d.endpoint, e.name, e.kind, e.target, d.message, d.payload, d.tries
            """,
            {"now": now, "until": now + CLAIMED_FOR, "limit": limit, "except": list(except_of)},
        )
        due = await cursor.fetchall()
    return [await _begin(tx, vault, org, one, now) for one in due]


async def finish(
    tx: Transaction,
    claimed: Claimed,
    outcome: Outcome,
    following: Next,
    *,
    began: datetime,
    now: datetime,
) -> None:
    """What became of an attempt, and what follows."""
    took_ms = round((now - began).total_seconds() * 1000)
    await tx.execute(
        "UPDATE kernel.hook_attempts SET took_ms = %s, status = %s, said = %s WHERE id = %s",
        (took_ms, outcome.status, outcome.said, claimed.attempt),
    )
    await tx.execute(
        "UPDATE kernel.hook_deliveries SET state = %s, due_at = %s WHERE id = %s AND tries = %s",
        (
            following.state,
            now + timedelta(seconds=following.wait_s),
            claimed.delivery,
            claimed.tries,
        ),
    )


async def replay(tx: Transaction, delivery: uuid.UUID, now: datetime) -> Delivery:
    """Send it once more, under the same id and from the first try on; NotFound."""
    await tx.execute(
        "UPDATE kernel.hook_deliveries SET state = 'waiting', tries = 0, due_at = %s WHERE id = %s",
        (now, delivery),
    )
    return await get(tx, delivery)


async def get(tx: Transaction, delivery: uuid.UUID) -> Delivery:
    """The delivery; NotFound."""
    found = await _list(tx, "d.id = %(what)s", delivery, 1, None)
    if not found:
        raise NotFound("there is no such delivery")
    return found[0]


async def list_of(
    tx: Transaction, endpoint: uuid.UUID, limit: int, before: uuid.UUID | None = None
) -> list[Delivery]:
    """Deliveries of an endpoint, newest first."""
    return await _list(tx, "d.endpoint = %(what)s", endpoint, limit, before)


async def get_payload(tx: Transaction, delivery: uuid.UUID) -> str:
    """What is sent, as JSON; NotFound."""
    cursor = await tx.execute(
        "SELECT payload FROM kernel.hook_deliveries WHERE id = %s", (delivery,)
    )
    row = await cursor.fetchone()
    if row is None:
        raise NotFound("there is no such delivery")
    return str(row[0])


async def list_attempts(tx: Transaction, delivery: uuid.UUID, limit: int) -> list[Attempt]:
    """Its tries, newest first."""
    async with tx.cursor(row_factory=class_row(Attempt)) as cursor:
        await cursor.execute(
            "SELECT id, begun_at, took_ms, status, said FROM kernel.hook_attempts"
            " WHERE delivery = %s ORDER BY id DESC LIMIT %s",
            (delivery, limit),
        )
        return await cursor.fetchall()


async def _make(
    tx: Transaction, org: uuid.UUID, endpoint: _Behind, new: Sequence[Entry], now: datetime
) -> None:
    cursor = await tx.execute(
        "UPDATE kernel.hook_endpoints SET cursor = %s WHERE id = %s AND cursor = %s",
        (new[-1].sequence, endpoint.id, endpoint.cursor),
    )
    if not cursor.rowcount:
        return  # another worker was here before us, or the endpoint is gone
    wanted = [entry for entry in new if is_wanted(entry.name, endpoint.events)]
    in_order = sorted(ids.new() for _ in wanted)  # of one millisecond they are in no order
    for delivery, entry in zip(in_order, wanted, strict=True):
        message = ids.text(ids.Kind.EVENT, entry.id)
        payload = messages.payload(entry.name, entry.at, messages.facts(entry.read()))
        content = _Content(endpoint.id, message, entry.name, payload)
        await _insert(tx, org, delivery, content, now)


def is_wanted(event: str, wanted: Collection[str]) -> bool:
    """Whether an endpoint is told of it. Of what arrives here only if it asks for that by name: an
    address that leads back to us would be told of each of its own messages."""
    return event in wanted if wanted else event != events.RECEIVED.name


async def _insert(
    tx: Transaction, org: uuid.UUID, delivery: uuid.UUID, content: _Content, now: datetime
) -> None:
    await tx.execute(
        "INSERT INTO kernel.hook_deliveries"
        " (id, org, endpoint, message, event, payload, created_at, due_at)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (endpoint, message) DO NOTHING",
        (delivery, org, *astuple(content), now, now),
    )


async def _begin(
    tx: Transaction, vault: Vault, org: uuid.UUID, due: _Due, now: datetime
) -> Claimed:
    attempt = ids.new()
    await tx.execute(
        "INSERT INTO kernel.hook_attempts (id, org, delivery, begun_at) VALUES (%s, %s, %s, %s)",
        (attempt, org, due.id, now),
    )
    live = await sealed.list_live(tx, due.endpoint, now)
    keys = tuple(await sealed.open_all(tx, vault, org, live))
    return Claimed(
        delivery=due.id,
        attempt=attempt,
        endpoint=due.endpoint,
        name=due.name,
        kind=due.kind,
        target=due.target,
        message=due.message,
        payload=due.payload,
        tries=due.tries,
        keys=keys,
    )


async def _list(
    tx: Transaction,
    which: LiteralString,
    what: uuid.UUID,
    limit: int,
    before: uuid.UUID | None,
) -> list[Delivery]:
    query = _SELECT + " WHERE " + which + _PAGE
    async with tx.cursor(row_factory=class_row(Delivery)) as cursor:
        await cursor.execute(query, {"what": what, "before": before, "limit": limit})
        return await cursor.fetchall()
