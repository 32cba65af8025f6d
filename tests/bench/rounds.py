"""What is measured, in which order: interleaved rounds over subjects that all run at once."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import Any

from tests.bench import calls, figures, machine, ours, paced, upstream, wrk
from tests.bench.calls import Call
from tests.bench.figures import Probe
from tests.bench.peers import PEERS
from tests.bench.subject import Place, Subject
from tests.bench.upstream import Missing
from tests.bench.wrk import Throughput

BOUNDS_MS = (1, 5, 10)
SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
OPEN_CONNECTIONS = 128
CHILD_WITHIN_S = 300.0

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured. `make bench` takes the defaults, about a quarter of an hour."""

    peers: Sequence[str] = tuple(PEERS)
    rounds: int = 5
    seconds: int = 3
    turns: int = 1_500
    streams: int = 1_000


def run(plan: Plan, place: Place, say: Say) -> dict[str, Any]:
    """Everything of the plan, as plain values for JSON."""
    missing: dict[str, str] = {}
    result: dict[str, Any] = {"machine": machine.facts(), "plan": asdict(plan)}
    result["processors_apart"] = place.where.apart
    with ExitStack() as stack:
        behind = stack.enter_context(upstream.from_memory(place.scratch, place.where))
        subjects = _start(plan, place, behind, stack, missing, say)
        idle = {one.name: _memory(one) for one in subjects}
        result["throughput"] = {
            call.name: _throughput(plan, place, subjects, call, say)
            for call in (calls.CHAT, calls.LONG, calls.STREAM)
        }
        result["limits"] = {name: share_left(taken) for name, taken in result["throughput"].items()}
        result["latency"] = {
            call.name: _latency(plan, place, subjects, call, say)
            for call in (calls.CHAT, calls.LONG)
        }
        reached = result["throughput"][calls.CHAT.name]
        result["frontier"] = _frontier(plan, place, subjects, reached, say)
        result["memory"] = {
            one.name: {"idle": idle[one.name], "loaded": _memory(one)} for one in subjects
        }
        result["subjects"] = {
            one.name: {"version": one.version, "features": one.features} for one in subjects
        }
    result["streams"] = _streams(plan, place, missing, say)
    result["missing"] = missing
    return result


def _start(
    plan: Plan,
    place: Place,
    behind: str,
    stack: ExitStack,
    missing: dict[str, str],
    say: Say,
) -> list[Subject]:
    found = []
    for name in plan.peers:
        if name in missing:
            continue
        say(f"starting {name}")
        try:
            found.append(stack.enter_context(PEERS[name](place, behind)))
        except Missing as reason:
            missing[name] = str(reason)
            say(f"{name} is missing: {reason}")
    return found


def _throughput(
    plan: Plan, place: Place, subjects: Sequence[Subject], call: Call, say: Say
) -> dict[str, Any]:
    taken: dict[str, list[Throughput]] = {one.name: [] for one in subjects}
    everything = [pid for one in subjects for pid in one.all_pids]
    for number in range(plan.rounds):
        say(f"throughput, {call.name}: round {number + 1} of {plan.rounds}")
        first = number % len(subjects) if subjects else 0
        for one in (*subjects[first:], *subjects[:first]):  # nobody always comes after the same
            machine.wait_until_quiet(everything)
            round_ = wrk.measure(one, call, plan.seconds, place.scratch, place.where)
            taken[one.name].append(round_)
    return {name: summary(rounds) for name, rounds in taken.items()}


def summary(rounds: Sequence[Throughput]) -> dict[str, Any]:
    """Medians over the rounds; a subject that was not busy in most of them has a lower bound."""
    return {
        "per_s": statistics.median(one.per_s for one in rounds),
        "rounds_per_s": [round(one.per_s, 1) for one in rounds],
        "rounds_cpu_us": [round(one.cpu_us, 2) for one in rounds],
        "failed": sum(one.failed for one in rounds),
        "p99_ms": statistics.median(one.p99_us for one in rounds) / 1000,
        "subject_cpu": statistics.median(one.subject_cpu for one in rounds),
        "generator_cpu": statistics.median(one.generator_cpu for one in rounds),
        "saturated": sum(one.is_saturated for one in rounds) * 2 > len(rounds),
    }


