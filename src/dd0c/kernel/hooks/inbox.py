"""What arrives: known for whose it is, judged, kept once (K-70).

Whoever sends to a source that is not there meets the same transactions, the same number of keys and
the same hash over their body as whoever signs badly, and the same answer. What is not vouched for
leaves no trace but a line in the access log.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import msgspec
from psycopg.rows import class_row, tuple_row

from dd0c.base import ids
from dd0c.kernel.audit import outbox
from dd0c.kernel.audit.outbox import Event
from dd0c.kernel.content.contents import Blob, Contents
from dd0c.kernel.db import tenancy
from dd0c.kernel.db.pool import Pool, Transaction
from dd0c.kernel.hooks import events, schemes, sealed
from dd0c.kernel.hooks.schemes import Accepted, Headers, Kind
from dd0c.kernel.vault.envelope import Vault

KEYS_LIVE_MAX = 2
CONTENT_TYPE_CHARACTERS_MAX = 256


@dataclass(frozen=True, slots=True)
class Vouched:
    """A request that a source vouches for, and whose the source is."""

    org: uuid.UUID
    source: uuid.UUID
    kind: Kind
    accepted: Accepted


@dataclass(frozen=True, slots=True)
class Arrived:
    """What a request brought. `blob` is its body; None: the organisation keeps none."""

    content_type: str
    size: int
    at: datetime
    blob: Blob | None


@dataclass(frozen=True, slots=True)
class Kept:
    """What arrived. `content` is its body; None: it is kept no more, or never was."""

    id: uuid.UUID
    level: int
    nonce: str | None
    content_type: str
    size: int
    received_at: datetime
    content: uuid.UUID | None


async def judge(
    pool: Pool, vault: Vault, given: str, headers: Headers, body: bytes, *, now: datetime
) -> Vouched | None:
    """Whose request it is that was sent to the source `given`; None: nobody vouches for it."""
    source = ids.find(ids.Kind.SOURCE, given) or ids.new()
    async with tenancy.system(pool) as tx, tx.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute("SELECT org, kind FROM kernel.find_hook_source(%s)", (source,))
        row = await cursor.fetchone()
    org, kind = (row[0], Kind(row[1])) if row else (ids.new(), Kind.STANDARD)
    async with tenancy.tenant(pool, org) as tx:
        live = await sealed.list_live(tx, source, now)
        keys = await sealed.open_all(tx, vault, org, live)
    keys += [schemes.new_key(kind) for _ in range(KEYS_LIVE_MAX - len(keys))]  # fit nothing
    accepted = schemes.accept(kind, headers, body, keys, now.timestamp())
    return Vouched(org, source, kind, accepted) if row and accepted else None


async def keep(
    tx: Transaction, contents: Contents, vouched: Vouched, arrived: Arrived
) -> uuid.UUID:
    """Keep what arrived, once, and tell the log; the id that it was given the first time."""
    received, accepted, blob = ids.new(), vouched.accepted, arrived.blob
    async with tx.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(
            "INSERT INTO kernel.hook_events"
            " (id, org, source, level, nonce, content_type, size, content, received_at)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (source, nonce) DO NOTHING",
            (
                *(received, vouched.org, vouched.source, accepted.level, accepted.nonce),
                *(arrived.content_type[:CONTENT_TYPE_CHARACTERS_MAX], arrived.size),
                *(blob and blob.id, arrived.at),
            ),
        )
        if not cursor.rowcount:
            if blob is not None:
                await contents.discard(blob)
            await cursor.execute(
                "SELECT id FROM kernel.hook_events WHERE source = %s AND nonce = %s",
                (vouched.source, accepted.nonce),
            )
            (known,) = await cursor.fetchall()
            return uuid.UUID(str(known[0]))
    if blob is not None:
        await contents.keep(tx, blob)
    await outbox.record(
        tx,
        vouched.org,
        Event(
            events.RECEIVED.name,
            actor=ids.text(ids.Kind.SOURCE, vouched.source),
            subject=ids.text(ids.Kind.RECEIVED, received),
            facts={"level": accepted.level, "size": arrived.size},
        ),
    )
    return received


async def list_kept(
    tx: Transaction, source: uuid.UUID, limit: int, after: uuid.UUID | None = None
) -> list[Kept]:
    """What arrived from the source, newest first."""
    async with tx.cursor(row_factory=class_row(Kept)) as cursor:
        await cursor.execute(
            "SELECT id, level, nonce, content_type, size, received_at, content"
            " FROM kernel.hook_events WHERE source = %(source)s"
            " AND (%(after)s::uuid IS NULL OR id < %(after)s) ORDER BY id DESC LIMIT %(limit)s",
            {"source": source, "after": after, "limit": limit},
        )
        return await cursor.fetchall()


def find_challenge(kind: Kind, body: bytes) -> str | None:
    """What Slack wants to be told once, to see that the address is ours; it is not an event."""
    if kind is not Kind.SLACK:
        return None
    try:
        said = msgspec.json.decode(body, type=_Challenge)
    except (msgspec.DecodeError, RecursionError):
        return None
    return said.challenge if said.type == "url_verification" else None


class _Challenge(msgspec.Struct):
    type: str
    challenge: Annotated[str, msgspec.Meta(max_length=1024)]
