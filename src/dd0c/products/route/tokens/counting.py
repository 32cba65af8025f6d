"""Counts of texts and of whole requests, with how far off they may be. Pure but for the
vocabulary that is loaded; never raises, whatever a caller sent."""

from __future__ import annotations

from typing import NamedTuple

from dd0c.products.route.tokens import prompts, vocabulary
from dd0c.products.route.tokens.factors import Measure


class Count(NamedTuple):
    """Tokens, and by how much they may be off (relative). 1.0 and more: hardly known at all."""

    tokens: int
    error: float


def count_text(measure: Measure, text: str) -> Count:
    """Tokens of the joined text of an answer."""
    return Count(round(vocabulary.count(measure.vocabulary, text) * measure.factor), measure.error)


def count_prompt(measure: Measure, model: str, endpoint: str, body: bytes) -> Count | None:
    """Tokens of a request as the provider would bill it; None for what is no request."""
    tally = prompts.read(
        model, endpoint, body, lambda text: vocabulary.count(measure.vocabulary, text)
    )
    if tally is None:
        return None
    words = tally.words * measure.factor
    tokens = round(words) + tally.extra
    doubt = words * measure.error + tally.doubt
    if not tokens:
        return Count(0, 1.0 if tally.unknown or doubt else 0.0)
    return Count(tokens, max(doubt / tokens, 1.0 if tally.unknown else 0.0))