def share_left(taken: dict[str, Any]) -> dict[str, Any] | None:
    """What limits, budgets and meter leave of the bare relay: of the answers a second, and of what
    a processor could answer if it did nothing else; None where either was not measured."""
    held, bare = taken.get(ours.LIMITS), taken.get(ours.BARE)
    if held is None or bare is None or not (held["per_s"] and bare["per_s"]):
        return None
    return {
        "per_s": asdict(figures.share(held["rounds_per_s"], bare["rounds_per_s"])),
        "per_cpu": asdict(figures.share(bare["rounds_cpu_us"], held["rounds_cpu_us"])),
    }


def _latency(
    plan: Plan, place: Place, subjects: Sequence[Subject], call: Call, say: Say
) -> dict[str, Any]:
    say(f"added latency, {call.name}: {plan.turns} turns")
    direct = [_target(one, call) for one in subjects if one.name == "direct"]
    others = [_target(one, call) for one in subjects if one.name != "direct"]
    if not direct or not others:
        return {}
    task = {"direct": direct[0], "subjects": others, "turns": plan.turns}
    found = _child("paired", task, place)
    rows: dict[str, Any] = {}
    for name, pairs in found["pairs_ns"].items():
        if not pairs:
            rows[name] = {"turns": 0, "failed": found["failed"][name]}
            continue
        base, taken = ([ns / 1000 for ns in times] for times in zip(*pairs, strict=True))
        rows[name] = {
            "turns": len(taken),
            "failed": found["failed"][name],
            "direct_us": statistics.median(base),
            "median_us": statistics.median(taken),
            "added_us": asdict(figures.added(taken, base)),
        }
    return rows


def _frontier(
    plan: Plan, place: Place, subjects: Sequence[Subject], reached: dict[str, Any], say: Say
) -> dict[str, Any]:
    rows: dict[str, Any] = {}
    for one in subjects:
        probes = []
        top = reached[one.name]["per_s"]
        for rate in [top * share for share in SHARES if top >= 1]:
            say(f"frontier of {one.name}: {rate:,.0f} requests a second")
            task = {
                "target": _target(one, calls.CHAT),
                "rate": rate,
                "seconds": plan.seconds,
                "connections": OPEN_CONNECTIONS,
            }
            found = _child("schedule", task, place)
            failed = found["failed"] + found["unanswered"]
            probes.append(Probe(rate, found["p99_ns"] / 1e6, found["lag_p99_ns"] / 1e6, failed))
            if probes[-1].p99_ms > max(BOUNDS_MS):
                break
        rows[one.name] = {
            "probes": [asdict(probe) for probe in probes],
            "at_p99_ms": {str(ms): asdict(figures.frontier(probes, ms)) for ms in BOUNDS_MS},
        }
    return rows


def _streams(plan: Plan, place: Place, missing: dict[str, str], say: Say) -> dict[str, Any]:
    rows: dict[str, Any] = {}
    lasts_s = paced.EVENTS * paced.PERIOD_MS / 1000
    with ExitStack() as stack:
        behind = stack.enter_context(upstream.paced(place.scratch, place.where))
        for one in _start(plan, place, behind, stack, missing, say):
            say(f"{plan.streams} streams of {1000 // paced.PERIOD_MS} events a second: {one.name}")
            task = {
                "target": _target(one, calls.STREAM),
                "count": plan.streams,
                "within_s": lasts_s * 4 + 10,
            }
            before = machine.cpu_s(one.pids)
            rows[one.name] = _child("streams", task, place)
            rows[one.name]["subject_cpu_s"] = round(machine.cpu_s(one.pids) - before, 2)
            rows[one.name]["memory"] = _memory(one)
    return rows


def _target(subject: Subject, call: Call) -> dict[str, Any]:
    host = f"{subject.host}:{subject.port}"
    return {
        "name": subject.name,
        "host": subject.host,
        "port": subject.port,
        "head": call.head(host, subject.headers).decode(),
        "body": call.body.decode(),
    }


def _child(module: str, task: dict[str, Any], place: Place) -> dict[str, Any]:
    done = subprocess.run(
        machine.on(place.where.rest, [sys.executable, "-m", f"tests.bench.{module}"]),
        input=json.dumps(task),
        capture_output=True,
        text=True,
        timeout=CHILD_WITHIN_S,
        check=False,
    )
    if done.returncode != 0:
        raise Missing(f"the {module} client failed: {done.stderr[-500:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _memory(subject: Subject) -> dict[str, int]:
    return {
        "rss_bytes": machine.memory_bytes(subject.pids, "Rss"),
        "all_pss_bytes": machine.memory_bytes(subject.all_pids, "Pss"),
    }
