"""Both sides at work in a tenant's transaction: settling what an export tells of single requests,
and comparing an import with the ledger as it is now."""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from dd0c.kernel.db.pool import Transaction
from dd0c.products.route import overrides, prices
from dd0c.products.route.hotpath import pricelist, tariff
from dd0c.products.route.hotpath.tariff import Rating
from dd0c.products.route.models import Usage
from dd0c.products.route.reconcile import comparison, settling
from dd0c.products.route.reconcile.comparison import Comparison, Place
from dd0c.products.route.reconcile.exports import Line
from dd0c.products.route.reconcile.forms import Measure
from dd0c.products.route.reconcile.settling import Decided
from dd0c.products.route.store import ledger, providers
from dd0c.products.route.store import overrides as override_store
from dd0c.products.route.store import reconciliations as store
from dd0c.products.route.store.reconciliations import Reconciliation, Waiting
from dd0c.products.route.store.selection import Filter


class Compared(NamedTuple):
    """An import beside the ledger; `simulated` attempts of the same days are in neither."""

    found: Comparison
    simulated: int


async def settle(tx: Transaction, lines: list[Line], now: datetime) -> int:
    """Gives attempts that lines name what they bring; says how many."""
    named = settling.name(lines)
    if not named.ours and not named.theirs:
        return 0
    requests = [uuid.UUID(bytes=one) for one in named.ours]
    waiting = await store.list_waiting(tx, requests=requests, upstream=list(named.theirs))
    if not waiting:
        return 0
    rows = await override_store.list_all(tx)
    own = overrides.by_name(await asyncio.to_thread(overrides.compiled, prices.table(), rows))

    def rate(one: Waiting, usage: Usage) -> Rating:
        listed = prices.table().find(one.price_provider, one.model)
        price = pricelist.choose(own, one.price_provider, one.model, listed)
        at_us = int(one.started_at.timestamp() * 1_000_000)
        return tariff.rate(price, usage, one.service_tier, at_us)

    return await _apply(tx, settling.decide(named, waiting, rate), now)


async def _apply(tx: Transaction, decided: list[Decided], now: datetime) -> int:
    settled = 0
    listed = {d.settlement.price_id for d in decided if d.settlement.price_id is not None}
    rows = (prices.table().row(price_id) for price_id in sorted(listed))
    await ledger.add_prices(tx, [row for row in rows if row is not None])
    for one in decided:
        if one.of.cost_pico is None:
            settled += await ledger.settle_pending(
                tx, one.of.request_id, one.of.attempt, one.settlement, now=now
            )
    told = [(d.of, d.settlement.cost_pico) for d in decided if d.of.cost_pico is not None]
    if told:
        settled += await store.correct(tx, told, settling.WHY, now)
    return settled


async def compare(tx: Transaction, kept: Reconciliation, tolerance: Decimal) -> Compared:
    """What an import told beside what the ledger has of the same days and credentials."""
    visible = await providers.list_visible(tx)
    of = [
        one.id
        for one in visible
        if (one.id == kept.credential_id if kept.credential_id else True)
        and kept.price_provider in ("", one.price_provider)
    ]
    span = Filter(since=_midnight(kept.since), until=_midnight(kept.until))
    days = (kept.until - kept.since).days
    midnights = [_midnight(kept.since) + timedelta(days=n) for n in range(days + 1)]
    booked = await store.list_booked(tx, span, of)
    told = _told(kept)
    called = {comparison.canonical(m): m for _, m in told if m is not None}

    def naming(model: str) -> str | None:
        if not kept.by_model:
            return None
        return called.get(comparison.canonical(model), model) if kept.named else model

    sides = comparison.assemble(
        booked,
        await store.list_odd(tx, span, of),
        await store.list_crossing(tx, midnights, of),
        naming,
    )
    sides = {place: one for place, one in sides.items() if kept.since <= place[0] < kept.until}
    measures = [Measure(name) for name in kept.measures]
    found = comparison.compare(told, sides, measures, tolerance)
    return Compared(found, sum(one.simulated for one in sides.values()))


def _told(kept: Reconciliation) -> dict[Place, dict[Measure, int]]:
    return {
        (date.fromisoformat(day), model): {Measure(name): n for name, n in sums.items()}
        for day, model, sums in kept.lines
    }


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
