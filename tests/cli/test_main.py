"""The command line as a program: errors, exit statuses, help, and what a start costs."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import dd0c
from dd0c.cli import main as cli

SERVING = {"up", "gateway", "control", "worker", "sim"}
SCRIPTS = {"completion"}


def run(*argv: str, **env: str) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DD0C_")}
    return subprocess.run(
        [sys.executable, "-m", "dd0c.cli.main", *argv],
        env=kept | {"XDG_CONFIG_HOME": "/nonexistent"} | env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def all_verbs() -> Iterator[tuple[str, click.Command]]:
    """Every verb by its shortest name, `key create` and its like included, aliases not."""
    known: set[int] = set()
    for name, command in sorted(_walk("", cli.dd0c), key=lambda one: len(one[0].split())):
        if id(command) not in known:
            known.add(id(command))
            yield name, command


def _walk(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    if not isinstance(command, click.Group):
        yield name, command
        return
    context = click.Context(command)
    for inner in command.list_commands(context):
        found = command.get_command(context, inner)
        assert found is not None
        yield from _walk(f"{name} {inner}".strip(), found)


VERBS = dict(all_verbs())


@pytest.mark.parametrize("verb", VERBS)
def test_help_teaches_by_example(verb: str) -> None:
    """Every verb's help shows at least one command that can be pasted."""
    text = VERBS[verb].help or ""
    assert "Example" in text
    assert f"dd0c {verb}" in text


@pytest.mark.parametrize("verb", sorted(VERBS.keys() - SERVING - SCRIPTS))
def test_every_answering_verb_speaks_json(verb: str) -> None:
    """Every verb that answers something has --json."""
    assert any("--json" in parameter.opts for parameter in VERBS[verb].params)


def test_version_imports_neither_client_nor_server() -> None:
    """A verb pays only for itself: `dd0c version` loads no client, driver or server."""
    code = (
        "import sys; sys.argv = ['dd0c', 'version', '--json'];"
        "from dd0c.cli.main import main; status = main();"
        "heavy = {'httpx', 'psycopg', 'fastapi', 'rich', 'asyncio'} & set(sys.modules);"
        "sys.exit(status or (f'loaded {heavy}' if heavy else 0))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["version"] == dd0c.__version__


@pytest.mark.parametrize(
    ("argv", "status", "error", "hint"),
    [
        (["nope"], 2, "No such command 'nope'.", "dd0c --help"),
        (["usge"], 2, "Did you mean 'usage'?", "dd0c --help"),
        (["key", "lst"], 2, "Did you mean 'list'?", "dd0c key --help"),
        (["usage", "--by", "moon"], 2, "'moon' is not one of", "dd0c usage --help"),
        (["usage", "--since", "soon"], 2, "'soon' is no time", "24h"),
        (["usage", "--csv", "--json"], 2, "exclude each other", ""),
        (["key", "revoke"], 2, "Missing argument 'KEY'", "dd0c key revoke --help"),
    ],
)
def test_wrong_input_is_told_in_a_line(
    argv: list[str], status: int, error: str, hint: str, tmp_path: Path
) -> None:
    """`error: …` and `hint: …` on stderr, nothing on stdout, and a status from the error tree."""
    done = run(*argv, DD0C_HOME=str(tmp_path))
    assert (done.returncode, done.stdout) == (status, "")
    lines = done.stderr.splitlines()
    assert lines[0].startswith("error: ")
    assert error in lines[0]
    assert hint in (lines[1] if len(lines) > 1 else "")
    assert "Traceback" not in done.stderr


def test_without_a_dd0c_here_the_hint_says_how_to_get_one(tmp_path: Path) -> None:
    """A verb on a machine without dd0c says so, and what to do."""
    done = run("usage", DD0C_HOME=str(tmp_path))
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        f"error: there is no dd0c in {tmp_path}",
        "hint: start dd0c here with `dd0c up`, or set DD0C_URL and DD0C_KEY, or add a profile",
    ]


def test_an_address_where_nobody_answers_is_told_apart(tmp_path: Path) -> None:
    """Nobody at the address: status 7, which says that trying again may help."""
    done = run("org", "list", DD0C_HOME=str(tmp_path), DD0C_URL="http://127.0.0.1:9", DD0C_KEY="k")
    assert done.returncode == 7
    assert "no dd0c answers at http://127.0.0.1:9 (DD0C_URL)" in done.stderr
    assert "dd0c doctor" in done.stderr


def test_without_arguments_it_shows_its_help() -> None:
    """`dd0c` alone teaches instead of failing without a word."""
    done = run()
    assert done.returncode == 2
    assert "Start here" in done.stderr
    assert "error:" not in done.stderr


@pytest.mark.parametrize(
    ("target", "status", "says"),
    [("/dev/full", 7, "error: no room left where this writes to"), ("&-", 0, "")],
)
def test_an_answer_that_nobody_can_take_is_no_bug(target: str, status: int, says: str) -> None:
    """A full disk behind `>` is named; an output that the caller closed is not missed."""
    command = f"{shlex.quote(sys.executable)} -m dd0c.cli.main profile list >{target}"
    done = subprocess.run(
        ["sh", "-c", command], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr.partition("\n")[0]) == (status, says)


def test_a_port_that_is_none_is_a_wrong_flag() -> None:
    """`dd0c sim --port 99999`: refused as every flag is, not as a bug with a traceback."""
    done = run("sim", "--port", "99999")
    assert done.returncode == 2
    assert done.stderr.startswith("error: Invalid value for '--port'")


def test_the_flag_tells_the_version_too() -> None:
    """People try `--version` first."""
    assert run("--version").stdout == f"dd0c {dd0c.__version__}\n"
