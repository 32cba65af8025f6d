"""After a run of the whole suite that failed: are the one or two tests that did so right when they
are alone?

    python -m tests.second_hearing

A test of five thousand that run three at a time on a machine that others use too may meet a moment
that it is not about. Such a test is not forgiven: what it said stands in the output, it is named
here again, and it must pass by itself, in a process of its own. Nothing else gets a hearing: not
three tests, not a run that broke off, not a collection that failed.
"""

from __future__ import annotations

import subprocess
import sys

from tests.support import outcome
from tests.support.outcome import Outcome

FAILED_MAX = 2


def refusal(last: Outcome | None) -> str | None:
    """Why there is no hearing after such a run; None when there is one."""
    if last is None or not last.whole:
        return "the run broke off before its end"
    if not 0 < len(last.failed) <= FAILED_MAX:
        return f"{len(last.failed)} tests failed"
    return None


def main() -> int:
    """The exit status of the hearing: 0 when every test passed in one run or the other."""
    last = outcome.read()
    why = refusal(last)
    if last is None or why:
        print(f"second hearing refused: {why}")
        return 1
    print("second hearing, alone:", *last.failed, sep="\n  ", flush=True)
    command = [sys.executable, "-m", "pytest", "-q", *last.failed]
    status = subprocess.run(command, timeout=300, check=False).returncode
    if status == 0:
        print("PASSED ONLY WHEN ALONE (a race, to be mended):", *last.failed, sep="\n  ")
    return status


if __name__ == "__main__":
    sys.exit(main())
