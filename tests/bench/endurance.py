"""A long run: whether the memory of what serves grows with the requests it has served."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from tests.bench import calls, figures, load, machine, ours
from tests.bench.session import Session
from tests.bench.subject import Subject
from tests.bench.wrk import CONNECTIONS

SLICES = 50
WARM = 10  # slices before the first that counts: caches fill, the allocator takes its share
SOAKED = ("nginx", "dd0c", ours.LIMITS)
"""A peer that answers a hundred a second would take three hours for a million."""


def soak(session: Session) -> dict[str, Any]:
    """Mixed requests in slices, after each of them a look at the memory."""
    return {one.name: _soak(session, one) for one in session.subjects if one.name in SOAKED}


def _soak(session: Session, one: Subject) -> dict[str, Any]:
    total = session.plan.soak // SLICES * SLICES
    task = load.by_the_answers(calls.MIX, CONNECTIONS, total=max(1, total // SLICES))
    sizes: list[int] = []
    failed, used = 0, 0.0
    for number in range(SLICES):
        if number % WARM == 0:
            session.say(f"soak of {one.name}: {number * task.total:,} of {total:,} requests")
        found = load.measure(one, task, session.place)
        failed += found["failed"]
        used = max(used, found["generator_cpu"])
        sizes.append(machine.memory_bytes(one.pids, "Rss"))
    return {
        "requests": task.total * SLICES,
        "failed": failed,
        "rss_bytes": sizes,
        "grows_mb_per_million": asdict(growth(sizes, task.total)),
        "generator_cpu": used,
    }


def growth(rss_bytes: list[int], each: int) -> figures.Interval:
    """MB a million requests; a look was taken after `each` of them."""
    millions = [(number + 1) * each / 1e6 for number in range(len(rss_bytes))]
    sizes = [size / 1024**2 for size in rss_bytes]
    return figures.slope(millions[WARM:], sizes[WARM:])
