"""Whether destructive flags were baked: known for 48 hours before they were on for anybody (K-62).

What flags.toml says of itself proves nothing, so the times are those of the commits that brought
each state of it to this branch: the first parents of HEAD, as a merge brings what it merges now. A
commit is taken to be no older than any before it, so that a date that was set back gains nothing,
and one of the future is refused. What is not committed yet counts as of now.

`judge` is pure; the rest asks git. While no destructive flag is on, nothing has to have baked, and
no history is needed. Else there is no answer without all of it, and no answer is an error.
"""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dd0c.base.errors import InvalidInput, SetupError
from dd0c.kernel.guard import flagfile
from dd0c.kernel.guard.flagfile import Declared, Flagfile

BAKE = timedelta(hours=48)
AHEAD_MAX = timedelta(hours=1)
DATED_BACK_MAX = timedelta(days=30)
"""A branch may live that long before it is merged. Nothing rests on the date in the file."""
GIT_WITHIN_S = 60.0
_PLAINLY = ("-c", "safe.directory=*", "-c", "log.showSignature=false")
"""A folder is trusted whoever owns it, as nothing of it is run; nothing is added to the answer."""


@dataclass(frozen=True, slots=True)
class Version:
    """The flags from a moment on."""

    at: datetime
    flags: Flagfile


def judge(versions: Sequence[Version], now: datetime) -> list[str]:
    """What is wrong with the newest version, given those before it; the oldest comes first."""
    newest = versions[-1]
    found = [
        f"a commit is dated {version.at:%Y-%m-%d %H:%M} UTC, which is still to come"
        for version in versions
        if version.at > now + AHEAD_MAX
    ]
    for name, flag in newest.flags.items():
        introduced = _since(versions, name, lambda _: True)
        if flag.introduced < (introduced - DATED_BACK_MAX).date():
            found.append(
                f"{name}: says that it was introduced on {flag.introduced}; the commit that did is"
                f" of {introduced:%Y-%m-%d}"
            )
        if not flag.destructive or not flag.initial:
            continue
        known = _since(versions, name, lambda it: it.destructive)
        turned_on = _since(versions, name, lambda it: it.destructive and it.initial > 0)
        if turned_on - known < BAKE:
            found.append(
                f"{name}: is destructive, and was turned on {_hours(turned_on - known)} after it"
                f" came ({known:%Y-%m-%d %H:%M} UTC): leave `initial = 0` for {_hours(BAKE)}"
            )
    return found


def _since(versions: Sequence[Version], name: str, true: Callable[[Declared], bool]) -> datetime:
    """Since when it has been true of the flag of that name without a break, which it is now."""
    lasting = itertools.takewhile(
        lambda version: name in version.flags and true(version.flags[name]), reversed(versions)
    )
    return list(lasting)[-1].at


def _hours(span: timedelta) -> str:
    return f"{span.total_seconds() / 3600:.3g} h"


def check(path: Path, now: datetime) -> tuple[Flagfile, list[str]]:
    """The flags of a file, and what is wrong; SetupError where a history is needed and missing."""
    flags = _read(path)
    if not any(flag.destructive and flag.initial for flag in flags.values()):
        return flags, []
    return flags, judge(read_history(path, now), now)


def _read(path: Path) -> Flagfile:
    try:
        return flagfile.parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SetupError(f"{path}: {error.strerror}") from error


def read_history(path: Path, now: datetime) -> list[Version]:
    """Every version of the file, with what is not committed; SetupError without its history."""
    folder = path.parent
    if _git(folder, "rev-parse", "--is-shallow-repository").strip() == "true":
        raise SetupError(
            "this clone of the repository is shallow: how long flags are known cannot be told",
            hint="git fetch --unshallow",
        )
    changed = _git(folder, "log", "--first-parent", "--format=%H", "--", path.name).split()
    if not changed:
        raise SetupError(f"{path} is in no commit", hint="commit it first")
    versions = [
        Version(at, _parse(_git(folder, "show", f"{commit}:./{path.name}", may_fail=True)))
        for commit, at in _dated(folder)
        if commit in changed
    ]
    current = _read(path)
    if current != versions[-1].flags:
        versions.append(Version(max(now, versions[-1].at), current))
    return versions


def _dated(folder: Path) -> Iterator[tuple[str, datetime]]:
    """The commits of this branch, the oldest first, none older than one before it."""
    newest = datetime.min.replace(tzinfo=UTC)
    lines = _git(folder, "log", "--first-parent", "--reverse", "--format=%H %ct").splitlines()
    for commit, _, at_s in (line.partition(" ") for line in lines):
        newest = max(newest, datetime.fromtimestamp(int(at_s), UTC))
        yield commit, newest


def _parse(text: str) -> Flagfile:
    """What a commit had; nothing where it had no file, or one that says nothing."""
    try:
        return flagfile.parse(text)
    except InvalidInput:
        return {}


def _git(folder: Path, *words: str, may_fail: bool = False) -> str:
    """What git says; SetupError."""
    command = ["git", *_PLAINLY, "-C", str(folder), *words]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=GIT_WITHIN_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SetupError(f"git cannot be asked: {error}", hint="install git") from error
    if done.returncode and not may_fail:
        said = done.stderr.strip().partition("\n")[0]
        raise SetupError(
            f"the history of {folder} cannot be read: {said}", hint="run it in a clone made by git"
        )
    return "" if done.returncode else done.stdout
