"""How fast commands are judged and a runbook is read: `python -m tests.bench.judging` (N-3, N-15).

In a process of its own, because its memory is one of the figures. Commands are drawn from the
benign corpus with a fixed seed; the document has fifty of them, each with a heading, a sentence and
a pasted line of output. Warm: every command was judged once before.
"""

from __future__ import annotations

import json
import random
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from dd0c.products.run.parsing import reading
from dd0c.scan import verdicts
from tests.corpus.commands import collection

COMMANDS, STEPS, SEED = 500, 50, 15
WITHIN_S = 300


def document(commands: list[str]) -> str:
    """A runbook with a step for each command."""
    steps = (
        f"## Part {n}\n\nRun this and look at what it says:\n\n```shell\n$ {command}\nok\n```\n"
        for n, command in enumerate(commands, 1)
    )
    return "# Everything at once\n\n" + "\n".join(steps)


def took_ms(work: Callable[[], object]) -> float:
    """Milliseconds of a call."""
    begun = time.perf_counter()
    work()
    return (time.perf_counter() - begun) * 1e3


def resident_mb() -> float:
    """Memory of this process now."""
    status = Path("/proc/self/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+)", status)
    assert found is not None
    return int(found[1]) / 1024


def measure(rounds: int) -> dict[str, Any]:
    """All figures; medians of so many rounds."""
    chosen = [one.command for one in random.Random(SEED).sample(collection.benign(), COMMANDS)]
    source = document([one for one in chosen if "\n" not in one][:STEPS])
    parsed = reading.parse(source)
    of_document = [command.text for step in parsed.steps for command in step.commands]
    before = resident_mb()
    first_ms = took_ms(partial(verdicts.judge, chosen[:1]))
    verdicts.judge(chosen)
    each = sorted(took_ms(partial(verdicts.judge, [one])) for one in chosen)
    return {
        "commands": COMMANDS,
        "first_ms": first_ms,
        "each_p50_ms": statistics.median(each),
        "each_p99_ms": each[int(len(each) * 0.99)],
        "all_ms": _median(rounds, partial(verdicts.judge, chosen)),
        "steps": len(parsed.steps),
        "first_step_ms": _median(rounds, lambda: next(iter(reading.iter_steps(source)))),
        "parse_ms": _median(rounds, partial(reading.parse, source)),
        "judge_ms": _median(rounds, partial(verdicts.judge, of_document)),
        "before_mb": before,
        "after_mb": resident_mb(),
    }


def _median(rounds: int, work: Callable[[], object]) -> float:
    return statistics.median(took_ms(work) for _ in range(rounds))


def figures(rounds: int) -> dict[str, Any]:
    """The same, measured in another process."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.judging", str(rounds)],
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 5), indent=2))
