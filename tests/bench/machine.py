"""What the machine says: who runs where, processor time, memory, and what it is."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

LOOK_S = 0.3
QUIET = 0.1  # of a processor
QUIET_WITHIN_S = 15.0

_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Processors:
    """Which processors the measured process has for itself, and which everything else shares."""

    subject: frozenset[int]
    rest: frozenset[int]

    @property
    def apart(self) -> bool:
        return not self.subject & self.rest


def processors() -> Processors:
    """The last processor for the subject; on a machine with one, both share it."""
    mine = sorted(os.sched_getaffinity(0))
    return Processors(frozenset(mine[-1:]), frozenset(mine[:-1] or mine))


def on(to: frozenset[int], argv: list[str]) -> list[str]:
    """The command line that runs a program, and what it starts, on those processors."""
    return ["taskset", "-c", ",".join(map(str, sorted(to))), *argv]


def pin(pid: int, to: frozenset[int]) -> None:
    """Move a running process with all its threads."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), to)


def family(pid: int) -> list[int]:
    """A process and all its descendants that live."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(entry.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        children.setdefault(parent, []).append(int(entry.parent.name))
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found


def command(pid: int) -> str:
    """The command line, empty when the process is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def cpu_s(pids: Iterable[int]) -> float:
    """Processor seconds used so far, user and system."""
    total = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += int(fields[11]) + int(fields[12])
    return total / _TICK


def wait_until_quiet(pids: Sequence[int], within_s: float = QUIET_WITHIN_S) -> None:
    """Return when processes have finished what they do after an answer, or when time is up."""
    deadline = time.monotonic() + within_s
    before = cpu_s(pids)
    while time.monotonic() < deadline:
        time.sleep(LOOK_S)
        used, before = cpu_s(pids) - before, cpu_s(pids)
        if used < LOOK_S * QUIET:
            return


def memory_bytes(pids: Iterable[int], kind: str = "Pss") -> int:
    """Memory in use: `Pss` shares out what several map, `Rss` counts it for each."""
    total = 0
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(x.split()[1]) * 1024 for x in lines if x.startswith(f"{kind}:"))
    return total


def busy(look_s: float = 1.0) -> float:
    """How many processors others keep busy, before we begin."""

    def idle_and_all() -> tuple[int, int]:
        fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
        ticks = [int(field) for field in fields]
        return ticks[3] + ticks[4], sum(ticks)

    idle_before, all_before = idle_and_all()
    time.sleep(look_s)
    idle, every = idle_and_all()
    share = 1 - (idle - idle_before) / max(1, every - all_before)
    return round(share * (os.cpu_count() or 1), 2)


def facts() -> dict[str, object]:
    """The machine, for the result file."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.lower().startswith("model name")
        ),
        platform.machine(),
    )
    return {
        "processor": model,
        "processors": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


def first_line(*argv: str) -> str:
    """What a program says of its version."""
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    text = (done.stdout + done.stderr).strip()
    return text.splitlines()[0] if text else ""
