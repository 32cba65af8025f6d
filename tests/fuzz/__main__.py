"""`make check-long`: fuzz all targets, requests half of the time, and say what came of it.

    python -m tests.fuzz [--seconds 60] [--seed N]

The seed is another one each time. It is printed, and so is the path of an input that fails.
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import SystemRandom

ROOT = Path(__file__).resolve().parents[2]
ARTIFACTS = ROOT / "artifacts" / "fuzz"
SEED_MAX = 2**31 - 1
GRACE_S = 60  # to start and to end
LANES = (("requests",), ("answers", "documents", "streams", "commands"))
_NOISE = re.compile(r"INFO|WARNING|stat::|Base64|0x")
_RUNS = re.compile(r"stat::number_of_executed_units: (\d+)")


def fuzz(name: str, seconds: int, seed: int, folder: Path) -> tuple[bool, str]:
    """Whether a target is fine, and what to print."""
    command = [sys.executable, "-m", "tests.fuzz.one", name, str(seconds), str(seed), str(folder)]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=seconds + GRACE_S, check=False
    )
    runs = _RUNS.search(done.stderr)
    if done.returncode == 0 and runs is not None and int(runs[1]) > 0:
        return True, f"{name}: {runs[1]} inputs in {seconds} s, nothing wrong"
    kept = []
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    for path in folder.glob(f"{name}-*-*"):
        kept.append(ARTIFACTS / path.name)
        kept[-1].write_bytes(path.read_bytes())
    shown = " ".join(str(path.relative_to(ROOT)) for path in kept) or "no input was written"
    said = [line for line in (done.stderr + done.stdout).split("\n") if not _NOISE.match(line)]
    told = f"{name}: FAILED with seed {seed}: {shown}\n" + "\n".join(said)[-6000:]
    if kept:
        told += f"\nagain: python -m tests.fuzz.one {name} {shown}"
    return False, told


def main() -> int:
    """Fuzz; the exit status."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--seconds", type=int, default=60)
    arguments.add_argument("--seed", type=int, default=SystemRandom().randrange(1, SEED_MAX))
    given = arguments.parse_args()
    guided = importlib.util.find_spec("atheris") is not None
    way = (
        "guided by coverage (atheris)"
        if guided
        else "blindly: atheris has no wheel for this Python"
    )
    print(f"fuzzing {given.seconds} s with seed {given.seed}, {way}", flush=True)
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(len(LANES)) as pool:

        def lane(names: tuple[str, ...]) -> bool:
            seconds = max(1, given.seconds // len(names))
            results = [fuzz(name, seconds, given.seed, Path(folder)) for name in names]
            print("\n".join(told for _, told in results), flush=True)
            return all(fine for fine, _ in results)

        return 0 if all(list(pool.map(lane, LANES))) else 1


if __name__ == "__main__":
    sys.exit(main())
