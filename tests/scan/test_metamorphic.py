"""What must hold between verdicts, whatever the text."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from dd0c.scan.models import Risk, Verdict
from dd0c.scan.verdicts import judge
from tests.corpus.commands import collection
from tests.fuzz import commands
from tests.fuzz.reference import Mismatch

ATTACKS = [collection.render(one.template, collection.DESTRUCTIVE) for one in collection.attacks()]
BENIGN = [one.command for one in collection.benign()]
ENDS_IN_A_MARK = {"xargs/replace-percent", "xargs/replace-old"}
"""What stands in place of the last word is not said: what it does hangs on the program alone."""
few = settings(
    max_examples=3,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@few
@given(st.lists(st.sampled_from(ATTACKS + BENIGN), min_size=5, max_size=5, unique=True))
def test_what_runs_a_text_is_no_safer_than_it(texts: list[str]) -> None:
    """A wrapper that executes never lowers risk, nor does a command beside it (N-13)."""
    forms = [[text, *(wrapper(text) for wrapper in commands.WRAPPERS)] for text in texts]
    verdicts = iter(judge([form for row in forms for form in row]))
    for row in forms:
        plain, *wrapped = [next(verdicts) for _ in row]
        for verdict in wrapped:
            commands.compare(plain, verdict)


@few
@given(
    st.lists(st.sampled_from(collection.attacks()), min_size=40, max_size=40, unique=True),
    st.sampled_from(commands.PAYLOADS),
)
def test_no_attack_is_rated_lower_for_its_payload(
    attacks: list[collection.Attack], payload: str
) -> None:
    """However the command that does harm is spelled, hiding it does not help (N-13)."""
    texts = [
        collection.render(one.template, payload)
        for one in attacks
        if not one.remote and one.id not in ENDS_IN_A_MARK
    ]
    low = [v for v in judge(texts) if v.risk < Risk.DANGEROUS]
    assert low == []


NAMES = st.text("abcxyz_019", min_size=1, max_size=8).map("n".__add__)
NAMED = [
    "{v}=1; echo ${v}",
    "for {v} in 1 2; do echo $(({v} + 1)); done",
    "{v}=$(ls); ((  {v} > 1 ))",
    "cat ${v}",
    "rm ${v}",
    "${v} -l",
    "read -r {v} < f; ls ${v}",
    'while read -r {v}; do grep x "${v}"; done < f',
    "echo ${{v}@P} ${{v}:-x} ${!{v}}",
    "declare -i {v}=2",
    'sh -c "ls ${v}"',
    "{v}=x ls",
    "[[ -v {v} ]]",
    "printf -v {v} %s x; ls ${v}",
]


@settings(few, max_examples=8)
@given(NAMES, NAMES)
def test_names_of_variables_mean_nothing(one: str, other: str) -> None:
    """A text is judged the same whatever its own variables are called (N-13)."""

    def shape(verdict: Verdict) -> tuple[Risk, list[str]]:
        return verdict.risk, [finding.rule for finding in verdict.findings]

    texts = [form.replace("{v}", name) for name in (one, other) for form in NAMED]
    verdicts = [shape(verdict) for verdict in judge(texts)]
    assert verdicts[: len(NAMED)] == verdicts[len(NAMED) :]


@settings(few, max_examples=25)
@given(st.text(alphabet="ls rm$(){}[]`'\"\\|&;<>\n=*?!#~-0ax\t\x00\u200b\udcff", max_size=80))
def test_any_text_has_a_verdict(text: str) -> None:
    """Nothing raises, and every finding stands within the text (N-10)."""
    for verdict in judge([text, text + text, f"'{text}"]):
        commands.within_bounds(verdict)


def test_verdicts_hang_on_nothing_but_their_text() -> None:
    """The same whoever stands beside it in one call, and in whatever order (N-11)."""
    texts = ATTACKS[::97] + BENIGN[::97]
    together = judge(texts)
    assert tuple(reversed(judge(texts[::-1]))) == together
    assert tuple(judge([text])[0] for text in texts[::9]) == together[::9]


def test_the_comparison_can_fail() -> None:
    """A wrapped text that is rated lower is a mismatch; what was no shell text may rise."""
    risky, harmless, torn = judge(["rm -rf /srv/data", "ls", "rm -rf 'x"])
    with pytest.raises(Mismatch):
        commands.compare(risky, harmless)
    commands.compare(torn, harmless)
