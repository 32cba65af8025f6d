"""The second parser: that it sees the same commands, and says when it is lost."""

from __future__ import annotations

import pytest

from dd0c.scan import treesitter
from dd0c.scan.verdicts import judge


def seen(text: str) -> list[str]:
    """The command words that it sees, in order."""
    return [text[span.start : span.end] for span in sorted(treesitter.look(text).commands)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ls; cat x | wc", ["ls", "cat", "wc"]),
        ("echo $(ls `id`)", ["echo", "ls", "id"]),
        ("export A=$(ls); unset B; [ -f x ]; [[ a ]]", ["export", "ls", "unset", "[", "[["]),
        ("time -p ls -l", ["time", "ls"]),
        ("if a; then b; fi; for i in x; do c; done", ["a", "b", "c"]),
        ("cat <<E\n$(ls)\nE", ["cat", "ls"]),
        ("caf\u00e9; l\u00e9s", ["caf\u00e9", "l\u00e9s"]),
        ("((a++)); let b=1", ["let"]),
    ],
)
def test_it_sees_the_commands(text: str, words: list[str]) -> None:
    """Command words and where they stand, in characters (N-11)."""
    assert seen(text) == words
    assert not treesitter.look(text).doubts


def test_the_grammar_has_the_nodes_that_are_known() -> None:
    """Kinds of nodes, as this version has them: a new one must be looked at first (N-11)."""
    language = treesitter.language()
    named = {
        language.node_kind_for_id(number)
        for number in range(language.node_kind_count)
        if language.node_kind_is_named(number)
    }
    assert named == treesitter.KINDS


@pytest.mark.parametrize(
    "text",
    ["time { ls; }", "coproc ls", "cat <<E\n`ls`\nE", "echo ${x:=`ls`}", "ls <<< x y >z <<< b"],
)
def test_where_it_is_lost_the_verdict_says_so(text: str) -> None:
    """What only one parser sees as a command, or cannot read, is at least dangerous (N-11)."""
    (verdict,) = judge([text])
    assert verdict.risk.label == "dangerous"
    assert {finding.rule for finding in verdict.findings} & {"parser-disagreement"}


def test_both_agree_on_what_people_write() -> None:
    """Constructs of daily scripts raise no doubt (N-11)."""
    texts = [
        "kubectl get pods -n shop \\\n  -o wide",
        "for ns in a b; do echo $ns | grep -c x; done",
        'cat /etc/hosts | while read -r line; do echo "$line"; done',
        "if [ -f /etc/hosts ] && ! grep -q x /etc/hosts; then echo no; else echo yes; fi",
        "case $1 in a|b) echo x ;; *) echo y ;; esac",
        "ls -l 2>&1 >/dev/null | head -n 3",
        "diff <(ls a) <(ls b)",
        'echo $(( (1 + 2) * 3 )) ${HOME%/*} "${x:-y}"',
        "LANG=C ls *.log; cd /tmp && ls {a,b}.txt",
        "cat <<'E'\n$(not run)\nE",
    ]
    wrong = {v.text: v.findings for v in judge(texts) if any("pars" in f.rule for f in v.findings)}
    assert wrong == {}
