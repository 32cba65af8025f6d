"""The Makefile where something is missing: one line that says what, before anything is made."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

MAKEFILE = Path(__file__).parents[2] / "Makefile"
TOO_OLD = 'case "$*" in *version_info*) exit 1;; *--version*) echo Python 3.9.2;; esac'
NO_VENV = 'case "$*" in *ensurepip*) exit 1;; esac'


@pytest.mark.parametrize(
    ("python", "error"),
    [
        (TOO_OLD, "error: dd0c needs Python 3.11 or newer, and python3 is Python 3.9.2: install"),
        (None, "error: dd0c needs Python 3.11 or newer, and python3 is missing: install"),
        (NO_VENV, "error: python3 has no venv module: install it"),
    ],
    ids=["too old", "missing", "no venv"],
)
def test_what_is_missing_is_told_in_one_line(
    tmp_path: Path, python: str | None, error: str
) -> None:
    """K-1: `make up` without a fitting Python says so, what to do, and makes nothing."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("sh", "echo", "make"):
        (tools / name).symlink_to(str(shutil.which(name)))
    if python is not None:
        (tools / "python3").write_text(f"#!/bin/sh\n{python}\n")
        (tools / "python3").chmod(0o755)
    place = tmp_path / "checkout"
    (place / "requirements").mkdir(parents=True)
    shutil.copy(MAKEFILE, place)
    for name in ("requirements/runtime.lock", "requirements/build.lock", "pyproject.toml"):
        (place / name).touch()
    done = subprocess.run(
        [tools / "make", "up"],
        cwd=place,
        env={"PATH": str(tools)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode != 0
    assert done.stderr.startswith(error)
    assert len([line for line in done.stderr.splitlines() if not line.startswith("make")]) == 1
    assert not (place / ".venv").exists()
