"""Where a shell's command ends."""

from __future__ import annotations

import pytest

from dd0c.products.run.parsing.lexing import Reading

# Each is one command; a second one, `next`, follows it in the test.
WHOLE = (
    "ls -l",
    "a |\nb |\n c",
    "a && # why\n\nb",
    "a ||\nb",
    "a |&\nb",
    "f() {\n x\n}",
    "f()\n{\n x\n}",
    "function f {\n x\n}",
    'function q() {\n local a="${1}"\n while [[ "$L" -ge 4 ]]; do\n  sleep 1\n done\n}',
    'if [[ -n "${F:-}" ]]; then\n "${@}" | x >"${T}" &\nelse\n y &\nfi',
    "while read l; do\n a\ndone < <(b\n)",
    "until a; do b; done",
    "for i in a b; do\n echo $i\ndone",
    "for ((i=0; i<3; i++)); do\n a\ndone",
    "case $x in\n a) b;;\n (c|d) e\n ;;\nesac",
    "echo $(case x in a) b;; esac)",
    "(cd a;\n b)",
    "{ a\nb; }",
    "cat <<EOF | k\nif\n'\n$(\nEOF",
    "cat <<-'E F'\n\tx\\\n\tE F",
    "cat <<A <<B\na\nA\nb\nB",
    "cat <<EOF\na\\\nEOF\nb\nEOF",
    "x=$(cat <<EOF\n)\nEOF\n)",
    'echo "a\nb"',
    "echo 'a\\\nb'",
    "echo $'a\\'\nb'",
    'echo "$(echo "x\ny")"',
    'echo "`a \\`b\\` c`"',
    "echo `a\nb`",
    "x=$((1+(2*3)))",
    "((i++))",
    "a=(1\n2\n)",
    "echo ${x:-'}'}",
    'echo "${x:-it\'s}"',
    "[[ a =~ ^(a|b)$ &&\n b ]]",
    "time ls",
    "! ls",
    "awk '{print $1}' x",
    'x="a\\"b"',
    "echo if",
    "echo }",
    "foo=bar if",
    "echo a#'b\n'",
    "echo a # it's",
    "echo ''",
    "diff <(a) <(b\n)",
    "ls > x 2>&1",
    "cat <<< word",
    "echo \\'",
)


def read(text: str) -> tuple[list[Reading], bool]:
    """The commands of a text, and whether the last of them is complete."""
    readings: list[Reading] = []
    for line in text.split("\n"):
        if not readings or readings[-1].complete:
            readings.append(Reading())
        readings[-1].feed(line)
    return readings, readings[-1].complete


@pytest.mark.parametrize("command", WHOLE)
def test_a_command_ends_where_the_shell_says(command: str) -> None:
    """No line of a command is split off and none of the next is taken along (N-1)."""
    readings, complete = read(f"{command}\nnext")
    assert complete
    assert [r.text.replace("\\\n", "") for r in readings] == [command.replace("\\\n", ""), "next"]


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("a \\\n  b", "a   b"),
        ("a\\\nb c", "ab c"),
        ('echo "a\\\nb"', 'echo "ab"'),
        ("echo 'a\\\nb'", "echo 'a\\\nb'"),
        ("cat <<EOF\na\\\nb\nEOF", "cat <<EOF\nab\nEOF"),
        ("cat <<'EOF'\na\\\nb\nEOF", "cat <<'EOF'\na\\\nb\nEOF"),
        ("a \\ \n   b \\\n  c", "a b   c"),
    ],
)
def test_joints_go_as_a_shell_takes_them(source: str, text: str) -> None:
    """A backslash-newline goes where bash takes it away and stays where it is text (N-1)."""
    readings, complete = read(source)
    assert complete
    assert [r.text for r in readings] == [text]


@pytest.mark.parametrize(("line", "inferred"), [("a \\ ", True), ("a \\", False), ("a\\ ", False)])
def test_blanks_behind_a_backslash_are_told(line: str, inferred: bool) -> None:
    """A joint that only a reader sees marks the command as inferred (N-2)."""
    reading = Reading()
    reading.feed(line)
    assert reading.inferred is inferred


@pytest.mark.parametrize("open_end", ["'", '"', "$(", "`", "${", "((", "{ a", "if a", "a |", "<<E"])
def test_what_is_open_is_not_complete(open_end: str) -> None:
    """The shell waits for the end of whatever was begun (N-1)."""
    reading = Reading()
    reading.feed(f"{open_end}" if open_end != "<<E" else "cat <<E")
    assert not reading.complete


def test_nesting_is_read_to_a_bound() -> None:
    """A bomb of substitutions is given up, not followed (N-10)."""
    reading = Reading()
    reading.feed("$(" * 5_000)
    assert reading.too_deep
