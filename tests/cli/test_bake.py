"""The bake of destructive flags, on throw-away git repositories, good and bad (K-62)."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dd0c.base.errors import SetupError
from dd0c.cli import bake, main

START = datetime(2026, 3, 2, 12, tzinfo=UTC)
NOW = START + timedelta(days=100)


def flag(
    name: str = "run.deletes",
    *,
    initial: int = 0,
    destructive: bool = True,
    introduced: str = "2026-03-02",
) -> str:
    """One flag of a flags.toml."""
    return f"""
        ["{name}"]
        kind = "release"
        safe = false
        initial = {initial}
        introduced = {introduced}
        destructive = {str(destructive).lower()}
        owner = "tests"
        why = "To be tried."
    """


@dataclass(frozen=True)
class Repository:
    """A throw-away one."""

    folder: Path

    @property
    def file(self) -> Path:
        return self.folder / "flags.toml"

    def git(self, *words: str, at: datetime = START) -> None:
        """A command of git, on a day."""
        names = {f"GIT_{who}_NAME": "tests" for who in ("AUTHOR", "COMMITTER")}
        mails = {f"GIT_{who}_EMAIL": "tests@example.com" for who in ("AUTHOR", "COMMITTER")}
        dates = {f"GIT_{who}_DATE": at.isoformat() for who in ("AUTHOR", "COMMITTER")}
        subprocess.run(
            ["git", "-c", "commit.gpgsign=false", "-C", str(self.folder), *words],
            env=os.environ | names | mails | dates,
            capture_output=True,
            check=True,
            timeout=60,
        )

    def commit(self, hours: float, text: str) -> None:
        """The file is this, so many hours after the start."""
        self.file.write_text(text)
        self.git("add", "flags.toml")
        self.git("commit", "-m", "flags", "--allow-empty", at=START + timedelta(hours=hours))

    def findings(self, now: datetime = NOW) -> list[str]:
        """What is wrong."""
        return bake.judge(bake.read_history(self.file, now), now)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """An empty one."""
    made = Repository(tmp_path)
    made.git("init", "-q", "-b", "main")
    return made


ON = flag(initial=1)


def test_a_flag_that_was_baked_may_be_on(repository: Repository) -> None:
    """48 hours after it came, and ever after, raised or turned off and on again (K-62)."""
    repository.commit(0, flag())
    assert repository.findings() == []
    repository.commit(48, ON)
    assert repository.findings() == []
    repository.commit(49, flag(initial=100))
    repository.commit(50, flag(initial=0) + flag("harmless", initial=100, destructive=False))
    repository.commit(51, flag(initial=100) + flag("harmless", initial=50, destructive=False))
    assert repository.findings() == []


BAD: dict[str, list[tuple[float, str]]] = {
    "introduced by the commit that turns it on": [(0, ON)],
    "an hour too early": [(0, flag()), (47, ON)],
    "an hour too early, long ago": [(0, flag()), (47, ON), (1000, flag(initial=100))],
    "gone for a while, and on when it comes back": [(0, flag()), (100, ""), (101, ON)],
    "gone for a while, and on soon after": [(0, flag()), (100, ""), (101, flag()), (148, ON)],
    "renamed": [(0, flag()), (100, flag("run.erases", initial=1))],
    "called harmless until it is on": [(0, flag(destructive=False)), (100, ON)],
    "called harmless, then on, then destructive": [
        (0, flag(destructive=False)),
        (1, flag(destructive=False, initial=9)),
        (100, flag(initial=9)),
    ],
    "called harmless for a moment between": [
        (0, flag()),
        (100, flag(destructive=False)),
        (101, ON),
    ],
    "hidden by a file that cannot be read": [(0, flag()), (100, "nonsense ="), (101, ON)],
    "dated back in the file": [(0, flag(introduced="2025-01-01"))],
    "dated back in the file, and on": [(0, flag(introduced="2025-01-01", initial=1))],
    "dated back in the commit": [(0, ""), (-200, flag()), (1, ON)],
    "dated ahead in the commit": [(0, flag()), (24 * 365, ON)],
}


@pytest.mark.parametrize("history", BAD.values(), ids=BAD.keys())
def test_a_bad_change_is_found(repository: Repository, history: list[tuple[float, str]]) -> None:
    """Whatever is tried to have a destructive flag on sooner (K-62)."""
    for hours, text in history:
        repository.commit(hours, text)
    assert repository.findings() != []


def test_what_was_turned_on_too_early_is_mended_by_turning_it_off(repository: Repository) -> None:
    """Off, and on when its time has come: the history need not be written anew (K-62)."""
    repository.commit(0, flag())
    repository.commit(1, ON)
    repository.commit(2, flag())
    assert repository.findings() == []
    repository.commit(49, ON)
    assert repository.findings() == []


def test_a_merge_brings_what_it_merges_when_it_merges(repository: Repository) -> None:
    """Baked for a week on a branch that nobody ran, and merged whole: not baked here (K-62)."""
    repository.commit(0, flag("other", destructive=False))
    repository.git("checkout", "-q", "-b", "branch")
    repository.commit(1, flag("other", destructive=False) + flag())
    repository.commit(200, flag("other", destructive=False) + ON)
    assert repository.findings() == []
    repository.git("checkout", "-q", "main")
    at = START + timedelta(hours=201)
    repository.git("merge", "-q", "--no-ff", "-m", "merged", "branch", at=at)
    (finding,) = repository.findings()
    assert "was turned on 0 h after it came (2026-03-10 21:00 UTC)" in finding


def test_what_is_not_committed_counts_as_of_now(repository: Repository) -> None:
    """A developer learns of it before the commit (K-62)."""
    repository.commit(0, flag())
    repository.file.write_text(ON)
    assert repository.findings(START + timedelta(hours=49)) == []
    (finding,) = repository.findings(START + timedelta(hours=47))
    assert "was turned on 47 h after it came" in finding


def test_without_the_whole_history_there_is_no_answer(
    repository: Repository,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A shallow clone, a folder without git, a file in no commit, a machine without git: each is an
    error that says so, never a pass (K-62)."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    repository.commit(0, flag())
    repository.commit(1, flag())
    origin = f"file://{repository.folder}"
    repository.git("clone", "-q", "--depth", "1", origin, str(elsewhere / "shallow"))
    with pytest.raises(SetupError, match="shallow"):
        bake.read_history(elsewhere / "shallow" / "flags.toml", NOW)
    (elsewhere / "flags.toml").write_text(flag())
    with pytest.raises(SetupError, match="cannot be read"):
        bake.read_history(elsewhere / "flags.toml", NOW)
    with pytest.raises(SetupError, match="in no commit"):
        bake.read_history(repository.folder / "another.toml", NOW)
    monkeypatch.setenv("PATH", str(elsewhere))
    with pytest.raises(SetupError, match="git cannot be asked"):
        bake.read_history(repository.file, NOW)


def test_the_command_fails_on_a_bad_change(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command that `make check` runs: 0 and a count, or 1 with what is wrong, or 2 where there
    is no file to judge (K-62)."""
    command = ["flag", "bake", "--file", str(repository.file)]
    assert main.main(command) == 2
    repository.commit(0, flag())
    assert main.main(command) == 0
    assert "1 flags, 1 destructive, 0 of them on: 0 findings" in capsys.readouterr().out
    repository.commit(1, ON)
    assert main.main(command) == 1
    told = capsys.readouterr()
    assert "1 flags, 1 destructive, 1 of them on: 1 findings" in told.out
    assert "error: run.deletes: is destructive" in told.err


def test_history_is_needed_where_a_destructive_flag_is_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Sources that came without git can be checked while nothing has to have baked, and only then
    (K-62)."""
    (tmp_path / "flags.toml").write_text(flag() + flag("other", initial=100, destructive=False))
    command = ["flag", "bake", "--file", str(tmp_path / "flags.toml")]
    assert main.main(command) == 0
    (tmp_path / "flags.toml").write_text(ON)
    assert main.main(command) == 2
    assert "cannot be read" in capsys.readouterr().err
