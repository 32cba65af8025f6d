"""What the tests of breakers share: rules with time that does not pass by itself."""

from __future__ import annotations

from typing import NamedTuple

from dd0c.kernel.guard.circuit import Rules


class Patience(NamedTuple):
    """A busy machine is not what is tested."""

    rules: Rules
    within_s: float


HOUR_MS = 3_600_000
PATIENT = Patience(Rules(failures=20, rest_ms=HOUR_MS, lease_ms=HOUR_MS, memory_ms=HOUR_MS), 10.0)
