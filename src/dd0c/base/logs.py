"""Logs of children and of embedded servers: appended to, bounded, searched for why one ended.

PostgreSQL and Valkey write theirs themselves, so what is read of them is masked here.
"""

from __future__ import annotations

import os
import re
import shutil
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from dd0c.base import redact

BYTES_MAX = 8 * 1024 * 1024
TAIL_BYTES = 8192
_CAUSE = re.compile(r"(?:FATAL|PANIC|initdb: error): +(?P<said>.+)|^\d+:\w .* # (?P<warned>.+)")
"""How PostgreSQL (its last line is that it is shut down) and Valkey say why they end."""


def append_to(path: Path) -> BinaryIO:
    """The log opened for appending; large, it is set aside first."""
    bound(path)
    return open(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab", buffering=0)


def size_of(path: Path) -> int:
    """Where what is written from now on begins."""
    return path.stat().st_size if path.exists() else 0


def bound(path: Path) -> None:
    """Set a large log aside as `.1`, in place: whoever writes appends, and goes on at the start.

    A full disk takes no copy; the log then stays as it is.
    """
    with suppress(OSError):
        if path.stat().st_size > BYTES_MAX:
            shutil.copyfile(path, path.with_name(path.name + ".1"))
            os.truncate(path, 0)


def last_cause(path: Path, start: int) -> tuple[str, str]:
    """The last error told in a log since byte `start`, and its hint; else the last line."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(min(size, max(start, size - TAIL_BYTES)))
            said = redact.scrub(file.read().decode(errors="replace"))
    except OSError as error:
        return f"its log cannot be read: {error.strerror}", ""
    lines = [line.strip() for line in said.splitlines()]
    for number, line in reversed(list(enumerate(lines))):
        if line.startswith("error: "):
            after = lines[number + 1] if number + 1 < len(lines) else ""
            hint = after.removeprefix("hint: ") if after.startswith("hint: ") else ""
            return line.removeprefix("error: "), hint or f"see {path}"
        if cause := _CAUSE.search(line):
            return cause["said"] or cause["warned"], ""
    return next((line for line in reversed(lines) if line), "it wrote nothing"), ""
