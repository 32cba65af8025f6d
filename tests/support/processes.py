"""Processes of this machine as /proc shows them."""

from __future__ import annotations

from pathlib import Path

PROC = Path("/proc")


def children(pid: int) -> list[int]:
    """The living children of a process, oldest first."""
    pids = (int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit())
    return sorted(one for one in pids if _state(one)[1:] == (pid,) and lives(one))


def descendants(pid: int) -> list[int]:
    """The living children of a process, and theirs."""
    found = children(pid)
    for child in list(found):
        found += descendants(child)
    return found


def lives(pid: int) -> bool:
    """Whether the process is there and no zombie."""
    return _state(pid)[0] not in ("", "Z", "X")


def argv(pid: int) -> list[str]:
    """Its command line; empty when it is gone."""
    try:
        return (PROC / str(pid) / "cmdline").read_text().split("\0")[:-1]
    except OSError:
        return []


def environment(pid: int) -> str:
    """Its environment as it was started with; empty when it is gone."""
    try:
        return (PROC / str(pid) / "environ").read_bytes().decode(errors="replace")
    except OSError:
        return ""


def pss_kb(pid: int) -> int:
    """Its memory, with what it shares divided among the sharers; 0 when it is gone."""
    try:
        rollup = (PROC / str(pid) / "smaps_rollup").read_text()
    except OSError:
        return 0
    return next((int(x.split()[1]) for x in rollup.splitlines() if x.startswith("Pss:")), 0)


def _state(pid: int) -> tuple[str, int]:
    try:
        after_name = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return "", 0
    return after_name[0], int(after_name[1])
