"""What was charged to budgets' windows: to show, and for a gateway that counts anew (R-16).

Charged is the cost of an attempt, while that is unknown what was reserved for it. Sum and snapshot
are of one statement: an attempt is in the sum exactly if its transaction is visible in the
snapshot, so whoever settles one later can tell whether it was counted.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import dataclass
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
_ATTEMPT = {  # columns of the roll-ups that attempts have in other words
    "at": SQL("route.time_of(a.request_id) AS at"),
    "attempts": SQL("1::bigint AS attempts"),
    "cost_reason": SQL("a.unbilled_reason AS cost_reason"),
}


@dataclass(frozen=True, slots=True)
class Charged:
    """What was charged in one slot of time, and for how many attempts nobody knows the cost."""

    pico: int
    unknown: int


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


async def charged_over(
    connection: AsyncConnection[Any],
    org: uuid.UUID,
    scope: str,
    subjects: Collection[str],
    span: Span,
    *,
    step_s: int,
) -> dict[str, dict[int, Charged]]:
    """The same by slot of `step_s` seconds since 1970; a slot in which there was nothing is not
    there."""
    query = SQL(
        "SELECT subject, {slot}, sum(charged_pico),"
        " coalesce(sum(attempts) FILTER (WHERE cost_reason IS NOT NULL), 0)"
        " FROM {charges} AS charged GROUP BY 1, 2"
    ).format(slot=rollups.slot_of(step_s), charges=_charges(org, scope, subjects, span, step_s))
    found: dict[str, dict[int, Charged]] = {subject: {} for subject in subjects}
    for subject, slot, pico, unknown in await (await connection.execute(query)).fetchall():
        found[_subject(scope, subject)][slot] = Charged(int(pico), int(unknown))
    return found


def _charges(
    org: uuid.UUID,
    scope: str,
    subjects: Collection[str],
    span: Span,
    step_s: int | None = None,
) -> Composed:
    """What was charged to these subjects, in rows of `subject` and `charged_pico`; with a step also
    when (`at`), and of how many `attempts`."""
    by_tag, column = scope == "tag", _COLUMNS[scope]
    more = () if step_s is None else tuple(_ATTEMPT)
    columns = ("org", "charged_pico", *((column,) if column else ()), *more)
    parts = spans.cut(span, step_s)
    relations = [
        *rollups.rolled("tag_rollups" if by_tag else "rollups", columns, parts),
        *(_ledger(columns, edge, by_tag=by_tag) for edge in parts.edges),
    ]
    subject: SQL | Identifier = SQL("''") if column is None else Identifier(column)
    conditions = [SQL("org = {}").format(Literal(org))]
    if column is not None:
        wanted = [uuid.UUID(hex=text) for text in subjects] if scope in _IDS else list(subjects)
        conditions.append(SQL("{} = ANY({})").format(subject, Literal(wanted)))
    shown = SQL(", ").join(map(Identifier, ("charged_pico", *more)))
    return SQL("(SELECT {} AS subject, {} FROM ({}) AS parts WHERE {})").format(
        subject, shown, SQL(" UNION ALL ").join(relations), selection.every(*conditions)
    )


def _subject(scope: str, found: Any) -> str:
    return found.hex if scope in _IDS else str(found)


def _ledger(columns: tuple[str, ...], edge: Span, *, by_tag: bool) -> Composed:
    """Attempts in the shape of roll-ups."""
    return SQL("SELECT {} FROM route.attempts a{} WHERE {}").format(
        SQL(", ").join(_ATTEMPT.get(name, Identifier(name)) for name in columns),
        SQL(", unnest(a.tags) AS tag" if by_tag else ""),
        selection.every(*selection.spanned(Filter(since=edge.since, until=edge.until), "a")),
    )
