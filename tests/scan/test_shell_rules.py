"""What the shell itself does, as named rules: forms that break each, and forms that do not."""

from __future__ import annotations

import pytest

from dd0c.scan.models import Risk
from dd0c.scan.verdicts import judge

BREAKS = {
    "dynamic-command": [
        "$x",
        '"$x" a',
        "${x:-ls}",
        "$(echo ls)",
        "`echo ls`",
        "l$x",
        "~/x",
        '"$@"',
    ],
    "glob-command": ["/bin/l?", "*", "{ls,-l}", "/bin/l[s]", "@(ls)"],
    "shadowed-command": ["ls() { :; }", "alias ls=id", "alias a='b'", "function /x { :; }"],
    "fork-bomb": [
        *(":(){ :|:& };:", "f() { f & f; }; f", "f() { g; }; g() { f | f; }"),
        *("while :; do sh & done", "until false; do ls & done", "for ((;;)); do ls & done"),
    ],
    "arithmetic-evaluation": [
        *("[[ -v 'a[$(id)]' ]]", "test -v 'a[$(id)]'", '[ -v "$x" ]', "[[ 'a[$(id)]' -eq 0 ]]"),
        *(
            "let 'a[$(id)]'",
            "x='a[$(id)]'; ((x))",
            "x=$(cat f); echo $((x + 1))",
            "read x; ((x++))",
        ),
        *("x=$1; echo ${y:x}", "declare -i x='a[$(id)]'", "declare -i x", "unset 'a[$(id)]'"),
        *("printf -v 'a[$(id)]' x", "read 'a[$(id)]'", "echo $(( $(cat f) ))", "x=y; echo ${a[x]}"),
        *("for x in a b; do ((x)); done", "x=a; [[ $x -lt 1 ]]", "x=a; [[ x -lt 1 ]]"),
    ],
    "indirect-expansion": ["echo ${!x}", 'echo "${!x}"', "echo ${!1}"],
    "prompt-expansion": ["echo ${x@P}", 'echo "${x@P}"'],
    "history-expansion": ["echo !!", "ls !$", 'echo "!rm"', "sudo !-1"],
    "variable-by-name": [
        *('declare "$x"', 'export "$x"', 'read "$x"', "declare -n a=b", 'printf -v "$x" y'),
        *('unset "$x"', "v='(a)'; declare -a a=$v", "declare 'a=($(id))'"),
    ],
    "poisoned-environment": [
        *(
            "PATH=. ls",
            "PATH=x",
            "export PATH=.:$PATH",
            "LD_PRELOAD=./x ls",
            "IFS=/",
            "BASH_ENV=x ls",
        ),
        *("PROMPT_COMMAND=ls", "PS4=x", "read PATH", "for PATH in x; do :; done", ": ${IFS:=x}"),
        *("GIT_PAGER=x git log", "PAGER=x man ls", "EDITOR=x crontab -l", "LESSOPEN=x less f"),
        *(
            "declare PATH=x",
            "printf -v PATH x",
            "HOME=. git status",
            "set -a",
            "set -k",
            "unset PATH",
        ),
        *(
            "PYTHONPATH=. ls",
            "NODE_OPTIONS=x ls",
            "TAR_OPTIONS=x tar tf f",
            "select PS4 in x; do :; done",
        ),
    ],
    "unknown-environment": ["FOO='a b' ls", "FOO=./x ls", "export FOO=$x", "FOO=$(ls) ls"],
    "decode-to-shell": [
        *(
            "base64 -d x | sh",
            "echo x | base64 --dec | bash",
            'eval "$(base64 -d x)"',
            "xxd -r x | sh",
        ),
        *('sh -c "$(rev x)"', "bash <(base64 -d x)", ". <(base64 -d x)", "$(base64 -d x)"),
        *("base64 -di <<< x | tee y | sudo sh", "bash <<< $(base64 -d x)", "tr a b < x | sh"),
    ],
    "download-to-shell": [
        *(
            "curl x | sh",
            "wget -O- x | sudo bash",
            "sh <(curl x)",
            'sh -c "$(curl x)"',
            "$(curl x)",
        ),
        *("source <(curl x)", 'eval "$(wget -O- x)"', "sudo curl x | tee y | bash -s"),
    ],
    "runs-input": ["exec < f", "exec <<< ls"],
    "unknown-syntax": ["echo \"${x:-'$(id)'}\"", "echo ${x:-<(id)}"],
    "parse-error": ["echo 'a", "echo $(", "if ls; then", "cat <<E\nx", "ls ("],
}
KEEPS = [
    *("x=1; echo $x", "for i in 1 2 3; do echo $((i * 2)); done", "echo $((60 * 60))", "((1 + 1))"),
    *("n=$(wc -l < f); echo $((n + 1))", "i=0; while [ $i -lt 5 ]; do i=$((i + 1)); done"),
    *("for ((i = 0; i < 3; i++)); do echo $i; done", "s=$(date +%s); echo $(($(date +%s) - s))"),
    *("LANG=C ls", "TZ=UTC date", "local_name=x; echo $local_name", 'pods=$(ls); echo "$pods"'),
    *('log() { echo "$1"; }; log hi', "[ ! -f x ]", "echo 'a!b'", 'echo "Done!"', "ls [!a]*"),
    *("echo x | base64 | cat", "cat f | tr a b", "echo ${#x} ${x%.*} ${x//a/b} ${x:-y}", "ls ~/x"),
    *(
        "[[ $x == y ]]",
        "[[ -n $x && -f /etc/hosts ]]",
        "exec 3>&1",
        "echo ${!p@}",
        "ls 2>/dev/null",
        "while true; do ls & sleep 1; done",
        "for i in 1 2; do ls & done; wait",
    ),
]


