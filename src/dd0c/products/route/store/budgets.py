"""Rows of route.budgets: how much may be spent, by whom, in which span of time."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime

from psycopg import sql
from psycopg.rows import class_row

from dd0c.base import ids
from dd0c.kernel.db.pool import Transaction
from dd0c.products.route.store.held import Held

_COLUMNS = sql.SQL(
    "id, org, scope, subject, span, amount_pico, hard, created_at, removed_at,"
    " route.counter_of(id, 'usd', (SELECT changed_xid FROM kernel.organisations o"
    " WHERE o.id = budgets.org)) AS counter"
)


@dataclass(frozen=True, slots=True)
class Budget:
    """A budget; `counter` is what gateways count a hard one by."""

    id: uuid.UUID
    org: uuid.UUID
    scope: str
    subject: str
    span: str
    amount_pico: int
    hard: bool
    created_at: datetime
    removed_at: datetime | None
    counter: bytes


@dataclass(frozen=True, slots=True)
class NewBudget:
    """What a budget is to be."""

    scope: str
    subject: str
    span: str
    amount_pico: int
    hard: bool


async def save(tx: Transaction, org: uuid.UUID, wanted: NewBudget, now: datetime) -> Budget:
    """The budget, in place of the one of the same scope, subject and span.

    One that becomes hard is a new one: while it was soft nobody settled its counter.
    """
    async with tx.cursor(row_factory=class_row(Budget)) as cursor:
        await cursor.execute(
            sql.SQL(
                "INSERT INTO route.budgets"
                " (id, org, scope, subject, span, amount_pico, hard, created_at)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"
                " ON CONFLICT (org, scope, subject, span) WHERE removed_at IS NULL DO UPDATE SET"
                " amount_pico = excluded.amount_pico, hard = excluded.hard,"
                " id = CASE WHEN excluded.hard > budgets.hard THEN excluded.id ELSE budgets.id END,"
                " created_at = CASE WHEN excluded.hard > budgets.hard THEN excluded.created_at"
                " ELSE budgets.created_at END RETURNING {}"
            ).format(_COLUMNS),
            (
                *(ids.new(), org, wanted.scope, wanted.subject, wanted.span),
                *(wanted.amount_pico, wanted.hard, now),
            ),
        )
        row = await cursor.fetchone()
    assert row is not None
    return row


_rows = Held("budgets", _COLUMNS, Budget, "budget")
count, list_budgets, get, remove = _rows.count, _rows.list_held, _rows.get, _rows.remove
