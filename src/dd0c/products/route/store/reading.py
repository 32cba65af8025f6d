"""What the ledger tells: requests with all their attempts, and what each cost.

Every function runs in a tenant's transaction; row-level security leaves only that tenant's rows.
Costs are those of the newest rating; an unknown one is None, never 0. Sums are in
`overview` and `usage`.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from psycopg.rows import dict_row
from psycopg.sql import SQL, Composed, Literal

from dd0c.base import ids
from dd0c.base.errors import InvalidInput, NotFound
from dd0c.kernel.db.pool import Transaction
from dd0c.products.route.models import PriceRow, Usage
from dd0c.products.route.store import ratings, rollups, selection
from dd0c.products.route.store.ratings import Rating
from dd0c.products.route.store.selection import Filter


@dataclass(frozen=True, slots=True)
class Attempt:
    """One call to one provider (or, as number 0, an answer by dd0c itself) and what it cost.

    The cost is the newest rating's. `ratings` has all of them from the first that was billed on; it
    is empty where there is no other. Of a stream that was cut, what reached the caller and what the
    provider made cost differently. `charged_pico` is what budgets count: the cost, else what was
    reserved. `simulated`: its provider made the answer up, and nobody charges for it.
    """

    attempt: int
    final: bool
    requested_model: str
    sent_model: str
    served_model: str | None
    provider: str
    simulated: bool
    price_provider: str
    deployment: str | None
    region: str | None
    service_tier: str | None
    route: str | None
    route_reason: str
    policy_version: int | None
    started_at: datetime
    queue_us: int | None
    first_byte_us: int | None
    total_us: int | None
    status: int | None
    upstream_status: int | None
    end_reason: str
    error_code: str | None
    usage: Usage
    usage_source: str
    usage_error: float | None
    usage_raw: Any
    delivered_output_tokens: int | None
    upstream_output_tokens: int | None
    upstream_request_id: str | None
    bytes_in: int | None
    bytes_out: int | None
    trace_id: bytes
    cost_pico: int | None
    cost_reason: str | None
    price_id: str | None
    price: PriceRow | None
    tags: tuple[str, ...]
    ratings: tuple[Rating, ...] = ()
    cost_delivered_pico: int | None = None
    cost_upstream_pico: int | None = None
    reserved_pico: int | None = None
    charged_pico: int | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """What a caller sent, and every attempt to answer it, in order."""

    request_id: uuid.UUID
    org: uuid.UUID
    key_id: uuid.UUID
    key_name: str | None
    team: uuid.UUID | None
    team_name: str | None
    endpoint: str
    dialect: str
    stream: bool
    end_user: str | None
    caller_key: str | None
    caller_retry: int | None
    conversation: str | None
    attempts: tuple[Attempt, ...]

    @property
    def final(self) -> Attempt:
        """The attempt whose answer the caller got; the last one while none is marked."""
        return next((a for a in self.attempts if a.final), self.attempts[-1])

    @property
    def started_at(self) -> datetime:
        """When the first attempt was sent."""
        return self.attempts[0].started_at

    @property
    def cost_pico(self) -> int | None:
        """The cost of all attempts together; None when that of any is unknown."""
        costs = [a.cost_pico for a in self.attempts]
        return None if None in costs else sum(c for c in costs if c is not None)


@dataclass(frozen=True, slots=True)
class RequestPage:
    """Requests, newest first. `next_before` goes into the next filter as `before`, `previous_after`
    as `after`; None: there are no older ones, no newer ones."""

    requests: tuple[Request, ...]
    next_before: uuid.UUID | None
    previous_after: uuid.UUID | None = None


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Requests that came into the ledger lately, newest first; `mark` goes into the next question.

    A request may come twice, and an old one late; none is left out, unless `cut`: then there were
    more than were asked for, and these are the newest.
    """

    requests: tuple[Request, ...]
    cut: bool
    mark: str


