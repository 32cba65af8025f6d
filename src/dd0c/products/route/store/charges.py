"""What was charged to budgets' windows: to show, and for a gateway that counts anew (R-16).

Charged is the cost of an attempt, while that is unknown what was reserved for it. Sum and snapshot
are of one statement: an attempt is in the sum exactly if its transaction is visible in the
snapshot, so whoever settles one later can tell whether it was counted.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection
from typing import Any

from psycopg import AsyncConnection
from psycopg.sql import SQL, Composed, Identifier, Literal

from dd0c.products.route.store import rollups, selection, spans
from dd0c.products.route.store.selection import Filter
from dd0c.products.route.store.spans import Span

_COLUMNS = {
    "organisation": None,
    "team": "team",
    "key": "key_id",
    "tag": "tag",
    "route": "requested_model",
    "model": "sent_model",
}
_IDS = ("team", "key")


async def charged(
    connection: AsyncConnection[Any], org: uuid.UUID, scope: str, subject: str, span: Span
) -> tuple[int, str]:
    """Pico-dollars of a scope in a span of time, and the snapshot they are of.

    `subject` is "" for an organisation, the id's 32 hexadecimal digits for a team or key, else the
    tag or name of a model itself. An attempt's time is that in its request id.
    """
    relation = _charges(org, scope, [subject], span)
    query = SQL(
        "SELECT coalesce(sum(charged_pico), 0), pg_current_snapshot()::text FROM {} AS charged"
    ).format(relation)
    row = await (await connection.execute(query)).fetchone()
    assert row is not None
    return int(row[0]), str(row[1])


async def charged_each(
    connection: AsyncConnection[Any],
    org: uuid.UUID,
    scope: str,
    subjects: Collection[str],
    span: Span,
) -> dict[str, int]:
    """Pico-dollars of each of these subjects of a scope; one that was charged nothing has 0."""
    query = SQL("SELECT subject, sum(charged_pico) FROM {} AS charged GROUP BY subject").format(
        _charges(org, scope, subjects, span)
    )
    rows = await (await connection.execute(query)).fetchall()
    return dict.fromkeys(subjects, 0) | {_subject(scope, found): int(pico) for found, pico in rows}


def _charges(org: uuid.UUID, scope: str, subjects: Collection[str], span: Span) -> Composed:
    """What was charged to these subjects, in rows of `subject` and `charged_pico`."""
    by_tag, column = scope == "tag", _COLUMNS[scope]
    columns = ("org", "charged_pico", *((column,) if column else ()))
    parts = spans.cut(span)
    relations = [
        *rollups.rolled("tag_rollups" if by_tag else "rollups", columns, parts),
        *(_ledger(columns, edge, by_tag=by_tag) for edge in parts.edges),
    ]
    subject: SQL | Identifier = SQL("''") if column is None else Identifier(column)
    conditions = [SQL("org = {}").format(Literal(org))]
    if column is not None:
        wanted = [uuid.UUID(hex=text) for text in subjects] if scope in _IDS else list(subjects)
        conditions.append(SQL("{} = ANY({})").format(subject, Literal(wanted)))
    return SQL("(SELECT {} AS subject, charged_pico FROM ({}) AS parts WHERE {})").format(
        subject, SQL(" UNION ALL ").join(relations), selection.every(*conditions)
    )


def _subject(scope: str, found: Any) -> str:
    return found.hex if scope in _IDS else str(found)


def _ledger(columns: tuple[str, ...], edge: Span, *, by_tag: bool) -> Composed:
    """Attempts in the shape of roll-ups."""
    return SQL("SELECT {} FROM route.attempts a{} WHERE {}").format(
        SQL(", ").join(map(Identifier, columns)),
        SQL(", unnest(a.tags) AS tag" if by_tag else ""),
        selection.every(*selection.spanned(Filter(since=edge.since, until=edge.until), "a")),
    )
