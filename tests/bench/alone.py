"""Scenarios with subjects of their own: features, cold starts, more workers, shipping."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from itertools import pairwise
from typing import Any

from tests.bench import calls, figures, judging, machine, ours, peers, shipping
from tests.bench.calls import Call
from tests.bench.machine import Processors
from tests.bench.peers import PEERS
from tests.bench.session import Session, first_answer, memory, summary
from tests.bench.subject import Missing, Subject
from tests.bench.wrk import Throughput

IDLE_S = 1.0
AGAIN = "dd0c, again"  # its home is there from before


def features(session: Session, _: dict[str, Any]) -> dict[str, Any]:
    """dd0c's worker with ever more of its features: what an answer takes, and what each adds.

    Neighbouring steps of one round are compared, so what drifts is in both.
    """
    with ExitStack() as stack:
        steps = [
            stack.enter_context(ours.step(name, flags, session.place, session.behind))
            for name, flags in ours.STEPS
        ]
        for one in steps:
            first_answer(one)
        found: dict[str, Any] = {
            call.name: _steps(session, steps, call) for call in (calls.CHAT, calls.STREAM)
        }
        found["flags"] = {one.name: asdict(one.flags) for one in steps}
        found["memory"] = {one.name: memory(one) for one in steps}
    return found


def _steps(session: Session, steps: Sequence[Subject], call: Call) -> dict[str, Any]:
    taken: dict[str, list[Throughput]] = {one.name: [] for one in steps}
    for number in range(session.plan.rounds):
        session.say(f"features, {call.name}: round {number + 1} of {session.plan.rounds}")
        for one in session.in_turn(number, steps):
            taken[one.name].append(session.round(one, call))
    rows = {name: summary(rounds) for name, rounds in taken.items()}
    names = list(rows)
    for before, name in pairwise(names):
        mine, base = rows[name]["rounds_cpu_us"], rows[before]["rounds_cpu_us"]
        rows[name]["costs_us"] = asdict(figures.added(mine, base))
    return rows


def cold(session: Session, result: dict[str, Any]) -> dict[str, Any]:
    """How long from starting a program until it has answered, with nothing else running."""
    taken: dict[str, list[float]] = {}
    idle: dict[str, int] = {}
    if session.plan.rounds == 1 and session.started:
        for name, took_s in session.started.items():
            taken[name] = [took_s]
        idle = {name: one["idle"]["rss_bytes"] for name, one in result["memory"].items()}
    else:
        for number in range(session.plan.starts):
            for name in session.plan.peers:
                if name not in ("direct", *session.missing):
                    session.say(f"cold start {number + 1} of {session.plan.starts}: {name}")
                    _start_cold(session, name, taken, idle, result)
    if "dd0c" in session.plan.peers:
        taken[AGAIN] = _again(session)
    taken.pop("direct", None)
    return {
        name: {
            "starts_s": [round(one, 3) for one in times],
            "median_s": statistics.median(times),
            "idle_rss_bytes": idle.get(name, 0),
        }
        for name, times in taken.items()
        if times
    }


def _start_cold(
    session: Session,
    name: str,
    taken: dict[str, list[float]],
    idle: dict[str, int],
    result: dict[str, Any],
) -> None:
    with ExitStack() as stack:
        subject = session.start(name, PEERS[name], stack)
        if subject is None:
            return
        taken.setdefault(subject.name, []).append(session.started[subject.name])
        time.sleep(IDLE_S)
        idle[subject.name] = machine.memory_bytes(subject.pids, "Rss")
        result["subjects"].setdefault(
            subject.name,
            {
                "version": subject.version,
                "features": subject.features,
                "flags": asdict(subject.flags),
            },
        )


def _again(session: Session) -> list[float]:
    """Starts of a product that has a home; the first, which makes it, does not count."""
    home = session.place.scratch / "home-again"
    taken = []
    for _ in range(1 + session.plan.starts):
        session.say("starting dd0c again")
        began = time.monotonic()
        try:
            with ours.product("dd0c", "", session.place, session.behind, home=home) as (one, _api):
                first_answer(one)
                taken.append(time.monotonic() - began)
        except Missing as reason:
            session.missing[AGAIN] = str(reason)
            break
    return taken[1:]


def scaling(session: Session, _: dict[str, Any]) -> dict[str, Any]:
    """dd0c and nginx with 1, 2, 4 … workers, each on a processor of its own; the last processors
    are theirs, and where all are taken the load generator is in their way: it says so."""
    rows: dict[str, Any] = {}
    everything = sorted(session.place.where.subject | session.place.where.rest)
    for workers in sizes(len(everything)):
        where = split(everything, workers)
        place = replace(session.place, where=where)
        own = replace_place(session, place)
        threads = max(1, min(workers, len(where.rest)))
        with ExitStack() as stack:
            subjects = [
                stack.enter_context(peers.nginx(place, session.behind, workers)),
                stack.enter_context(
                    ours.product("dd0c", "", place, session.behind, workers=workers)
                )[0],
            ]
            for one in subjects:
                first_answer(one)
            taken: dict[str, list[Throughput]] = {one.name: [] for one in subjects}
            for number in range(session.plan.rounds):
                session.say(f"{workers} workers: round {number + 1} of {session.plan.rounds}")
                for one in session.in_turn(number, subjects):
                    taken[one.name].append(own.round(one, calls.CHAT, threads))
        for name, rounds in taken.items():
            row = summary(rounds) | {"apart": where.apart, "workers": workers}
            row["saturated"] = row["subject_cpu"] >= 0.85 * workers
            rows.setdefault(name, {})[str(workers)] = row
    return rows


def replace_place(session: Session, place: Any) -> Session:
    """The same session on other processors."""
    return Session(session.plan, place, session.behind, session.say)


def sizes(processors: int) -> list[int]:
    """1, 2, 4 … and the number of processors."""
    found = [1]
    while found[-1] * 2 <= processors:
        found.append(found[-1] * 2)
    return found if found[-1] == processors else [*found, processors]


def split(processors: Sequence[int], workers: int) -> Processors:
    """The last ones for the workers, the others for everything else; all, where none is left."""
    mine = frozenset(processors[-workers:])
    return Processors(mine, frozenset(processors) - mine or frozenset(processors))


def shipping_rate(session: Session, _: dict[str, Any]) -> dict[str, Any]:
    """How fast attempts get into the ledger."""
    session.say(f"shipping {session.plan.rows:,} rows a round")
    found = shipping.rates(session.plan.rows, session.plan.rounds)
    return {
        "rows": session.plan.rows,
        "rounds_per_s": [round(one) for one in found],
        "per_s": statistics.median(found),
    }


def judging_times(session: Session, _: dict[str, Any]) -> dict[str, Any]:
    """How fast commands are judged and a runbook is read."""
    session.say(f"judging {judging.COMMANDS} commands, {session.plan.rounds} rounds")
    return judging.figures(session.plan.rounds)