async def list_requests(tx: Transaction, wanted: Filter, *, limit: int) -> RequestPage:
    """At most `limit` requests that match, newest first."""
    narrowed = await _narrowed(tx, wanted, limit + 1)
    found = [] if narrowed is None else await _find(tx, narrowed, limit + 1)
    more, found = len(found) > limit, found[:limit]
    if wanted.after is not None:
        found.reverse()
    older = more if wanted.after is None else True
    newer = more if wanted.after is not None else wanted.before is not None
    return RequestPage(
        tuple(await _load(tx, found)),
        found[-1] if found and older else None,
        found[0] if found and newer else None,
    )


async def list_arrived(
    tx: Transaction, wanted: Filter, mark: str | None, *, limit: int
) -> Arrivals:
    """What arrived since `mark` was given out; None: nothing yet, only a first mark.

    By transaction: an id is as old as its request, and whoever streams for minutes arrives after
    younger ones. A transaction that was open when the mark was taken is looked at again, so what it
    commits late is found.
    """
    cursor = await tx.execute("SELECT pg_snapshot_xmin(pg_current_snapshot())::text")
    row = await cursor.fetchone()
    assert row is not None
    if mark is None:
        return Arrivals((), False, row[0])
    arrived = SQL("a.arrived >= {}::xid8").format(Literal(mark))
    found = await _find(tx, wanted, limit + 1, arrived)
    return Arrivals(tuple(await _load(tx, found[:limit])), len(found) > limit, row[0])


async def get_mark(tx: Transaction) -> str:
    """A text that differs when requests came into the ledger, also late and out of order.

    How many attempts of the last hours there are: merging roll-ups moves them and changes no sum.
    """
    cursor = await tx.execute(
        "SELECT coalesce(sum(attempts), 0) || '-' || date_trunc('hour', now())::text"
        " FROM route.rollups WHERE step IN ('hour', 'new') AND at > now() - interval '3 hours'"
    )
    row = await cursor.fetchone()
    assert row is not None
    return str(row[0])


async def list_starting(tx: Transaction, digits: str, *, limit: int) -> list[Request]:
    """Requests whose id begins with these digits (of `req_…`), newest first; [] for no digits."""
    lowest, highest = (_id_of(digits, fill) for fill in "0z")
    if not digits or lowest is None or highest is None:
        return []
    span = SQL("a.request_id BETWEEN {} AND {}").format(Literal(lowest), Literal(highest))
    return await _load(tx, await _find(tx, Filter(), limit, span))


def _id_of(digits: str, fill: str) -> uuid.UUID | None:
    """The smallest or the largest id that begins so; None when none does."""
    try:
        return ids.parse(ids.Kind.REQUEST, f"req_{digits.ljust(ids.TEXT_LENGTH, fill)}")
    except InvalidInput:
        return None


async def _narrowed(tx: Transaction, wanted: Filter, limit: int) -> Filter | None:
    """The filter with a span as short as the roll-ups allow; None: nothing matches.

    An index serves one condition. Where several must hold, a page could read everything that one of
    them leaves; the roll-ups know on which days all of them hold.
    """
    if wanted.narrowed < 2:
        return wanted
    days = await rollups.find_days(tx, wanted, limit)
    if days is None:
        return None
    since = [at for at in (wanted.since, days.since) if at is not None]
    until = [at for at in (wanted.until, days.until) if at is not None]
    return replace(wanted, since=max(since), until=min(until))


async def _find(
    tx: Transaction, wanted: Filter, limit: int, *conditions: Composed
) -> list[uuid.UUID]:
    """Ids of the final attempts that match, from the newest, or with `after` from the oldest."""
    every = [SQL("a.final").format(), *conditions, *selection.equal(wanted, "a")]
    for each in ("a",) if wanted.tag is None else ("a", "t"):
        every += selection.placed(wanted, each)
    if wanted.tag is not None:
        every.append(SQL("t.tag = {}").format(Literal(wanted.tag)))
    if wanted.unpriced:
        every.append(SQL("a.billed_pico IS NULL").format())
    if wanted.answers_only:
        every.append(selection.charging("a"))
    query = SQL(
        "SELECT a.request_id FROM route.attempts a{} WHERE {} ORDER BY a.request_id {} LIMIT {}"
    ).format(
        SQL("" if wanted.tag is None else " JOIN route.attempt_tags t USING (request_id, attempt)"),
        selection.every(*every),
        SQL("DESC" if wanted.after is None else "ASC"),
        Literal(limit),
    )
    return [row[0] for row in await (await tx.execute(query)).fetchall()]


