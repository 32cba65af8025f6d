"""The spool of one gateway: whose files are there, how far they are shipped, what goes when.

`shipped.json` holds two places for each worker: where a restart begins to read, and up to where
records were shipped. It is replaced as a whole after each batch. Killed before that, the next
process reads the batch again, and the ledger refuses what it has already.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from dd0c.base.process import crash_point
from dd0c.products.route.hotpath import spool
from dd0c.products.route.pairing import START, Pair
from dd0c.products.route.shipper.tail import Damage, Places, Tail

BATCH_ROWS = 2_000
MARKS = "shipped.json"
_NAME = re.compile(r"(?P<stem>\d+-(?P<pid>\d+)(-[0-9a-f]{8})?)-(?P<sequence>\d+)\.spool")

log = logging.getLogger(__name__)

Living = Callable[[], Collection[int]]


@dataclass(frozen=True, slots=True)
class Rejected:
    """Bytes for `<name>.bad`: damaged ones, and records that have no place in the ledger."""

    name: str
    content: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class Batch:
    """What is shipped at once; `ended`: workers that are dead and completely in here or before.
    `places`: how far the files of each worker are shipped once this is."""

    pairs: list[Pair] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    torn: list[Damage] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    places: dict[str, Places] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.pairs or self.rejected or self.torn or self.ended)

    @property
    def full(self) -> bool:
        """Whether there may be more to collect at once."""
        return len(self.pairs) + len(self.rejected) >= BATCH_ROWS


class Folder:
    """The spool files in one folder, read through `collect` and given up through `settle`.

    Batches may be collected before those collected earlier are settled; they are settled in order.
    """

    def __init__(self, path: Path):
        self.path = path
        self._tails: dict[str, Tail] = {}
        self._marks = self._load_marks()

    def reset(self) -> None:
        """Forget what was collected and not settled. What was is remembered, on disk or not."""
        self._tails = {}

    def collect(self, living: Living) -> Batch:
        """The next attempts to ship, at most a little over `BATCH_ROWS`.

        A worker is dead if its files were there before `living` was asked, and it is not named;
        files it began meanwhile are found by looking again.
        """
        batch = Batch()
        self._scan()
        stems = [stem for stem, tail in self._tails.items() if not tail.ended]
        alive = living()
        self._scan()
        for stem in stems:
            tail = self._tails[stem]
            dead = tail.pid not in alive
            while not batch.full:
                read = tail.read(dead=dead)
                if read is None:
                    if dead:
                        batch.pairs.extend(tail.pairing.end())
                        batch.ended.append(stem)
                        tail.ended = True
                    break
                if read.damage is not None:
                    self._reject(batch, read.damage)
                paired = tail.pairing.add(read.records, read.at)
                batch.pairs.extend(paired.attempts)
                batch.rejected.extend(
                    Rejected("orphans", spool.encode(close), "a close record without its open")
                    for close in paired.orphans
                )
        batch.places.update((stem, self._tails[stem].places) for stem in stems)
        return batch

    def settle(self, batch: Batch) -> None:
        """The batch is in the ledger: keep what was rejected, remember, then delete."""
        for rejected in batch.rejected:
            with (self.path / f"{rejected.name}.bad").open("ab") as file:
                file.write(rejected.content)
        self._save_marks(batch.places)
        crash_point("shipper.saved")
        for stem, places in batch.places.items():
            tail, ended = self._tails[stem], stem in batch.ended
            tail.shipped = places.shipped
            for number in [n for n in tail.files if ended or n < places.low.sequence]:
                tail.files.pop(number).unlink()
                crash_point("shipper.deleted")
            if ended:
                del self._tails[stem]

    def unshipped_bytes(self) -> int:
        """Bytes that are not in the ledger yet."""
        self._scan()
        return sum(tail.unshipped_bytes() for tail in self._tails.values())

    def remove_if_empty(self) -> bool:
        """Whether no spool file is left; the folder goes too unless it holds rejected records."""
        if any(self.path.glob("*.spool")):
            return False
        (self.path / MARKS).unlink(missing_ok=True)
        if not any(self.path.iterdir()):
            self.path.rmdir()
        return True

    def _reject(self, batch: Batch, damage: Damage) -> None:
        if damage.torn:
            batch.torn.append(damage)
        else:
            batch.rejected.append(
                Rejected(
                    damage.path.stem, damage.content, f"at byte {damage.offset}: {damage.reason}"
                )
            )

    def _scan(self) -> None:
        found: dict[str, dict[int, Path]] = {}
        for entry in os.scandir(self.path):
            if match := _NAME.fullmatch(entry.name):
                found.setdefault(match["stem"], {})[int(match["sequence"])] = Path(entry.path)
        for stem, files in found.items():
            if stem not in self._tails:
                places = self._marks.get(stem, Places(START, START))
                self._tails[stem] = Tail(int(stem.split("-")[1]), places)
            self._tails[stem].files = dict(sorted(files.items()))

    def _load_marks(self) -> dict[str, Places]:
        try:
            content = (self.path / MARKS).read_bytes()
        except FileNotFoundError:
            return {}
        try:
            return msgspec.json.decode(content, type=dict[str, Places])
        except msgspec.DecodeError as error:  # after a power cut: everything is shipped again
            log.warning("%s cannot be read, starting from the beginning: %s", MARKS, error)
            return {}

    def _save_marks(self, marks: dict[str, Places]) -> None:
        self._marks = marks
        beside = self.path / f"{MARKS}.new"
        beside.write_bytes(msgspec.json.encode(self._marks))
        beside.replace(self.path / MARKS)
