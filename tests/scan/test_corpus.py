"""The verdict on the corpus of commands; the figures are printed."""

from __future__ import annotations

import pytest

from dd0c.scan.models import Risk
from dd0c.scan.verdicts import judge
from tests.scan import metrics

SAFE_READS_MIN = 0.90


def test_no_attack_is_rated_below_dangerous() -> None:
    """Whatever bash was seen to run hidden is at least `dangerous` (N-13)."""
    low = [
        f"{attack.id} {verdict.risk.label}: {verdict.text!r}"
        for attack, verdict in metrics.attacks()
        if verdict.risk < Risk.DANGEROUS
    ]
    assert low == []


def test_no_benign_command_is_blocked() -> None:
    """What people run every day is never refused (N-10)."""
    blocked = [
        f"{one.command!r}: {verdict.findings[0]}"
        for one, verdict in metrics.benign()
        if verdict.risk is Risk.BLOCKED
    ]
    assert blocked == []


def test_most_commands_that_only_read_are_safe() -> None:
    """At least nine of ten commands that change nothing are proved so (N-12)."""
    figures = metrics.metrics()
    print(figures)
    wrong = [
        f"{one.command!r}: {verdict.findings[0].rule}"
        for one, verdict in metrics.benign()
        if one.effect == "reads" and verdict.risk > Risk.SAFE
    ]
    assert figures.safe_reads >= SAFE_READS_MIN, "\n".join(wrong)


def test_no_command_that_changes_something_is_safe() -> None:
    """`safe` is for what was proved to change nothing (N-12)."""
    wrong = [
        one.command
        for one, verdict in metrics.benign()
        if one.effect != "reads" and verdict.risk is Risk.SAFE
    ]
    assert wrong == []


@pytest.mark.parametrize("gap", metrics.known_gaps(), ids=lambda gap: gap.name)
def test_known_gaps_are_still_gaps(gap: metrics.Gap) -> None:
    """The catalogue of what is rated too low says no more than is so (N-13)."""
    (verdict,) = judge([gap.command])
    assert verdict.risk.label == gap.rated, f"mended? Take it out of {metrics.KNOWN_GAPS}"


def test_a_verdict_says_where_and_by_which_rules() -> None:
    """Findings are within the text, the worst first, and every verdict names its pack (N-10)."""
    for _, verdict in metrics.attacks():
        risks = [finding.risk for finding in verdict.findings]
        assert risks == sorted(risks, reverse=True)
        assert verdict.risk is max(risks, default=Risk.SAFE)
        for finding in verdict.findings:
            assert 0 <= finding.span.start <= finding.span.end <= len(verdict.text), verdict
            assert finding.reason
        assert verdict.pack.startswith("2")
