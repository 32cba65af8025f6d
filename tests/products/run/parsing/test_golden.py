"""The parser against the steps that people wrote down before it was there (proofs 19)."""

from __future__ import annotations

import pytest

from tests.products.run.parsing import metrics


@pytest.mark.parametrize("held_out", [False, True])
def test_reads_what_people_read(*, held_out: bool) -> None:
    """Commands: precision and recall; kinds; none invented — no worse than measured (N-1, N-2)."""
    m = metrics.measure(held_out=held_out)
    said = metrics.told("held out" if held_out else "seen", m)
    assert m.invented == 0, said
    assert m.precision >= 0.98, said
    assert m.recall >= (0.98 if held_out else 0.99), said
    assert m.kinds_right >= (0.90 if held_out else 0.97), said
    assert m.matched >= (0.89 if held_out else 0.98) * m.steps_expected, said
    assert m.steps_found <= 1.05 * m.steps_expected, said
    assert m.agreements["section"] == m.matched, said
    assert m.agreements["placeholders"] >= 0.95 * m.matched, said
    assert m.agreements["expected"] >= 0.90 * m.matched, said
    assert m.agreements["title"] >= 0.75 * m.matched, said
