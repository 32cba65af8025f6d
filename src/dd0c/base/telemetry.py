"""Metrics as every part declares and shows them: Prometheus text, one catalogue a part.

A metric exists only if a catalogue declares it, with its help and labels: docs/reference/metrics.md
is made from the catalogues, and a sample that none declares is not shown. Labels come from closed
sets (endpoints, statuses, names of the installation's providers, models with a known price), never
from keys, tenants or what a caller writes.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from dd0c.base import redact

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)


@dataclass(frozen=True, slots=True)
class Metric:
    """One family. A histogram has samples with the endings `_bucket`, `_sum` and `_count`."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()


def sample(name: str, labels: Mapping[str, object]) -> str:
    """The name of one sample: `name{label="value"}`."""
    if not labels:
        return name
    shown = ",".join(f'{label}="{_escaped(str(value))}"' for label, value in labels.items())
    return f"{name}{{{shown}}}"


def exposition(catalogue: Iterable[Metric], samples: Mapping[str, float]) -> str:
    """The samples as Prometheus reads them, in the order of the catalogue; labels are names that
    people gave, and masked where they gave a secret."""
    by_name: dict[str, list[str]] = {}
    for one in samples:
        by_name.setdefault(one.partition("{")[0], []).append(one)
    lines: list[str] = []
    for metric in catalogue:
        found = [one for name in _names(metric) for one in by_name.get(name, ())]
        if found:
            lines += [f"# HELP {metric.name} {metric.help}", f"# TYPE {metric.name} {metric.kind}"]
            lines += [f"{one} {samples[one]:.15g}" for one in found]
    return redact.scrub("".join(f"{line}\n" for line in lines))


class Histogram:
    """Seconds, counted into buckets by the values of one label."""

    __slots__ = ("_counts", "_label", "_name", "_sums")

    def __init__(self, name: str, label: str):
        self._name = name
        self._label = label
        self._counts: dict[str, list[int]] = {}
        self._sums: dict[str, float] = {}

    def observe(self, value: str, seconds: float) -> None:
        """Count one duration."""
        counts = self._counts.get(value)
        if counts is None:
            counts = self._counts[value] = [0] * (len(SECONDS) + 1)
            self._sums[value] = 0.0
        counts[bisect_left(SECONDS, seconds)] += 1
        self._sums[value] += seconds

    def observe_all(self, value: str, seconds: list[float]) -> None:
        """Count many durations."""
        if not seconds:
            return
        seconds.sort()
        before = 0
        counts = self._counts.setdefault(value, [0] * (len(SECONDS) + 1))
        for bucket, bound in enumerate((*SECONDS, math.inf)):
            upto = bisect_right(seconds, bound)
            counts[bucket] += upto - before
            before = upto
        self._sums[value] = self._sums.get(value, 0.0) + sum(seconds)

    def samples(self) -> Iterator[tuple[str, float]]:
        """All of it, buckets cumulated."""
        for value, counts in self._counts.items():
            total = 0
            for bound, count in zip((*SECONDS, "+Inf"), counts, strict=True):
                total += count
                labels = {self._label: value, "le": bound}
                yield sample(f"{self._name}_bucket", labels), total
            yield sample(f"{self._name}_sum", {self._label: value}), self._sums[value]
            yield sample(f"{self._name}_count", {self._label: value}), total


def _names(metric: Metric) -> Sequence[str]:
    if metric.kind != "histogram":
        return (metric.name,)
    return tuple(f"{metric.name}_{part}" for part in ("bucket", "sum", "count"))


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
