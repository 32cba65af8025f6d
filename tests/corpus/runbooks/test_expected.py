"""The expected steps are about their runbook: what they quote stands there, where they say."""

from __future__ import annotations

import re
import tomllib

import pytest

from tests.corpus.runbooks import expected_steps
from tests.corpus.runbooks.expected_steps import KINDS, MADE, SHELLS, TOOLS, Command, Runbook, Step
from tests.corpus.runbooks.source import PROMPT, even, is_whole, plain, words

NAMES = expected_steps.list_expected()
HEADING = re.compile(r"^(#+)\s+(.+?)\s*$")
SURE_PROMPT = re.compile(r"^\s*(?:\$|sh-\d\.\d[$#]|[\w.-]+@[\w.-]+:\S*[$#]|PS [^>]*>) \S")
UNDERLINED = re.compile(r"^(=+|-+)\s*$")
FENCE = re.compile(r"^\s*```")


@pytest.fixture(params=NAMES)
def runbook(request: pytest.FixtureRequest) -> Runbook:
    return expected_steps.load(request.param)


def span(runbook: Runbook, first: int, last: int) -> list[str]:
    """The lines from first to last, both 1-based and included."""
    return runbook.source.split("\n")[first - 1 : last]


def headings_above(runbook: Runbook, line: int) -> tuple[str, ...]:
    """The path of headings over a line, fenced blocks left out."""
    path: list[tuple[int, str]] = []
    fenced = False
    for number, text in enumerate(span(runbook, 1, line - 1), 1):
        fenced ^= bool(FENCE.match(text))
        below = UNDERLINED.match(span(runbook, number + 1, number + 1)[0])
        found = HEADING.match(text)
        if not fenced and (found or (below and text.strip())):
            level = len(found[1]) if found else "=-".index(below[1][0]) + 1 if below else 0
            path = [entry for entry in path if entry[0] < level]
            path.append((level, words(found[2] if found else text)))
    return tuple(title for _, title in path)


def faults_of_command(runbook: Runbook, step: Step, command: Command) -> list[str]:
    """What is wrong with where a command says it stands, or with its words."""
    first, last = step.lines
    if not first <= command.line <= last:
        return [f"line {command.line} is not within {step.lines}"]
    lines = span(runbook, command.line, last)
    if not is_whole(even(command.text), lines, inferred=command.inferred):
        return [f"not all of line {command.line}: {command.text}"]
    return []


def faults_of_step(runbook: Runbook, step: Step) -> list[str]:
    """Everything in a step that its own lines or headings do not bear out."""
    first, last = step.lines
    own = span(runbook, first, last)
    faults = [f for command in step.commands for f in faults_of_command(runbook, step, command)]
    if not own or len(own) != last - first + 1 or not own[0].strip() or not own[-1].strip():
        faults.append(f"lines {step.lines} are out of range, or begin or end blank")
    if step.section != headings_above(runbook, first):
        faults.append(f"section is {headings_above(runbook, first)}")
    if step.title not in plain(runbook.source):
        faults.append(f"title is not in the source: {step.title}")
    typed_there = {even(PROMPT.sub("", line)) for line in own}
    faults += [
        f"expected, but not there: {line}"
        for line in (step.expected or "").split("\n")
        if even(line) and not any(even(line) in there for there in typed_there)
    ]
    for name in step.placeholders:
        if name not in even("\n".join(own)):
            faults.append(f"placeholder is not there: {name}")
    return faults


def test_quotes_stand_where_they_say(runbook: Runbook) -> None:
    """Every command, title, section, placeholder and expectation is in the source's own words."""
    found = {
        f"step {number}: {fault}"
        for number, step in enumerate(runbook.steps, 1)
        for fault in faults_of_step(runbook, step)
    }
    assert sorted(found) == []


def test_nothing_behind_a_prompt_is_left_out(runbook: Runbook) -> None:
    """A line with a prompt that is nothing else begins a command of some step."""
    prompted = {
        number
        for number, line in enumerate(runbook.source.split("\n"), 1)
        if SURE_PROMPT.match(line)
    }
    assert prompted - {c.line for step in runbook.steps for c in step.commands} == set()


def test_steps_come_in_the_order_of_the_text(runbook: Runbook) -> None:
    """Steps begin in ascending order and share no more than the lines of one sentence (N-1)."""
    for before, after in zip(runbook.steps, runbook.steps[1:], strict=False):
        assert before.lines[0] <= after.lines[0], after
        assert before.lines[1] <= after.lines[1], after
        assert before.lines[1] - after.lines[0] <= 1, (before, after)
        starts = [c.line for step in (before, after) for c in step.commands]
        assert starts == sorted(starts)


def test_kinds_agree_with_what_a_step_has(runbook: Runbook) -> None:
    """Kinds and tools are those of the README, and a step has what its kind needs."""
    for step in runbook.steps:
        assert step.kind in KINDS, step
        assert step.tool is None or step.tool in TOOLS, step
        assert bool(step.commands) == (step.tool in SHELLS), step
        if step.kind == "command":
            assert step.commands, step
        if step.kind == "check":
            assert step.tool, step
        if step.kind in ("manual", "decision"):
            assert not step.commands, step
        assert step.kind != "call" or step.references, step
        assert not step.interactive or len(step.commands) == 1, step


def test_references_are_links_of_the_step(runbook: Runbook) -> None:
    """A reference is a link within the step's lines, or what such a link is defined as."""
    definitions = dict(re.findall(r"^\[([^\]]+)\]:\s+(\S*/\S*)", runbook.source, re.MULTILINE))
    for step in runbook.steps:
        own = "\n".join(span(runbook, *step.lines))
        named = {definitions[n] for n in re.findall(r"\[([^\]]+)\]", own) if n in definitions}
        linked = set(re.findall(r"(?<!!)\[[^\]]*\]\(([^)]+)\)", own)) | named
        assert set(step.references) == linked, step


def test_enough_runbooks_were_read() -> None:
    """Steps are written for at least 26 runbooks, of all kinds, and each runbook is there once."""
    runbooks = [expected_steps.load(name) for name in NAMES]
    assert len([name for name in NAMES if not name.startswith(MADE)]) >= 26
    kinds = {step.kind for runbook in runbooks for step in runbook.steps}
    assert kinds == KINDS
    assert sum(len(s.commands) for r in runbooks for s in r.steps) >= 100
    sources = [path.stem for path in expected_steps.list_sources()]
    assert len([name for name in sources if not name.startswith(MADE)]) == 65
    assert set(NAMES) - set(sources) == set()
    assert any(not runbook.steps for runbook in runbooks)


def test_the_checks_can_fail() -> None:
    """An invented command, a wrong line, a title of our own and a wrong section are all seen."""
    runbook = Runbook("x", "# A\n\nRun `this`:\n\n    $ ls \\\n    -l | wc\n", ())
    good = Step("command", ("A",), (3, 6), "Run this", "shell", (Command(5, "ls -l | wc"),))
    assert faults_of_step(runbook, good) == []
    wrong = Step(
        "command", ("B",), (3, 7), "Do this", "shell",
        (Command(5, "ls -la"), Command(8, "ls"), Command(5, "ls -l")), ("<x>",), expected="files",
    )  # fmt: skip
    assert len(faults_of_step(runbook, wrong)) == 8
    with pytest.raises(AssertionError):
        test_nothing_behind_a_prompt_is_left_out(runbook)
    with pytest.raises(TypeError):
        Command(**tomllib.loads("line = 1\ntext = 'ls'\nguessed = true"))
