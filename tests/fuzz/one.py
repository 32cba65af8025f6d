"""One target, fuzzed for some seconds in a process of its own (libFuzzer ends it as it likes).

    python -m tests.fuzz.one TARGET SECONDS SEED FOLDER      fuzz; failing inputs go to FOLDER
    python -m tests.fuzz.one TARGET FILE …                   check these inputs again

With atheris, coverage of our code and of h11 says which inputs are worth changing further. It has
no wheel for every Python and machine; without it inputs are made and changed by the grammar alone.
"""

from __future__ import annotations

import importlib
import importlib.util
import random
import sys
import tempfile
import time
from pathlib import Path
from types import ModuleType
from typing import Any

SEEDS = 100
BLIND_PART = 0.3  # of the changes are made by libFuzzer itself
WATCHED = ["h11", "dd0c.products.route.hotpath", "dd0c.scan"]


def with_coverage(name: str, seconds: int, seed: int, folder: Path) -> None:
    """Fuzz with atheris; does not return."""
    atheris: Any = importlib.import_module("atheris")
    with atheris.instrument_imports(include=WATCHED, enable_loader_override=False):
        targets = importlib.import_module("tests.fuzz.targets")
    grammar: Any = importlib.import_module("tests.fuzz.grammar")
    target, chance = targets.TARGETS[name], random.Random(seed)
    begun = folder / f"{name}-corpus"
    begun.mkdir()
    others = [target.make(chance) for _ in range(SEEDS)]
    for number, made in enumerate(others):
        (begun / str(number)).write_bytes(made)

    def change(data: bytes, size_max: int, number: int) -> bytes:
        chance = random.Random(number)
        if chance.random() < BLIND_PART:
            blind: bytes = atheris.Mutate(data, size_max)
            return blind
        changed: bytes = grammar.mutate(chance, data, target.pieces, chance.choice(others))
        return changed[:size_max]

    spool = tempfile.mkdtemp(dir=folder)
    with targets.opened(name, Path(spool)) as check:
        options = {
            "seed": seed,
            "max_total_time": seconds,
            "artifact_prefix": f"{folder}/{name}-",
            "max_len": grammar.BYTES_MAX,
            "timeout": 20,
            "print_final_stats": 1,
            "verbosity": 0,
        }
        arguments = [f"-{option}={value}" for option, value in options.items()]
        arguments += [str(begun), str(targets.CORPUS / name)]
        atheris.Setup([sys.argv[0], *arguments], check, custom_mutator=change)
        atheris.Fuzz()


def without_coverage(name: str, seconds: int, seed: int, folder: Path) -> None:
    """Fuzz blindly."""
    targets, hunt = (importlib.import_module(f"tests.fuzz.{part}") for part in ("targets", "hunt"))
    runs, end = 0, time.monotonic() + seconds
    with (
        tempfile.TemporaryDirectory(dir=folder) as spool,
        targets.opened(name, Path(spool)) as check,
    ):
        for data in hunt.inputs(targets.TARGETS[name], seed):
            hunt.try_one(check, data, folder / name, seed)
            runs += 1
            if time.monotonic() > end:
                break
    print(f"stat::number_of_executed_units: {runs}", file=sys.stderr)


def again(name: str, paths: list[Path]) -> None:
    """Check inputs that were found before."""
    targets: ModuleType = importlib.import_module("tests.fuzz.targets")
    with tempfile.TemporaryDirectory() as spool, targets.opened(name, Path(spool)) as check:
        for path in paths:
            check(path.read_bytes())
            print(f"{path}: nothing wrong")


if __name__ == "__main__":
    if sys.argv[2].isdigit():
        found = importlib.util.find_spec("atheris")
        run = without_coverage if found is None else with_coverage
        run(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
    else:
        again(sys.argv[1], [Path(path) for path in sys.argv[2:]])
