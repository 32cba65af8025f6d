"""Numbers of one job worker."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from dd0c.base.telemetry import Histogram, Metric, sample
from dd0c.kernel.jobs.runs import State

CATALOGUE = (
    Metric(
        "dd0c_jobs_runs_total",
        "counter",
        "Runs of jobs, by outcome: done, failed, timeout, cancelled.",
        ("job", "outcome"),
    ),
    Metric("dd0c_jobs_run_seconds", "histogram", "How long runs took.", ("job",)),
    Metric("dd0c_jobs_waiting", "gauge", "Runs in the queue that nobody has begun."),
    Metric("dd0c_jobs_running", "gauge", "Runs that some worker is at."),
    Metric("dd0c_jobs_failed", "gauge", "Runs that gave up after their attempts."),
    Metric("dd0c_jobs_ready", "gauge", "1 while this worker takes jobs."),
)


@dataclass(slots=True)
class Stats:
    """What happened since the process started, and the queue as it was seen last."""

    runs: Counter[tuple[str, str]] = field(default_factory=Counter)
    seconds: Histogram = field(default_factory=lambda: Histogram("dd0c_jobs_run_seconds", "job"))
    queue: Mapping[State, int] = field(default_factory=dict)
    ready: bool = False

    def observe(self, job: str, outcome: str, seconds: float) -> None:
        """A run has ended."""
        self.runs[job, outcome] += 1
        self.seconds.observe(job, seconds)

    def samples(self) -> dict[str, float]:
        """All of it; the queue once it was seen."""
        named: dict[str, float] = {"dd0c_jobs_ready": self.ready}
        for (job, outcome), count in self.runs.items():
            named[sample("dd0c_jobs_runs_total", {"job": job, "outcome": outcome})] = count
        named.update(self.seconds.samples())
        if self.queue:
            named["dd0c_jobs_waiting"] = self.queue[State.QUEUED] + self.queue[State.FAILED]
            named["dd0c_jobs_running"] = self.queue[State.RUNNING]
            named["dd0c_jobs_failed"] = self.queue[State.DEAD]
        return named
