"""The arithmetic of the results: medians, intervals, frontiers. No I/O."""

from __future__ import annotations

import math
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


def slope(at: Sequence[float], values: Sequence[float]) -> Interval:
    """How much `values` grow for each unit of `at`: Theil and Sen's median of all pairs' slopes.

    One jump, of an allocator that takes a megabyte once, hardly moves it. The interval is Sen's
    (1968): the number of rising pairs of a series without a trend has variance n(n-1)(2n+5)/18.
    """
    count = len(at)
    slopes = sorted(
        (values[later] - values[earlier]) / (at[later] - at[earlier])
        for earlier in range(count)
        for later in range(earlier + 1, count)
    )
    if not slopes:
        raise ValueError("one value has no slope")
    reach = 1.96 * math.sqrt(count * (count - 1) * (2 * count + 5) / 18)
    low = max(0, round((len(slopes) - reach) / 2) - 1)
    high = min(len(slopes) - 1, round((len(slopes) + reach) / 2))
    return Interval(statistics.median(slopes), slopes[low], slopes[high])


@dataclass(frozen=True, slots=True)
class Probe:
    """One rate that was tried, of the subject and directly: what came of it, and how late the
    generator itself was."""

    per_s: float
    p99_ms: float
    direct_ms: float
    lag_ms: float
    failed: int
    generator_cpu: float = 0.0

    @property
    def added_ms(self) -> float:
        """What the subject adds to the slowest hundredth."""
        return self.p99_ms - self.direct_ms

    def holds(self, bound_ms: float) -> bool:
        """Whether no answer failed and the bound was kept."""
        return self.failed == 0 and self.added_ms <= bound_ms

    def is_dim(self, bound_ms: float) -> bool:
        """Whether generator and upstream alone are so slow that the bound cannot be seen."""
        return self.lag_ms > bound_ms / 2 or self.direct_ms > bound_ms


@dataclass(frozen=True, slots=True)
class Frontier:
    """The highest rate at which the bound held, and whether the generator ended the search."""

    per_s: float | None
    inconclusive: bool


def frontier(probes: Sequence[Probe], bound_ms: float) -> Frontier:
    """How far the bound holds, walking up until it first breaks.

    Where the generator is late by a good part of the bound, or direct calls miss it themselves,
    nothing can be told: the last rate before that is a lower bound.
    """
    reached: float | None = None
    for probe in sorted(probes, key=lambda one: one.per_s):
        if probe.is_dim(bound_ms):
            return Frontier(reached, inconclusive=True)
        if not probe.holds(bound_ms):
            return Frontier(reached, inconclusive=False)
        reached = probe.per_s
    return Frontier(reached, inconclusive=True)  # nothing broke: the search ended too early


def between(probes: Sequence[Probe], bound_ms: float) -> float | None:
    """The rate to try next, in the middle of the last that held and the first that broke; None
    where none is left to find."""
    reached = 0.0
    for probe in sorted(probes, key=lambda one: one.per_s):
        if probe.is_dim(bound_ms):
            return None
        if not probe.holds(bound_ms):
            return (reached + probe.per_s) / 2
        reached = probe.per_s
    return None
