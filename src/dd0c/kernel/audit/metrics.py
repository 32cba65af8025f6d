"""Numbers of one chainer."""

from __future__ import annotations

from dataclasses import dataclass

from dd0c.base.telemetry import Metric

CATALOGUE = (
    Metric("dd0c_audit_chained_total", "counter", "Events that this process put into a log."),
    Metric("dd0c_audit_waiting", "gauge", "Events that wait to be chained, of all processes."),
    Metric("dd0c_audit_lag_seconds", "gauge", "How long the oldest of them has waited."),
)


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits in the outbox, and for how long the oldest does."""

    waiting: int
    oldest_s: float


@dataclass(slots=True)
class Stats:
    """What was chained since the process started, and the outbox as it was seen last."""

    chained: int = 0
    backlog: Backlog | None = None

    def samples(self) -> dict[str, float]:
        """All of it; the outbox once it was seen."""
        named: dict[str, float] = {"dd0c_audit_chained_total": self.chained}
        if self.backlog is not None:
            named["dd0c_audit_waiting"] = self.backlog.waiting
            named["dd0c_audit_lag_seconds"] = self.backlog.oldest_s
        return named
