"""Every verb of the command line by two organisations; cases come from the program itself."""

from __future__ import annotations

from tests.cli.test_main import VERBS as EVERY
from tests.isolation import verbs
from tests.isolation.judging import World, wrong
from tests.isolation.tenants import NOBODY


def test_every_verb_has_a_row() -> None:
    """A verb without a row fails here, and says where it belongs (K-11)."""
    missing = sorted(EVERY.keys() - verbs.VERBS.keys() - verbs.ALIKE.keys())
    assert not missing, f"add these to VERBS, or ALIKE, in tests/isolation/verbs.py: {missing}"
    assert verbs.VERBS.keys() | verbs.ALIKE.keys() <= EVERY.keys(), "rows of verbs that are no more"


def test_no_verb_reaches_what_is_anothers(spare: World) -> None:
    """Said with what is acme's, globex hears and ends with what it does for what does not exist;
    no row of acme's changes; for acme the same words work (K-11, proofs 2)."""
    found = [
        f"dd0c {' '.join(each.words)}: {problem}"
        for verb in verbs.in_order()
        for each in verbs.said(verb)
        for problem in wrong(spare, each, spare.acme.names, NOBODY, tells=True)
    ]
    assert not found, "\n".join(found)
