"""What answers with their provider's own count teach about those without one.

A sample is a whole answer: its tokens by the vocabulary, and by the provider. The factor of a model
is the sum of the latter over the sum of the former, so long answers weigh more, as they do on the
bill. It is applied where the vocabulary is not the model's own, and only from SAMPLES_MIN on;
until then the family's first guess is. Each sample from then on is judged before it is learned
from, by the factor that an estimate would have had: those errors are the ones that are published.
A sample that is off by more than PLAUSIBLE tells of something else than words (hidden reasoning,
sound) and is left out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from dd0c.products.route.models import Learned
from dd0c.products.route.tokens.families import Family, base_model, family_of

SAMPLES_MIN: Final = 30
PLAUSIBLE: Final = 3.0
P95_OF_RMS: Final = 1.96  # of a normal distribution: the share beyond is 5 %
MODELS_MAX: Final = 2_000  # names come from callers

Key = tuple[str, str]
"""Price provider and base model."""


@dataclass(frozen=True, slots=True)
class Measure:
    """How a model's text is counted: tokens of the vocabulary, times `factor`, give or take
    `error` (relative)."""

    vocabulary: str
    factor: float
    error: float


def measure_of(model: str, learned: Learned | None) -> Measure:
    """The measure of a model, given what was learned of it."""
    family = family_of(model)
    found = learned or Learned()
    factor = family.factor if family.exact else factor_of(found) or family.factor
    error = p95_error(found)
    return Measure(family.vocabulary, factor, family.error if error is None else error)


def factor_of(learned: Learned) -> float | None:
    """The provider's tokens for one of the vocabulary's; None for too few samples."""
    if learned.samples < SAMPLES_MIN or not learned.counted:
        return None
    return learned.actual / learned.counted


def mean_error(learned: Learned) -> float | None:
    """By how much estimates were off, on average; None: too few were judged."""
    return learned.error_sum / learned.judged if learned.judged >= SAMPLES_MIN else None


def p95_error(learned: Learned) -> float | None:
    """19 of 20 estimates were off by less, as far as their errors are normally distributed."""
    if learned.judged < SAMPLES_MIN:
        return None
    return P95_OF_RMS * math.sqrt(learned.error_squares / learned.judged)


def judge(family: Family, learned: Learned, counted: int, actual: int) -> Learned | None:
    """What one more sample adds; None for one that tells nothing."""
    if counted < 1 or actual < 1 or not 1 / PLAUSIBLE <= actual / counted <= PLAUSIBLE:
        return None
    factor = 1.0 if family.exact else factor_of(learned)
    if factor is None:
        return Learned(1, counted, actual)
    error = abs(counted * factor - actual) / actual
    return Learned(1, counted, actual, 1, error, error * error)


class Factors:
    """What is known of all models, and what of it is not saved yet."""

    def __init__(self) -> None:
        self._known: dict[Key, Learned] = {}
        self._unsaved: dict[Key, Learned] = {}

    def find(self, provider: str, model: str) -> Learned | None:
        """What was learned of a model."""
        return self._known.get((provider, base_model(model)))

    def learn(self, provider: str, model: str, *, counted: int, actual: int) -> None:
        """Take in a sample."""
        key = (provider, base_model(model))
        known = self._known.get(key)
        if known is None and len(self._known) >= MODELS_MAX:
            return
        news = judge(family_of(model), known or Learned(), counted, actual)
        if news is not None:
            self._known[key] = (known or Learned()) + news
            self._unsaved[key] = self._unsaved.get(key, Learned()) + news

    def take_unsaved(self) -> dict[Key, Learned]:
        """What came since it was last taken; `restore` it if it could not be saved."""
        taken, self._unsaved = self._unsaved, {}
        return taken

    def restore(self, taken: dict[Key, Learned]) -> None:
        """It could not be saved."""
        for key, learned in taken.items():
            self._unsaved[key] = self._unsaved.get(key, Learned()) + learned

    def know(self, saved: dict[Key, Learned]) -> None:
        """What all gateways have learned together, as far as it is saved."""
        for key, learned in saved.items():
            self._known[key] = learned + self._unsaved.get(key, Learned())
