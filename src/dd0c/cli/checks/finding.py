"""A finding, and what checks compare with."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

State = Literal["ok", "unknown", "warning", "problem"]
WORST_FIRST: tuple[State, ...] = ("problem", "warning", "unknown", "ok")


@dataclass(frozen=True, slots=True)
class Finding:
    """What was seen of one thing: `cause` says what, `remedy` what to do about it.

    An empty `name` is that of the check.
    """

    state: State
    cause: str
    remedy: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Bounds:
    """From where on a number is worth a warning, or a problem."""

    disk_problem_bytes: int = 256 * 1024**2
    disk_warning_bytes: int = 2 * 1024**3
    memory_warning_bytes: int = 256 * 1024**2
    open_files_warning: int = 4096
    clock_off_warning: timedelta = timedelta(seconds=2)
    key_ends_warning: timedelta = timedelta(days=14)
    backup_warning: timedelta = timedelta(days=7)


def ok(cause: str, *, name: str = "") -> Finding:
    """All is well."""
    return Finding("ok", cause, name=name)


def warning(cause: str, remedy: str, *, name: str = "") -> Finding:
    """It works, but somebody should know."""
    return Finding("warning", cause, remedy, name)


def problem(cause: str, remedy: str, *, name: str = "") -> Finding:
    """It does not work, or is not safe."""
    return Finding("problem", cause, remedy, name)


def unknown(cause: str, remedy: str = "", *, name: str = "") -> Finding:
    """It could not be looked at."""
    return Finding("unknown", cause, remedy, name)


def worst(findings: Iterable[Finding]) -> State:
    """The worst state among them; ok when there is none."""
    states = {finding.state for finding in findings}
    return next((state for state in WORST_FIRST if state in states), "ok")
