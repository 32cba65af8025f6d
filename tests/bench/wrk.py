"""Closed loop with wrk: how many answers a second at a fixed number of connections."""

from __future__ import annotations

import json
import math
import resource
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.bench import calls, machine
from tests.bench.calls import Call
from tests.bench.machine import Processors
from tests.bench.subject import Missing, Subject

CONNECTIONS = 32
BUSY = 0.85  # below this share of a processor a subject was not the slowest part

_SCRIPT = """
wrk.method = "POST"
wrk.path = "%(path)s"
local file = io.open("%(body)s", "rb"); wrk.body = file:read("*a"); file:close()
%(headers)s
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    '\\nRESULT {"requests": %%d, "us": %%d, "failed": %%d, "p50_us": %%d, "p99_us": %%d}\\n',
    summary.requests, summary.duration, e.connect + e.read + e.write + e.status + e.timeout,
    latency:percentile(50), latency:percentile(99)))
end
"""


@dataclass(frozen=True, slots=True)
class Throughput:
    """One round. `subject_cpu` and `generator_cpu` are shares of one processor."""

    per_s: float
    failed: int
    p99_us: int
    subject_cpu: float
    generator_cpu: float

    @property
    def cpu_us(self) -> float:
        """Processor time of the subject for an answer: what a busy machine changes least."""
        return self.subject_cpu / self.per_s * 1e6 if self.per_s else math.inf

    @property
    def is_saturated(self) -> bool:
        """Whether the subject was the slowest part, so that this is its throughput."""
        return self.subject_cpu >= BUSY


def program() -> str:
    found = shutil.which("wrk")
    if found is None:
        raise Missing("wrk is not installed (Debian, Ubuntu: apt-get install wrk)")
    return found


def measure(
    subject: Subject,
    call: Call,
    seconds: int,
    scratch: Path,
    where: Processors,
    threads: int = 1,
) -> Throughput:
    """One round against one subject, with CONNECTIONS a thread. A failed answer is counted, never
    left out."""
    body = scratch / f"{len(call.body)}.json"
    body.write_bytes(call.body)
    headers = {"Content-Type": "application/json"} | subject.headers
    script = scratch / f"{subject.name}-{len(call.body)}.lua"
    script.write_text(
        _SCRIPT
        % {
            "path": calls.PATH,
            "body": body,
            "headers": "\n".join(f'wrk.headers["{k}"] = "{v}"' for k, v in headers.items()),
        }
    )
    argv = [
        program(),
        f"-t{threads}",
        f"-c{CONNECTIONS * threads}",
        f"-d{seconds}s",
        "--timeout",
        "20s",
    ]
    argv += ["-s", str(script), f"http://{subject.host}:{subject.port}"]
    before, own = machine.cpu_s(subject.pids), _children_cpu_s()
    done = subprocess.run(
        machine.on(where.rest, argv),
        capture_output=True,
        text=True,
        timeout=seconds + 60,
        check=True,
    )
    used, generated = machine.cpu_s(subject.pids) - before, _children_cpu_s() - own
    found = json.loads(done.stdout.rpartition("RESULT ")[2])
    took_s = found["us"] / 1e6
    return Throughput(
        (found["requests"] - found["failed"]) / took_s,
        found["failed"],
        found["p99_us"],
        used / took_s,
        generated / took_s,
    )


def _children_cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
