"""The corpus of commands is what it says it is (N-13); its truth is found again by running."""

from __future__ import annotations

import random
import shutil
import time
from collections import Counter

import pytest

from tests.corpus.commands import collection, truth
from tests.corpus.commands.collection import DESTRUCTIVE, MARKER, Attack, Truth
from tests.support import missing

ATTACKS_MIN = 600
CLASSES_MIN = 25
BENIGN_MIN = 600
SAMPLE = 6


def test_there_are_enough_attacks_of_enough_kinds() -> None:
    """A verdict is measured on 600 attacks in 25 classes or more, none of them a handful (N-13)."""
    by_class = Counter(attack.evasion for attack in collection.attacks())
    assert by_class.total() >= ATTACKS_MIN
    assert len(by_class) >= CLASSES_MIN
    assert min(by_class.values()) >= 15, by_class


def test_no_attack_stands_twice() -> None:
    """Each template is a form of its own, not a second copy of another (N-13)."""
    twice = [t for t, n in Counter(a.template for a in collection.attacks()).items() if n > 1]
    assert twice == []


def test_every_template_can_be_rendered() -> None:
    """Every template has a place for the payload, and only filters that there are (N-13)."""
    without = [
        a.id for a in collection.attacks() if not a.remote and not collection.places(a.template)
    ]
    assert without == ["hidden/homoglyph-hides-only"]
    for attack in collection.attacks():
        for payload in (MARKER, DESTRUCTIVE):
            assert "{PAYLOAD" not in collection.render(attack.template, payload), attack.id
        assert attack.how in collection.HOWS, attack.id
        assert attack.note, attack.id


def test_every_attack_is_proven() -> None:
    """No attack is in the corpus that bash was not seen to run, or that hides nothing (N-13)."""
    known = collection.truths()
    stale = [
        a.id
        for a in collection.attacks()
        if a.id not in known or known[a.id].rendered != collection.fingerprint(a)
    ]
    assert stale == [], "run python -m tests.corpus.commands.truth with these names"
    assert set(known) == {a.id for a in collection.attacks()}
    assert {t.outcome for t in known.values()} <= set(collection.OUTCOMES)


def test_most_attacks_rest_on_the_real_thing() -> None:
    """Three of four attacks were seen to run without a stand-in for any tool (N-13)."""
    known = collection.truths().values()
    assert sum(not t.stubs for t in known) >= 0.75 * len(known)


def test_what_hides_has_something_to_hide() -> None:
    """`hides` is claimed where characters deceive the eye, and nowhere else (N-13)."""
    wrong = [
        a.id
        for a in collection.attacks()
        if a.hides != bool(truth.concealed(collection.render(a.template, MARKER)))
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ls -la\t/srv\n", []),
        ("l\u0455", ["U+0455"]),
        ("a\u200bb", ["U+200B"]),
        ("\x1b[2K", ["U+001B"]),
    ],
)
def test_concealed_characters_are_found(text: str, found: list[str]) -> None:
    """Look-alikes, invisible characters and controls are told from plain text (N-13)."""
    assert truth.concealed(text) == found


def test_benign_commands_are_many_and_distinct() -> None:
    """At least 600 commands of daily work, none twice, each with what it does (N-12)."""
    commands = collection.benign()
    assert len(commands) >= BENIGN_MIN
    assert [c for c, n in Counter(b.command for b in commands).items() if n > 1] == []
    assert {b.effect for b in commands} == set(collection.EFFECTS)
    assert all(b.command.strip() == b.command and b.tool for b in commands)


def test_benign_commands_hide_nothing() -> None:
    """No benign command holds a character that a verdict should refuse (N-13)."""
    assert [b.command for b in collection.benign() if truth.concealed(b.command)] == []


@pytest.fixture(scope="module")
def jail() -> None:
    """A jail in which attacks may really run."""
    try:
        truth.check_jail()
    except truth.JailUnfit as why:
        missing.unless(False, f"a jail for attacks: user namespaces and util-linux ({why})")


def _runnable(found: Truth) -> bool:
    return all(shutil.which(p, path="/usr/bin:/bin:/usr/sbin") for p in found.programs)


@pytest.mark.usefixtures("jail")
def test_the_truth_is_found_again() -> None:
    """Running a sample of the attacks again finds what the data says (N-13)."""
    seed = int(time.time())
    known = collection.truths()
    here = [a for a in collection.attacks() if _runnable(known[a.id])]
    sample = random.Random(seed).sample(here, SAMPLE)
    print(f"seed {seed}, bash {truth.version_of_bash()}: {[a.id for a in sample]}")
    for attack in sample:
        assert truth.judge(attack, truth.run(attack)) == known[attack.id], f"seed {seed}"


@pytest.mark.usefixtures("jail")
def test_what_does_not_run_is_not_believed() -> None:
    """A quoted command, a comment or a missing program leaves no marker and no truth (N-13)."""
    for template in ("echo '{PAYLOAD}'", "true # {PAYLOAD}", "no-such-tool {PAYLOAD}"):
        attack = Attack("t/t", "t", template, "", "script", hides=False, remote=False)
        ran = truth.run(attack)
        assert not ran.ran
        assert truth.judge(attack, ran) is None


@pytest.mark.usefixtures("jail")
def test_the_jail_holds() -> None:
    """A command in the jail has no network, no other files, no rights, and dies with it (N-33)."""
    began = time.monotonic()
    forks = Attack(
        "t/t", "t", "(sleep 60; {PAYLOAD}) & sleep 60", "", "script", hides=False, remote=False
    )
    assert not truth.run(forks).ran
    assert time.monotonic() - began < truth.JAIL_WALL_S


@pytest.mark.usefixtures("jail")
def test_a_jail_that_is_open_is_refused() -> None:
    """Where the jail holds back less than it must, nothing is run at all (N-33)."""
    with pytest.raises(truth.JailUnfit):
        truth.check_jail(truth.INSIDE.replace("id -u", "echo 0"))
