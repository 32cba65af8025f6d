"""Deep health: every dependency exercised, at most once in a while however many ask (K-5).

A probe does what its dependency is there for and returns one line on what it saw; when it cannot,
it raises. Answers are shared for a few seconds and only one round runs at a time, so that health
checks are no load and no way to make one.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from dd0c.base.clock import Clock
from dd0c.base.errors import Error

PROBE_DEADLINE_S = 3.0

Status = Literal["ok", "failing"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Probe:
    """A dependency by name, and how to exercise it."""

    name: str
    check: Callable[[], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class Finding:
    """What one probe saw."""

    name: str
    status: Status
    detail: str
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
                findings = await asyncio.gather(*map(_run, self._probes))
                report = Report(_worst(findings), self._clock.now(), tuple(findings))
                self._last = (time.monotonic(), report)
            return self._last[1]


def _worst(findings: Sequence[Finding]) -> Status:
    return "failing" if any(f.status == "failing" for f in findings) else "ok"


async def _run(probe: Probe) -> Finding:
    begun = time.perf_counter()

    def finding(status: Status, detail: str) -> Finding:
        return Finding(probe.name, status, detail, round((time.perf_counter() - begun) * 1000, 1))

    try:
        async with asyncio.timeout(PROBE_DEADLINE_S):
            return finding("ok", await probe.check())
    except TimeoutError:
        return finding("failing", f"no answer within {PROBE_DEADLINE_S:g} s")
    except Error as error:
        return finding("failing", error.message)
    except Exception:
        log.exception("probe failed", extra={"probe": probe.name})
        return finding("failing", "the probe itself failed; see the control server log")
