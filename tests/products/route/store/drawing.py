"""Attempts of every kind, and in Python what a filter and a sum of them mean: a reference."""

from __future__ import annotations

import random
import uuid
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta

from dd0c.products.route.models import Usage
from dd0c.products.route.store import staging
from dd0c.products.route.store.overview import Totals
from dd0c.products.route.store.selection import Filter
from tests.products.route import records

START = records.START - timedelta(hours=30)
SPAN_S = 60 * 3600
MODELS, KEYS = ("dear", "cheap", "Ünïcode 🙂"), (1, 2, 3)
TEAMS, TAGS = (uuid.UUID(int=21), uuid.UUID(int=22)), ("env=prod", "ünïcode", "=1+1")


def drawn(chance: random.Random, org: uuid.UUID) -> staging.Rated:
    """Any attempt: of any hour, key and model, with or without usage, cost and end."""
    at_us = int(START.timestamp() * 1e6) + chance.randrange(SPAN_S) * 1_000_000
    endpoint = chance.choices(("chat", "embeddings", "models"), (8, 1, 1))[0]
    opened = records.opened(
        org,
        at_us=at_us,
        attempt=chance.choice((1, 1, 2)),
        endpoint=endpoint,
        requested_model=chance.choice(MODELS),
        key_id=uuid.UUID(int=chance.choice(KEYS)).bytes,
        provider=chance.choice(("openai", "sim")),
        credential_id=chance.choice((None, records.SIMULATOR.bytes, uuid.UUID(int=9).bytes)),
        stream=chance.random() < 0.5,
        sent_model=chance.choice(("sent", "other")),
        team=chance.choice((None, *(team.bytes for team in TEAMS))),
        tags=tuple(chance.sample(TAGS, chance.choice((0, 0, 1, 2)))) * chance.choice((1, 2)),
        reserved_pico=chance.choice((None, 0, chance.randrange(2**62))),
    )
    if chance.random() < 0.05:
        return staging.Rated(opened, None, None, None, "lost")

    def some(most: int) -> int | None:
        return None if chance.random() < 0.2 else chance.randrange(most)

    cost = some(2**62)
    closed = records.closed(
        opened,
        final=chance.random() < 0.8,
        end_reason=chance.choice(("complete", "complete", "timeout", "client_gone")),
        usage=Usage(some(2**62), some(9), some(9), some(9), some(2**40), some(9)),
        usage_source=chance.choice(("provider", "estimated", "none")),
        first_byte_us=some(10**7),
        total_us=some(10**8),
        cost_pico=cost,
        cost_reason=None if cost is not None else chance.choice(("no_price", "no_usage", None)),
    )
    return staging.Rated(opened, closed, closed.cost_pico, None, closed.cost_reason)


def inside(rows: Sequence[staging.Rated], org: uuid.UUID, wanted: Filter) -> list[staging.Rated]:
    """What a filter means, said in Python: the reference of these tests."""

    def matches(row: staging.Rated) -> bool:
        opened = row.opened
        at = datetime.fromtimestamp(int.from_bytes(opened.request_id[:6], "big") / 1000, UTC)
        return (
            opened.org == org.bytes
            and opened.endpoint != "models"
            and (wanted.since is None or at >= wanted.since)
            and (wanted.until is None or at < wanted.until)
            and wanted.model in (None, opened.requested_model)
            and (wanted.key_id is None or wanted.key_id.bytes == opened.key_id)
            and wanted.provider in (None, opened.provider)
            and (wanted.team is None or wanted.team.bytes == opened.team)
            and (wanted.tag is None or wanted.tag in opened.tags)
            and wanted.end_reason in (None, row.closed.end_reason if row.closed else "lost")
            and not (wanted.unpriced and row.cost_pico is not None)
        )

    return [row for row in rows if matches(row)]


def totals_of(rows: Sequence[staging.Rated]) -> Totals:
    final = [row for row in rows if row.closed is None or row.closed.final]
    ends = [row.closed.end_reason if row.closed else "lost" for row in final]
    costs = [row.cost_pico for row in rows if row.cost_pico is not None]
    made_up = [
        row.cost_pico
        for row in rows
        if row.cost_pico is not None and row.opened.credential_id == records.SIMULATOR.bytes
    ]
    return Totals(
        requests=len(final),
        failed=sum(end in ("timeout", "lost") for end in ends),
        unpriced=len(rows) - len(costs),
        cost_pico=sum(costs) if costs or not rows else None,
        simulated_pico=sum(made_up) if made_up else None,
    )


def at(row: staging.Rated) -> datetime:
    """The time in the request id."""
    return datetime.fromtimestamp(int.from_bytes(row.opened.request_id[:6], "big") / 1000, UTC)


def groups_of(row: staging.Rated, by: str, wanted: Filter) -> Collection[object]:
    """The groups that an attempt is counted in."""
    if by == "tag":
        return {wanted.tag} if wanted.tag else set(row.opened.tags) or {None}
    if by == "team":
        return {row.opened.team and uuid.UUID(bytes=row.opened.team)}
    return {at(row).replace(minute=0, second=0, microsecond=0)}
