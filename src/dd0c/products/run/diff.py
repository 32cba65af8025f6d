"""What differs between two versions, step by step (N-4)."""

from __future__ import annotations

import uuid
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from dd0c.products.run.identity import FIELDS, said
from dd0c.products.run.lineage import Kept


class Change(StrEnum):
    """What became of a step."""

    SAME = "same"
    MOVED = "moved"
    CHANGED = "changed"
    ADDED = "added"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Difference:
    """One step in both versions. Positions count from 0; None: it is not there. `fields`: what of
    it changed; `place` among them: it moved too."""

    change: Change
    identity: uuid.UUID
    before: int | None
    after: int | None
    fields: tuple[str, ...] = ()


def compare(before: Sequence[Kept], after: Sequence[Kept]) -> list[Difference]:
    """The steps in the order of `after`; what was removed stands where it stood."""
    was = {kept.identity: at for at, kept in enumerate(before)}
    left = {kept.identity for kept in after}
    stayed = _longest_rise([was[kept.identity] for kept in after if kept.identity in was])
    found: list[Difference] = []
    told = 0
    for at, kept in enumerate(after):
        old = was.get(kept.identity)
        if old is None:
            found.append(Difference(Change.ADDED, kept.identity, None, at))
            continue
        if old in stayed:
            found += _removed(before, range(told, old), left)
            told = old
        found.append(_compared(before[old], kept, old, at, moved=old not in stayed))
    return [*found, *_removed(before, range(told, len(before)), left)]


def _compared(before: Kept, after: Kept, old: int, new: int, *, moved: bool) -> Difference:
    fields = [name for name in FIELDS if said(before.step, name) != said(after.step, name)]
    change = Change.CHANGED if fields else Change.SAME
    if moved or before.step.section != after.step.section:
        change = Change.CHANGED if fields else Change.MOVED
        fields.append("place")
    return Difference(change, after.identity, old, new, tuple(fields))


def _removed(before: Sequence[Kept], places: range, left: set[uuid.UUID]) -> list[Difference]:
    return [
        Difference(Change.REMOVED, before[at].identity, at, None)
        for at in places
        if before[at].identity not in left
    ]


def _longest_rise(numbers: Sequence[int]) -> set[int]:
    """The members of a longest rising subsequence: the fewest others have moved."""
    tails: list[int] = []
    previous: dict[int, int | None] = {}
    for number in numbers:
        at = bisect_left(tails, number)
        previous[number] = tails[at - 1] if at else None
        tails[at : at + 1] = [number]
    found: set[int] = set()
    last = tails[-1] if tails else None
    while last is not None:
        found.add(last)
        last = previous[last]
    return found
