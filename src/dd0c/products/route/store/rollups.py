"""Sums without reading the ledger: whole days and hours from the roll-ups, the rest exactly.

A span of time is cut into whole days (UTC), the whole hours beside them, and what is left of an
hour at either end; only that is read from the ledger. Roll-up rows that the job has not merged yet
(step `new`) are read beside the merged ones. `measured` puts all of it into one relation of one
shape, so a sum over it is the sum over the ledger, to the digit, whatever is merged meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from psycopg.sql import SQL, Composed, Identifier, Literal

from dd0c.kernel.db.pool import Transaction
from dd0c.products.route.store import selection, spans
from dd0c.products.route.store.selection import Filter
from dd0c.products.route.store.spans import Span

_DIMENSIONS = (
    *("key_id", "team", "requested_model", "sent_model", "served_model", "provider"),
    *("credential_id", "endpoint", "stream", "end_reason", "usage_source"),
)
_TOKENS = (
    *("input_tokens", "cache_read_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens"),
    *("output_tokens", "reasoning_tokens", "audio_input_tokens", "audio_output_tokens"),
    *("image_tokens", "server_tools"),
)
COLUMNS = ("at", *_DIMENSIONS, "cost_reason", "requests", "attempts", *_TOKENS, "cost_pico")
UNPRICED = SQL("coalesce(sum(attempts) FILTER (WHERE cost_reason IS NOT NULL), 0)::bigint")
SIMULATED_PICO = SQL(
    "sum(cost_pico) FILTER"
    " (WHERE credential_id IN (SELECT id FROM route.providers WHERE simulated))"
)
ESTIMATED_PICO = SQL(
    "sum(cost_pico) FILTER (WHERE usage_source = 'estimated'"
    " AND credential_id IN (SELECT id FROM route.providers WHERE simulated) IS NOT TRUE)"
)


def measured(
    wanted: Filter, step_s: int | None = None, *, free: bool = False, by_tag: bool = False
) -> Composed:
    """The attempts that match as a relation of `COLUMNS`, added up as far as they can be.

    `at` is when the hour or day begins of what is added up, else the request's own time: it lies in
    the right step of `step_s` seconds. Calls of free endpoints are left out unless asked for: they
    use no tokens and cost nothing. `by_tag`: there is a column `tag` more, and an attempt is there
    once for each of its tags, with null if it has none.
    """
    parts = spans.cut(Span(wanted.since, wanted.until), step_s)
    conditions = [*selection.equal(wanted, "m")]
    if wanted.tag is not None:
        conditions.append(SQL("m.tag = {}").format(Literal(wanted.tag)))
    if by_tag or wanted.tag is not None:
        relations = [*_rolled_by_tag(parts), *(_ledger(edge, by_tag=True) for edge in parts.edges)]
    else:
        relations = [*rolled("rollups", COLUMNS, parts), *map(_ledger, parts.edges)]
    if wanted.unpriced:
        conditions.append(SQL("m.cost_reason IS NOT NULL").format())
    if not free:
        conditions.append(selection.charging("m"))
    return SQL("(SELECT * FROM ({}) AS m WHERE {}) AS measured").format(
        SQL(" UNION ALL ").join(relations), selection.every(*conditions)
    )


def rolled(table: str, columns: Sequence[str], parts: spans.Cut) -> list[Composed]:
    """The whole days and hours of a span, and what is not merged of them, as relations."""
    found = [("day", parts.days), *(("hour", hours) for hours in parts.hours), ("new", parts.whole)]
    return [
        SQL("SELECT {} FROM route.{} WHERE step = {} AND {}").format(
            SQL(", ").join(map(Identifier, columns)),
            Identifier(table),
            Literal(step),
            selection.every(*_bounds(span)),
        )
        for step, span in found
        if span is not None
    ]


def _rolled_by_tag(parts: spans.Cut) -> Iterator[Composed]:
    names = SQL(", ").join(map(Identifier, COLUMNS))
    yield from rolled("tag_rollups", (*COLUMNS, "tag"), parts)
    for relation in rolled("rollups", (*COLUMNS, "tagged"), parts):
        yield SQL("SELECT {}, NULL FROM ({}) AS r WHERE NOT tagged").format(names, relation)


def _bounds(span: Span) -> list[Composed]:
    bounds = (("at >= {}", span.since), ("at < {}", span.until))
    return [SQL(text).format(Literal(at)) for text, at in bounds if at is not None]


def _ledger(edge: Span, *, by_tag: bool = False) -> Composed:
    """Attempts in the shape of roll-ups."""
    return SQL(
        "SELECT route.time_of(a.request_id) AS at, {dimensions}, a.unbilled_reason AS cost_reason,"
        " a.final::integer::bigint AS requests, 1::bigint AS attempts, {tokens},"
        " a.billed_pico::numeric AS cost_pico{tag} FROM route.attempts a{tags} WHERE {span}"
    ).format(
        tag=SQL(", tag" if by_tag else ""),
        tags=SQL(" LEFT JOIN LATERAL unnest(a.tags) AS tag ON true" if by_tag else ""),
        dimensions=SQL(", ").join(Identifier("a", name) for name in _DIMENSIONS),
        tokens=SQL(", ").join(SQL("{}::numeric").format(Identifier("a", name)) for name in _TOKENS),
        span=selection.every(*selection.spanned(Filter(since=edge.since, until=edge.until), "a")),
    )


async def find_days(tx: Transaction, wanted: Filter, requests_min: int) -> Span | None:
    """The days of the next `requests_min` requests of a list; None: it has no more.

    From its newest request, or from where `before` or `after` says. The day in which the list
    begins is not counted: how much of it lies behind the list's beginning is not known here.
    """
    span = spans.widened(Span(wanted.since, wanted.until), spans.DAY)
    begins = wanted.until and spans.floor(wanted.until, spans.DAY)
    if wanted.after is not None:
        begins = spans.floor(selection.time_of(wanted.after), spans.DAY)
        span = Span(begins, span.until)
    elif wanted.before is not None:
        begins = spans.floor(selection.time_of(wanted.before), spans.DAY)
        span = Span(span.since, begins + spans.DAY)
    query = SQL(
        "SELECT min(day), max(day) FROM ("
        "SELECT day, coalesce(sum(sum(requests) FILTER (WHERE day IS DISTINCT FROM {begins}))"
        " OVER (ORDER BY day {order} ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0)"
        " AS passed FROM (SELECT date_trunc('day', at, 'UTC') AS day, requests FROM {measured})"
        " AS dated GROUP BY day HAVING sum(requests) > 0) AS days WHERE passed < {least}"
    ).format(
        begins=Literal(begins),
        order=SQL("ASC" if wanted.after is not None else "DESC"),
        measured=measured(
            replace(wanted, since=span.since, until=span.until),
            86_400,
            free=not wanted.answers_only,
        ),
        least=Literal(requests_min),
    )
    row = await (await tx.execute(query)).fetchone()
    assert row is not None
    return None if row[0] is None else Span(row[0], row[1] + spans.DAY)


def whole(value: Any) -> int | None:
    """A sum as the database gives it as a number; None where nothing was known."""
    return None if value is None else int(value)


def slot_of(step_s: int) -> Composed:
    """The number of the step of `step_s` seconds since 1970 that `at` lies in."""
    return SQL("floor(date_part('epoch', at) / {})::bigint").format(Literal(step_s))
