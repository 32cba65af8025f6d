"""The steps that were written by hand for a runbook (README.md beside says by which rules).

Read strictly: a word that the format does not know is an error, because a misspelt `placeholder`
would otherwise stand for "nothing to fill in". Imports nothing of dd0c: the truth must not lean on
what it judges.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
MADE = "made__"  # our own pages, for what the real ones happen not to have
EXPECTED = FOLDER / "expected"
KINDS = frozenset({"command", "check", "wait", "decision", "manual", "call"})
SHELLS = frozenset({"shell", "powershell"})
TOOLS = SHELLS | {"promql", "sql"}


@dataclass(frozen=True, slots=True)
class Command:
    """One complete command; `line` is where it begins (1-based).

    `text` has no prompt and no backslash-newline. Inferred: the source does not delimit it.
    """

    line: int
    text: str
    inferred: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """One step; `lines` are the first and the last that it was made from (1-based)."""

    kind: str
    section: tuple[str, ...]
    lines: tuple[int, int]
    title: str
    tool: str | None = None
    commands: tuple[Command, ...] = ()
    placeholders: tuple[str, ...] = ()
    interactive: bool = False
    expected: str | None = None
    timeout_s: int | None = None
    rollback: str | None = None
    references: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Runbook:
    """A runbook with its source text and the steps that are expected of it, in order."""

    name: str
    source: str
    steps: tuple[Step, ...]


def list_sources() -> list[Path]:
    """Every runbook of the corpus, whether steps were written for it or not."""
    return sorted(path for path in FOLDER.glob("*.md") if path.name != "README.md")


def list_expected() -> list[str]:
    """Names of the runbooks that steps were written for."""
    return sorted(path.stem for path in EXPECTED.glob("*.toml"))


def load(name: str) -> Runbook:
    """The runbook of that name with its steps; ValueError when its file is not in the format."""
    stated = tomllib.loads((EXPECTED / f"{name}.toml").read_text(encoding="utf-8"))
    if set(stated) != {"source", "step"} or stated["source"] != f"{name}.md":
        raise ValueError(f"{name}: source or steps missing, or something unknown")
    steps = tuple(_step(item, f"{name}, step {n}") for n, item in enumerate(stated["step"], 1))
    return Runbook(name, (FOLDER / stated["source"]).read_bytes().decode(), steps)


def _step(item: Mapping[str, Any], where: str) -> Step:
    known = {field.name for field in fields(Step)}
    if unknown := set(item) - known:
        raise ValueError(f"{where}: unknown {sorted(unknown)}")
    first, last = item["lines"]
    lists = {key: tuple(item.get(key, ())) for key in ("section", "placeholders", "references")}
    commands = tuple(Command(**command) for command in item.get("commands", ()))
    expected = item["expected"].strip("\n") if "expected" in item else None
    return Step(
        **{**item, **lists, "lines": (first, last), "commands": commands, "expected": expected}
    )
