"""What lies in spool folders that nobody ships: of a host that died, or was taken out of service.

A home, its `spool`, or one gateway's folder in there may be given, in place or as a copy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dd0c.base import ids
from dd0c.base.errors import NotFound
from dd0c.base.home import MARKER
from dd0c.products.route.pairing import Pair
from dd0c.products.route.shipper.folder import Folder

LOCK = "gateway.lock"


@dataclass(frozen=True, slots=True)
class Left:
    """Folders of gateways, each named by its gateway's id; `lock` is what one that lives holds."""

    folders: tuple[Path, ...]
    lock: Path


@dataclass(slots=True)
class Survey:
    """What there is to ship, at most: some of it may be in the ledger where an attempt was long.

    `lost` were open when their gateway died; `reserved_pico` is what they stay charged. `unknown`
    ended without a known cost. `damaged`: runs of bytes that are no records.
    """

    attempts: int = 0
    lost: int = 0
    unknown: int = 0
    damaged: int = 0
    cost_pico: int = 0
    reserved_pico: int = 0
    first_us: int | None = None
    last_us: int | None = None
    orgs: set[bytes] = field(default_factory=set)

    def add(self, pair: Pair) -> None:
        """Count an attempt."""
        opened, closed = pair.opened, pair.closed
        self.attempts += 1
        self.orgs.add(opened.org)
        started = opened.started_us
        self.first_us = started if self.first_us is None else min(self.first_us, started)
        self.last_us = started if self.last_us is None else max(self.last_us, started)
        if closed is None:
            self.lost += 1
            self.reserved_pico += opened.reserved_pico or 0
        elif closed.cost_pico is None:
            self.unknown += 1
        else:
            self.cost_pico += closed.cost_pico


def find(given: Path) -> Left:
    """The folders that hold spool files; NotFound when there is none."""
    path = given.resolve()
    root = path / "spool" if (path / MARKER).exists() else path
    if root.name.startswith(f"{ids.Kind.GATEWAY}_"):
        folders, root = [root], root.parent
    else:
        folders = sorted(one for one in root.glob(f"{ids.Kind.GATEWAY}_*") if one.is_dir())
    found = tuple(folder for folder in folders if any(folder.glob("*.spool")))
    if not found:
        raise NotFound(
            f"{given} holds nothing that is not in the ledger",
            hint="give the home of the host, its folder `spool`, or a folder gwy_… in there",
        )
    home = root.parent
    in_place = (home / MARKER).exists() and (home / "run").is_dir()
    return Left(found, home / "run" / LOCK if in_place else root / LOCK)


def take(folders: Sequence[Path]) -> Survey:
    """Read the folders, and change nothing."""
    survey = Survey()
    for path in folders:
        folder = Folder(path)
        while batch := folder.collect(frozenset):
            for pair in batch.pairs:
                survey.add(pair)
            survey.damaged += len(batch.rejected) + len(batch.torn)
    return survey
