"""The arithmetic of the results: medians, intervals, frontiers. No I/O."""

from __future__ import annotations

import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

RESAMPLES = 1_000
BLOCKS = 40
SEED = 1


@dataclass(frozen=True, slots=True)
class Interval:
    """A median and where it lies with 95 % confidence."""

    median: float
    low: float
    high: float


def added(subject: Sequence[float], base: Sequence[float]) -> Interval:
    """The median of the differences of neighbours.

    The interval is a block bootstrap (neighbouring turns are alike on a machine whose speed drifts,
    so whole runs of turns are drawn again, not single ones): Künsch 1989.
    """
    differences = [mine - theirs for mine, theirs in zip(subject, base, strict=True)]
    if not differences:
        raise ValueError("no turn succeeded for everybody")
    size = max(1, len(differences) // BLOCKS)
    blocks = [differences[at : at + size] for at in range(0, len(differences), size)]
    draw = random.Random(SEED)
    medians = sorted(
        statistics.median(
            [value for block in draw.choices(blocks, k=len(blocks)) for value in block]
        )
        for _ in range(RESAMPLES)
    )
    return Interval(
        statistics.median(differences),
        medians[int(0.025 * RESAMPLES)],
        medians[int(0.975 * RESAMPLES) - 1],
    )


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of all rounds, and the least and the most of them."""

    median: float
    low: float
    high: float


def share(mine: Sequence[float], base: Sequence[float]) -> Spread:
    """How much of `base` it is, each round beside its own: what drifts is in both."""
    shares = [one / other for one, other in zip(mine, base, strict=True)]
    return Spread(statistics.median(shares), min(shares), max(shares))


@dataclass(frozen=True, slots=True)
class Probe:
    """One rate that was tried: what came of it, and how late the generator itself was."""

    per_s: float
    p99_ms: float
    lag_ms: float
    failed: int


@dataclass(frozen=True, slots=True)
class Frontier:
    """The highest rate at which the bound held, and whether the generator ended the search."""

    per_s: float | None
    inconclusive: bool


def frontier(probes: Sequence[Probe], bound_ms: float) -> Frontier:
    """How far the bound holds, walking up until it first breaks.

    A generator that is late by a good part of the bound cannot tell: what broke then may be its
    own fault, so the last rate before it is a lower bound.
    """
    reached: float | None = None
    for probe in sorted(probes, key=lambda one: one.per_s):
        if probe.failed == 0 and probe.p99_ms <= bound_ms:
            reached = probe.per_s
            continue
        return Frontier(reached, inconclusive=probe.lag_ms > bound_ms / 2)
    return Frontier(reached, inconclusive=True)  # nothing broke: the search ended too early
