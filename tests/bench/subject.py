"""What is measured: a gateway that runs, where, and with which of its features."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from tests.bench.machine import Processors


class Missing(Exception):
    """Something that a measurement needs is not here. The message says what and why."""


@dataclass(frozen=True, slots=True)
class Flags:
    """What a gateway does for each request beside carrying it; each is in every result."""

    keys: bool = False
    routing: bool = False
    usage: bool = False  # what an answer used, and what it cost
    metrics: bool = False
    ledger: bool = False  # two records of each request
    limits: bool = False
    budgets: bool = False
    trace_ids: bool = False  # a trace's id for each request, passed on to the provider
    trace_export: bool = False  # sampled spans to a collector

    def but(self, **changed: bool) -> Flags:
        return replace(self, **changed)

    def told(self) -> str:
        """What is on, and what is off."""
        flags = asdict(self)
        on = [name.replace("_", " ") for name, value in flags.items() if value]
        off = [name.replace("_", " ") for name, value in flags.items() if not value]
        parts = (f"on: {', '.join(on)}" if on else "", f"off: {', '.join(off)}" if off else "")
        return "; ".join(part for part in parts if part)


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
    flags: Flags = Flags()


Start = Callable[[Place, str], AbstractContextManager[Subject]]


def nothing_to_prepare(_: Place) -> None:
    """For what is there already."""


@dataclass(frozen=True, slots=True)
class Peer:
    """How a gateway is installed, which no clock measures, and how it is started."""

    start: Start
    prepare: Callable[[Place], None] = nothing_to_prepare
