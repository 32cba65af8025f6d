"""Whether errors rose with a flag: the rule by which it turns itself off. Pure (K-62).

Two samples are compared: what happened in the last five minutes where the flag is on, and what
happens without it. The second is what was seen in the last half hour where it is off; where nobody
is without it, what it did itself before those five minutes. A flag is turned off when

- at least 20 things happened with it and 20 without it: fewer say nothing,
- errors with it are at least twice as frequent, and by 5 in a hundred: less is no emergency, and
- chance alone would do that less than once in a million looks.

The last is Fisher's exact test, one-sided: given that many errors in both samples together, how
likely are so many of them in the first. It is exact where the normal approximation is not, with few
things and rates near 0. One in a million, as the look is repeated every five seconds: 17,280 looks
a day, which overlap, so a flag that does no harm is turned off less than once in two months.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

WINDOW_MIN = 5
BEFORE_MIN = 30
SEEN_MIN = 20
RISE_MIN = 0.05
TIMES_MIN = 2.0
CHANCE_MAX = 1e-6
NEGLIGIBLE = 1e-18


@dataclass(frozen=True, slots=True)
class Sample:
    """What was seen."""

    ok: int = 0
    bad: int = 0

    @property
    def seen(self) -> int:
        """How many things."""
        return self.ok + self.bad

    @property
    def rate(self) -> float:
        """The share of errors."""
        return self.bad / self.seen if self.seen else 0.0

    def __add__(self, other: Sample) -> Sample:
        return Sample(self.ok + other.ok, self.bad + other.bad)


@dataclass(frozen=True, slots=True)
class Seen:
    """A flag's last minutes, the newest first."""

    on: tuple[Sample, ...]
    off: tuple[Sample, ...]


@dataclass(frozen=True, slots=True)
class Rise:
    """Why a flag must be off."""

    with_it: Sample
    without: Sample
    where: str

    @property
    def text(self) -> str:
        """In words."""
        return (
            f"{self.with_it.bad} of {self.with_it.seen} failed with it in {WINDOW_MIN} minutes,"
            f" {self.without.bad} of {self.without.seen} {self.where}"
        )

    @property
    def facts(self) -> dict[str, int]:
        """In numbers."""
        return {
            "failed_with": self.with_it.bad,
            "seen_with": self.with_it.seen,
            "failed_without": self.without.bad,
            "seen_without": self.without.seen,
        }


def judge(seen: Seen) -> Rise | None:
    """Why the flag must be off; None: nothing speaks against it."""
    with_it = sum(seen.on[:WINDOW_MIN], Sample())
    without = sum(seen.off, Sample())
    where = "where it is off"
    if without.seen < SEEN_MIN:
        without, where = sum(seen.on[WINDOW_MIN:], Sample()), "before"
    if min(with_it.seen, without.seen) < SEEN_MIN:
        return None
    if with_it.rate < max(without.rate * TIMES_MIN, without.rate + RISE_MIN):
        return None
    if chance(with_it, without) > CHANCE_MAX:
        return None
    return Rise(with_it, without, where)


def chance(with_it: Sample, without: Sample) -> float:
    """How likely at least that many of all errors fall to the first sample by chance."""
    bad, seen = with_it.bad + without.bad, with_it.seen + without.seen
    total = 0.0
    for errors in range(with_it.bad, min(bad, with_it.seen) + 1):
        term = math.exp(
            _ways(with_it.seen, errors) + _ways(without.seen, bad - errors) - _ways(seen, bad)
        )
        total += term
        if term < total * NEGLIGIBLE:
            break
    return min(total, 1.0)


def _ways(among: int, chosen: int) -> float:
    """The logarithm of the binomial coefficient."""
    if not 0 <= chosen <= among:
        return -math.inf
    return math.lgamma(among + 1) - math.lgamma(chosen + 1) - math.lgamma(among - chosen + 1)
