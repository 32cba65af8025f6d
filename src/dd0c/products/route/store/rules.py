"""What gateways enforce, of all organisations: hard budgets, limits and terms."""

from __future__ import annotations

import uuid
from typing import Any, LiteralString, NamedTuple

from psycopg import AsyncConnection
from psycopg.rows import args_row


class RuleRow(NamedTuple):
    """A rule; `created_us` is Unix microseconds, `amount` pico-dollars or a count."""

    counter: bytes
    org: uuid.UUID
    scope: str
    subject: str
    measure: str
    span: str
    amount: int
    time_zone: str
    created_us: int


class TermsRow(NamedTuple):
    """Terms of an organisation."""

    org: uuid.UUID
    disconnect: str
    drain_pico: int | None
    store_away: str
    spool_full: str


_RULES: LiteralString = """
SELECT route.counter_of(r.id, measure, o.changed_xid), r.org, scope, subject, measure, span, amount,
    time_zone, (extract(epoch FROM since) * 1000000)::bigint
FROM (
    SELECT id, org, scope, subject, 'usd' AS measure, span, amount_pico AS amount,
        created_at AS since
    FROM route.budgets WHERE hard AND removed_at IS NULL
    UNION ALL
    SELECT id, org, scope, subject, measure, span, amount, created_at
    FROM route.limits CROSS JOIN LATERAL (VALUES
        ('requests', 'minute', requests_per_minute), ('tokens', 'minute', tokens_per_minute),
        ('concurrency', '', concurrency)
    ) AS measures (measure, span, amount)
    WHERE amount IS NOT NULL AND removed_at IS NULL
) AS r JOIN kernel.organisations o ON o.id = r.org
ORDER BY r.id, measure
"""
_CHANGED: LiteralString = """
SELECT EXISTS (SELECT FROM route.budgets WHERE changed_xid >= %(since)s::xid8)
    OR EXISTS (SELECT FROM route.limits WHERE changed_xid >= %(since)s::xid8)
    OR EXISTS (SELECT FROM route.terms WHERE changed_xid >= %(since)s::xid8)
    OR EXISTS (SELECT FROM kernel.organisations WHERE changed_xid >= %(since)s::xid8)
"""


async def has_changed(tx: AsyncConnection[Any], since: str) -> bool:
    """Whether a transaction not older than the watermark changed any rule, term or clock."""
    row = await (await tx.execute(_CHANGED, {"since": since})).fetchone()
    return row is not None and bool(row[0])


async def list_rules(tx: AsyncConnection[Any]) -> list[RuleRow]:
    """Every rule that holds."""
    async with tx.cursor(row_factory=args_row(RuleRow)) as cursor:
        await cursor.execute(_RULES)
        return await cursor.fetchall()


async def list_terms(tx: AsyncConnection[Any]) -> list[TermsRow]:
    """Terms of those organisations that have said some."""
    async with tx.cursor(row_factory=args_row(TermsRow)) as cursor:
        await cursor.execute(
            "SELECT org, disconnect, drain_pico, store_away, spool_full FROM route.terms"
            " ORDER BY org"
        )
        return await cursor.fetchall()