def test_forms_break_their_rule() -> None:
    """Each evasion of the shell is found by the rule that is named for it (N-13)."""
    forms = [(rule, text) for rule, texts in BREAKS.items() for text in texts]
    wrong = [
        (rule, text, [finding.rule for finding in verdict.findings])
        for (rule, text), verdict in zip(forms, judge([t for _, t in forms]), strict=True)
        if verdict.risk < Risk.DANGEROUS
        or rule not in {finding.rule for finding in verdict.findings}
    ]
    assert wrong == []


def test_daily_forms_break_none() -> None:
    """What looks alike and is harmless is not held against anybody (N-12)."""
    rules = BREAKS.keys() | {"parser-disagreement"}
    wrong = [
        (verdict.text, finding.rule)
        for verdict in judge(KEEPS)
        for finding in verdict.findings
        if finding.rule in rules
    ]
    assert wrong == []


def test_comments_and_continuations_hide_nothing() -> None:
    """A backslash at the end of a comment joins nothing, wherever the comment stands; one parser
    thinks it does (N-11)."""
    texts = [
        "ls # a \\\nrm x",
        "f() {\n  ls # a \\\nrm x\n}",
        "{ ls # a \\\nrm x\n}",
        "echo $(ls # a \\\nrm x\n)",
        "ls \\\n  -l # a \\\nrm x",
        "ls #\\\nrm x",
    ]
    assert {v.text for v in judge(texts) if v.risk < Risk.DANGEROUS} == set()
    assert {v.risk for v in judge([t.replace("rm", "ls") for t in texts[:4]])} == {Risk.SAFE}


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("ls; rm -rf /srv", "rm"),
        ("echo $(rm x)", "rm"),
        ("sh -c 'ls; rm x'", "rm"),
        ("ls \\\n  -l; rm x", "rm"),
        ("echo \u00e9; rm x", "rm"),
    ],
)
def test_findings_point_at_the_words(text: str, marked: str) -> None:
    """A span is of the text that was asked about, in characters, also of a text in a text
    (N-10)."""
    (verdict,) = judge([text])
    assert any(text[f.span.start : f.span.end].startswith(marked) for f in verdict.findings)
