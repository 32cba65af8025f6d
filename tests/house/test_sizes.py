"""Sizes and names: what keeps a file one subject and a function one thought."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.house import tree

FILE_LINES_MAX = 600
FUNCTION_LINES_MAX = 70
POSITIONAL_MAX = 5
BANNED_NAMES = {"service", "services", "utils", "util", "helpers", "common", "manager", "misc"}

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


def too_long_functions(source: str) -> list[str]:
    """Functions over the line limit, their decorators and docstring included."""
    return [
        f"{node.name} ({_lines(node)} lines)"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, FunctionNode) and _lines(node) > FUNCTION_LINES_MAX
    ]


def too_many_positional(source: str) -> list[str]:
    """Functions that take more positional parameters than a reader can hold."""
    return [
        f"{node.name} ({count})"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, FunctionNode) and (count := _positional(node)) > POSITIONAL_MAX
    ]


def banned_name(path: Path) -> bool:
    """Whether a file or one of its folders has a name that says nothing."""
    return bool(BANNED_NAMES & {path.stem, *(p.name for p in path.parents)})


def _lines(node: FunctionNode) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def _positional(node: FunctionNode) -> int:
    names = [a.arg for a in (*node.args.posonlyargs, *node.args.args)]
    return len([n for n in names if n not in ("self", "cls")])


def test_files_hold_one_subject() -> None:
    """No Python file has more than 600 lines."""
    found = [
        f"{tree.shown(p)}: {n}"
        for p in tree.python_files()
        if (n := len(p.read_text().splitlines())) > FILE_LINES_MAX
    ]
    assert found == []


def test_functions_are_short_enough_to_see_whole() -> None:
    """No function has more than 70 lines."""
    found = [
        f"{tree.shown(p)}: {f}"
        for p in tree.python_files()
        for f in too_long_functions(p.read_text())
    ]
    assert found == []


def test_functions_take_few_positional_parameters() -> None:
    """No function of ours takes more than five positional parameters."""
    found = [
        f"{tree.shown(p)}: {f}"
        for p in tree.python_files(tree.SOURCE)
        for f in too_many_positional(p.read_text())
    ]
    assert found == []


def test_names_say_what_a_file_is() -> None:
    """No file or folder is called utils, helpers, common, manager or service."""
    found = [tree.shown(p) for p in tree.python_files() if banned_name(p.relative_to(tree.ROOT))]
    assert found == []


def test_the_size_rules_can_fail() -> None:
    """Each size rule reports a sample that breaks it."""
    long = "def f():\n" + "    x = 1\n" * FUNCTION_LINES_MAX
    assert too_long_functions(long) == ["f (71 lines)"]
    assert too_many_positional("def f(a, b, c, d, e, g): ...") == ["f (6)"]
    assert too_many_positional("class A:\n    def f(self, a, b, c, d, e): ...") == []
    assert banned_name(Path("src/dd0c/kernel/utils.py"))
    assert banned_name(Path("src/dd0c/common/x.py"))
    assert not banned_name(Path("src/dd0c/kernel/db/roles.py"))
