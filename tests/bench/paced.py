"""Scenarios by the clock: half load, the frontier, mixed traffic and many streams at once."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from tests.bench import calls, figures, load, machine
from tests.bench.figures import Probe
from tests.bench.load import Weighted
from tests.bench.session import Session
from tests.bench.subject import Subject

BOUNDS_MS = (1, 5, 10)
HALF = 0.5
PAIR_S = 0.5
PROBES = 3  # of one rate of the frontier

CHAT: Weighted = ((calls.CHAT, 1),)


def half_load(session: Session) -> dict[str, Any]:
    """Each gateway at half of its own throughput in turn with direct calls at the same rate."""
    rows: dict[str, Any] = {}
    direct = session.direct
    for one in session.gateways if direct is not None else []:
        assert direct is not None
        rate = HALF * session.rate(one)
        session.say(f"{one.name} at half load: {rate:,.0f} requests a second")
        rows[one.name] = _pairs(session, one, direct, rate) if rate >= 1 else _nothing(rate)
    return rows


def _nothing(rate: float) -> dict[str, Any]:
    return {"per_s": rate, "pairs": 0, "failed": 0}


def _pairs(session: Session, one: Subject, direct: Subject, rate: float) -> dict[str, Any]:
    mine: list[dict[str, Any]] = []
    theirs: list[dict[str, Any]] = []
    for number in range(session.plan.pairs):
        order = ((one, mine), (direct, theirs))
        for subject, found in order if number % 2 else order[::-1]:
            task = load.by_the_clock(rate, PAIR_S)
            found.append(load.measure(subject, task, session.place))
    return {
        "per_s": rate,
        "pairs": len(mine),
        "failed": sum(found["failed"] for found in mine),
        "p50_added_us": _added(mine, theirs, "p50_ns"),
        "p99_added_us": _added(mine, theirs, "p99_ns"),
        "direct_p99_us": statistics.median(found["all"]["p99_ns"] / 1000 for found in theirs),
        "lag_p99_us": _median(mine, "lag") / 1000,
        "subject_cpu": statistics.median(found["subject_cpu"] for found in mine),
        "generator_cpu": statistics.median(found["generator_cpu"] for found in mine),
    }


def _added(mine: list[dict[str, Any]], theirs: list[dict[str, Any]], what: str) -> dict[str, float]:
    taken, base = ([one["all"][what] / 1000 for one in found] for found in (mine, theirs))
    return asdict(figures.added(taken, base))


def _median(found: list[dict[str, Any]], what: str) -> float:
    return float(statistics.median(one[what]["p99_ns"] for one in found))


def frontier(session: Session) -> dict[str, Any]:
    """The highest rate with each bound on what is added to p99, and all rates that were tried."""
    rows: dict[str, Any] = {}
    for one in session.subjects:
        probes: list[Probe] = []
        top, steps = session.rate(one), session.plan.steps
        for step in range(1, steps + 1):
            if top < 1:
                break
            probes.append(_probe(session, one, top * step / steps))
            if probes[-1].added_ms > max(BOUNDS_MS):
                break
        for bound_ms in BOUNDS_MS:
            for _ in range(session.plan.refinements):
                rate = figures.between(probes, bound_ms)
                if rate is not None:
                    probes.append(_probe(session, one, rate))
        rows[one.name] = {
            "probes": [asdict(probe) for probe in sorted(probes, key=lambda x: x.per_s)],
            "at_p99_ms": {str(ms): asdict(figures.frontier(probes, ms)) for ms in BOUNDS_MS},
        }
    return rows


def _probe(session: Session, one: Subject, rate: float) -> Probe:
    """Rounds at one rate, each beside direct calls; their medians."""
    session.say(f"frontier of {one.name}: {rate:,.0f} requests a second")
    task = load.by_the_clock(rate, session.plan.probe_s)
    mine, theirs = [], []
    for _ in range(min(PROBES, session.plan.rounds)):
        mine.append(load.measure(one, task, session.place))
        direct = session.direct
        if direct is not None and direct is not one:
            theirs.append(load.measure(direct, task, session.place))
    return Probe(
        rate,
        _median(mine, "all") / 1e6,
        _median(theirs, "all") / 1e6 if theirs else 0.0,
        _median([*mine, *theirs], "lag") / 1e6,
        sum(found["failed"] for found in mine),
        statistics.median(found["generator_cpu"] for found in mine),
    )


def mixed(session: Session) -> dict[str, Any]:
    """Chat, streams and long prompts together at half of what each subject does of them."""
    rows: dict[str, Any] = {}
    for one in session.subjects:
        rate = session.rates.get((calls.MIXED, one.name))
        if rate is None:
            found = load.measure(
                one, load.by_the_answers(calls.MIX, 32, seconds=session.plan.seconds), session.place
            )
            rate = (found["requests"] - found["failed"]) / (found["took_ns"] / 1e9)
        session.say(f"mixed, {one.name}: {rate * HALF:,.0f} requests a second")
        rows[one.name] = _mixed(session, one, rate * HALF)
    return rows


def _mixed(session: Session, one: Subject, rate: float) -> dict[str, Any]:
    if rate < 1:
        return _nothing(rate)
    task = load.by_the_clock(rate, session.plan.seconds, calls.MIX)
    base: list[dict[str, Any]] = []
    mine: list[dict[str, Any]] = []
    for _ in range(session.plan.rounds):
        mine.append(load.measure(one, task, session.place))
        if session.direct is not None:
            base.append(load.measure(session.direct, task, session.place))
    return {
        "per_s": rate,
        "failed": sum(found["failed"] for found in mine),
        "p99_ms": {call.name: _kind_ms(mine, call.name) for call, _ in calls.MIX},
        "direct_p99_ms": {call.name: _kind_ms(base, call.name) for call, _ in calls.MIX if base},
        "lag_p99_ms": _median(mine, "lag") / 1e6,
        "generator_cpu": statistics.median(found["generator_cpu"] for found in mine),
    }


def _kind_ms(found: list[dict[str, Any]], kind: str) -> float:
    return float(statistics.median(one["kinds"][kind]["p99_ns"] for one in found)) / 1e6


def streams(session: Session) -> dict[str, Any]:
    """Many streams at once, in different phases: what is lost, how late it comes, and memory."""
    rows: dict[str, Any] = {}
    plan = session.plan
    lasts_s = plan.events / calls.PACED_PER_S
    for one in session.subjects:
        session.say(f"{plan.streams} streams of {calls.PACED_PER_S} events a second: {one.name}")
        machine.wait_until_quiet(one.all_pids)
        watch, most = _watched(one)
        found = load.measure(one, load.crowd(plan.streams, lasts_s * 4 + 10), session.place, watch)
        row = {
            "streams": plan.streams,
            "failed": found["failed"],
            "events": found["delay"]["count"],
            "lost": plan.streams * plan.events - found["delay"]["count"],
            "p50_ns": found["delay"]["p50_ns"],
            "p99_ns": found["delay"]["p99_ns"],
            "max_ns": found["delay"]["max_ns"],
            "rss_bytes": most[0],
            "subject_cpu": found["subject_cpu"],
            "generator_cpu": found["generator_cpu"],
        }
        if "direct" in rows or one.name == "direct":
            row["added_p99_ns"] = row["p99_ns"] - rows.get("direct", row)["p99_ns"]
        rows[one.name] = row
    return rows


def _watched(one: Subject) -> tuple[Callable[[], None], list[int]]:
    """A look at its memory, and the most that was seen."""
    most = [0]

    def look() -> None:
        most[0] = max(most[0], machine.memory_bytes(one.pids, "Rss"))

    return look, most
