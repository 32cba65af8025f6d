"""Rows of route.token_factors: what gateways learned of the tokens of each model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple
from operator import itemgetter

from dd0c.kernel.db.pool import Transaction
from dd0c.products.route.models import Learned

_LOAD = """
SELECT provider, model, samples, counted, actual, judged, error_sum, error_squares
FROM route.token_factors
"""
_ADD = """
INSERT INTO route.token_factors AS known
    (provider, model, samples, counted, actual, judged, error_sum, error_squares)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (provider, model) DO UPDATE SET
    samples = known.samples + excluded.samples,
    counted = known.counted + excluded.counted,
    actual = known.actual + excluded.actual,
    judged = known.judged + excluded.judged,
    error_sum = known.error_sum + excluded.error_sum,
    error_squares = known.error_squares + excluded.error_squares,
    learned_at = now()
RETURNING samples, counted, actual, judged, error_sum, error_squares
"""

_USED = """
SELECT DISTINCT coalesce(p.price_provider, r.provider), r.sent_model, r.served_model
FROM route.rollups r LEFT JOIN route.providers p ON p.id = r.credential_id
WHERE r.step IN ('day', 'new')
"""

Rows = dict[tuple[str, str], Learned]
"""By price provider and base model."""


async def load(tx: Transaction) -> Rows:
    """All that is known."""
    cursor = await tx.execute(_LOAD)
    return {(row[0], row[1]): Learned(*row[2:]) for row in await cursor.fetchall()}


async def add(tx: Transaction, news: Mapping[tuple[str, str], Learned]) -> Rows:
    """Adds samples; says what is known of these models now, with those of other gateways."""
    known: Rows = {}
    for key, learned in sorted(news.items(), key=itemgetter(0)):  # two gateways wait one way only
        cursor = await tx.execute(_ADD, (*key, *astuple(learned)))
        row = await cursor.fetchone()
        assert row is not None
        known[key] = Learned(*row)
    return known


async def list_used(tx: Transaction) -> set[tuple[str, str]]:
    """The models that the transaction's organisation has used, as they were asked for and as they
    were served, each with its price provider."""
    cursor = await tx.execute(_USED)
    return {
        (provider, model)
        for provider, *models in await cursor.fetchall()
        for model in models
        if model is not None
    }
