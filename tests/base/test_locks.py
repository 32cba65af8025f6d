"""A lock is one process family's, and says whose (K-2, K-6)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dd0c.base import locks
from dd0c.base.errors import SetupError


def test_who_holds_it_is_told(tmp_path: Path) -> None:
    """K-2: whoever comes second reads which process to look at, and what to do."""
    path = tmp_path / "lock"
    with (
        locks.held(path, within_s=0, taken="it is mine", hint="wait"),
        pytest.raises(SetupError) as refused,
        locks.held(path, within_s=0.1, taken="it is taken", hint="stop that one"),
    ):
        pytest.fail("two holders")
    assert refused.value.message == f"it is taken (process {os.getpid()})"
    assert refused.value.hint == "stop that one"
    with locks.held(path, within_s=0, taken="it is taken", hint=""):
        pass
