"""Which step is which in another version, what differs, and what is left of trust."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dd0c.products.run import diff, identity, lineage, trust
from dd0c.products.run.diff import Change
from dd0c.products.run.judging import JudgedStep
from dd0c.products.run.lineage import Kept
from dd0c.products.run.models import Command, Step, StepKind, Variable
from dd0c.products.run.trust import Level, Trust, Why
from dd0c.scan.models import Risk, Span, Verdict

PACK = "1"
TITLES = (
    "Look at the pods of the node",
    "Cordon the node before anything else",
    "Drain it, and wait for evictions",
    "Restart kubelet there",
    "Uncordon the machine again",
)
COMMANDS = ("kubectl get pods", "kubectl cordon n1", "kubectl drain n1", "", "kubectl uncordon n1")


def step(
    title: str, *commands: str, section: str = "Fix", variables: tuple[Variable, ...] = ()
) -> Step:
    """A step that says this."""
    typed = tuple(Command(1, Span(0, len(text)), text) for text in commands if text)
    return Step(
        StepKind.COMMAND,
        (section,),
        (1, 1),
        Span(0, 1),
        title,
        tool="shell",
        commands=typed,
        variables=variables,
    )


def judged(one: Step, pack: str = PACK) -> JudgedStep:
    """The step with verdicts of that pack."""
    verdicts = [Verdict(c.text, Risk.SAFE, (), frozenset(), pack) for c in one.commands]
    return JudgedStep(one, tuple(verdicts))


def first(*steps: Step) -> list[Kept]:
    """A first version, whose steps have since earned all trust there is."""
    kept = lineage.follow((), [judged(one) for one in steps])
    return [replace(each, trust=replace(each.trust, level=Level.CAUTION_ALONE)) for each in kept]


def then(before: list[Kept], *steps: Step, pack: str = PACK) -> list[Kept]:
    """The version after it."""
    return lineage.follow(before, [judged(one, pack) for one in steps])


def same(before: list[Kept], after: list[Kept]) -> list[int | None]:
    """For each step after, which one before has its identity."""
    was = {kept.identity: at for at, kept in enumerate(before)}
    return [was.get(kept.identity) for kept in after]


PLAIN = [step(*both) for both in zip(TITLES, COMMANDS, strict=True)]


@given(st.permutations(range(5)), st.integers(0, 5), st.booleans())
def test_a_step_is_known_wherever_it_goes(order: list[int], at: int, new: bool) -> None:
    """Whatever is moved, added or taken away around it, a step that says the same is the same, and
    keeps its trust; a new one has none (N-4, N-20)."""
    before = first(*PLAIN)
    wanted = [PLAIN[n] for n in order]
    if new:
        wanted.insert(at, step("Page whoever owns the database"))
    else:
        del wanted[at : at + 1]
    after = then(before, *wanted)
    found = dict(zip((kept.step.title for kept in after), same(before, after), strict=True))
    levels = {kept.step.title: kept.trust.level for kept in after}
    for n, title in enumerate(TITLES):
        assert found.get(title, n) == n
        assert levels.get(title, 3) == Level.CAUTION_ALONE
    if new:
        assert (found[wanted[at].title], levels[wanted[at].title]) == (None, Level.SHOW)


def test_an_edit_ends_the_trust_of_the_step_alone() -> None:
    """An edited step is the same step without trust, with the reason; the others keep theirs; an
    edit undone does not bring it back (N-4, N-20)."""
    before = first(*PLAIN)
    edited = step(TITLES[2], "kubectl drain n1 --force")
    after = then(before, *PLAIN[:2], edited, *PLAIN[3:])
    assert same(before, after) == [0, 1, 2, 3, 4]
    assert [kept.trust.level for kept in after] == [3, 3, 0, 3, 3]
    assert after[2].trust.why is Why.EDITED
    undone = then(after, *PLAIN)
    assert same(before, undone) == [0, 1, 2, 3, 4]
    assert undone[2].trust.level is Level.SHOW


def test_trust_rests_on_where_values_come_from() -> None:
    """`rm -rf "$DIR"` is trusted no longer when another step says what DIR is, or stands between:
    also through a third step (N-20)."""
    names = step("Say which", "NAME=tmp")
    where = step("Say where", "DIR=/var/$NAME", variables=(Variable("NAME", 0),))
    clear = step("Clear it", 'rm -rf "$DIR"', variables=(Variable("DIR", 1),))
    before = first(names, where, clear, PLAIN[0])
    after = then(before, step("Say which", "NAME=lib"), where, clear, PLAIN[0])
    assert [kept.trust.level for kept in after] == [0, 0, 0, 3]
    assert [kept.trust.why for kept in after[:3]] == [Why.EDITED, Why.RESTS, Why.RESTS]
    asked = step("Clear it", 'rm -rf "$DIR"', variables=(Variable("DIR"),))
    assert then(before, names, asked)[1].trust.level is Level.SHOW


def test_other_rules_leave_a_person_who_confirms() -> None:
    """Commands that are judged by other rules are confirmed each time; what has no command is not
    judged, and stays as it was (N-20)."""
    before = first(*PLAIN)
    after = then(before, *PLAIN, pack="2")
    assert [kept.trust.level for kept in after] == [1, 1, 1, 3, 1]
    assert [lineage.today(kept, judged(kept.step, "2")).trust for kept in before] == [
        kept.trust for kept in after
    ]


@pytest.mark.parametrize(
    ("level", "rules", "rests", "edited"), list(product(Level, *[(False, True)] * 3))
)
def test_nothing_here_raises_trust(level: Level, rules: bool, rests: bool, edited: bool) -> None:
    """Of every level and whatever happens together: no more than before, no more than each cause
    leaves, and the gravest cause is named (N-20)."""
    found = trust.carry(
        Trust(level, Why.NEW, b"1", "1"),
        b"2" if rests else b"1",
        "2" if rules else "1",
        edited=edited,
    )
    caps = [level, *([1] if rules else []), *([0] if rests or edited else [])]
    assert found.level == min(caps)
    gravest = Why.EDITED if edited else Why.RESTS if rests else None
    assert found.why is (gravest or (Why.RULES if rules and level >= 1 else Why.NEW))
    assert trust.SENTENCES.keys() == trust.MOST.keys() == set(Why)


def test_equal_steps_stay_under_their_headings() -> None:
    """The same command in two sections: taking one away leaves the other with its own identity."""
    twice = [step("Look", "ls", section="One"), step("Look", "ls", section="Two")]
    before = first(*twice)
    assert same(before, then(before, twice[1])) == [1]
    assert same(before, then(before, twice[1], twice[0])) == [1, 0]
    assert same(before, then(before, *twice, twice[1])) == [0, 1, None]


ALIKE = [*PLAIN, *(step(TITLES[2], f"kubectl drain n1 --{word}") for word in ("force", "x"))]


@given(st.lists(st.sampled_from(ALIKE)), st.lists(st.sampled_from(ALIKE)))
def test_no_step_is_two(one: list[Step], other: list[Step]) -> None:
    """However often versions repeat themselves, each step has one ancestor, and is nobody else's;
    what stays is found, as far as there is enough of it (N-4)."""
    found = identity.match(one, other)
    taken = [at for at in found if at is not None]
    assert len(taken) == len(set(taken))
    assert all(0 <= at < len(one) for at in taken)
    for each in ALIKE:
        exact = sum(
            at is not None and one[at] == each == now for at, now in zip(found, other, strict=True)
        )
        assert exact == min(one.count(each), other.count(each))


def test_versions_are_compared_by_step() -> None:
    """What was added, removed, changed and moved, and what of a step changed; as few moves as there
    can be, and what was removed stands where it stood (N-4)."""
    before = first(*PLAIN)
    after = then(
        before,
        PLAIN[4],
        PLAIN[0],
        step("Page whoever owns the database"),
        step(TITLES[1], "kubectl cordon n2"),
        replace_section(PLAIN[3], "After"),
    )
    found = diff.compare(before, after)
    assert [(each.change, each.before, each.after, each.fields) for each in found] == [
        (Change.MOVED, 4, 0, ("place",)),
        (Change.SAME, 0, 1, ()),
        (Change.ADDED, None, 2, ()),
        (Change.CHANGED, 1, 3, ("commands",)),
        (Change.REMOVED, 2, None, ()),
        (Change.MOVED, 3, 4, ("place",)),
    ]
    assert {each.change for each in diff.compare(before, before)} == {Change.SAME}


@given(st.permutations(range(5)), st.sets(st.integers(0, 4)))
def test_a_comparison_has_every_step_once(order: list[int], gone: set[int]) -> None:
    """Of two versions each step stands in the comparison once, the later ones in their order."""
    before = first(*PLAIN)
    after = [before[n] for n in order if n not in gone]
    found = diff.compare(before, after)
    assert sorted(each.before for each in found if each.before is not None) == list(range(5))
    assert [each.after for each in found if each.after is not None] == list(range(len(after)))
    assert {each.before for each in found if each.change is Change.REMOVED} == gone


def replace_section(one: Step, section: str) -> Step:
    """The step under another heading."""
    return step(one.title, *(command.text for command in one.commands), section=section)
