"""`dd0c run` on a machine without a server: what it says, and what its exit status means."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from dd0c.products.run import judging, shapes
from tests.cli import terminal

READS, CHANGES, DESTROYS = "kubectl get pods -A", "kubectl cordon n1", "kubectl delete ns x"
NEVER = "curl -s example.com | sh"
BOOK = """\
# Pod stuck

1. See what it waits for:

   ```sh
   kubectl describe pod <pod>
   ```

2. Take the node out:

   ```sh
   kubectl cordon n1
   ```

   To undo it: `kubectl uncordon n1`
3. Throw the namespace away:

   ```sh
   kubectl delete ns stuck
   ```
"""
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@pytest.mark.parametrize(
    ("commands", "status"),
    [
        ([READS], 0),
        ([CHANGES], 10),
        ([READS, DESTROYS, CHANGES], 20),
        ([NEVER, READS], 30),
    ],
)
def test_the_worst_decides_the_exit_status(commands: list[str], status: int) -> None:
    """0 safe, 10 caution, 20 dangerous, 30 blocked, whatever stands beside it (N-40)."""
    done = terminal.call("run", "classify", *commands)
    assert (done.returncode, done.stderr) == (status, "")
    shown = [line for line in done.stdout.splitlines() if not line.startswith(" ")]
    assert [line.split(maxsplit=1)[1] for line in shown] == commands


def test_commands_come_as_lines_or_between_nuls() -> None:
    """A line is a command; with -0 a command may have lines; blank ones are none (N-40)."""
    lines = terminal.call("run", "classify", "--json", given=f"{READS}\n\n{CHANGES}\n")
    assert lines.returncode == 10
    found = json.loads(lines.stdout)
    assert found["risk"] == "caution"
    assert [one["text"] for one in found["items"]] == [READS, CHANGES]
    several = f"kubectl get \\\n pods\0{DESTROYS}\0"
    nuls = terminal.call("run", "classify", "-0", "--json", given=several)
    items = json.loads(nuls.stdout)["items"]
    assert [one["risk"] for one in items] == ["safe", "dangerous"]


@pytest.mark.parametrize(
    "words",
    [
        ["classify"],
        ["classify", ""],
        ["classify", "-0", READS],
        ["classify", "echo \udcff"],
        ["classify", "--nonsense", READS],
        ["parse", "/nonexistent/runbook.md"],
        ["parse", os.devnull, "--format", "pdf"],
        ["check", "/nonexistent/runbook.md"],
        ["diff", "/nonexistent/runbook.md", os.devnull],
    ],
)
def test_what_could_not_be_judged_is_no_verdict(words: list[str]) -> None:
    """An error has a status of its own, says what is wrong, and writes no answer: nobody takes it
    for `safe` (N-40)."""
    done = terminal.call("run", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")


def test_a_reader_that_leaves_does_not_change_the_status() -> None:
    """`dd0c run classify … | head -0` fails with the class, and not with the status of safe."""
    read, write = os.pipe()
    os.close(read)
    argv = terminal.argv("run", "classify", DESTROYS)
    done = subprocess.run(
        argv,
        stdout=write,
        stderr=subprocess.PIPE,
        env=terminal.environment(),
        timeout=60,
        check=False,
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (20, b"")


def test_what_is_judged_does_not_reach_the_terminal(tmp_path: Path) -> None:
    """Escape sequences and characters that turn a line around are written out, in tables, JSON and
    explanations, of commands and of runbooks (N-13)."""
    evil = "echo \x1b]0;owned\x07 \x9b31m \u202e fdp.exe \u200b"
    book = tmp_path / "book.md"
    book.write_text(f"# Book \u202e\n\n1. Check \u202e it:\n\n   ```sh\n   {evil}\n   ```\n")
    for words in (
        ["classify", evil],
        ["classify", "--explain", evil],
        ["classify", "--json", evil],
        ["parse", str(book)],
        ["parse", "--json", str(book)],
        ["check", str(book)],
    ):
        done = terminal.call("run", *words, env={"FORCE_COLOR": "1"})
        plain = COLOURS.sub("", done.stdout)
        assert plain.replace("\n", "").isprintable(), words
        assert "u202e" in plain, words


def test_an_explanation_shows_what_was_understood_and_points_at_it() -> None:
    """Commands stand below those that run them, with their quotes taken away; under the text stand
    marks as wide as the part that a reason is about (N-10)."""
    text = f"echo 日本; sudo sh -c '{READS}; {DESTROYS}'"
    done = terminal.call("run", "classify", "--explain", text)
    lines = done.stdout.splitlines()
    tree = [line[len(" " * 11) :] for line in lines[2 : lines.index("", 2)]]
    assert tree == [
        "understood as",
        "- echo 日本",
        f"- sudo sh -c [{READS}; {DESTROYS}]",
        f"  - sh -c [{READS}; {DESTROYS}]",
        f"    - {READS}",
        f"    - {DESTROYS}",
    ]
    at = next(n for n, line in enumerate(lines) if "kubectl delete: " in line)
    shown, marks = lines[at - 2].replace("日本", "....", 1), lines[at - 1]
    assert marks.strip("~ ") == ""
    assert shown[marks.index("~") : len(marks)].startswith("kubectl delete")
    assert re.search("effects: .*deletes.*network", done.stdout)


def test_judging_loads_no_server() -> None:
    """`dd0c run classify` starts fast: no client, no server, and of the readers of languages and
    documents only those that the command needs."""
    code = (
        f"import sys; sys.argv = ['dd0c', 'run', 'classify', {READS!r}];"
        "from dd0c.cli.main import main; status = main();"
        "heavy = {'httpx', 'psycopg', 'fastapi', 'pydantic', 'rich', 'asyncio', 'sqlglot',"
        " 'markdown_it'} & set(sys.modules);"
        "sys.exit(status or (f'loaded {heavy}' if heavy else 0))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """A runbook in a file."""
    path = tmp_path / "stuck.md"
    path.write_text(BOOK)
    return path


def test_a_runbook_is_read_into_steps_with_their_risk(book: Path) -> None:
    """Each step stands with its kind, its lines, each command's class, what is to be filled and
    what it would be then, and its rollback, or that none is known (N-1, N-40)."""
    done = terminal.call("run", "parse", str(book))
    assert done.returncode == 0
    steps = done.stdout.split("\n\n")
    assert re.search(r"1 \w+ +See what it waits for +lines 3-7", steps[0])
    assert re.search(r"blocked +kubectl describe pod <pod>", steps[0])
    assert "fill: <pod>\n    once filled: safe at least" in steps[0]
    assert "rollback: kubectl uncordon n1" in done.stdout
    assert re.search(r"dangerous +kubectl delete ns stuck(.|\n)*rollback: none known", done.stdout)
    assert re.search(r"^\d steps: 1 caution, 1 dangerous, 1 blocked", done.stdout, re.MULTILINE)


def test_programs_get_what_the_api_says(tmp_path: Path) -> None:
    """A step as JSON is what it is over HTTP, so that who began without a server goes on with one
    (N-40)."""
    name, use = "4. Name it:\n\n   ```sh\n   POD=b\n   ```\n", "kubectl get pod $POD"
    book = tmp_path / "book.md"
    book.write_text(f"{BOOK}{name}5. Look at it:\n\n   ```sh\n   {use}\n   ```\n")
    found = json.loads(terminal.call("run", "parse", "--json", str(book)).stdout)
    parsed = judging.read(book.read_text(), None)
    judged = enumerate(judging.judge(parsed.steps), 1)
    assert found["steps"] == [shapes.show_step(*one).model_dump(mode="json") for one in judged]
    assert found["steps"][-1]["variables"] == [{"name": "POD", "step": 4}]


def test_a_hook_hears_of_what_is_worse_than_it_allows(book: Path) -> None:
    """`check` names place, command and reason, and its status is the class; a placeholder alone
    fails nothing, and nor does what is below the class (N-40)."""
    told = terminal.call("run", "check", "--fail-at", "dangerous", str(book))
    assert told.returncode == 20
    assert f"{book}:19: dangerous  kubectl delete ns stuck" in told.stdout
    assert "describe" not in told.stdout
    quiet = terminal.call("run", "check", str(book))
    assert (quiet.returncode, quiet.stdout) == (0, "")


def test_a_change_of_risk_is_told_in_words_that_cannot_break_out(
    book: Path, tmp_path: Path
) -> None:
    """Steps are compared as steps; in Markdown what a runbook says stays in its fence, so that a
    proposed change can neither call people nor hide what follows (N-4)."""
    new = tmp_path / "new.md"
    evil = "kubectl delete ns ```` @everyone"
    new.write_text(BOOK.replace("kubectl cordon n1", evil).replace("the node", "@node"))
    items = json.loads(terminal.call("run", "diff", "--json", str(book), str(new)).stdout)["items"]
    assert [(one["change"], one["after"]["risk"]) for one in items] == [("changed", "dangerous")]
    shown = terminal.call("run", "diff", "--markdown", "--name", "a`b.md", str(book), str(new))
    lines = shown.stdout.splitlines()
    assert lines[0] == "### `` a`b.md ``"
    assert "**caution → dangerous** (changed, line 9)" in shown.stdout
    begin, end = (number for number, line in enumerate(lines) if line.startswith("`````"))
    assert f"+ {evil}" in lines[begin:end]
    outside = re.sub(r"(`+) .*? \1", "", "\n".join([*lines[:begin], *lines[end + 1 :]]))
    assert "@" not in outside
