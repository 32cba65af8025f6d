"""How often an organisation may ask for what is dear: so many requests a minute, then 429.

    await rates.require(org, "run.verdicts", per_minute=30)

All control servers count together, exactly, in Valkey's time. While that is away each counts for
itself, so that a limit never becomes a free ride, and never an outage.
"""

from __future__ import annotations

import hashlib
import math
import time
import uuid
from collections import OrderedDict, deque

from dd0c.base.errors import LimitExceeded, Unavailable
from dd0c.kernel.guard.counters import Counters
from dd0c.kernel.guard.limits import Counter, Kind, Short

MINUTE_S = 60.0
KNOWN_MAX = 4_096
"""Organisations and names that are counted here; beyond it the one that asked longest ago goes."""


class Rates:
    """Counts requests."""

    def __init__(self, counters: Counters):
        self._counters = counters
        self._own: OrderedDict[Counter, deque[float]] = OrderedDict()

    async def require(self, org: uuid.UUID, name: str, per_minute: int) -> None:
        """One more of the organisation's requests of that name; LimitExceeded says when."""
        rule = hashlib.blake2b(name.encode(), digest_size=16).digest()
        counter = Counter(org.bytes, rule, Kind.RATE, per_minute)
        try:
            taken = await self._counters.take_one(counter)
            frees_in_s = taken.frees_in_s if isinstance(taken, Short) else None
        except Unavailable:
            frees_in_s = self._take_here(counter, time.monotonic())
        if frees_in_s is not None:
            raise LimitExceeded(
                f"this organisation may ask for this {per_minute} times a minute",
                hint="many commands go into one request",
                retry_after_s=max(1, math.ceil(frees_in_s)),
            )

    def _take_here(self, counter: Counter, now: float) -> float | None:
        """None when it was taken; else the seconds until there is room."""
        asked = self._own.setdefault(counter, deque())
        self._own.move_to_end(counter)
        if len(self._own) > KNOWN_MAX:
            self._own.popitem(last=False)
        while asked and asked[0] <= now - MINUTE_S:
            asked.popleft()
        if len(asked) >= counter.cap:
            return asked[0] + MINUTE_S - now
        asked.append(now)
        return None
