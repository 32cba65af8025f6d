"""The hook and the action for repositories of runbooks, on a repository: real git, real diffs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

DEPLOY = Path(__file__).parents[2] / "deploy"
BOOK = """\
# Disk full

1. See how full it is:

   ```sh
   df -h /var/lib/<volume>
   ```

2. Look at what is large:

   ```sh
   du -xsh /var/lib
   ```
"""
READS = "du -xsh /var/lib"
EVIL = f"{READS} >/dev/sda"
GH = """\
#!/bin/sh
printf '%s\\n' "$*" >>"$ASKED"
case "$*" in *--paginate*) printf '%s' "$LAST" ;; esac
"""


class Repository:
    """A git repository with a runbook, in whose name there is a blank."""

    def __init__(self, folder: Path):
        self.folder, self.book = folder, folder / "runbooks" / "disk full.md"
        self.book.parent.mkdir()
        self.git("init", "--quiet", "--initial-branch", "main")
        self.commit(BOOK)

    def run(self, *argv: str, **env: str) -> subprocess.CompletedProcess[str]:
        """A program in it, for whom `dd0c` is this one."""
        programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        who = {f"GIT_{role}_{part}": "a@b" for role in ("AUTHOR", "COMMITTER") for part in PARTS}
        plain = {"PATH": programs, "HOME": str(self.folder), "GIT_CONFIG_NOSYSTEM": "1"}
        return subprocess.run(
            argv,
            cwd=self.folder,
            env=plain | who | env,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def git(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """A command of git."""
        return self.run("git", *argv)

    def commit(self, text: str) -> subprocess.CompletedProcess[str]:
        """The runbook says this from now on, if a hook lets it."""
        self.book.write_text(text)
        self.git("add", ".")
        return self.git("commit", "--quiet", "--message", "changed")


PARTS = ("NAME", "EMAIL")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """One commit."""
    return Repository(tmp_path)


def test_a_commit_stops_at_a_class(repository: Repository) -> None:
    """What is staged is judged, not what lies in the folder; placeholders stop nobody (N-40)."""
    hook = repository.folder / ".git" / "hooks" / "pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.symlink_to(DEPLOY / "hooks" / "pre-commit")
    deleting = BOOK.replace("df -h", "rm -rf")
    repository.book.write_text(deleting)
    repository.git("add", ".")
    repository.book.write_text(BOOK)
    staged = repository.git("-c", "dd0c.failAt=dangerous", "commit", "--message", "x")
    assert staged.returncode == 1
    assert "runbooks/disk full.md:6: dangerous  rm -rf /var/lib/x" in staged.stderr
    assert repository.commit(deleting).returncode == 0
    assert repository.commit(BOOK.replace(READS, EVIL)).returncode == 1


def test_a_pull_request_hears_of_steps_whose_risk_changes(repository: Repository) -> None:
    """Only those, whatever else changes on either side; and nothing where there is none."""
    repository.git("checkout", "--quiet", "-b", "change")
    repository.commit(BOOK.replace("See how", "Look how").replace(READS, EVIL))
    compare = (str(DEPLOY / "github-action" / "compare.sh"), "main", "change")
    told = repository.run(*compare, ":(glob)**/runbooks/**")
    assert told.returncode == 0, told.stderr
    assert "### ` runbooks/disk full.md `" in told.stdout
    assert "**safe → blocked** (changed, line 9): ` Look at what is large `" in told.stdout
    assert f"```diff\n- {READS}\n+ {EVIL}\n```" in told.stdout
    assert "1 more step changed without a change of risk." in told.stdout
    assert repository.run(*compare, "*.txt").stdout == ""
    repository.book.write_bytes(b"\xff\xfe")
    repository.git("commit", "--all", "--message", "binary")
    assert "could not be read" in repository.run(*compare, "*.md").stdout


@pytest.mark.parametrize(
    ("text", "last", "calls"),
    [
        ("told", "", "--silent --method POST repos/o/r/issues/7/comments"),
        ("told", "42", "--silent --method PATCH repos/o/r/issues/comments/42"),
        ("", "42", "--silent --method PATCH repos/o/r/issues/comments/42"),
        ("", "", None),
    ],
)
def test_there_is_one_comment(
    repository: Repository, text: str, last: str, calls: str | None
) -> None:
    """It is written, replaced, or left unwritten where there is nothing to say."""
    gh, asked = repository.folder / "gh", repository.folder / "asked"
    gh.write_text(GH)
    gh.chmod(0o755)
    (repository.folder / "told").write_text(text)
    env = {"PATH": f"{repository.folder}{os.pathsep}{os.environ['PATH']}", "LAST": last}
    env |= {"GITHUB_REPOSITORY": "o/r", "PULL_REQUEST": "7", "ASKED": str(asked)}
    done = repository.run(str(DEPLOY / "github-action" / "comment.sh"), "told", **env)
    assert done.returncode == 0, done.stderr
    _, *wrote = [line for line in asked.read_text().splitlines() if line.startswith("api ")]
    assert [line.split(" -f ")[0] for line in wrote] == ([f"api {calls}"] if calls else [])
