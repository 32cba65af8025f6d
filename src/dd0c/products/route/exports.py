"""Requests as CSV, a line an attempt: what the lines cost adds up to what the ledger says.

They are read a page at a time, each in a transaction of its own, from the newest on: however many
there are, few are in memory, and a reader that is slow keeps nobody waiting.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

from starlette import requests as web

from dd0c.base import ids
from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.db import tenancy
from dd0c.kernel.db.pool import Pool, Transaction
from dd0c.kernel.web import audited, csvlines
from dd0c.products.route import events
from dd0c.products.route.models import dollars_text
from dd0c.products.route.store import reading
from dd0c.products.route.store.reading import Attempt, Request
from dd0c.products.route.store.selection import Filter

PAGE_REQUESTS = 500
_TOKENS = ("input", "cache_read", "cache_write_5m", "cache_write_1h", "output", "reasoning")
_MORE_TOKENS = ("audio_input", "audio_output", "image", "server_tools")
COLUMNS = (
    *("request_id", "attempt", "final", "started_at", "endpoint", "stream", "requested_model"),
    *("sent_model", "served_model", "provider", "simulated", "key", "key_id", "team", "tags"),
    *("end_user", "end_reason", "status", "usage_source", *_TOKENS, *_MORE_TOKENS),
    *("first_byte_us", "total_us", "cost_usd", "cost_reason", "charged_usd", "price_id"),
)


async def tell(tx: Transaction, request: web.Request, who: Principal, wanted: Filter) -> None:
    """Who takes a file of requests away has read them all: the audit log knows."""
    await audited.record(
        tx,
        request,
        events.REQUESTS_EXPORTED,
        ids.text(ids.Kind.ORGANISATION, who.org),
        since=wanted.since,
        until=wanted.until,
    )


async def lines(pool: Pool, org: uuid.UUID, wanted: Filter) -> AsyncIterator[str]:
    """The head, then all attempts of the requests that match, newest first, in pieces."""
    yield csvlines.line(COLUMNS)
    before = wanted.before
    while True:
        async with tenancy.tenant(pool, org) as tx:
            page = await reading.list_requests(
                tx, replace(wanted, before=before), limit=PAGE_REQUESTS
            )
        yield "".join(line for each in page.requests for line in _lines(each))
        before = page.next_before
        if before is None:
            return


def _lines(request: Request) -> Iterator[str]:
    for attempt in request.attempts:
        yield csvlines.line(_cells(request, attempt))


def _cells(request: Request, attempt: Attempt) -> tuple[object, ...]:
    key_id = ids.text(ids.Kind.KEY, request.key_id)
    return (
        *(ids.text(ids.Kind.REQUEST, request.request_id), attempt.attempt, _word(attempt.final)),
        *(attempt.started_at.isoformat(), request.endpoint, _word(request.stream)),
        *(attempt.requested_model, attempt.sent_model, attempt.served_model, attempt.provider),
        *(
            _word(attempt.simulated),
            request.key_name,
            key_id,
            request.team_name,
            " ".join(attempt.tags),
        ),
        *(request.end_user, attempt.end_reason, attempt.status, attempt.usage_source),
        *(getattr(attempt.usage, name) for name in (*_TOKENS, *_MORE_TOKENS)),
        *(attempt.first_byte_us, attempt.total_us, dollars_text(attempt.cost_pico)),
        *(attempt.cost_reason, dollars_text(attempt.charged_pico), attempt.price_id),
    )


def _word(value: bool) -> str:
    return "yes" if value else "no"
