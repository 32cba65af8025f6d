"""How providers do: calls and failures by hour, and how fast they answer, from whole hours.

By the provider's name in the ledger, so that one which was removed since is there too. A failure
is what the provider did: an error, an answer that it cut off, none in time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row
from psycopg.sql import SQL, Literal

from dd0c.kernel.db.pool import Transaction
from dd0c.products.route.models import EndReason
from dd0c.products.route.store import latencies, rollups, spans
from dd0c.products.route.store.latencies import Kind
from dd0c.products.route.store.selection import Filter
from dd0c.products.route.store.spans import Span

HOUR_S = 3600
_FAILED = [EndReason.UPSTREAM_ERROR, EndReason.UPSTREAM_CUT, EndReason.TIMEOUT]


@dataclass(frozen=True, slots=True)
class Called:
    """What was sent to a provider in one hour (`slot`, since 1970), and how much of it failed."""

    provider: str
    slot: int
    attempts: int
    failed: int


@dataclass(frozen=True, slots=True)
class Speed:
    """How long a provider's complete answers took: half of them, and 95 of 100."""

    provider: str
    kind: Kind
    answers: int
    p50_us: int
    p95_us: int


async def list_called(tx: Transaction, since: datetime) -> list[Called]:
    """By provider and hour, in order."""
    query = SQL(
        "SELECT provider, {slot} AS slot, sum(attempts)::bigint AS attempts,"
        " coalesce(sum(attempts) FILTER (WHERE end_reason = ANY({failed})), 0)::bigint AS failed"
        " FROM {measured} GROUP BY 1, 2 ORDER BY 1, 2"
    ).format(
        slot=rollups.slot_of(HOUR_S),
        failed=Literal(_FAILED),
        measured=rollups.measured(Filter(since=since), HOUR_S),
    )
    async with tx.cursor(row_factory=class_row(Called)) as cursor:
        await cursor.execute(query)
        return await cursor.fetchall()


async def list_speeds(tx: Transaction, since: datetime) -> list[Speed]:
    """By provider and kind of time, over the whole span; its first hour is whole."""
    parts = spans.cut(spans.widened(Span(since, None)))
    query = SQL(
        "SELECT provider, kind, bucket, sum(answers) FROM ({relations}) AS m GROUP BY 1, 2, 3"
    ).format(
        relations=SQL(" UNION ALL ").join(
            rollups.rolled("latencies", ("at", "provider", "kind", "bucket", "answers"), parts)
        )
    )
    found: dict[tuple[str, Kind], dict[int, int]] = {}
    for provider, kind, bucket, answers in await (await tx.execute(query)).fetchall():
        found.setdefault((provider, kind), {})[bucket] = int(answers)
    return [
        Speed(*named, sum(counts.values()), *(latencies.quantile(counts, at) for at in (50, 95)))
        for named, counts in sorted(found.items())
    ]
