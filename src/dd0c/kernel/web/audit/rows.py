"""A selection of a log, read page by page: however long it is, little of it is in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass

from dd0c.kernel.audit import reading, tree
from dd0c.kernel.audit.entries import Entry
from dd0c.kernel.audit.reading import Disclosed, Filter
from dd0c.kernel.db.pool import Transaction
from dd0c.kernel.web.audit import shapes
from dd0c.kernel.web.audit.logs import Head, Log
from dd0c.kernel.web.audit.shapes import Names

PAGE_ROWS = 500


@dataclass(frozen=True, slots=True)
class Selection:
    """Entries of a log as it was at a size; `disclose`: with names and private texts."""

    log: Log
    head: Head
    wanted: Filter
    disclose: bool
    size: int  # what came later is not in it

    @property
    def is_whole(self) -> bool:
        """Whether it is all of the log."""
        return self.wanted == reading.ALL


@dataclass(frozen=True, slots=True)
class Page:
    """Some entries, and by sequence what is known beside them."""

    entries: Sequence[Entry]
    names: Names
    disclosed: Mapping[int, Disclosed]
    paths: Mapping[int, Sequence[bytes]]


async def pages(selected: Selection, *, proven: bool = False) -> AsyncIterator[Page]:
    """The selection, oldest first; `proven`: with the paths to the root it had then."""
    after, log = 0, selected.log
    while True:
        async with log.begin() as tx:
            page = await _load(tx, selected, after, proven=proven)
        yield page
        if len(page.entries) < PAGE_ROWS:
            return
        after = page.entries[-1].sequence


async def _load(tx: Transaction, selected: Selection, after: int, *, proven: bool) -> Page:
    log, size = selected.log, selected.size
    found = await reading.list_after(tx, log.name, after, PAGE_ROWS, selected.wanted)
    kept = [entry for entry in found if entry.sequence <= size]
    sequences = [entry.sequence for entry in kept] if proven else []
    paths = await tree.find_paths(tx, log.name, sequences, size)
    if not selected.disclose:
        return Page(kept, {}, {}, paths)
    texts = {
        entry.sequence: await log.disclose(tx, entry) for entry in kept if "private" in entry.read()
    }
    disclosed = {sequence: one for sequence, one in texts.items() if one is not None}
    return Page(kept, await shapes.find_names(tx, kept), disclosed, paths)
