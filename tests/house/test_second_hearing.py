"""What failed is heard again only where that can be an accident."""

from __future__ import annotations

import pytest

from tests.second_hearing import refusal
from tests.support.outcome import Outcome


@pytest.mark.parametrize(
    ("last", "heard"),
    [
        (None, False),
        (Outcome(whole=False, failed=("a",)), False),
        (Outcome(whole=True, failed=()), False),
        (Outcome(whole=True, failed=("a",)), True),
        (Outcome(whole=True, failed=("a", "b")), True),
        (Outcome(whole=True, failed=("a", "b", "c")), False),
    ],
)
def test_only_one_or_two_failures_of_a_whole_run_are_heard_again(
    last: Outcome | None, heard: bool
) -> None:
    """A run that broke off, and more failures than an accident explains, stay failed."""
    assert (refusal(last) is None) is heard
