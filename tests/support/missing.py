"""What a machine lacks: in CI a failure, elsewhere a line that says what did not run and why."""

from __future__ import annotations

import os

import pytest

MARK = "NOT RUN: "


def unless(present: bool, how: str) -> None:
    """Go on when it is there; else fail in CI and skip elsewhere. `how` says how to enable it."""
    if present:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"missing in CI: {how}")
    pytest.skip(MARK + how)
