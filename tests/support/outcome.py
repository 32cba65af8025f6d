"""How the last run of tests ended, for whoever comes after it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

FILE = Path(__file__).parents[2] / "artifacts" / "tests.json"


class Outcome(msgspec.Struct, frozen=True):
    """`whole`: every test was run, and nothing but tests failed."""

    whole: bool
    failed: tuple[str, ...]


class Recorder:
    """A plugin that writes it down; of the processes of a run, only the one that hears of all."""

    def __init__(self) -> None:
        self._failed: dict[str, None] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a test that failed, or whose fixtures did."""
        if report.failed:
            self._failed[report.nodeid] = None

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note a file that could not even be read."""
        if report.failed:
            self._failed[report.nodeid] = None

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """Write, whatever the end."""
        whole = exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
        FILE.parent.mkdir(exist_ok=True)
        FILE.write_bytes(msgspec.json.encode(Outcome(whole, tuple(self._failed))))


def read() -> Outcome | None:
    """The last run's, if there was one."""
    return msgspec.json.decode(FILE.read_bytes(), type=Outcome) if FILE.exists() else None