async def get_request(tx: Transaction, request_id: uuid.UUID) -> Request:
    """One request with its whole story; NotFound when the tenant has none of that id."""
    found = await _load(tx, [request_id])
    if not found:
        raise NotFound(f"there is no request {ids.text(ids.Kind.REQUEST, request_id)}")
    return found[0]


async def _load(tx: Transaction, request_ids: Sequence[uuid.UUID]) -> list[Request]:
    """The requests of these ids, newest first; ids of other tenants are simply not there."""
    wanted = {"ids": list(request_ids)}
    async with tx.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_ATTEMPTS, wanted)
        rows = await cursor.fetchall()
    again = [row["request_id"] for row in rows if row["billed_revision"]]
    history = await ratings.list_all(tx, again) if again else {}
    by_request: dict[uuid.UUID, list[dict[str, Any]]] = {}
    for row in rows:
        by_request.setdefault(row["request_id"], []).append(row)
    return [_request(attempts, history) for attempts in by_request.values()]


_ATTEMPTS = """
SELECT a.*, r.cost_pico, CASE WHEN r.cost_pico IS NULL THEN r.reason END AS cost_reason,
       r.cost_delivered_pico, r.cost_upstream_pico, r.price_id, k.name AS key_name,
       t.name AS team_name, coalesce(v.simulated, false) AS simulated,
       p.provider AS rates_provider, p.model AS rates_model, p.rates, p.source, p.as_of
FROM route.attempts a
LEFT JOIN route.ratings r
    ON r.request_id = a.request_id AND r.attempt = a.attempt AND r.revision = a.billed_revision
    AND r.request_id = ANY (%(ids)s)
LEFT JOIN route.prices p ON p.id = r.price_id
LEFT JOIN route.providers v ON v.id = a.credential_id
LEFT JOIN kernel.api_keys k ON k.id = a.key_id
LEFT JOIN kernel.teams t ON t.id = a.team
WHERE a.request_id = ANY (%(ids)s)
ORDER BY a.request_id DESC, a.attempt
"""
_PLAIN = [
    name
    for name in Attempt.__dataclass_fields__
    if name not in ("usage", "price", "tags", "trace_id", "ratings")
]


def _request(rows: Sequence[Mapping[str, Any]], history: ratings.History) -> Request:
    first = rows[0]
    return Request(
        **{name: first[name] for name in Request.__dataclass_fields__ if name != "attempts"},
        attempts=tuple(_attempt(row, history) for row in rows),
    )


def _attempt(row: Mapping[str, Any], history: ratings.History) -> Attempt:
    price = None
    if row["rates"] is not None:
        provider, model = row["rates_provider"], row["rates_model"]
        price = PriceRow(
            row["price_id"], provider, model, row["rates"], row["source"], row["as_of"]
        )
    return Attempt(
        **{name: row[name] for name in _PLAIN},
        trace_id=bytes(row["trace_id"]),
        usage=Usage(
            input=row["input_tokens"],
            cache_read=row["cache_read_tokens"],
            cache_write_5m=row["cache_write_5m_tokens"],
            cache_write_1h=row["cache_write_1h_tokens"],
            output=row["output_tokens"],
            reasoning=row["reasoning_tokens"],
            audio_input=row["audio_input_tokens"],
            audio_output=row["audio_output_tokens"],
            image=row["image_tokens"],
            server_tools=row["server_tools"],
        ),
        price=price,
        tags=tuple(row["tags"]),
        ratings=history.get((row["request_id"], row["attempt"]), ()),
    )
