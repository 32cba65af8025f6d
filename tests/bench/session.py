"""What all scenarios share: the plan, the subjects that run, and what is known of them so far."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.bench import calls, machine, wrk
from tests.bench.calls import Call
from tests.bench.peers import PEERS
from tests.bench.subject import Missing, Peer, Place, Subject
from tests.bench.wrk import Throughput

Say = Callable[[str], None]

FIRST_ANSWER_WITHIN_S = 20.0

SCENARIOS = {
    "throughput": "answers a second at 32 connections: chat, 400 kB, streams, and mixed",
    "latency": "what is added to one request at a time, chat and 400 kB, paired with direct calls",
    "half": "what is added at half of a subject's own throughput, in turn with direct calls",
    "frontier": "the highest rate with p99 added <= 1, 5 and 10 ms, by the clock",
    "mixed": "chat, streams and 400 kB together at half of what is possible: p99 of each kind",
    "streams": "1,000 streams of 50 events a second at once: loss, p99 added, memory",
    "soak": "memory over a million mixed requests: how it grows",
    "features": "what each feature of dd0c costs, switched on one by one",
    "cold": "from the start to the first answer, and idle memory",
    "scaling": "1, 2, 4 … workers, up to the processors",
    "shipping": "rows a second from the spool into the ledger",
    "judging": "how fast commands are judged and a runbook is read, and in how much memory",
}
WITH_PEERS = ("throughput", "latency", "half", "frontier", "mixed", "streams", "soak")


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured. `make bench` takes the defaults, about an hour."""

    peers: Sequence[str] = tuple(PEERS)
    scenarios: Sequence[str] = tuple(SCENARIOS)
    rounds: int = 5
    seconds: int = 3
    turns: int = 1_500
    streams: int = 1_000
    soak: int = 1_000_000
    pairs: int = 20  # of half a second, at half load
    steps: int = 10  # of the frontier
    probe_s: float = 1.0  # each; ten thousand requests are enough for a p99
    refinements: int = 2  # between the last rate that held and the first that did not
    events: int = calls.PACED_EVENTS
    starts: int = 3
    rows: int = 40_000

    def quick(self) -> Plan:
        """The same in a few minutes, to see that it works."""
        return Plan(
            self.peers,
            self.scenarios,
            rounds=1,
            seconds=1,
            turns=20,
            streams=min(self.streams, 200),
            soak=min(self.soak, 4_000),
            pairs=2,
            steps=2,
            probe_s=0.5,
            refinements=0,
            events=50,
            starts=1,
            rows=4_000,
        )


@dataclass(slots=True)
class Session:
    """One run. `rates`: what a subject answers a second with one kind of call, once measured."""

    plan: Plan
    place: Place
    behind: str
    say: Say
    subjects: list[Subject] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    rates: dict[tuple[str, str], float] = field(default_factory=dict)
    started: dict[str, float] = field(default_factory=dict)

    @property
    def direct(self) -> Subject | None:
        """Calls without a gateway."""
        return next((one for one in self.subjects if one.name == "direct"), None)

    @property
    def gateways(self) -> list[Subject]:
        """All the others."""
        return [one for one in self.subjects if one.name != "direct"]

    def start(self, name: str, peer: Peer, stack: ExitStack) -> Subject | None:
        """A subject that has given its first answer; None, and noted, when it cannot."""
        if name in self.missing:
            return None
        self.say(f"starting {name}")
        try:
            peer.prepare(self.place)
            began = time.monotonic()
            subject = stack.enter_context(peer.start(self.place, self.behind))
            first_answer(subject)
        except Missing as reason:
            self.missing[name] = str(reason)
            self.say(f"{name} is missing: {reason}")
            return None
        self.started[subject.name] = time.monotonic() - began
        return subject

    def in_turn(self, number: int, of: Sequence[Subject]) -> Iterable[Subject]:
        """All of them, each when they are quiet; nobody always comes after the same."""
        everything = [pid for one in of for pid in one.all_pids]
        first = number % len(of) if of else 0
        for one in (*of[first:], *of[:first]):
            machine.wait_until_quiet(everything, 2 if self.plan.rounds == 1 else 15)
            yield one

    def rate(self, subject: Subject, call: Call = calls.CHAT) -> float:
        """Answers a second, of the throughput if that was measured; else measured now."""
        known = self.rates.get((call.name, subject.name))
        if known is None:
            self.say(f"how fast is {subject.name}?")
            round_ = self.round(subject, call)
            known = self.rates[call.name, subject.name] = round_.per_s
        return known

    def round(self, subject: Subject, call: Call, threads: int = 1) -> Throughput:
        """One round with wrk."""
        place = self.place
        return wrk.measure(subject, call, self.plan.seconds, place.scratch, place.where, threads)


def first_answer(subject: Subject) -> None:
    """Return when it has answered a request; Missing when it does not."""
    url = f"http://{subject.host}:{subject.port}{calls.PATH}"
    headers = {"Content-Type": "application/json"} | subject.headers
    deadline = time.monotonic() + FIRST_ANSWER_WITHIN_S
    said = ""
    while time.monotonic() < deadline:
        try:
            answer = httpx.post(url, headers=headers, content=calls.CHAT.body, timeout=20)
        except httpx.HTTPError as error:
            said = str(error)
        else:
            if answer.status_code == 200:
                return
            said = answer.text[:200]
        time.sleep(0.005)
    raise Missing(f"it gives no answer: {said}")


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


def memory(subject: Subject) -> dict[str, int]:
    """What it has resident, and everything that it needs beside."""
    return {
        "rss_bytes": machine.memory_bytes(subject.pids, "Rss"),
        "all_pss_bytes": machine.memory_bytes(subject.all_pids, "Pss"),
    }
