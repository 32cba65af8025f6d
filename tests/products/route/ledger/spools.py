"""Spool folders for tests, written as a worker writes them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path

from dd0c.products.route.hotpath import spool
from dd0c.products.route.models import SpoolRecord

DEAD = 400_001  # and those after it
ALIVE = 400_010


def write(
    folder: Path, records: Iterable[SpoolRecord], *, pid: int = DEAD, sequence: int = 1
) -> Path:
    """Append records to one worker's file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"0-{pid}-{sequence:013d}.spool"
    with path.open("ab") as file:
        for record in records:
            file.write(spool.encode(record))
    return path


def files(folder: Path) -> list[str]:
    """The spool files that are left."""
    return sorted(path.name for path in folder.glob("*.spool"))


async def until(done: Callable[[], bool]) -> None:
    """Wait for what another task does."""
    while not done():  # noqa: ASYNC110 - it is no event of ours
        await asyncio.sleep(0.01)
