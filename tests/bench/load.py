"""The load generator (native/load.c): by the clock, by the answers, or a crowd of streams."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tests.bench import calls, machine, native
from tests.bench.calls import Call
from tests.bench.subject import Missing, Place, Subject

GRACE_S = 2.0
REQUESTS_MIN = 30  # a slow subject is asked for longer
REQUESTS_MAX = 2_000_000
OPEN_CONNECTIONS = 128
LOOK_S = 0.1

Weighted = Sequence[tuple[Call, int]]
Meanwhile = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Task:
    """What is sent: by `rate` a second (open), for so long (closed), or `total`."""

    mode: str
    of: Weighted
    connections: int
    rate: float = 0.0
    total: int = 0
    within_s: float = GRACE_S


def by_the_clock(rate: float, seconds: float, of: Weighted = ((calls.CHAT, 1),)) -> Task:
    """Requests that leave at a rate, whatever the answers do."""
    total = max(REQUESTS_MIN, int(rate * seconds))
    return Task("open", of, OPEN_CONNECTIONS, rate, total)


def by_the_answers(of: Weighted, connections: int, total: int = 0, seconds: float = 0.0) -> Task:
    """The next request leaves when an answer is whole; so many, or for so long."""
    within_s = GRACE_S if seconds else 600.0
    return Task("closed", of, connections, seconds, total or REQUESTS_MAX, within_s)


def crowd(streams: int, within_s: float) -> Task:
    """So many paced streams at once."""
    return Task("streams", ((calls.PACED, 1),), streams, within_s=within_s)


def measure(
    subject: Subject, task: Task, place: Place, meanwhile: Meanwhile | None = None
) -> dict[str, Any]:
    """What the generator tells, with the names of the kinds; `meanwhile` is called now and then."""
    argv = [str(native.program("load", place.cache)), task.mode, subject.host, str(subject.port)]
    argv += [f"{task.rate:.3f}", str(task.total), str(task.connections), f"{task.within_s:.3f}"]
    for call, weight in task.of:
        path = place.scratch / f"{subject.name}-{subject.port}-{call.name}.request".replace(
            " ", "_"
        )
        path.write_bytes(call.head(f"{subject.host}:{subject.port}", subject.headers) + call.body)
        argv.append(f"{path}:{weight}")
    before = machine.cpu_s(subject.pids)
    with subprocess.Popen(
        machine.on(place.where.rest, argv),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        while process.poll() is None and meanwhile is not None:
            meanwhile()
            time.sleep(LOOK_S)
        out, problem = process.communicate()
    if process.returncode != 0:
        raise Missing(f"the load generator failed: {problem[-300:]}")
    found: dict[str, Any] = json.loads(out)
    found["kinds"] = {
        call.name: found.pop(f"kind {number}") for number, (call, _) in enumerate(task.of)
    }
    used_s = machine.cpu_s(subject.pids) - before
    found["subject_cpu"] = round(used_s * 1e9 / max(1, found["took_ns"]), 3)
    found["failed"] += found.pop("unanswered")
    return found
