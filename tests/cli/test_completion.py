"""Completion in a real bash: verbs, flags, and what a running dd0c knows."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli import terminal
from tests.support import missing
from tests.support.control import Served, serving
from tests.support.database import Cluster

COMPLETE = """
source <(dd0c completion bash)
COMP_WORDS=({words})
COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 ))
_dd0c_completion dd0c "${{COMP_WORDS[-1]}}" "${{COMP_WORDS[-2]}}"
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.fixture(scope="module")
def served(cluster: Cluster) -> Iterator[Served]:
    with serving(cluster) as served:
        yield served


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A PATH on which this dd0c is."""
    program = tmp_path / "dd0c"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m dd0c.cli.main "$@"\n')
    program.chmod(0o755)
    return f"{tmp_path}:{os.environ['PATH']}"


def completed(path: str, *words: str, **env: str) -> list[str]:
    """What bash offers after these words; nothing may be said besides."""
    missing.unless(shutil.which("bash") is not None, "install bash")
    script = COMPLETE.format(words=" ".join(map(shlex.quote, ("dd0c", *words))))
    done = subprocess.run(
        ["bash", "--norc", "-c", script],
        env=terminal.environment({"PATH": path, **env}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


def test_verbs_flags_and_choices(path: str) -> None:
    """Verbs of both levels, flags and their values are completed without any dd0c running."""
    assert completed(path, "us") == ["usage"]
    assert completed(path, "key", "rev") == ["revoke"]
    assert completed(path, "usage", "--pl") == ["--plot"]
    assert "model" in completed(path, "usage", "--by", "")


def test_ids_of_a_running_dd0c(path: str, served: Served) -> None:
    """Ids of keys come from the dd0c that the verb itself would ask."""
    env = {"DD0C_URL": served.url, "DD0C_KEY": served.acme}
    [only] = completed(path, "key", "revoke", "key_", **env)
    assert only.startswith("key_")
    assert completed(path, "key", "revoke", "nope", **env) == []


@pytest.mark.parametrize(
    "env",
    [
        {"DD0C_URL": "http://127.0.0.1:9", "DD0C_KEY": "k"},
        {"DD0C_URL": "nonsense", "DD0C_KEY": "k"},
        {"DD0C_HOME": "/nonexistent"},
    ],
)
def test_nobody_to_ask_is_silence(path: str, env: dict[str, str]) -> None:
    """Without a dd0c nothing is offered, and above all nothing is written into the prompt."""
    assert completed(path, "key", "revoke", "", **env) == []


@pytest.mark.parametrize(
    ("shell", "first"), [("bash", "# install: "), ("zsh", "#compdef dd0c"), ("fish", "# install: ")]
)
def test_scripts_say_where_they_go(shell: str, first: str) -> None:
    """Each script begins with how to install it, for zsh after the line it must begin with."""
    lines = terminal.run("completion", shell).stdout.splitlines()
    assert lines[0].startswith(first)
    assert any(line.startswith("# install: dd0c completion") for line in lines[:2])
