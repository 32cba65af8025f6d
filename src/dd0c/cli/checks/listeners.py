"""Which program listens on a port, as far as /proc tells: for root, or of one's own programs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
LISTENS = "0A"
COMMAND_MAX = 60


def who_listens(port: int) -> str | None:
    """`process 123 (nginx -g daemon off;)`, or None when it is not told."""
    inodes = set(_inodes(port))
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            links = (os.readlink(link) for link in (folder / "fd").iterdir())
            if any(link in inodes for link in links):
                return f"process {folder.name} ({command(int(folder.name))[:COMMAND_MAX]})"
    return None


def command(pid: int) -> str:
    """How a process was started; empty when it is not told."""
    try:
        argv = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return ""
    return argv.replace("\0", " ").strip()


def _inodes(port: int) -> Iterator[str]:
    """Listening sockets of the port, as the links in a process's fd folder name them."""
    for table in TABLES:
        with suppress(OSError):
            for line in Path(table).read_text().splitlines()[1:]:
                _, local, _, state, *rest = line.split()
                if state == LISTENS and int(local.rpartition(":")[2], 16) == port:
                    yield f"socket:[{rest[5]}]"
