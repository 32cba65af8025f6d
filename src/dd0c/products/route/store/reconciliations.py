"""Rows of route.reconciliations, and the ledger's side of them (R-17). A tenant's transaction."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from psycopg.rows import class_row, dict_row
from psycopg.sql import SQL, Composed, Identifier, Literal
from psycopg.types.json import Jsonb

from dd0c.kernel.db.pool import Transaction
from dd0c.products.route.models import Usage
from dd0c.products.route.store import rollups, selection, staging
from dd0c.products.route.store.selection import Filter

LISTED_MAX = 200
CROSSING_WITHIN = timedelta(hours=1)  # longer calls are rare enough to look at by hand

_COLUMNS = (
    *("id", "source", "kind", "credential_id", "price_provider", "since", "until", "by_model"),
    *("named", "measures", "lines", "settled", "content", "imported_by", "imported_at"),
)
_NAMES = SQL(", ").join(map(Identifier, _COLUMNS))
_INPUT = ("input_tokens", "cache_read_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens")
_OUTPUT = ("output_tokens", "reasoning_tokens")


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """An export as it is kept. `lines` are [day, model or null, {measure: amount}]."""

    id: uuid.UUID
    source: str
    kind: str
    credential_id: uuid.UUID | None
    price_provider: str
    since: date
    until: date
    by_model: bool
    named: bool
    measures: list[str]
    lines: list[Any]
    settled: int
    content: bytes
    imported_by: uuid.UUID
    imported_at: datetime


@dataclass(frozen=True, slots=True)
class Booked:
    """Attempts of a day and model that have something in common; `cached` is part of `input`."""

    day: date
    model: str
    simulated: bool
    attempts: int
    input: int
    cached: int
    output: int
    cost_pico: int


@dataclass(frozen=True, slots=True)
class Odd:
    """What is not certain of a day and model. Errors are in tokens and picodollars."""

    day: date
    model: str
    unknown: int
    lost: int
    reserved_pico: int
    estimated: int
    input_error: int
    cached_error: int
    output_error: int
    cost_error_pico: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """An attempt whose provider has not told what it used."""

    request_id: uuid.UUID
    attempt: int
    revision: int
    started_at: datetime
    end_reason: str
    usage_source: str
    price_provider: str
    provider: str
    model: str
    service_tier: str | None
    upstream_request_id: str | None
    cost_pico: int | None
    reserved_pico: int | None
    usage: Usage


async def save(tx: Transaction, org: uuid.UUID, one: Reconciliation) -> None:
    """Keep an import."""
    values = [getattr(one, name) for name in _COLUMNS]
    values[_COLUMNS.index("lines")] = Jsonb(one.lines)
    query = SQL("INSERT INTO route.reconciliations ({}, org) VALUES ({}, %s)")
    marks = SQL(", ").join([SQL("%s")] * len(_COLUMNS))
    await tx.execute(query.format(_NAMES, marks), [*values, org])


async def find_by_content(tx: Transaction, content: bytes) -> Reconciliation | None:
    """The import of the same export for the same; one that is under way is waited for."""
    await tx.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended(current_setting('dd0c.org') || %s, 0))",
        (content.hex(),),
    )
    found = await _select(tx, SQL("WHERE content = {}").format(Literal(content)))
    return found[0] if found else None


async def find(tx: Transaction, wanted: uuid.UUID) -> Reconciliation | None:
    """One import."""
    found = await _select(tx, SQL("WHERE id = {}").format(Literal(wanted)))
    return found[0] if found else None


async def list_newest(tx: Transaction, limit: int = LISTED_MAX) -> list[Reconciliation]:
    """The newest imports."""
    newest = SQL("ORDER BY imported_at DESC, id DESC LIMIT {}").format(Literal(limit))
    return await _select(tx, newest)


async def _select(tx: Transaction, rest: Composed) -> list[Reconciliation]:
    query = SQL("SELECT {} FROM route.reconciliations {}").format(_NAMES, rest)
    async with tx.cursor(row_factory=class_row(Reconciliation)) as cursor:
        await cursor.execute(query)
        return await cursor.fetchall()


async def list_booked(
    tx: Transaction, span: Filter, credentials: Sequence[uuid.UUID]
) -> list[Booked]:
    """What the ledger has of some credentials in whole days, by day and model."""
    query = SQL(
        "SELECT date_trunc('day', at, 'UTC') AS moment,"
        " coalesce(served_model, sent_model) AS model,"
        " credential_id IN (SELECT id FROM route.providers WHERE simulated) AS simulated,"
        " sum(attempts) AS attempts, {sums}, coalesce(sum(cost_pico), 0) AS cost_pico"
        " FROM {measured} WHERE {of} GROUP BY 1, 2, 3"
    ).format(sums=_sums("{}"), measured=rollups.measured(span, 86_400), of=_of(credentials))
    async with tx.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(query)
        return [Booked(**_dated(row)) for row in await cursor.fetchall()]


async def list_odd(tx: Transaction, span: Filter, credentials: Sequence[uuid.UUID]) -> list[Odd]:
    """Estimates, and what has no known cost, by day and model; simulated attempts are left out."""
    estimated = "round(coalesce(sum({}) FILTER (WHERE usage_source = 'estimated'), 0))"
    error = "({}) * least(coalesce(usage_error, 1), 1)"
    query = SQL(
        "SELECT date_trunc('day', route.time_of(request_id), 'UTC') AS moment,"
        " coalesce(served_model, sent_model) AS model,"
        " count(*) FILTER (WHERE billed_pico IS NULL) AS unknown,"
        " count(*) FILTER (WHERE billed_pico IS NULL AND end_reason = 'lost') AS lost,"
        " coalesce(sum(charged_pico) FILTER (WHERE billed_pico IS NULL), 0) AS reserved_pico,"
        " count(*) FILTER (WHERE usage_source = 'estimated') AS estimated,"
        " {input} AS input_error, {cached} AS cached_error, {output} AS output_error,"
        " {cost} AS cost_error_pico FROM route.attempts a"
        " WHERE (billed_pico IS NULL OR usage_source = 'estimated') AND {span} AND {of}"
        " AND credential_id NOT IN (SELECT id FROM route.providers WHERE simulated)"
        " GROUP BY 1, 2"
    ).format(
        input=SQL(estimated.format(error.format(_plus(_INPUT)))),
        cached=SQL(estimated.format(error.format(_plus(("cache_read_tokens",))))),
        output=SQL(estimated.format(error.format(_plus(_OUTPUT)))),
        cost=SQL(estimated.format(error.format(_plus(("billed_pico",))))),
        span=selection.every(*selection.spanned(span, "a"), selection.charging("a")),
        of=_of(credentials),
    )
    async with tx.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(query)
        return [Odd(**_dated(row)) for row in await cursor.fetchall()]


async def list_crossing(
    tx: Transaction, midnights: Sequence[datetime], credentials: Sequence[uuid.UUID]
) -> list[Booked]:
    """Attempts that began on a day and ended on the next, by the day they began on."""
    begins = [selection.first_id(at - CROSSING_WITHIN) for at in midnights]
    ends = [selection.first_id(at) for at in midnights]
    query = SQL(
        "SELECT m.at - interval '1 day' AS moment, coalesce(served_model, sent_model) AS model,"
        " false AS simulated, count(*) AS attempts, {sums},"
        " coalesce(sum(billed_pico), 0) AS cost_pico"
        " FROM unnest({midnights}::timestamptz[], {begins}::uuid[], {ends}::uuid[])"
        " AS m (at, begins, ends) JOIN route.attempts a"
        " ON a.request_id >= m.begins AND a.request_id < m.ends"
        " AND a.started_at + a.total_us * interval '1 microsecond' >= m.at"
        " WHERE {of} AND credential_id NOT IN (SELECT id FROM route.providers WHERE simulated)"
        " GROUP BY 1, 2"
    ).format(
        sums=_sums("a.{}"),
        midnights=Literal(list(midnights)),
        begins=Literal(begins),
        ends=Literal(ends),
        of=_of(credentials),
    )
    async with tx.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(query)
        return [Booked(**_dated(row)) for row in await cursor.fetchall()]


async def correct(
    tx: Transaction, costs: Sequence[tuple[Waiting, int]], why: str, now: datetime
) -> int:
    """Give estimated attempts the cost that their provider told, as one more rating; says how many
    took it. A price did not make that cost, so no other price replaces it."""
    rows = sorted(costs, key=lambda row: (row[0].request_id, row[0].attempt))
    nothing = [None] * len(rows)
    cursor = await tx.execute(
        "SELECT route.rerate(%s::uuid[], %s::smallint[], %s::smallint[], %s::text[], %s::bigint[],"
        " %s::bigint[], %s::bigint[], %s, %s)",
        (
            [one.request_id for one, _ in rows],
            [one.attempt for one, _ in rows],
            [one.revision for one, _ in rows],
            nothing,
            [cost for _, cost in rows],
            nothing,
            nothing,
            why,
            now,
        ),
    )
    row = await cursor.fetchone()
    assert row is not None
    return int(row[0])


async def list_waiting(
    tx: Transaction,
    *,
    requests: Sequence[uuid.UUID] | None = None,
    upstream: Sequence[str] = (),
    since: datetime | None = None,
) -> list[Waiting]:
    """Attempts whose provider has not told: those of these requests (by our id or by the
    provider's), or all that have no cost since then, newest first."""
    names = list(staging.USAGE)
    if requests is None:
        wanted = selection.every(
            SQL("billed_pico IS NULL").format(), *selection.spanned(Filter(since=since), "a")
        )
    else:
        wanted = SQL("(request_id = ANY({}) OR upstream_request_id = ANY({}))").format(
            Literal(list(requests)), Literal(list(upstream))
        )
    query = SQL(
        "SELECT request_id, attempt, billed_revision AS revision, started_at, end_reason,"
        " usage_source, price_provider, provider, coalesce(served_model, sent_model) AS model,"
        " service_tier, upstream_request_id, billed_pico AS cost_pico, reserved_pico, {usage}"
        " FROM route.attempts a WHERE usage_source <> 'provider' AND {wanted} AND {charging}"
        " ORDER BY request_id DESC {limit}"
    ).format(
        usage=SQL(", ").join(map(Identifier, names)),
        wanted=wanted,
        charging=selection.charging("a"),
        limit=SQL("LIMIT {}").format(Literal(1000)) if requests is None else SQL(""),
    )
    async with tx.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(query)
        rows = await cursor.fetchall()
    return [Waiting(usage=Usage(*[row.pop(name) for name in names]), **row) for row in rows]


def _plus(names: Sequence[str], form: str = "{}") -> str:
    return " + ".join(f"coalesce({form.format(name)}, 0)" for name in names)


def _sums(form: str) -> Composed:
    return SQL(
        f"coalesce(sum({_plus(_INPUT, form)}), 0) AS input,"
        f" coalesce(sum({form.format('cache_read_tokens')}), 0) AS cached,"
        f" coalesce(sum({_plus(_OUTPUT, form)}), 0) AS output"
    ).format()


def _of(credentials: Sequence[uuid.UUID]) -> Composed:
    return SQL("credential_id = ANY({})").format(Literal(list(credentials)))


def _dated(row: dict[str, Any]) -> dict[str, Any]:
    """A row with its day (UTC); sums are numeric in the database."""
    day = row.pop("moment").astimezone(UTC).date()
    whole = {n: v if isinstance(v, bool | str) else int(v) for n, v in row.items()}
    return {"day": day, **whole}
