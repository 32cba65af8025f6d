"""What is measured: a gateway that runs, and where."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.machine import Processors


@dataclass(frozen=True, slots=True)
class Place:
    """Where a round happens: scratch, what is kept between runs, and the processors."""

    scratch: Path
    cache: Path
    where: Processors


@dataclass(frozen=True, slots=True)
class Subject:
    """A gateway that runs. `pids` carry the requests; `all_pids` are everything that it needs."""

    name: str
    version: str
    host: str
    port: int
    headers: dict[str, str]
    features: str
    pids: list[int] = field(default_factory=list)
    all_pids: list[int] = field(default_factory=list)


Start = Callable[[Place, str], AbstractContextManager[Subject]]
