"""Inputs made and changed by the grammar alone, and what is done with one that fails."""

from __future__ import annotations

import hashlib
import itertools
import random
from collections.abc import Iterator
from pathlib import Path

from tests.fuzz import grammar
from tests.fuzz.targets import Check, Target


class Found(AssertionError):
    """An input that shows a mistake: which, and where it is kept."""


def inputs(target: Target, seed: int) -> Iterator[bytes]:
    """Inputs without end, the same for the same seed."""
    chance = random.Random(seed)
    for number in itertools.count():
        data = target.make(chance)
        if number % 4:
            data = grammar.mutate(chance, data, target.pieces, target.make(chance))
        yield data


def try_one(check: Check, data: bytes, stem: Path, seed: int) -> None:
    """Check an input; one that fails is kept beside `stem`, and its name is told."""
    try:
        check(data)
    except Exception as error:
        stem.parent.mkdir(parents=True, exist_ok=True)
        path = stem.with_name(f"{stem.name}-crash-{hashlib.sha256(data).hexdigest()[:40]}")
        path.write_bytes(data)
        raise Found(f"{path} with seed {seed}: {type(error).__name__}: {error}") from error
