"""Deep health: every dependency exercised, at most once in a while however many ask (K-5).

A probe does what its dependency is there for and gives its verdict: what was seen, and what to do
where that is not good. An error that a probe raises is a failure with the error's hint. What rests
on something that fails itself is `unknown`: only the cause is red.

Answers are shared for a few seconds and only one round runs at a time, so that health checks are no
load and no way to make one.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from dd0c.base import redact
from dd0c.base.clock import Clock
from dd0c.base.errors import Error

PROBE_DEADLINE_S = 3.0

Status = Literal["ok", "degraded", "failing", "unknown"]

WORST_FIRST: tuple[Status, ...] = ("failing", "degraded", "unknown", "ok")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a dependency is, what shows it, and what to do about it."""

    status: Status
    detail: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Probe:
    """A dependency by name, how to exercise it, and the other one that this cannot do without."""

    name: str
    check: Callable[[], Awaitable[Verdict]]
    rests_on: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one probe saw, and since when it is so as far as we looked."""

    name: str
    status: Status
    detail: str
    remedy: str
    since: datetime
    took_ms: float


@dataclass(frozen=True, slots=True)
class Report:
    """One round of all probes."""

    status: Status
    checked_at: datetime
    items: tuple[Finding, ...]


class Health:
    """Runs the probes together; a report is shared for `shared_s` seconds."""

    def __init__(self, probes: Sequence[Probe], clock: Clock, shared_s: float):
        self._probes = tuple(probes)
        self._clock = clock
        self._shared_s = shared_s
        self._lock = asyncio.Lock()
        self._last: tuple[float, Report] | None = None

    async def report(self) -> Report:
        """The report of now or of a moment ago."""
        async with self._lock:
            if self._last is None or time.monotonic() - self._last[0] >= self._shared_s:
                self._last = (time.monotonic(), await self._look())
            return self._last[1]

    async def _look(self) -> Report:
        now = self._clock.now()
        before = {item.name: item for item in self._last[1].items} if self._last else {}
        asked = await asyncio.gather(*map(_ask, self._probes))
        red = {probe.name for probe, (verdict, _) in asked if verdict.status == "failing"}
        items = []
        for probe, (own, took_ms) in asked:
            verdict = _unknown(probe) if probe.rests_on in red and own.status != "ok" else own
            last = before.get(probe.name)
            since = last.since if last and last.status == verdict.status else now
            items.append(
                Finding(probe.name, verdict.status, verdict.detail, verdict.remedy, since, took_ms)
            )
        seen = {item.status for item in items}
        worst: Status = next((status for status in WORST_FIRST if status in seen), "ok")
        return Report(worst, now, tuple(items))


def _unknown(probe: Probe) -> Verdict:
    told = f"cannot be told while {probe.rests_on} is failing"
    return Verdict("unknown", told, f"see {probe.rests_on}")


async def _ask(probe: Probe) -> tuple[Probe, tuple[Verdict, float]]:
    """The verdict of a probe, and how many milliseconds it took."""
    begun = time.perf_counter()
    try:
        async with asyncio.timeout(PROBE_DEADLINE_S):
            verdict = await probe.check()
    except TimeoutError:
        verdict = Verdict("failing", f"no answer within {PROBE_DEADLINE_S:g} s")
    except Error as error:
        verdict = Verdict("failing", error.message, error.hint)
    except Exception:
        log.exception("probe failed", extra={"probe": probe.name})
        verdict = Verdict("failing", "the probe itself failed", "see the control server's log")
    seen = replace(
        verdict, detail=redact.scrub(verdict.detail), remedy=redact.scrub(verdict.remedy)
    )
    return probe, (seen, round((time.perf_counter() - begun) * 1000, 1))
