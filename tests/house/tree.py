"""The files the house rules look at."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "dd0c"
TESTS = ROOT / "tests"


def python_files(*folders: Path) -> Iterator[Path]:
    """Every Python file of the project below the folders (default: source and tests)."""
    for folder in folders or (SOURCE, TESTS):
        yield from sorted(p for p in folder.rglob("*.py") if "__pycache__" not in p.parts)


def shown(path: Path) -> str:
    """The path as a reader would name it."""
    return str(path.relative_to(ROOT))
