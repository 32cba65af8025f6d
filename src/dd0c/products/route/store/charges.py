"""What was charged to a budget's window, for a gateway that has to count it anew (R-16).

Charged is the cost of an attempt, while that is unknown what was reserved for it. Sum and snapshot
are of one statement: an attempt is in the sum exactly if its transaction is visible in the
snapshot, so whoever settles one later can tell whether it was counted.
"""

from __future__ import annotations

import uuid
from datetime import datetime
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
    connection: AsyncConnection[Any],
    org: uuid.UUID,
    scope: str,
    subject: str,
    since: datetime | None,
    until: datetime | None,
) -> tuple[int, str]:
    """Pico-dollars of a scope from `since` on, before `until`, and the snapshot they are of.

    `subject` is "" for an organisation, the id's 32 hexadecimal digits for a team or key, else the
    tag or name of a model itself. An attempt's time is that in its request id.
    """
    by_tag, column = scope == "tag", _COLUMNS[scope]
    columns = ("org", "charged_pico", *((column,) if column else ()))
    parts = spans.cut(Span(since, until))
    relations = [
        *rollups.rolled("tag_rollups" if by_tag else "rollups", columns, parts),
        *(_ledger(columns, edge, by_tag=by_tag) for edge in parts.edges),
    ]
    conditions = [SQL("org = {}").format(Literal(org))]
    if column is not None:
        wanted = uuid.UUID(hex=subject) if scope in _IDS else subject
        conditions.append(SQL("{} = {}").format(Identifier(column), Literal(wanted)))
    query = SQL(
        "SELECT coalesce(sum(charged_pico), 0), pg_current_snapshot()::text"
        " FROM ({}) AS charged WHERE {}"
    ).format(SQL(" UNION ALL ").join(relations), selection.every(*conditions))
    row = await (await connection.execute(query)).fetchone()
    assert row is not None
    return int(row[0]), str(row[1])


def _ledger(columns: tuple[str, ...], edge: Span, *, by_tag: bool) -> Composed:
    """Attempts in the shape of roll-ups."""
    return SQL("SELECT {} FROM route.attempts a{} WHERE {}").format(
        SQL(", ").join(map(Identifier, columns)),
        SQL(", unnest(a.tags) AS tag" if by_tag else ""),
        selection.every(*selection.spanned(Filter(since=edge.since, until=edge.until), "a")),
    )
