"""How long a model takes: time to the first token and from token to token, drawn from percentiles.

The named profiles are measurements, not guesses: LLMPerf leaderboard, raw_data/summary/*_70b.json
(https://github.com/ray-project/llmperf-leaderboard, December 2023 and January 2024), Llama 2 70B
chat at four hosts, 550 tokens in, 150 out, 5 requests at a time, from one machine in Oregon. Its
`ttft` and `inter_token_latency` quantiles are copied here, rounded to 0.1 ms. They show the shapes
that exist (fast, steady, even, long-tailed), not what those hosts do today; a scenario file can
hold the percentiles of your own provider beside them.
"""

from __future__ import annotations

import random
from itertools import pairwise
from typing import Final

import msgspec

from dd0c.base.errors import InvalidInput

SEED: Final = 0


class Percentiles(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Milliseconds. Without `min` half the median is the least, without `max` p99 is the most."""

    p50: float
    p90: float
    p99: float
    min: float | None = None
    max: float | None = None

    def __post_init__(self) -> None:
        points = [value for _, value in self.points()]
        if points[0] < 0 or any(low > high for low, high in pairwise(points)):
            raise ValueError("percentiles must be 0 or more and must not fall")

    def points(self) -> tuple[tuple[float, float], ...]:
        """The distribution as a line through these points: share of requests, milliseconds."""
        least = self.p50 / 2 if self.min is None else self.min
        most = self.p99 if self.max is None else self.max
        return ((0.0, least), (0.5, self.p50), (0.9, self.p90), (0.99, self.p99), (1.0, most))

    def at(self, share: float) -> float:
        """The milliseconds that this share of requests stays under."""
        for (low, from_ms), (high, to_ms) in pairwise(self.points()):
            if share <= high:
                return from_ms + (to_ms - from_ms) * (share - low) / (high - low)
        return self.points()[-1][1]


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How one kind of provider takes its time."""

    first_ms: Percentiles
    token_ms: Percentiles


class Pace(msgspec.Struct, frozen=True):
    """What one request got: until the first token, and for each one after it."""

    first_ms: float = 0.0
    token_ms: float = 0.0


INSTANT: Final = Pace()
NO_TIME: Final = Percentiles(0, 0, 0)
PROFILES: Final = {
    "instant": Profile(NO_TIME, NO_TIME),
    "fast": Profile(  # groq_70b
        Percentiles(221.9, 298.8, 350.0, min=172.0, max=363.1),
        Percentiles(5.3, 6.2, 6.6, min=4.7, max=6.7),
    ),
    "even": Profile(  # together_70b
        Percentiles(635.3, 733.6, 870.9, min=455.9, max=891.3),
        Percentiles(15.3, 17.7, 23.0, min=12.6, max=40.1),
    ),
    "steady": Profile(  # bedrock_70b
        Percentiles(387.7, 490.4, 687.0, min=285.7, max=717.3),
        Percentiles(46.2, 50.4, 53.6, min=45.0, max=54.0),
    ),
    "long-tail": Profile(  # replicate_70b
        Percentiles(1188.0, 12323.4, 63626.4, min=970.4, max=71565.0),
        Percentiles(96.9, 179.9, 591.8, min=90.8, max=647.1),
    ),
}


class Dice:
    """Draws paces. The n-th request of a drill gets the n-th draw, whatever it asks."""

    def __init__(self, seed: int = SEED) -> None:
        self._random = random.Random(seed)  # noqa: S311 -- the same drill falls out the same twice

    def draw(self, profile: Profile) -> Pace:
        """The times of one request; a slow start and slow tokens come independently."""
        first, token = self._random.random(), self._random.random()
        return Pace(profile.first_ms.at(first), profile.token_ms.at(token))

    def strikes(self, rate: float) -> bool:
        """Whether something that happens at this rate happens now."""
        return rate >= 1 or self._random.random() < rate


def get_profile(name: str, own: dict[str, Profile]) -> Profile:
    """The profile of that name, one's own before the built-in ones."""
    found = own.get(name) or PROFILES.get(name)
    if found is None:
        known = ", ".join([*own, *PROFILES])
        raise InvalidInput(f"no such profile: {name!r}", hint=f"there are {known}")
    return found


def table() -> str:
    """The profiles as aligned text, for `dd0c sim --help`."""
    lines = ["             first token: p50    p90    p99   each next: p50    p90    p99  (ms)"]
    for name, profile in PROFILES.items():
        first, token = profile.first_ms, profile.token_ms
        lines.append(
            f"  {name:<12} {first.p50:15.0f} {first.p90:6.0f} {first.p99:6.0f}"
            f" {token.p50:15.1f} {token.p90:6.1f} {token.p99:6.1f}"
        )
    return "\n".join(lines)
