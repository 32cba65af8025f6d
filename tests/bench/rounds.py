"""What is measured, in which order: interleaved rounds over subjects that all run at once."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from typing import Any

from tests.bench import alone, calls, endurance, figures, load, machine, ours, paced, upstream
from tests.bench.calls import Call
from tests.bench.peers import PEERS
from tests.bench.session import WITH_PEERS, Plan, Say, Session, memory, summary
from tests.bench.subject import Missing, Place, Subject
from tests.bench.wrk import CONNECTIONS, Throughput

CHILD_WITHIN_S = 300.0


def run(plan: Plan, place: Place, say: Say) -> dict[str, Any]:
    """Everything of the plan, as plain values for JSON."""
    result: dict[str, Any] = {"machine": machine.facts(), "plan": asdict(plan)}
    result["processors_apart"] = place.where.apart
    result["elsewhere_busy"] = machine.busy()
    result["subjects"] = {}
    with upstream.from_memory(place, plan.events) as behind:
        session = Session(plan, place, behind, say)
        together = [name for name in plan.scenarios if name in WITH_PEERS]
        if together:
            _with_peers(session, together, result)
        for name in plan.scenarios:
            if name in ALONE:
                result[name] = ALONE[name](session, result)
    result["missing"] = session.missing
    return result


def _with_peers(session: Session, scenarios: list[str], result: dict[str, Any]) -> None:
    with ExitStack() as stack:
        for name in session.plan.peers:
            subject = session.start(name, PEERS[name], stack)
            if subject is not None:
                session.subjects.append(subject)
                describe(result, subject)
        machine.wait_until_quiet([pid for one in session.subjects for pid in one.all_pids])
        idle = {one.name: memory(one) for one in session.subjects}
        for name in scenarios:
            result[name] = TOGETHER[name](session)
            if name == "throughput":
                taken = result[name]
                result["limits"] = {kind: share_left(rows) for kind, rows in taken.items()}
        result["memory"] = {
            one.name: {"idle": idle[one.name], "loaded": memory(one)} for one in session.subjects
        }


def describe(result: dict[str, Any], subject: Subject) -> None:
    """Who it is, with every flag, for the result."""
    result["subjects"][subject.name] = {
        "version": subject.version,
        "features": subject.features,
        "flags": asdict(subject.flags),
    }


def throughput(session: Session) -> dict[str, Any]:
    """Each kind of call, and all of them mixed."""
    found = {
        call.name: _throughput(session, call) for call in (calls.CHAT, calls.LONG, calls.STREAM)
    }
    return found | {calls.MIXED: _mixed_throughput(session)}


def _throughput(session: Session, call: Call) -> dict[str, Any]:
    taken: dict[str, list[Throughput]] = {one.name: [] for one in session.subjects}
    for number in range(session.plan.rounds):
        session.say(f"throughput, {call.name}: round {number + 1} of {session.plan.rounds}")
        for one in session.in_turn(number, session.subjects):
            taken[one.name].append(session.round(one, call))
    rows = {name: summary(rounds) for name, rounds in taken.items()}
    session.rates |= {(call.name, name): row["per_s"] for name, row in rows.items()}
    return rows


def _mixed_throughput(session: Session) -> dict[str, Any]:
    taken: dict[str, list[Throughput]] = {one.name: [] for one in session.subjects}
    for number in range(session.plan.rounds):
        session.say(f"throughput, mixed: round {number + 1} of {session.plan.rounds}")
        for one in session.in_turn(number, session.subjects):
            task = load.by_the_answers(calls.MIX, CONNECTIONS, seconds=session.plan.seconds)
            taken[one.name].append(of_closed(load.measure(one, task, session.place)))
    rows = {name: summary(rounds) for name, rounds in taken.items()}
    session.rates |= {(calls.MIXED, name): row["per_s"] for name, row in rows.items()}
    return rows


def of_closed(found: dict[str, Any]) -> Throughput:
    """What the generator told of one round, like wrk's."""
    answered = found["requests"] - found["failed"]
    per_s = answered / (found["took_ns"] / 1e9)
    p99_us = found["all"]["p99_ns"] // 1000
    return Throughput(per_s, found["failed"], p99_us, found["subject_cpu"], found["generator_cpu"])


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


def latency(session: Session) -> dict[str, Any]:
    """One request at a time."""
    return {call.name: _latency(session, call) for call in (calls.CHAT, calls.LONG)}


def _latency(session: Session, call: Call) -> dict[str, Any]:
    session.say(f"added latency, {call.name}: {session.plan.turns} turns")
    if session.direct is None or not session.gateways:
        return {}
    others = [_target(one, call) for one in session.gateways]
    task = {"direct": _target(session.direct, call), "subjects": others}
    found = _child("paired", task | {"turns": session.plan.turns}, session.place)
    rows: dict[str, Any] = {}
    for name, pairs in found["pairs_ns"].items():
        rows[name] = {"turns": len(pairs), "failed": found["failed"][name]}
        if pairs:
            base, taken = ([ns / 1000 for ns in times] for times in zip(*pairs, strict=True))
            rows[name] |= {
                "direct_us": statistics.median(base),
                "median_us": statistics.median(taken),
                "added_us": asdict(figures.added(taken, base)),
                "generator_cpu": found["generator_cpu"],
            }
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


TOGETHER: dict[str, Callable[[Session], dict[str, Any]]] = {
    "throughput": throughput,
    "latency": latency,
    "half": paced.half_load,
    "frontier": paced.frontier,
    "mixed": paced.mixed,
    "streams": paced.streams,
    "soak": endurance.soak,
}
"""Over subjects that all run at once."""

ALONE: dict[str, Callable[[Session, dict[str, Any]], dict[str, Any]]] = {
    "features": alone.features,
    "cold": alone.cold,
    "scaling": alone.scaling,
    "shipping": alone.shipping_rate,
    "judging": alone.judging_times,
}
"""With subjects of their own, when no other runs."""
